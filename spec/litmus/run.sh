#!/usr/bin/env bash
# run.sh [--require]: the orders of spec/LAYOUT.md under the memory models of AArch64 and of C11.
#
# Prints one line per test with its verdict, which README.md explains; fails on a wrong one.
#   --require  fail when cargo is missing, instead of saying so and ending well
set -euo pipefail
cd "$(dirname "$0")"

echo '== AArch64: every execution that its axioms allow'
python3 aarch64.py aarch64/*.litmus

echo
echo '== AArch64: herd7'
if command -v herd7 >/dev/null; then
	for file in aarch64/*.litmus; do
		want=$(sed -n 's/^"\([a-z]*\): .*/\1/p' "$file")
		seen=$(herd7 "$file" | grep '^Observation')
		case $seen in
		*Never*) got=forbidden ;;
		*) got=allowed ;;
		esac
		printf '%-36s %s\n' "$(basename "$file" .litmus)" "$got"
		[ "$got" = "$want" ] || { echo "WRONG: expected $want"; exit 1; }
	done
else
	echo 'NOT CHECKED, no herd7 on PATH (opam install herdtools7)'
fi

echo
echo '== C11: loom'
if ! command -v cargo >/dev/null; then
	echo 'NOT CHECKED, no cargo on PATH (Rust 1.85 or later)'
	[ "${1:-}" != --require ]
	exit
fi
CARGO_TARGET_DIR=$PWD/../../build/litmus cargo test --quiet --release --locked --lib -- --format=pretty
