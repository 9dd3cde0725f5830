package cudadrv

import (
	"bytes"
	"os"
	"testing"
)

// The data plane of Python has the device steps from the same text: cgo sees no files of
// other folders.
func TestTheCopyForPythonIsTheSame(t *testing.T) {
	ours, err := os.ReadFile("gpu.h")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := os.ReadFile("../../pybridge/fast/goring_gpu.h")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(ours, theirs) {
		t.Error("goring_gpu.h is stale: run `go generate ./internal/cudadrv`")
	}
}
