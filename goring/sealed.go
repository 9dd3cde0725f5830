package goring

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"

	"example.com/goring/internal/config"
	"example.com/goring/internal/shm"
	"example.com/goring/layout"
)

// checkSeals refuses the segment of fd if it is unsealed and the options want a sealed one.
func checkSeals(c *config.Config, fd int) error {
	if c.Sealed && !shm.Sealed(fd) {
		return fmt.Errorf("a peer that is not trusted could truncate it; rings made without a name are sealed: %w", ErrUnsealed)
	}
	return nil
}

// Send passes an anonymous ring through a Unix socket to a process that calls [Receive],
// or goring.receive of Python. The receiver can read and write the ring but not truncate it,
// and no other process can reach it. Named rings, which cannot be sealed, fail with ErrUnsealed; a
// closed ring fails with os.ErrClosed.
func (r *Ring) Send(conn *net.UnixConn) error {
	if err := r.acquire(); err != nil {
		return err
	}
	defer func() { _ = r.release() }()
	if !shm.Sealed(r.fd) {
		return fmt.Errorf("ring %q has a file that any process of its user can truncate; make it without a name: %w", r.name, ErrUnsealed)
	}
	if _, _, err := conn.WriteMsgUnix([]byte(layout.Magic), unix.UnixRights(r.fd), nil); err != nil {
		return fmt.Errorf("send ring %q: %w", r.name, err)
	}
	return nil
}

// Receive attaches to the ring that a process passes with [Ring.Send], or Ring.send of
// Python. The segment is checked like any file: a peer that is not trusted cannot make
// this process read outside the ring or die of SIGBUS. It can still change payloads that
// have been published: copy [Message.Bytes] before checking it. Receive fails with ErrForeign when
// the peer sends something else, ErrUnsealed, and the errors of [Open].
func Receive(conn *net.UnixConn) (*Ring, error) {
	fd, err := receiveFD(conn)
	if err != nil {
		return nil, fmt.Errorf("receive a ring: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	return OpenFD(fd, Sealed())
}

// receiveFD takes one message of the layout's magic with one descriptor.
func receiveFD(conn *net.UnixConn) (int, error) {
	text, rights := make([]byte, len(layout.Magic)), make([]byte, unix.CmsgSpace(4))
	n, m, flags, _, err := conn.ReadMsgUnix(text, rights)
	if err != nil {
		return -1, err
	}
	fds := descriptors(rights[:m])
	if string(text[:n]) == layout.Magic && len(fds) == 1 && flags&unix.MSG_CTRUNC == 0 {
		return fds[0], nil
	}
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
	return -1, fmt.Errorf("the peer sent %d bytes and %d descriptors, a ring is %d bytes and 1: %w", n, len(fds), len(layout.Magic), ErrForeign)
}

func descriptors(control []byte) (fds []int) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil
	}
	for i := range messages {
		some, err := unix.ParseUnixRights(&messages[i])
		if err == nil {
			fds = append(fds, some...)
		}
	}
	return fds
}
