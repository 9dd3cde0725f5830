package goring

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"example.com/goring/internal/proto"
	"example.com/goring/internal/shm"
	"example.com/goring/layout"
)

// Ring is an attached ring. Its methods may be called from any goroutine.
type Ring struct {
	name string
	path string // "" for anonymous rings
	fd   int
	segment

	proto   *proto.Ring
	control shm.Map
	payload shm.Map

	mu     sync.Mutex
	users  int // seats and calls that still need the mapping
	closed bool
	// onClose ends a GPU ring when this handle owns its memory; nil otherwise.
	onClose func()

	reaping sync.Mutex // locks on fd are the same for all goroutines
}

// segment is the checked description that a segment has of itself.
type segment struct {
	sb    layout.Superblock
	info  layout.Info
	block layout.GPUBlock // of a GPU ring
}

// attach validates the segment of descriptor fd and maps it. It owns fd from here on.
func attach(name, path string, fd int) (*Ring, error) {
	r := &Ring{name: name, path: path, fd: fd}
	if err := r.load(); err != nil {
		_ = r.unmap()
		return nil, fmt.Errorf("ring %q: %w", name, err)
	}
	return r, nil
}

func (r *Ring) load() (err error) {
	if r.segment, err = inspect(r.fd); err != nil {
		return err
	}
	if r.sb.ROCompat != 0 {
		return fmt.Errorf("to join it needs the features %#x, which this version lacks: %w", r.sb.ROCompat, ErrFeature)
	}
	return r.mapSegment()
}

// inspect reads and checks the description that a segment has of itself.
func inspect(fd int) (s segment, err error) {
	size, err := shm.Size(fd)
	if err != nil {
		return s, err
	}
	head := make([]byte, layout.ImmutableSize)
	if size >= layout.SuperblockSize {
		if _, err := unix.Pread(fd, head, 0); err != nil {
			return s, fmt.Errorf("read the superblock: %w", err)
		}
	}
	if s.sb, err = layout.Parse(head, uint64(size)); err != nil {
		return s, err
	}
	info := make([]byte, s.sb.InfoLen)
	if _, err := unix.Pread(fd, info, int64(s.sb.InfoOff)); err != nil {
		return s, fmt.Errorf("read the info block: %w", err)
	}
	if s.info, err = s.sb.ParseInfo(info); err != nil || !s.sb.GPU() {
		return s, err
	}
	block := make([]byte, layout.GPUBlockSize)
	if _, err := unix.Pread(fd, block, int64(s.sb.GPUOff)); err != nil {
		return s, fmt.Errorf("read the GPU block: %w", err)
	}
	s.block, err = s.sb.ParseGPU(block)
	return s, err
}

func (r *Ring) mapSegment() (err error) {
	whole, mirror := uintptr(r.sb.TotalSize), false
	if !r.sb.Inline() && !r.sb.InDevice() {
		whole, mirror = uintptr(r.sb.DataOff), r.sb.Mirrored(os.Getpagesize())
		area := uintptr(r.sb.TotalSize - r.sb.DataOff)
		if mirror {
			r.payload, err = shm.NewMirror(r.fd, int64(r.sb.DataOff), uintptr(r.sb.Slots*r.sb.DataStride))
		} else {
			r.payload, err = shm.NewMap(r.fd, int64(r.sb.DataOff), area)
		}
		if err != nil {
			return err
		}
	}
	if r.control, err = shm.NewMap(r.fd, 0, whole); err != nil {
		return err
	}
	r.proto = proto.NewRing(&r.sb, r.control.Base, r.payload.Base, mirror)
	return nil
}

// Name returns the ring's name, "" when it is anonymous.
func (r *Ring) Name() string { return r.name }

// Path returns the ring's file, "" when it is anonymous.
func (r *Ring) Path() string { return r.path }

// Info returns the ring's description of its messages.
func (r *Ring) Info() layout.Info { return r.info }

// Superblock returns the ring's geometry.
func (r *Ring) Superblock() layout.Superblock { return r.sb }

// FD returns the segment's file descriptor. It is the ring's: pass it to another
// process, but do not close it.
func (r *Ring) FD() int { return r.fd }

// Producer joins the ring as a producer. It fails with ErrBusy, naming the
// holders, when no producer's seat is left, and with ErrFeature on a GPU ring, which package
// goring/cuda joins. Options: [Wait], [As], [OnPeerDeath].
func (r *Ring) Producer(opts ...Option) (*Producer, error) {
	seat, c, err := r.join(RoleProducer, opts)
	if err != nil {
		return nil, err
	}
	return newProducer(r, seat, c), nil
}

// Consumer joins the ring as a consumer. It fails with ErrBusy, naming the
// holders, when no consumer's seat is left, and with ErrFeature on a GPU ring, which package
// goring/cuda joins. Options: [Wait], [As], [OnPeerDeath].
func (r *Ring) Consumer(opts ...Option) (*Consumer, error) {
	seat, c, err := r.join(RoleConsumer, opts)
	if err != nil {
		return nil, err
	}
	return newConsumer(r, seat, c), nil
}

// Shutdown ends the ring for every process: producers are refused with ErrShutdown, consumers
// take the messages that are there and then see io.EOF. Call it when the producers are done. It
// is not undone. It fails with os.ErrClosed after Close.
func (r *Ring) Shutdown() error {
	if err := r.acquire(); err != nil {
		return err
	}
	r.proto.Shutdown()
	return r.release()
}

// Reap repairs the slots of dead participants: their half-written messages are skipped, messages
// that they had taken go to other consumers, their seats are free. It returns how many
// participants it reaped. Every participant that waits does the same ten times a second or more;
// a program that sees a peer die can save that time. It fails with os.ErrClosed after Close, and
// on a file system without locks.
func (r *Ring) Reap() (int, error) {
	if err := r.acquire(); err != nil {
		return 0, err
	}
	defer func() { _ = r.release() }()
	r.reaping.Lock()
	defer r.reaping.Unlock()
	n, err := r.proto.ReapDead(r.fd, 0)
	if err != nil {
		err = fmt.Errorf("ring %q: %w", r.name, err)
	}
	return n, err
}

// Close detaches this handle. The ring stays, with all that is in it; see Unlink.
// Producers and consumers of this handle go on until they are closed, too. Closing twice does
// nothing.
//
// The handle that made a GPU ring in device memory owns that memory, which goes with it: the
// ring is shut down, and Close waits up to two seconds for other processes to drain it and to close
// the memory. When they have not, the memory stays until this process ends.
func (r *Ring) Close() error {
	r.mu.Lock()
	onClose := r.onClose
	r.onClose = nil
	r.mu.Unlock()
	if onClose != nil {
		onClose()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	return r.unmapUnused()
}

// Unlink removes the ring's name if it still means this ring. Processes that are
// attached go on; no other process can open it any more. It fails with os.ErrClosed after Close
// ([Unlink] needs no handle), and with ErrNotExist when the name is gone or means another ring.
func (r *Ring) Unlink() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.path == "" {
		return nil
	}
	if r.closed {
		return fmt.Errorf("ring %q: unlink it before it is closed, or by name: %w", r.name, os.ErrClosed)
	}
	if !shm.SameFile(r.fd, r.path) {
		return fmt.Errorf("ring %q: %s is not this ring any more: %w", r.name, r.path, ErrNotExist)
	}
	return os.Remove(r.path)
}

// acquire keeps the mapping until release. It fails with os.ErrClosed after Close.
func (r *Ring) acquire() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return fmt.Errorf("ring %q: %w", r.name, os.ErrClosed)
	}
	r.users++
	return nil
}

func (r *Ring) release() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.users--
	return r.unmapUnused()
}

// unmapUnused ends the mapping once the handle is closed and no seat needs it.
func (r *Ring) unmapUnused() error {
	if !r.closed || r.users > 0 {
		return nil
	}
	return r.unmap()
}

func (r *Ring) unmap() error {
	return errors.Join(r.payload.Close(), r.control.Close(), unix.Close(r.fd))
}
