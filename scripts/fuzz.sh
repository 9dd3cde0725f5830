#!/usr/bin/env bash
# fuzz.sh [SECONDS]: every fuzz target of Go, and with clang those of the C data plane, for that
# time each (30). Inputs that fail are kept: Go's in testdata/fuzz, C's in build/fuzz.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
seconds=${1:-30}
mkdir -p build/fuzz

report() { printf '%-34s %12s executions\n' "$1" "$2"; } # TARGET COUNT

for package in layout goring; do
	for target in $(go test -list '^Fuzz' "./$package" | grep '^Fuzz'); do
		log=build/fuzz/$target.log
		# Go's own "context deadline exceeded" at the end of the time is no finding.
		nice go test -run '^$' -fuzz "^$target\$" -fuzztime "${seconds}s" "./$package" >"$log" 2>&1 ||
			{ grep -q 'execs:' "$log" && ! grep -q 'Failing input' "$log"; } || { cat "$log"; exit 1; }
		report "$package/$target" "$(grep -o 'execs: [0-9]*' "$log" | tail -1 | cut -d' ' -f2)"
	done
done

if ! command -v clang >/dev/null; then
	echo 'the C data plane: NOT FUZZED, no clang on PATH (Debian: apt install clang libclang-rt-14-dev)'
	exit
fi
for harness in segment attach; do
	program=build/fuzz/fuzz_$harness log=build/fuzz/$harness.log
	clang -std=gnu11 -O1 -g -I include -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
		-o "$program" "interop_tests/fuzz/fuzz_$harness.c"
	tar -C build/fuzz -xzf "interop_tests/fuzz/corpus/$harness.tar.gz"
	nice "$program" -max_total_time="$seconds" -max_len=300 -timeout=5 -artifact_prefix="build/fuzz/$harness-" \
		"build/fuzz/$harness" >"$log" 2>&1 || { tail -40 "$log"; exit 1; }
	report "c/$harness" "$(grep -o '^Done [0-9]*' "$log" | cut -d' ' -f2)"
done
