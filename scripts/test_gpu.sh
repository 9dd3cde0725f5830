#!/usr/bin/env bash
# The tests of GPU rings on the GPU of this machine, and a record of the results:
# build/test-gpu/record.json. Without a GPU one line; `make test` runs them on an emulated driver.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
out=build/test-gpu
mkdir -p $out
if ! gpu=$(python scripts/gpu.py); then
	echo "no GPU here: nothing was tested (make test runs the same tests on an emulated driver)"
	exit
fi
echo "on $gpu"
export GORING_TEST_GPU=1
status=0
go test ./goring ./cmd/goring -run 'GPU|Pinned|HostSync|Void|Shutdown' 2>&1 | tee $out/go.txt || status=1
timeout 400 pytest -q interop_tests/gpu --junitxml=$out/pytest.xml || status=1
go run ./bench/gpu >$out/figures.json || status=1
python - "$gpu" $status <<'PY'
import datetime, json, pathlib, sys, xml.etree.ElementTree as tree

out = pathlib.Path("build/test-gpu")
suite = tree.parse(out / "pytest.xml").getroot().find("testsuite")
record = json.loads(sys.argv[1]) | {
    "date": datetime.date.today().isoformat(),
    "passed": sys.argv[2] == "0",
    "pytest": {k: int(suite.get(k)) for k in ("tests", "failures", "errors", "skipped")},
    "go": (out / "go.txt").read_text().splitlines(),
    "figures": json.loads((out / "figures.json").read_text() or "null"),
}
(out / "record.json").write_text(json.dumps(record, indent=2) + "\n")
print(json.dumps(record, indent=2))
PY
exit $status
