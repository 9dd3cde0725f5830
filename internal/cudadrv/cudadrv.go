// Package cudadrv is the part of the CUDA driver that GPU rings need. It is found with dlopen at
// the first use, so that nothing is linked and machines without a GPU pay nothing. The package
// allocates or opens the memory of a ring and makes the device steps of the protocol
// (goring/gpu.h, spec/LAYOUT.md section 11), one crossing into C each.
//
// A build without cgo, or with the tag goring_nocuda, has the same functions, which all
// answer ErrUnavailable.
package cudadrv

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"example.com/goring/layout"
)

var (
	// ErrUnavailable: this process has no CUDA driver or no device.
	ErrUnavailable = errors.New("CUDA is not available")
	// ErrDevice: none of this process's devices has that UUID or ordinal.
	ErrDevice = errors.New("no such CUDA device in this process")
	// ErrVoided: the producer died before the payload had arrived.
	ErrVoided = errors.New("the producer died before the message's payload had arrived")
	// ErrForked: a child of a process that had loaded the driver, which does not survive fork.
	ErrForked = errors.New("the CUDA driver was loaded before fork")
)

// Error is a refusal of the driver.
type Error struct {
	Op   string // the driver's function, or the step
	Code int    // CUresult
	Name string // CUDA_ERROR_...
	Text string // the driver's own words
	Hint string // the remedy, or ""
}

// Error returns the failed step, CUDA's words for the error, and the remedy.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s: %s (%d, %s)", e.Op, e.Name, e.Code, e.Text)
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

// Is makes errors that mean there is nothing to use match ErrUnavailable.
func (e *Error) Is(target error) bool {
	return target == ErrUnavailable && (e.Code == errorNoDevice || e.Code == errorStubLibrary)
}

// Codes of CUresult that are treated in a way of their own.
const (
	errorOutOfMemory    = 2
	errorNotInitialized = 3
	errorStubLibrary    = 34
	errorNoDevice       = 100
	errorNotSupported   = 801
)

// OutOfMemory reports whether the device has not the memory that was asked for.
func (e *Error) OutOfMemory() bool { return e.Code == errorOutOfMemory }

// Device is a device that this process sees.
type Device struct {
	Ordinal int
	UUID    [16]byte
	Name    string
}

// OpenParams describes the memory that Open opens. The segment has been checked.
type OpenParams struct {
	FD         int // a description of its own, which the GPU closes
	Ordinal    int
	Memory     uint32 // as in the GPU block
	Sync       uint32
	Create     bool // try whether streams write to the cells, since attributes may be wrong
	Queue      bool
	Slots      uint64
	DoneCells  uint64 // consumers' cells in broadcast
	Stride     uint64
	Bytes      uint64 // of device memory
	GPUOff     uint64
	GPUSize    uint64
	DataOff    uint64 // 0: the payload is in device memory
	Handle     [64]byte
	Allocation uint64 // this process's own device pointer, or 0
}

// Stream is a CUDA stream of this process, a CUstream.
type Stream uintptr

// The default streams, by the handles that the driver has for them.
const (
	LegacyStream    Stream = 1
	PerThreadStream Stream = 2
)

// OnWSL reports whether this is Linux under Windows, where the driver lacks some functions.
func OnWSL() bool {
	b, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.Contains(strings.ToLower(string(b)), "microsoft")
}

// Find returns the device with that UUID.
func Find(uuid [16]byte) (Device, error) {
	devices, err := Devices()
	if err != nil {
		return Device{}, err
	}
	var own []string
	for _, d := range devices {
		if d.UUID == uuid {
			return d, nil
		}
		own = append(own, fmt.Sprintf("%d %s (%s)", d.Ordinal, layout.DeviceUUID(d.UUID), d.Name))
	}
	return Device{}, fmt.Errorf("%s is not among %s; CUDA_VISIBLE_DEVICES is %q: %w", layout.DeviceUUID(uuid), strings.Join(own, ", "), os.Getenv("CUDA_VISIBLE_DEVICES"), ErrDevice)
}

// At returns the device of that ordinal.
func At(ordinal int) (Device, error) {
	devices, err := Devices()
	if err != nil {
		return Device{}, err
	}
	if ordinal < 0 || ordinal >= len(devices) {
		return Device{}, fmt.Errorf("device %d, this process has %d: %w", ordinal, len(devices), ErrDevice)
	}
	return devices[ordinal], nil
}
