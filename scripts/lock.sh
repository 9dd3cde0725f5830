#!/usr/bin/env bash
# Pin the newest versions of the tools of development and of GPU tests, and of the benchmarks.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

pin() {
	uv pip compile -q --universal --upgrade --python-version 3.11 --no-header --no-emit-index-url --no-annotate "$@"
}

pin --group dev -o requirements-dev.txt
pin --group gpu -o requirements-gpu.txt
pin bench/requirements.in -o bench/requirements.txt
pin bench/peers/python/requirements.in -o bench/peers/python/requirements.txt
