package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"example.com/goring/goring"
	"example.com/goring/layout"
	"example.com/goring/pool"
)

const largest = 1 << 20 // bytes of a request

// goringPeer has a pool for each kind of work, as a service would.
type goringPeer map[string]*pool.Pool

func newGoring(ctx context.Context, o options) (peer, error) {
	g := goringPeer{}
	for _, work := range []string{"echo", "add"} {
		p, err := pool.New(ctx, pool.Config{
			Worker: "work:" + work, Python: o.python, Dir: o.dir, Workers: o.workers,
			Request: layout.Bytes(largest), Slots: 64, ResultBytes: largest, ResultSlots: 64,
			Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		})
		if err != nil {
			return nil, errors.Join(err, g.close())
		}
		g[work] = p
	}
	return g, nil
}

func (g goringPeer) call(ctx context.Context, work string, data []byte) error {
	return g[work].Do(ctx, func(s *goring.Slot) error {
		copy(s.Bytes(), data)
		return s.SetLen(len(data))
	}, func(r pool.Result) error { return check(work, data, r.Bytes()) })
}

func (g goringPeer) close() (err error) {
	for _, p := range g {
		err = errors.Join(err, p.Close())
	}
	return err
}

// server is a Python process that prints "ready" and ends when its standard input does.
type server struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Reader
}

func start(o options, script string, args ...string) (*server, error) {
	cmd := exec.Command(o.python, append([]string{filepath.Join(o.dir, script)}, args...)...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{cmd, stdin, bufio.NewReaderSize(stdout, 1<<16)}
	if line, err := s.out.ReadString('\n'); line != "ready\n" {
		return nil, fmt.Errorf("%s said %q: %w", script, line, errors.Join(err, s.stop()))
	}
	return s, nil
}

func (s *server) stop() error {
	_ = s.stdin.Close()
	return s.cmd.Wait()
}

// servers holds processes with a socket each, called in turn.
type servers struct {
	folder string
	all    []*server
	next   atomic.Uint64
}

func serve(o options, script string) (*servers, error) {
	folder, err := os.MkdirTemp("", "goring-bench-")
	if err != nil {
		return nil, err
	}
	s := &servers{folder: folder}
	for i := range o.workers {
		one, err := start(o, script, s.socket(i))
		if err != nil {
			return nil, errors.Join(err, s.stop())
		}
		s.all = append(s.all, one)
	}
	return s, nil
}

func (s *servers) socket(i int) string { return filepath.Join(s.folder, fmt.Sprint(i)) }
func (s *servers) turn() int           { return int(s.next.Add(1) % uint64(len(s.all))) }

func (s *servers) stop() (err error) {
	for _, one := range s.all {
		err = errors.Join(err, one.stop())
	}
	return errors.Join(err, os.RemoveAll(s.folder))
}

type grpcPeer struct {
	*servers
	conns []*grpc.ClientConn
}

// raw is the codec of messages that are bytes already.
type raw struct{}

func (raw) Name() string                       { return "raw" }
func (raw) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v any) error { *v.(*[]byte) = data; return nil }

func newGRPC(_ context.Context, o options) (peer, error) {
	s, err := serve(o, "grpc_server.py")
	if err != nil {
		return nil, err
	}
	g := &grpcPeer{servers: s}
	for i := range s.all {
		c, err := grpc.NewClient("unix://"+s.socket(i), grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{}), grpc.MaxCallRecvMsgSize(4*largest), grpc.MaxCallSendMsgSize(4*largest)))
		if err != nil {
			return nil, errors.Join(err, g.close())
		}
		g.conns = append(g.conns, c)
	}
	return g, nil
}

func (g *grpcPeer) call(ctx context.Context, work string, data []byte) error {
	var answer []byte
	if err := g.conns[g.turn()].Invoke(ctx, "/bench.Work/"+work, &data, &answer); err != nil {
		return err
	}
	return check(work, data, answer)
}

func (g *grpcPeer) close() (err error) {
	for _, c := range g.conns {
		err = errors.Join(err, c.Close())
	}
	return errors.Join(err, g.stop())
}

type httpPeer struct {
	*servers
	clients []*http.Client
}

func newHTTP(_ context.Context, o options) (peer, error) {
	s, err := serve(o, "http_server.py")
	if err != nil {
		return nil, err
	}
	h := &httpPeer{servers: s}
	for i := range s.all {
		h.clients = append(h.clients, &http.Client{Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "unix", s.socket(i))
			},
			MaxIdleConnsPerHost: 64,
		}})
	}
	return h, nil
}

func (h *httpPeer) call(ctx context.Context, work string, data []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://worker/"+work, bytes.NewReader(data))
	if err != nil {
		return err
	}
	answer, err := h.clients[h.turn()].Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	b := make([]byte, answer.ContentLength)
	if _, err := io.ReadFull(answer.Body, b); err != nil {
		return err
	}
	return check(work, data, b)
}

func (h *httpPeer) close() error {
	for _, c := range h.clients {
		c.CloseIdleConnections()
	}
	return h.stop()
}

// pipePeer lends each process to one caller at a time.
type pipePeer struct {
	all  []*server
	idle chan *server
}

func newPipes(_ context.Context, o options) (peer, error) {
	p := &pipePeer{idle: make(chan *server, o.workers)}
	for range o.workers {
		s, err := start(o, "pipe_worker.py")
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		p.all = append(p.all, s)
		p.idle <- s
	}
	return p, nil
}

func (p *pipePeer) call(_ context.Context, work string, data []byte) error {
	s := <-p.idle
	defer func() { p.idle <- s }()
	head := make([]byte, 5, 5+len(data))
	if work == "add" {
		head[0] = 1
	}
	binary.LittleEndian.PutUint32(head[1:], uint32(len(data)))
	if _, err := s.stdin.Write(append(head, data...)); err != nil {
		return err
	}
	if _, err := io.ReadFull(s.out, head[:4]); err != nil {
		return err
	}
	answer := make([]byte, binary.LittleEndian.Uint32(head))
	if _, err := io.ReadFull(s.out, answer); err != nil {
		return err
	}
	return check(work, data, answer)
}

func (p *pipePeer) close() (err error) {
	for _, s := range p.all {
		err = errors.Join(err, s.stop())
	}
	return err
}
