#!/usr/bin/env bash
# demo.sh [IMAGES [SECONDS]]: the pictures example and the HTTP service, by default on the
# photographs in scikit-image's wheel.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

images=${1:-$(python -c 'import pathlib, skimage; print(pathlib.Path(skimage.__file__).parent / "data")')}
python=$PWD/.venv/bin/python

echo 'Frames from Go to two Python workers and back, every one verified:'
go run ./examples/pictures -images "$images" -seconds "${2:-5}" -python "$python"
echo
echo 'The same photographs through an HTTP service in Go with Python workers:'
go run ./examples/service -demo -images "$images" -seconds "${2:-5}" -python "$python"
