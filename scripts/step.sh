# shellcheck shell=bash
# Sourced: `step HEADING COMMAND...` prints what runs and how long it took.
step() {
	printf '\n== %s\n' "$1"
	shift
	local start=$SECONDS
	"$@" # under set -e: a failure ends the script here
	printf -- '-- %d s\n' $((SECONDS - start))
}
