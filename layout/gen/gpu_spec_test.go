package main

import (
	"encoding/binary"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// gpuNumbers are the numbers that section 11 states outside its tables of offsets: an expression
// with the numbers as groups, and the names of the constants that must equal them.
var gpuNumbers = []struct {
	says  string
	names []string
}{
	{`\nAt .gpu_off., (\d+) bytes`, []string{"GPU_SIZE"}},
	{`\nAt .gpu_off \+ (\d+)., on a line of its own, .state. u32`, []string{"GPU_OFF_STATE"}},
	{`.gpu_off \+ (\d+). the cells, (\d+) bytes each`, []string{"GPU_OFF_CELLS", "GPU_CELL_SIZE"}},
	{`gpu_size >= (\d+) \+ (\d+) \* cells`, []string{"GPU_OFF_CELLS", "GPU_CELL_SIZE"}},
	{`.data_stride. is a multiple of (\d+)`, []string{"GPU_ALIGN"}},
	{`\| version \| (\d+) \|`, []string{"GPU_VERSION"}},
	{`\| size \| (\d+) \|`, []string{"GPU_SIZE"}},
	{`\| memory \| (\d+) one .cuMemAlloc.[^|]*; (\d+) one VMM[^|]*; (\d+) the segment`, []string{"GPU_MEMORY_IPC", "GPU_MEMORY_VMM", "GPU_MEMORY_HOST"}},
	{`\| sync \| (\d+) host[^|]*; (\d+) timeline`, []string{"GPU_SYNC_HOST", "GPU_SYNC_TIMELINE"}},
	{`holds the lock on byte .2\^62 \+ (\d+).`, []string{"LOCK_EXPORTER"}},
	{`\*read\* lock on byte .2\^62 \+ (\d+).`, []string{"LOCK_IMPORTERS"}},
	{`write lock on byte .2\^62 \+ (\d+).`, []string{"LOCK_IMPORTERS"}},
}

func TestGPUConstantsAreThoseOfTheSpec(t *testing.T) {
	gpu := section(t, readSpec(t), "## 11. GPU rings", "## 12. Promises")
	block, rest, _ := strings.Cut(gpu, "`state` u32")
	cells, _, _ := strings.Cut(rest, "### Handing on")
	_, block, _ = strings.Cut(block, "| 4 | u16 | version") // the field at 0 has no constant for its offset
	rows := checkOffsets(t, "\n| 4 | u16 | version"+block, "GPU_OFF_") + checkOffsets(t, cells, "GPU_CELL_")
	if want := 12 + 4; rows != want {
		t.Errorf("the tables of section 11 have %d rows, want %d", rows, want)
	}
	values := constants(t)
	for _, n := range gpuNumbers {
		m := regexp.MustCompile(n.says).FindStringSubmatch(gpu)
		if m == nil {
			t.Errorf("section 11 does not say %q", n.says)
			continue
		}
		for i, name := range n.names {
			if strconv.FormatUint(values[name], 10) != m[i+1] {
				t.Errorf("%s is %d, section 11 says %s", name, values[name], m[i+1])
			}
		}
	}
	for _, c := range []struct {
		says, name string
		value      uint64
	}{
		{"| 0 | u32 | magic | `GPUS` |", "GPU_MAGIC", uint64(binary.LittleEndian.Uint32([]byte("GPUS")))},
		{"**1a.** wait 100 ms", "GPU_GRACE_NS", 100_000_000},
		{"bit 0 *gone*", "GPU_GONE", 1 << 0},
		{"bit 1 *early*", "GPU_EARLY", 1 << 1},
	} {
		if !strings.Contains(gpu, c.says) || values[c.name] != c.value {
			t.Errorf("%s is %d, section 11 must say %q", c.name, values[c.name], c.says)
		}
	}
}
