#!/usr/bin/env bash
# Format Go, Python and C in place.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
. scripts/sources.sh

go_folders | xargs gofmt -w
ruff format -q .
c_sources | xargs clang-format -i
