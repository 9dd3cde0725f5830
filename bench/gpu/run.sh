#!/usr/bin/env bash
# What a message costs the processor, in host memory and for a GPU, with a driver whose calls cost
# nothing: ns in Go, both sides in one goroutine, and how much of it two crossings into C are.
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
