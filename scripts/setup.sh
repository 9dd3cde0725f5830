#!/usr/bin/env bash
# Check the machine, make .venv and install the pinned tools and this tree into it.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

fail() { echo "goring: $1" >&2; exit 1; }

command -v "$python" >/dev/null ||
	fail "no $python on PATH: install Python 3.11 or newer (Debian, Ubuntu: apt install python3-dev python3-venv)"
"$python" scripts/toolchain.py

if [ ! -x .venv/bin/python ] && ! "$python" -m venv .venv >/dev/null 2>&1; then
	# Without ensurepip (Debian splits it off) venv fails; uv needs none, and pip can install uv
	# alone.
	rm -rf .venv
	"$python" -m pip install -q --disable-pip-version-check --target .tools uv ||
		fail "$python has neither ensurepip nor pip: install one (Debian, Ubuntu: apt install python3-venv)"
	.tools/bin/uv venv -q --no-python-downloads --python "$(command -v "$python")" .venv
fi

if [ -x .venv/bin/pip ]; then
	pip() { .venv/bin/pip install -q --disable-pip-version-check "$@"; }
else
	pip() { .tools/bin/uv pip install -q --python .venv/bin/python "$@"; }
fi
echo "installing the development tools into .venv"
pip -r requirements-dev.txt
echo "building the Python package"
pip --no-deps --no-build-isolation -e .
