#!/usr/bin/env bash
# The pool beside gRPC, HTTP and pipes. Makes an environment of its own; arguments go to the program.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/env.sh
venv=build/bench-pool
[ -x $venv/bin/uvicorn ] || { python -m venv $venv && $venv/bin/pip install -q -r bench/pool/requirements.txt numpy msgspec; }
mkdir -p bench/results
cd bench/pool
PYTHONPATH=$PWD/../../pybridge/python go run . -python "$PWD/../../$venv/bin/python" -json ../results/pool.json "$@"
