// Package cuda makes and joins rings with payloads in the memory of a CUDA device, or in pinned
// host memory that devices reach over the bus.
//
// A GPU ring is a [goring.Ring] in every respect but its payloads: names, seats, waiting and the
// death of participants are the same.
//
//	r, err := goring.Create("frames", layout.Bytes(1<<20), cuda.Device(0))
//	p, err := cuda.NewProducer(r)
//	s, err := p.Reserve(ctx)
//	err = s.CopyFromHost(frame, 0)
//	err = s.CommitOn(0)
//
// Messages are written and read on CUDA streams and handed on without waiting for the device: the
// stream of the next owner of a slot waits instead.
//
// The driver is found with dlopen at the first use: nothing is linked, and machines without a GPU
// pay nothing. Without cgo, or with the build tag goring_nocuda, every call fails with
// ErrUnavailable.
//
// Attributes of the driver do not tell whether device memory can be shared between processes, so
// the first ring that a process makes on a device tries it in a child process: this program is
// started with the variable GORING_CUDA_PROBE set, and this package ends that child before its
// main function. GORING_CUDA_PROBE=off leaves that out.
package cuda

import (
	"fmt"

	"example.com/goring/goring"
	"example.com/goring/internal/config"
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

// The kinds of memory, for [Memory].
const (
	// InDevice is memory of the device, shared by its IPC handle.
	InDevice = layout.MemoryIPC
	// InHost is pinned memory of the host, which devices reach over the bus.
	InHost = layout.MemoryHost
)

// The kinds of synchronisation, for [Sync].
const (
	// Timeline makes streams wait for streams.
	Timeline = layout.SyncTimeline
	// HostSync makes the host wait for its stream before it hands a slot on.
	HostSync = layout.SyncHost
)

// Error is a refusal of the CUDA driver, in its own words.
type Error = cudadrv.Error

var (
	// ErrUnavailable: no driver or no device, or a program built without cgo. Rings in host memory
	// are not concerned.
	ErrUnavailable = cudadrv.ErrUnavailable
	// ErrWrongDevice: the ring's device is not among those of this process.
	ErrWrongDevice = cudadrv.ErrDevice
	// ErrVoided: the producer died before the message's payload had arrived; the bytes that were
	// read are not to be used.
	ErrVoided = cudadrv.ErrVoided
	// ErrForked: a forked child of a process that had loaded the driver.
	ErrForked = cudadrv.ErrForked
	// ErrExporterGone is [goring.ErrExporterGone].
	ErrExporterGone = goring.ErrExporterGone
)

// Device makes a ring with payloads in the memory of the CUDA device of that ordinal, shared with
// other processes without touching the host. The process that makes it owns the memory: it must
// outlive the others (see [goring.Ring.Close]), or leave that to `goring gpu-hold`. [goring.Create]
// then also fails with ErrUnavailable, ErrWrongDevice, goring.ErrNoSpace, goring.ErrUnsupported
// where memory cannot be shared, or an [Error].
func Device(ordinal int) goring.Option {
	return func(c *config.Config) {
		c.Note("cuda.Device", config.ForCreate)
		e := exportOf(c)
		e.wanted, e.ordinal = true, ordinal
	}
}

// Memory sets where the payloads of a ring made with [Device] are: [InDevice], the default, or
// [InHost]. The latter works where CUDA shares no device memory between processes (WSL2, Jetson,
// MIG), and no process owns it.
func Memory(m layout.Memory) goring.Option {
	return func(c *config.Config) {
		c.Note("cuda.Memory", config.ForCreate)
		exportOf(c).memory = m
	}
}

// Sync sets how participants of a ring made with [Device] wait for each other's device work:
// [Timeline], the default where it works, or [HostSync].
func Sync(s layout.Sync) goring.Option {
	return func(c *config.Config) {
		c.Note("cuda.Sync", config.ForCreate)
		e := exportOf(c)
		e.sync, e.syncChosen = s, true
	}
}

// ProbeWith sets the command that loads this library in a child process, to try whether
// device memory can be shared. It is for bindings of other languages; without it the program
// itself is started and ends before its main function.
func ProbeWith(command ...string) goring.Option {
	return func(c *config.Config) {
		c.Note("cuda.ProbeWith", config.ForCreate)
		exportOf(c).prober = command
	}
}

// OnStream sets the stream that a participant of a GPU ring works on when a call does not
// name one; [LegacyStream] without it, on which CUDA libraries work by default.
func OnStream(s Stream) goring.Option {
	return func(c *config.Config) {
		c.Note("cuda.OnStream", config.ForGPUJoin)
		c.Stream = uintptr(s)
	}
}

func notOnGPU(r *goring.Ring) error {
	return fmt.Errorf("ring %q is in host memory; a ring for a GPU is made with the option cuda.Device: %w", r.Name(), goring.ErrUnsupported)
}
