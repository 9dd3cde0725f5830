package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// gather is the size from which length and message are written as two pieces, without a copy.
const gather = 16 << 10

// stream sends messages, each after its length in four bytes, over a pair of files.
type stream struct {
	r   *bufio.Reader
	w   io.Writer
	out []byte
	in  []byte
	end []io.Closer
}

func newStream(j job, r io.Reader, w io.Writer, end ...io.Closer) *stream {
	return &stream{r: bufio.NewReaderSize(r, 64<<10), w: w, in: make([]byte, j.size), end: end}
}

func (s *stream) send(b []byte) error {
	if len(b) >= gather {
		s.out = binary.LittleEndian.AppendUint32(s.out[:0], uint32(len(b)))
		both := net.Buffers{s.out, b}
		_, err := both.WriteTo(s.w)
		return err
	}
	s.out = append(binary.LittleEndian.AppendUint32(s.out[:0], uint32(len(b))), b...)
	_, err := s.w.Write(s.out)
	return err
}

func (s *stream) sendBatch(src [][]byte, n int) error {
	for n > 0 {
		s.out = s.out[:0]
		for k := range min(n, 32) {
			s.out = append(binary.LittleEndian.AppendUint32(s.out, uint32(len(src[0]))), src[k&7]...)
		}
		if _, err := s.w.Write(s.out); err != nil {
			return err
		}
		n -= 32
	}
	return nil
}

func (s *stream) recv() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(s.r, head[:]); err != nil {
		return nil, err
	}
	if n := binary.LittleEndian.Uint32(head[:]); int(n) != len(s.in) {
		return nil, errors.New("a message of another size")
	}
	_, err := io.ReadFull(s.r, s.in)
	return s.in, err
}

func (s *stream) recvBatch(each func([]byte) (bool, error)) (bool, error) {
	b, err := s.recv()
	if err != nil {
		return false, err
	}
	return each(b)
}

func (s *stream) close() (err error) {
	for _, c := range s.end {
		err = errors.Join(err, c.Close())
	}
	return err
}

func nearUnix(j job) (link, error) {
	c, err := net.Dial("unix", j.socket())
	if err != nil {
		return nil, err
	}
	return newStream(j, c, c, c), nil
}

func farUnix(j job, serve func(link) error) error {
	l, err := net.Listen("unix", j.socket())
	if err != nil {
		return err
	}
	ready()
	c, err := l.Accept()
	if err != nil {
		return err
	}
	s := newStream(j, c, c, c, l)
	return errors.Join(serve(s), s.close())
}

// fifos returns the names of the pipes to the far side and back.
func (j job) fifos() (there, back string) {
	return filepath.Join(j.folder, "there"), filepath.Join(j.folder, "back")
}

func nearPipe(j job) (link, error) {
	there, back := j.fifos()
	return pipes(j, back, there)
}

func farPipe(j job, serve func(link) error) error {
	there, back := j.fifos()
	for _, path := range []string{there, back} {
		if err := unix.Mkfifo(path, 0o600); err != nil {
			return err
		}
	}
	ready()
	s, err := pipes(j, there, back)
	if err != nil {
		return err
	}
	return errors.Join(serve(s), s.close())
}

// pipeBytes is the capacity of a pipe: the largest without privileges, and the fastest.
const pipeBytes = 1 << 20

// pipes opens both for reading and writing, so that it does not wait for the other side.
func pipes(j job, in, out string) (link, error) {
	r, err := os.OpenFile(in, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	w, err := os.OpenFile(out, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, pipeBytes); err != nil {
		return nil, err
	}
	return newStream(j, r, w, r, w), nil
}
