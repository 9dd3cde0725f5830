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

func TestUUIDText(t *testing.T) {
	u := [16]byte{0xc0, 0xc7, 0xce, 0xd5, 0xdc, 0xe3, 0xea, 0xf1, 0xf8, 0xff, 6, 0xd, 0x14, 0x1b, 0x22, 0x29}
	if got := UUIDText(u); got != "GPU-c0c7ced5-dce3-eaf1-f8ff-060d141b2229" {
		t.Error(got)
	}
}
