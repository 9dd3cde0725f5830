#!/usr/bin/env bash
# build/gpu: a Python with the packages that judge GPU rings (requirements-gpu.txt; 96 MB to fetch,
# 312 MB on disk). Again only when the pins or the interpreter change.
set -euo pipefail
cd "$(dirname "$0")/.."
env=build/gpu
mkdir -p build
exec 9>build/gpu.lock
flock 9

want="$(.venv/bin/python -VV) $(cat requirements-gpu.txt)"
if [ "$(cat $env/pins 2>/dev/null)" = "$want" ]; then exit; fi

rm -rf $env
.venv/bin/python -m venv --without-pip $env
errors=$(.venv/bin/uv pip install -q --python $env/bin/python -r requirements-gpu.txt 2>&1) ||
	errors=$(.venv/bin/pip --python $env/bin/python install -q --disable-pip-version-check -r requirements-gpu.txt 2>&1) || {
	echo "$errors" >&2
	echo "the packages of requirements-gpu.txt could not be installed (no network?): tests that need them are skipped" >&2
	exit 1
}
printf '%s' "$want" >$env/pins
