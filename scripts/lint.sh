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

c_formatted() { c_sources | xargs clang-format --dry-run --Werror; }

# Lints every C file that ships with the flags that cgo gives it.
c_linted() {
	local flags out
	eval "flags=($CGO_CFLAGS)"
	mkdir -p build
	printf '%s\n' -std=gnu11 "-I$PWD/include" "${flags[@]}" >build/compile_flags.txt
	out=$(c_product | xargs -P "$(nproc)" -n 2 clang-tidy --quiet -p build 2>&1) || { echo "$out"; return 1; }
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
step "clang-format" c_formatted
step "clang-tidy" c_linted
# shellcheck disable=SC2046 # one word per file
step "shellcheck" shellcheck -x $(shell_sources)
step "misspell" misspelled
