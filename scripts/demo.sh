#!/usr/bin/env bash
# demo.sh [IMAGES [SECONDS]]: the pictures example, by default on the photographs in scikit-image's wheel.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

images=${1:-$(python -c 'import pathlib, skimage; print(pathlib.Path(skimage.__file__).parent / "data")')}
exec go run ./examples/pictures -images "$images" -seconds "${2:-5}" -python .venv/bin/python
