#!/usr/bin/env bash
# move_module.sh NEWPATH: give the Go module another path, such as github.com/you/goring.
#
# Replaces the path that go.mod has now in every text file of the tree, and sorts the imports that
# it stands among. Generated folders are left out: make build writes them anew.
set -euo pipefail
cd "$(dirname "$0")/.."

new=${1:-}
if ! [[ $new =~ ^[a-z0-9-]+(\.[a-z0-9-]+)+(/[A-Za-z0-9._~-]+)+$ ]]; then
	echo "usage: scripts/move_module.sh NEWPATH, such as github.com/you/goring; got '$new'" >&2
	exit 2
fi
old=$(sed -n 's/^module //p' go.mod)
skip=(--exclude-dir=.git --exclude-dir=.venv --exclude-dir=build --exclude-dir=_native --exclude-dir=results)

mapfile -d '' files < <(grep -rIlZF "${skip[@]}" -e "$old" .)
sed -i -E "s|${old//./\\.}([^A-Za-z0-9_-]\|\$)|$new\1|g" "${files[@]}"

go=()
for file in "${files[@]}"; do
	if [[ $file == *.go ]]; then go+=("$file"); fi
done
gofmt -w "${go[@]}"
echo "$old is now $new in ${#files[@]} files; README.md says how to use a placeholder path: edit that section"
