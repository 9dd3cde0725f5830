#!/usr/bin/env bash
# Build a wheel for every CPython from 3.11 on, and try each in an empty environment that holds only
# the wheel and its dependencies: at the newest versions, and at the oldest that it allows.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/step.sh
export UV_PYTHON_DOWNLOADS=never
uv=$PWD/.venv/bin/uv
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

try() { # INTERPRETER WHEEL RESOLUTION
	"$uv" venv -q --clear --python "$1" "$room/venv"
	"$uv" pip install -q --python "$room/venv/bin/python" --resolution "$3" "$2"
	(cd "$room" && venv/bin/python "$OLDPWD/scripts/smoke.py")
}

rm -rf dist build/lib.* build/bdist.* # or a module removed since would come along
for python in $(.venv/bin/python scripts/interpreters.py); do
	tag=$("$python" -c 'import sys; print("cp%d%d" % sys.version_info[:2])')
	if ! compgen -G "dist/goring-*-$tag-*.whl" >/dev/null; then
		step "$tag: build with $python" "$uv" build -q --wheel --python "$python" --out-dir dist
	fi
	wheel=$(echo dist/goring-*-"$tag"-*.whl)
	step "$tag: try in $python" try "$python" "$PWD/$wheel" highest
	step "$tag: try with the oldest dependencies" try "$python" "$PWD/$wheel" lowest-direct
done
ls -l dist
