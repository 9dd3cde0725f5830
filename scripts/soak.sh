#!/usr/bin/env bash
# soak.sh [MINUTES]: the fault rows for about so long (30), and a report of their figures in
# build/soak/report.txt. The rows that can run long do so in proportion; all run at least once.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
minutes=${1:-30}
# On two cores the rows take a minute that does not grow, and another one per unit of GORING_SOAK.
GORING_SOAK=$((minutes > 1 ? minutes - 1 : 1))
export GORING_SOAK
mkdir -p build/soak
report=build/soak/report.txt

{
	echo "goring $(git describe --always --dirty 2>/dev/null || echo unknown), $(date -u +%Y-%m-%dT%H:%MZ), $minutes min"
	echo "$(uname -sr), $(nproc) cores, $(go version | cut -d' ' -f3), $(python -V)"
} >"$report"

failed=0
echo "goroutines (goring/faults_test.go)"
go test -count=1 -v -timeout 0 -run '^TestRow' ./goring >build/soak/go.log 2>&1 || failed=1
grep -E '^ +faults_test.go|^--- |^FAIL' build/soak/go.log | sed 's/^ *faults_test.go:[0-9]*: /        /' | tee -a "$report"
echo "processes (interop_tests/faults)"
pytest -q -p no:cacheprovider interop_tests/faults | tee build/soak/pytest.log || failed=1
sed -n '/^fault rows/,$p' build/soak/pytest.log >>"$report"
echo "written to $report"
exit $failed
