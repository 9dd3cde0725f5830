#!/usr/bin/env bash
# Go fills frames in GPU memory, Python reads them in place. Without a GPU on an emulated driver.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/env.sh
if gpu=$(python scripts/gpu.py); then
	echo "on $gpu"
else
	echo "there is no GPU here: this runs on an emulated driver, and shows how, not how fast"
	state=$(mktemp -d /dev/shm/goring-gpu-example-XXXXXX)
	trap 'rm -rf "$state"' EXIT
	GORING_LIBCUDA=$(python interop_tests/fakecuda/double.py)
	export GORING_LIBCUDA FAKECUDA_DIR=$state
fi
go run ./examples/gpu "$@"
