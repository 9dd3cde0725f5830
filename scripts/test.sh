#!/usr/bin/env bash
# Everything that must hold before a change lands.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
. scripts/step.sh

scripts/lint.sh

# The race detector does not see through a mapping: it watches the ring's logic over heap memory.
# Tests over real segments carry `//go:build !race`.
race=$(go list ./... | grep -vE '/(bench|cmd|examples|internal/house|interop_tests|pybridge)(/|$)')

step "models" spec/models/run.sh
step "go test" go test ./...
# shellcheck disable=SC2086 # one word per package
step "go test -race" go test -race $race
step "packages of the GPU tests" scripts/gpu_env.sh || true # prints why; pytest lists the skipped tests
step "pytest" pytest -q
