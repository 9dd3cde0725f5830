//go:build !cgo || !linux || goring_nocuda

package cudadrv

import "fmt"

// GPU is the memory of a GPU ring; in this build there is none.
type GPU struct{}

func unavailable() error {
	return fmt.Errorf("%w: this program was built without cgo", ErrUnavailable)
}

// Ready reports why CUDA cannot be used, or nil.
func Ready() error { return unavailable() }

// Devices returns the devices that this process sees.
func Devices() ([]Device, error) { return nil, unavailable() }

// Version returns the driver's version.
func Version() (int, error) { return 0, unavailable() }

// Alloc makes zeroed device memory and its handle.
func Alloc(*OpenParams) error { return unavailable() }

// Free frees an allocation of Alloc.
func Free(OpenParams) error { return unavailable() }

// Probe opens a handle in this process.
func Probe([64]byte, [16]byte, byte) error { return unavailable() }

// TakeByte returns and clears the first byte of an allocation.
func TakeByte(OpenParams) (byte, error) { return 0, unavailable() }

// Open opens the memory of a ring.
func Open(OpenParams) (*GPU, error) { return nil, unavailable() }

// There is no GPU here, so that none of these is ever called.

func (*GPU) Address() uintptr                                          { return 0 }
func (*GPU) Reference()                                                {}
func (*GPU) Release()                                                  {}
func (*GPU) References() int                                           { return 0 }
func (*GPU) Abandon()                                                  {}
func (*GPU) Slot(uint64) uint64                                        { return 0 }
func (*GPU) AllowWrite(Stream, uint64, uint64) error                   { return unavailable() }
func (*GPU) CopyIn(Stream, uint64, uint64, []byte) error               { return unavailable() }
func (*GPU) CopyInDevice(Stream, uint64, uint64, uint64, uint64) error { return unavailable() }
func (*GPU) Commit(Stream, uint64, int) error                          { return unavailable() }
func (*GPU) Write(Stream, uint64, uint64, int, []byte) error           { return unavailable() }
func (*GPU) AllowRead(Stream, uint64, uint64) error                    { return unavailable() }
func (*GPU) CopyOut(Stream, uint64, uint64, []byte) error              { return unavailable() }
func (*GPU) ReleaseSlot(Stream, uint64, int) error                     { return unavailable() }
func (*GPU) Advance(Stream, uint64, int, uint64) error                 { return unavailable() }
func (*GPU) Order(Stream, Stream) error                                { return unavailable() }
func (*GPU) Synchronize(Stream) error                                  { return unavailable() }
func (*GPU) Arrived(uint64) error                                      { return unavailable() }
func (*GPU) Vacated(uint64, uint64) error                              { return unavailable() }
func (*GPU) Drain(int)                                                 {}
func (*GPU) Poison() error                                             { return nil }
func (*GPU) NewStream() (Stream, error)                                { return 0, unavailable() }
func (*GPU) DestroyStream(Stream) error                                { return unavailable() }
