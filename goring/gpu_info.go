package goring

import (
	"errors"

	"example.com/goring/internal/shm"
	"example.com/goring/layout"
)

// ErrExporterGone: the process that owns the ring's device memory died or is closing.
// Published messages are drained; then the ring is to be made anew.
var ErrExporterGone = errors.New("the owner of the ring's device memory is gone")

// GPUInfo describes the payload memory of a GPU ring.
type GPUInfo struct {
	Memory layout.Memory
	Sync   layout.Sync
	Device string // UUID of the device that has the memory, as nvidia-smi writes it
	Gone   bool   // the owner of device memory died or is closing: no process can join any more
}

// GPU describes where the payloads of a GPU ring are; it reports false for other rings. It needs
// no driver.
func (r *Ring) GPU() (GPUInfo, bool) {
	if !r.sb.GPU() {
		return GPUInfo{}, false
	}
	gone := true // a closed handle joins nothing
	if r.acquire() == nil {
		defer func() { _ = r.release() }()
		gone = r.proto.Gone()
		if r.block.Memory == layout.MemoryIPC && !gone {
			lives, err := shm.Locked(r.fd, layout.LockBase+layout.LockExporter)
			gone = err == nil && !lives
		}
	}
	return GPUInfo{r.block.Memory, r.block.Sync, layout.DeviceUUID(r.block.Device), gone}, true
}
