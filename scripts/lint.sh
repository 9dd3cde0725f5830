#!/usr/bin/env bash
# Formatters, linters and type checkers over Go and Python.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
. scripts/step.sh

formatted() {
	local ugly
	ugly=$({ go list -f '{{.Dir}}' ./...; echo bench/peers/go; echo bench/pool; } | xargs gofmt -l)
	[ -z "$ugly" ] || { printf 'not formatted, run gofmt -w:\n%s\n' "$ugly"; return 1; }
}

step "gofmt" formatted
step "go mod tidy" go mod tidy -diff
step "go vet" go vet ./...
step "staticcheck" go tool staticcheck ./...
step "ruff check" ruff check .
step "ruff format" ruff format --check .
step "mypy" mypy
step "pyright" pyright
