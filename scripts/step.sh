# shellcheck shell=bash
# Sourced: `step HEADING COMMAND...` runs a command, and prints the heading and its time.
step() {
	printf '\n== %s\n' "$1"
	shift
	local start=$SECONDS
	"$@" # under set -e: a failure ends the script here
	printf -- '-- %d s\n' $((SECONDS - start))
}
