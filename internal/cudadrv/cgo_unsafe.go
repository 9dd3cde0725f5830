//go:build cgo && linux && !goring_nocuda

package cudadrv

/*
#cgo CFLAGS: -O2 -std=gnu11 -Wall -Wextra -Werror=implicit -I${SRCDIR}/../../include
#cgo LDFLAGS: -ldl -lpthread
#include "cudadrv.h"

static void gpu_reference(gr_gpu *g) { atomic_fetch_add(&g->references, 1); }
static long gpu_references(gr_gpu *g) { return atomic_load(&g->references); }
static void gpu_unreference(gr_gpu *g) { g->unreference(g); }
static int gpu_poison(gr_gpu *g) { return atomic_load(&g->poison); }
static int gpu_stream(gr_gpu *g, gr_stream *s) {
	int error = gr_gpu_enter(g);
	return error ? error : gr_gpu_leave(g, g->cuda->stream_create(s, 1));
}
static int gpu_stream_destroy(gr_gpu *g, gr_stream s) {
	int error = gr_gpu_enter(g);
	return error ? error : gr_gpu_leave(g, g->cuda->stream_destroy(s));
}
*/
import "C"

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unsafe"

	_ "example.com/goring/include/goring" // the headers
)

// check returns the error of a step, nil for 0.
func check(op string, code C.int) error {
	if code == 0 {
		return nil
	}
	return explain(op, int(code), nil)
}

//go:noinline
func explain(op string, code int, errno error) error {
	switch code {
	case C.GR_GPU_VOIDED:
		return ErrVoided
	case C.GR_GPU_FORKED:
		return fmt.Errorf("%s: %w: start the child with exec (Python: the spawn method)", op, ErrForked)
	case C.GR_GPU_LIBRARY, C.GR_GPU_SYMBOL:
		return fmt.Errorf("%w: %s; install NVIDIA's driver (containers: with the NVIDIA container toolkit)", ErrUnavailable, C.GoString(C.cudadrv_why()))
	case C.GR_GPU_SYSTEM:
		return fmt.Errorf("%s: %w", op, errno)
	case C.GR_GPU_SMALLER:
		return fmt.Errorf("%s: the handle opens less memory than the ring says it has", op)
	case C.GR_GPU_MEMOPS:
		return &Error{Op: op, Code: errorNotSupported, Name: "CUDA_ERROR_NOT_SUPPORTED", Text: "streams of this device do not write to and wait for registered memory", Hint: "use host synchronisation (cuda.Sync(cuda.HostSync))"}
	}
	var name, text *C.char
	C.cudadrv_describe(C.int(code), &name, &text)
	e := &Error{Op: op, Code: code, Name: "an unknown error", Text: "no text"}
	if name != nil && text != nil {
		e.Name, e.Text = C.GoString(name), C.GoString(text)
	}
	switch {
	case code == errorNotInitialized:
		e.Hint = "a child of fork cannot use the driver that its parent had loaded: start it with exec (Python: the spawn method)"
	case code == errorNoDevice:
		e.Hint = "is there a GPU, and does CUDA_VISIBLE_DEVICES name one?"
	case strings.HasPrefix(op, "cuIpc"):
		e.Hint = ipcHint()
	case strings.HasPrefix(op, "cuMemHostRegister"):
		e.Hint = "this driver does not pin shared memory; use host synchronisation (cuda.Sync(cuda.HostSync)) and device memory"
	}
	return e
}

func ipcHint() string {
	const instead = "use pinned host memory (cuda.Memory(cuda.InHost)), which has the same functions"
	if OnWSL() {
		return "CUDA under WSL2 shares no device memory between processes; " + instead
	}
	if devices, err := Devices(); err == nil && slices.ContainsFunc(devices, func(d Device) bool { return strings.Contains(d.Name, "MIG") }) {
		return "MIG instances share no device memory; " + instead
	}
	return "has the process that made the ring ended, or is it in another container? " + instead
}

// Ready loads the driver if need be and reports why it cannot be used, or nil.
func Ready() error {
	if err := check("cuInit", C.cudadrv_ready()); err != nil {
		return err
	}
	var n C.int
	if err := check("cuDeviceGetCount", C.cudadrv_devices(&n)); err != nil {
		return err
	}
	if n == 0 {
		return explain("cuDeviceGetCount", errorNoDevice, nil)
	}
	return nil
}

// Devices returns the devices that this process sees.
func Devices() ([]Device, error) {
	if err := Ready(); err != nil {
		return nil, err
	}
	var n C.int
	if err := check("cuDeviceGetCount", C.cudadrv_devices(&n)); err != nil {
		return nil, err
	}
	all := make([]Device, n)
	for i := range all {
		var uuid C.gr_uuid
		var name [256]C.char
		if err := errors.Join(check("cuDeviceGetUuid", C.cudadrv_uuid(C.int(i), &uuid)),
			check("cuDeviceGetName", C.cudadrv_name(C.int(i), &name[0], C.int(len(name))))); err != nil {
			return nil, err
		}
		all[i] = Device{Ordinal: i, UUID: *(*[16]byte)(unsafe.Pointer(&uuid)), Name: C.GoString(&name[0])}
	}
	return all, nil
}

// Version returns the driver's version: 12090 for 12.9.
func Version() (int, error) {
	var v C.int
	err := check("cuDriverGetVersion", C.cudadrv_version(&v))
	return int(v), err
}

func (w *OpenParams) c() C.cudadrv_params {
	return C.cudadrv_params{
		fd: C.int(w.FD), ordinal: C.int(w.Ordinal), memory: C.uint32_t(w.Memory), sync: C.uint32_t(w.Sync),
		create: C.bool(w.Create), queue: C.bool(w.Queue), slots: C.uint64_t(w.Slots), done_cells: C.uint64_t(w.DoneCells), stride: C.uint64_t(w.Stride),
		bytes: C.uint64_t(w.Bytes), gpu_off: C.uint64_t(w.GPUOff), gpu_size: C.uint64_t(w.GPUSize), data_off: C.uint64_t(w.DataOff),
		handle: *(*C.gr_ipc)(unsafe.Pointer(&w.Handle)),
	}
}

// Alloc allocates w.Bytes of zeroed device memory and sets w.Allocation and w.Handle.
func Alloc(w *OpenParams) error {
	c := w.c()
	var base C.gr_deviceptr
	if err := check("cuMemAlloc", C.cudadrv_alloc(&c, &base)); err != nil {
		var e *Error
		if errors.As(err, &e) && e.OutOfMemory() {
			var unused, total C.uint64_t
			C.cudadrv_memory(C.int(w.Ordinal), &unused, &total)
			e.Hint = fmt.Sprintf("the ring needs %d MiB, device %d has %d of %d MiB free", w.Bytes>>20, w.Ordinal, uint64(unused)>>20, uint64(total)>>20)
		}
		return err
	}
	w.Allocation, w.Handle = uint64(base), *(*[64]byte)(unsafe.Pointer(&c.handle))
	return nil
}

// Free frees an allocation of Alloc that no GPU was opened with.
func Free(w OpenParams) error {
	return check("cuMemFree", C.cudadrv_free(C.int(w.Ordinal), C.gr_deviceptr(w.Allocation)))
}

// Probe opens another process's handle on the device with that UUID, writes mark to its
// first byte, and closes it.
func Probe(handle [64]byte, device [16]byte, mark byte) error {
	d, err := Find(device)
	if err != nil {
		return err
	}
	return check("cuIpcOpenMemHandle", C.cudadrv_try_handle(C.int(d.Ordinal), *(*C.gr_ipc)(unsafe.Pointer(&handle)), C.uchar(mark)))
}

// TakeByte returns and clears the first byte of an allocation of this process.
func TakeByte(w OpenParams) (byte, error) {
	var b C.uchar
	err := check("cuMemcpyDtoH", C.cudadrv_take_byte(C.int(w.Ordinal), C.gr_deviceptr(w.Allocation), &b))
	return byte(b), err
}

// GPU is a GPU ring as this process has it. Its methods are the steps of gpu.h; they may
// be called from any goroutine, a slot's by its owner.
type GPU struct{ g *C.gr_gpu }

// Open opens the memory of a ring. The new GPU has one reference.
func Open(w OpenParams) (*GPU, error) {
	c := w.c()
	var g *C.gr_gpu
	var step *C.char
	code, errno := C.cudadrv_open(&c, C.gr_deviceptr(w.Allocation), &g, &step)
	if code != 0 {
		return nil, explain(C.GoString(step), int(code), errno)
	}
	return &GPU{g}, nil
}

// Address returns the address of the gr_gpu, for a data plane in C.
func (g *GPU) Address() uintptr { return uintptr(unsafe.Pointer(g.g)) }

// Reference adds a reference.
func (g *GPU) Reference() { C.gpu_reference(g.g) }

// Release drops a reference; the last one closes the memory.
func (g *GPU) Release() { C.gpu_unreference(g.g) }

// References returns how many references there are.
func (g *GPU) References() int { return int(C.gpu_references(g.g)) }

// Abandon keeps the allocation until the process ends, since another process has it open.
func (g *GPU) Abandon() { C.cudadrv_abandon(g.g) }

// Slot returns the device address of a slot.
func (g *GPU) Slot(i uint64) uint64 { return uint64(g.g.base) + i*uint64(g.g.stride) }

func (s Stream) c() C.gr_stream { return *(*C.gr_stream)(unsafe.Pointer(&s)) }

// AllowWrite lets work that is enqueued on s from here on write to slot i, reserved for message h.
func (g *GPU) AllowWrite(s Stream, i, h uint64) error {
	return check("cuStreamWaitValue64", C.gr_gpu_allow_write(g.g, s.c(), C.uint64_t(i), C.uint64_t(h)))
}

// CopyIn copies b into slot i, reserved for message h. b may be used again at once.
func (g *GPU) CopyIn(s Stream, i, h uint64, b []byte) error {
	return check("cuMemcpyHtoDAsync", C.gr_gpu_copy_in(g.g, s.c(), C.uint64_t(i), C.uint64_t(h), unsafe.Pointer(unsafe.SliceData(b)), C.size_t(len(b)), C.GR_GPU_FROM_HOST))
}

// CopyInDevice copies n bytes of device memory into slot i, reserved for message h. Their memory
// may be used again once s has done the copy.
func (g *GPU) CopyInDevice(s Stream, i, h, from, n uint64) error {
	return check("cuMemcpyDtoDAsync", C.gr_gpu_copy_in(g.g, s.c(), C.uint64_t(i), C.uint64_t(h), *(*unsafe.Pointer)(unsafe.Pointer(&from)), C.size_t(n), C.GR_GPU_FROM_DEVICE))
}

// Commit claims slot i for its consumers after the work on s.
func (g *GPU) Commit(s Stream, i uint64, seat int) error {
	return check("commit on a stream", C.gr_gpu_commit(g.g, s.c(), C.uint64_t(i), C.uint(seat)))
}

// Write is CopyIn and Commit in one crossing.
func (g *GPU) Write(s Stream, i, h uint64, seat int, b []byte) error {
	return check("cuMemcpyHtoDAsync", C.gr_gpu_write(g.g, s.c(), C.uint64_t(i), C.uint64_t(h), C.uint(seat), unsafe.Pointer(unsafe.SliceData(b)), C.size_t(len(b)), C.GR_GPU_FROM_HOST))
}

// AllowRead lets work that is enqueued on s from here on read slot i, once it has reached claimed.
func (g *GPU) AllowRead(s Stream, i, claimed uint64) error {
	return check("cuStreamWaitValue64", C.gr_gpu_allow_read(g.g, s.c(), C.uint64_t(i), C.uint64_t(claimed)))
}

// CopyOut copies the first bytes of slot i into b and waits for them.
func (g *GPU) CopyOut(s Stream, i, claimed uint64, b []byte) error {
	return check("cuMemcpyDtoHAsync", C.gr_gpu_copy_out(g.g, s.c(), C.uint64_t(i), C.uint64_t(claimed), unsafe.Pointer(unsafe.SliceData(b)), C.size_t(len(b))))
}

// ReleaseSlot claims slot i of a queue for its producers after the work on s.
func (g *GPU) ReleaseSlot(s Stream, i uint64, seat int) error {
	return check("release on a stream", C.gr_gpu_release_slot(g.g, s.c(), C.uint64_t(i), C.uint(seat)))
}

// Advance claims done cell k of a broadcast consumer for cursor x after the work on s.
func (g *GPU) Advance(s Stream, cell uint64, seat int, x uint64) error {
	return check("cuStreamWriteValue64", C.gr_gpu_advance(g.g, s.c(), C.uint64_t(cell), C.uint(seat), C.uint64_t(x)))
}

// Order makes the stream to wait for the work that is on from so far.
func (g *GPU) Order(from, to Stream) error {
	return check("cuStreamWaitEvent", C.gr_gpu_order(g.g, from.c(), to.c()))
}

// Synchronize waits for the work on s.
func (g *GPU) Synchronize(s Stream) error {
	return check("cuStreamSynchronize", C.gr_gpu_synchronize(g.g, s.c()))
}

// Arrived waits until the payload of the message in slot i has arrived.
func (g *GPU) Arrived(i uint64) error {
	return check("wait for the payload", C.gr_gpu_arrived(g.g, C.uint64_t(i)))
}

// Vacated waits until slot i, reserved for message h, is free for the host, too.
func (g *GPU) Vacated(i, h uint64) error {
	return check("wait for the slot", C.gr_gpu_vacated(g.g, C.uint64_t(i), C.uint64_t(h)))
}

// Drain waits until the device has done the work that a seat has claimed.
func (g *GPU) Drain(seat int) { C.gr_gpu_drain(g.g, C.uint(seat)) }

// Poison returns the sticky error that ended the context, or nil.
func (g *GPU) Poison() error {
	return check("the CUDA context of this process is gone", C.gpu_poison(g.g))
}

// NewStream makes a stream that the default streams do not wait for.
func (g *GPU) NewStream() (Stream, error) {
	var s C.gr_stream
	err := check("cuStreamCreate", C.gpu_stream(g.g, &s))
	return Stream(uintptr(unsafe.Pointer(s))), err
}

// DestroyStream ends a stream of NewStream once its work is done.
func (g *GPU) DestroyStream(s Stream) error {
	return check("cuStreamDestroy", C.gpu_stream_destroy(g.g, s.c()))
}
