#!/usr/bin/env bash
# Formatters, linters and type checkers over Go, C, Python, shell scripts and texts.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
. scripts/step.sh
. scripts/sources.sh

go_formatted() {
	local ugly
	ugly=$(go_folders | xargs gofmt -l)
	[ -z "$ugly" ] || { printf 'not formatted, run make format:\n%s\n' "$ugly"; return 1; }
}

misspelled() { texts | xargs go tool misspell -error; }

step "gofmt" go_formatted
step "go mod tidy" go mod tidy -diff
step "go vet" go vet ./...
step "staticcheck" go tool staticcheck ./...
step "exhaustive" go tool exhaustive -typeonly '/(layout\.Mode|proto\.Discipline)$' ./layout ./internal/... ./goring/... ./cmd/...
step "ruff check" ruff check .
step "ruff format" ruff format --check .
step "mypy" mypy
step "pyright" pyright
# shellcheck disable=SC2046 # one word per file
step "shellcheck" shellcheck -x $(shell_sources)
step "misspell" misspelled
