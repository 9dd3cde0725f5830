package goring

import (
	"errors"
	"fmt"

	"example.com/goring/internal/cudadrv"
	"example.com/goring/layout"
)

// Stream is a CUDA stream of this process: a CUstream, as CUDA libraries hand it out. 0
// stands for the participant's own, see [OnStream].
type Stream = cudadrv.Stream

// The default streams, by the driver's handles for them.
const (
	LegacyStream    = cudadrv.LegacyStream
	PerThreadStream = cudadrv.PerThreadStream
)

// CUDAError is a refusal of the CUDA driver, in its own words.
type CUDAError = cudadrv.Error

var (
	// ErrCUDAUnavailable: no driver or no device, or a program built without cgo. Other
	// rings are not concerned.
	ErrCUDAUnavailable = cudadrv.ErrUnavailable
	// ErrWrongDevice: the ring's device is not among those of this process.
	ErrWrongDevice = cudadrv.ErrDevice
	// ErrVoided: the producer died before the message's payload had arrived; what was read
	// of it is not to be used.
	ErrVoided = cudadrv.ErrVoided
	// ErrForked: a forked child of a process that had loaded the driver.
	ErrForked = cudadrv.ErrForked
	// ErrExporterGone: the process that owns the ring's device memory died or is closing.
	// What was published is drained; then the ring is to be made anew.
	ErrExporterGone = errors.New("the owner of the ring's device memory is gone")
)

// cuda is what options say about GPU rings.
type cuda struct {
	wanted bool
	device int
	memory layout.Memory // 0: device memory
	sync   layout.Sync
	chosen bool // sync was
	stream Stream
	prober []string
}

// CUDA makes a ring whose payloads are in the memory of the CUDA device of that ordinal,
// shared with other processes without touching the host. The process that makes it owns the
// memory: it must outlive the others (see Ring.Close), or leave that to `goring gpu-hold`.
// Create fails with ErrCUDAUnavailable, ErrWrongDevice, ErrNoSpace or a [CUDAError].
//
// Messages are written and read through [Slot.DevicePtr], [Slot.CopyFromHost],
// [Message.DevicePtr] and [Message.CopyToHost] on CUDA streams, and handed on with
// [Slot.CommitOn] and [Message.ReleaseOn] without waiting for the device: whoever gets the
// slot next has his stream wait.
func CUDA(device int) Option {
	return func(c *config) { c.note("CUDA", forCreate); c.cuda.wanted, c.cuda.device = true, device }
}

// CUDAMemory says where the payloads of a ring made with [CUDA] are: layout.MemoryIPC, the
// default, or layout.MemoryHost, pinned memory of the host, which devices reach over the bus.
// The latter works where CUDA shares no device memory between processes (WSL2, Jetson, MIG),
// and nobody owns it.
func CUDAMemory(m layout.Memory) Option {
	return func(c *config) { c.note("CUDAMemory", forCreate); c.cuda.memory = m }
}

// CUDASync says how participants of a ring made with [CUDA] wait for each other's device
// work: layout.SyncTimeline, streams wait for streams, or layout.SyncHost, the host waits
// for its stream before it hands a slot on. Without it the timeline where it works.
func CUDASync(s layout.Sync) Option {
	return func(c *config) { c.note("CUDASync", forCreate); c.cuda.sync, c.cuda.chosen = s, true }
}

// OnStream sets the stream that a participant of a GPU ring works on when a call does not
// name one; [LegacyStream] without it, on which CUDA libraries work by default.
func OnStream(s Stream) Option {
	return func(c *config) { c.note("OnStream", forJoin); c.cuda.stream = s }
}

// settleCUDA completes the plan with what the options say about CUDA.
func (c *config) settleCUDA() error {
	if !c.cuda.wanted {
		if c.cuda.memory != 0 || c.cuda.chosen {
			return fmt.Errorf("CUDAMemory and CUDASync go with CUDA: %w", ErrOption)
		}
		return nil
	}
	if c.cuda.memory == 0 {
		c.cuda.memory = layout.MemoryIPC
	}
	c.plan.Memory = c.cuda.memory
	return nil
}

// GPUInfo is what a GPU ring has beside other rings.
type GPUInfo struct {
	Memory layout.Memory
	Sync   layout.Sync
	Device string // UUID of the device whose memory it is, as nvidia-smi writes it
	Gone   bool   // the owner of device memory died or is closing: nobody can join any more
}

// GPU says where the payloads of a GPU ring are; false for other rings. It asks no driver.
func (r *Ring) GPU() (GPUInfo, bool) {
	if !r.sb.GPU() {
		return GPUInfo{}, false
	}
	gone := r.gone()
	if r.block.Memory == layout.MemoryIPC && !gone {
		lives, err := r.exporterLives()
		gone = err == nil && !lives
	}
	return GPUInfo{r.block.Memory, r.block.Sync, cudadrv.UUIDText(r.block.Device), gone}, true
}
