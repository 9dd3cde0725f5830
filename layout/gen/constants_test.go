package main

import (
	"go/constant"
	"go/token"
	"go/types"
	"testing"
)

func TestNamesInCAndPython(t *testing.T) {
	for name, want := range map[string]string{
		"Major": "MAJOR", "OffROCompat": "OFF_RO_COMPAT", "OffGPUOff": "OFF_GPU_OFF", "OffCRC": "OFF_CRC",
		"TensorDType": "TENSOR_DTYPE", "TensorNDim": "TENSOR_NDIM", "StateFree": "FREE", "SyncHost": "GPU_SYNC_HOST",
		"MemoryIPC": "GPU_MEMORY_IPC", "GPUOffExporter": "GPU_OFF_EXPORTER_PID", "FDResults": "FD_RESULTS",
		"CodeCUDAUnavailable": "CODE_CUDA_UNAVAILABLE", "WaitSliceNS": "WAIT_SLICE_NS",
	} {
		c := types.NewConst(token.NoPos, nil, name, types.Typ[types.UntypedInt], constant.MakeInt64(0))
		if got := sharedName(c); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

func TestNoTwoConstantsShareAName(t *testing.T) {
	groups, err := readGroups("..")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, g := range groups {
		if g.title == "" && len(g.constants) > 0 {
			t.Errorf("the constants from %s on have no doc comment", g.constants[0].name)
		}
		for _, c := range g.constants {
			if seen[c.name] {
				t.Errorf("two constants are called %s", c.name)
			}
			seen[c.name] = true
		}
	}
}
