#!/usr/bin/env bash
# The pool beside gRPC, HTTP and pipes, in the environment of the peers, with the arguments given.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/env.sh
venv=build/bench/peers
PYTHONPATH=bench python -m suite.programs "$PWD/$venv"
mkdir -p bench/results
cd bench/pool
PYTHONPATH=$PWD/../../pybridge/python go run . -python "$PWD/../../$venv/bin/python" -json ../results/pool.json "$@"
