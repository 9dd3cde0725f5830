# shellcheck shell=bash
# Sourced from the root of the tree: lists the files that formatters and linters read, one a line.
tracked() {
	git ls-files --cached --others --exclude-standard --deduplicate -- "$@" |
		while read -r file; do if [ -e "$file" ]; then echo "$file"; fi; done
}
go_folders() { go list -f '{{.Dir}}' ./... && echo bench/peers/go && echo bench/pool; } # three modules
c_sources() { tracked '*.c' '*.h'; }
c_product() { tracked 'goring/*.c' 'internal/*.c' 'pybridge/*.c'; }
shell_sources() { tracked '*.sh' .ci/run; }
texts() { tracked ':!*.json' ':!*.svg' ':!*.png' ':!*.gz' ':!*.lock' ':!*go.sum' ':!*/testdata/*'; }
