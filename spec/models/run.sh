#!/usr/bin/env bash
# run.sh [--deep] [--require] [MODEL...]: check the models with spin: the cases of the file `cases`.
#
# One line per case: model, options, states, depth, seconds, verdict. Fails when a model that
# must hold has an error, when a search does not finish, and when a deliberate mistake is not
# caught in the way that the table says. Switches and models come in any order.
#   --deep     also the cases with larger bounds (minutes, up to DEEP_MB of memory each)
#   --require  fail when spin or a C compiler is missing, instead of saying so and ending well
#   JOBS=n     searches at a time (2)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

deep=no require=no models=()
for arg in "$@"; do
	case $arg in
	--deep) deep=yes ;;
	--require) require=yes ;;
	-*) echo "run.sh: unknown switch $arg; known: --deep --require" >&2; exit 2 ;;
	*) models+=("$(basename "$arg" .pml)") ;;
	esac
done

for tool in spin "${CC:=gcc}"; do
	command -v "$tool" >/dev/null && continue
	echo "spec/models: NOT CHECKED, no $tool on PATH (Debian: apt install spin gcc)"
	[ $require = no ]; exit
done

quick_mb=700
deep_mb=${DEEP_MB:-6000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# The table without comments: MODEL WHEN VERDICT OPTION...
table() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$here/cases"; }

wanted() { # MODEL WHEN
	[ $deep = yes ] || [ "$2" = quick ] || return 1
	[ ${#models[@]} -eq 0 ] && return
	local m
	for m in "${models[@]}"; do [ "$m" = "$1" ] && return; done
	return 1
}

# A mistake proves the search only beside the same bounds without it, which must hold.
check_table() {
	local model when verdict options o base bad=0
	declare -A holds=()
	while read -r model when verdict options; do
		[ "$verdict" = holds ] && holds["$model${options:+ $options}"]=$when
	done < <(table)
	while read -r model when verdict options; do
		[ -f "$here/$model.pml" ] || { echo "cases: no model $model"; bad=1; }
		[ "$verdict" = holds ] && continue
		base=
		for o in $options; do [[ $o == M_* ]] || base+=" $o"; done
		case ${holds["$model$base"]:-none} in
		quick | "$when") ;;
		*) echo "cases: $model$base has mistakes to catch, but is not checked without them"; bad=1 ;;
		esac
	done < <(table)
	for model in "${models[@]}"; do
		table | grep "^$model " >/dev/null || { echo "cases: nothing about a model $model"; bad=1; }
	done
	return $bad
}

# Prints the verdict of a search: holds, assertion, deadlock, or why there is none.
verdict_of() { # FOLDER STATUS
	local out=$1/out
	if grep -q 'max search depth too small' "$out"; then echo 'depth too small'
	elif grep -q '^pan:[0-9]*: assertion violated' "$out"; then echo assertion
	elif grep -q '^pan:[0-9]*: invalid end state' "$out"; then echo deadlock
	elif grep -q 'errors: 0$' "$out" && ! grep -q 'Search not completed' "$out"; then echo holds
	elif grep -q 'reached -DMEMLIM' "$out"; then echo 'out of memory'
	else echo "no result, status $2"; fi
}

check() { # NUMBER MODEL WHEN VERDICT OPTION...
	local dir=$work/$1 model=$2 when=$3 want=$4 flags=() mb level got states depth seconds status=0
	shift 4
	mkdir "$dir"
	for o in "$@"; do flags+=("-D$o"); done
	# A small search ends before an optimising compiler does.
	[ "$when" = quick ] && mb=$quick_mb level=-O0 || mb=$deep_mb level=-O2
	cp "$here/"*.pml "$dir"
	if ! (cd "$dir" && spin -a "${flags[@]}" "$model.pml" && nice "$CC" $level -w \
		-DSAFETY -DCOLLAPSE "-DMEMLIM=$mb" -o pan pan.c) >"$dir/build" 2>&1; then
		cat "$dir/build"
		got='does not build'
	else
		(cd "$dir" && nice ./pan -m200000) >"$dir/out" 2>&1 || status=$?
		got=$(verdict_of "$dir" "$status")
	fi
	states=$(grep -oE '[0-9.e+]+ states, stored' "$dir/out" | head -1 | cut -d' ' -f1 || true)
	depth=$(grep -oE 'depth reached [0-9]+' "$dir/out" | cut -d' ' -f3 || true)
	seconds=$(grep -oE 'elapsed time [0-9.]+' "$dir/out" | head -1 | cut -d' ' -f3 || true)
	rm -rf "$dir"
	[ "$want" = holds ] || { [ "$got" = "$want" ] && got="caught: $got"; want="caught: $want"; }
	[ "$got" = "$want" ] || { echo "$model $*" >>"$work/failed"; got="FAILED: $got, must be: $want"; }
	printf '%.0f\n' "${states:-0}" >>"$work/states"
	printf '%-13s %-50s %9.0f %6s %7s  %s\n' "$model" "$*" "${states:-0}" "${depth:-?}" "${seconds:-?}" "$got"
}

check_table
printf '%-13s %-50s %9s %6s %7s  %s\n' model options states depth seconds verdict
number=0
while read -r model when verdict options; do
	wanted "$model" "$when" || continue
	while [ "$(jobs -rp | wc -l)" -ge "${JOBS:-2}" ]; do wait -n || true; done
	number=$((number + 1))
	# shellcheck disable=SC2086 # options are words
	check $number "$model" "$when" "$verdict" $options &
done < <(table)
wait

[ "$(wc -l <"$work/states")" -eq $number ] || { echo "spec/models: a case ended without a verdict"; exit 1; }
total=$(awk '{ n += $1 } END { printf "%.0f", n }' "$work/states")
if [ -e "$work/failed" ]; then
	echo "spec/models: $(wc -l <"$work/failed") of $number cases FAILED:"
	sort "$work/failed"
	exit 1
fi
echo "spec/models: all $number cases as expected, $total states, $SECONDS s"
