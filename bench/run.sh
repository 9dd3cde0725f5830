#!/usr/bin/env bash
# The benchmarks, in an environment of their own: `bench/run.sh own|peers|all [ROUNDS]`.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
venv=build/bench/venv
if ! cmp -s bench/requirements.txt $venv/installed.txt; then
	[ -x $venv/bin/python ] || uv venv -q --python "$(command -v python)" $venv
	uv pip sync -q --python $venv/bin/python bench/requirements.txt
	cp bench/requirements.txt $venv/installed.txt
fi
PYTHONPATH=$PWD/pybridge/python:$PWD/bench exec $venv/bin/python -m suite "$@"
