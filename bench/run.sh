#!/usr/bin/env bash
# The benchmarks, as ratios to a ring in C. `bench/run.sh 5` for five rounds.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
PYTHONPATH=pybridge/python exec python bench/run.py "$@"
