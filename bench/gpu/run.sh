#!/usr/bin/env bash
# The processor time of a message, in host memory and on a GPU ring, with a driver that does
# nothing: ns in Go, both participants in one goroutine, and the part of two crossings into C.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/env.sh
out=build/bench/gpu-cost
mkdir -p $out
"${CC:-cc}" -O2 -Wall -Wextra -fPIC -shared -Wl,-soname,libcuda.so.1 -o $out/libcuda.so.1 bench/gpu/null/libcuda.c
go build -o $out/gpu ./bench/gpu
export GORING_CUDA_PROBE=off GORING_LIBCUDA=$PWD/$out/libcuda.so.1
printf 'host\tGPU\tcrossings\n'
for _ in 1 2 3; do $out/gpu -cost "${1:-300000}"; done
