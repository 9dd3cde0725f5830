package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"

	"github.com/go-zeromq/zmq4"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// zmqLink is a pair of PUSH and PULL sockets. The receiver of the last message confirms it, since
// messages still in transit are lost when their sender closes.
type zmqLink struct{ push, pull zmq4.Socket }

func newZMQ() zmqLink {
	return zmqLink{zmq4.NewPush(bg), zmq4.NewPull(bg)}
}

// zmqNear binds its end and waits for the other side.
type zmqNear struct{ zmqLink }

func (l zmqNear) close() error {
	_, err := l.recv()
	return errors.Join(err, l.zmqLink.close())
}

func (j job) zmq() (there, back string) {
	return "ipc://" + j.socket() + "t", "ipc://" + j.socket() + "b"
}

func nearZMQ(j job) (link, error) {
	l := newZMQ()
	there, back := j.zmq()
	return zmqNear{l}, errors.Join(l.push.Dial(there), l.pull.Dial(back))
}

func farZMQ(j job, serve func(link) error) error {
	l := newZMQ()
	there, back := j.zmq()
	if err := errors.Join(l.pull.Listen(there), l.push.Listen(back)); err != nil {
		return err
	}
	ready()
	return errors.Join(serve(l), l.send([]byte("taken")), l.close())
}

func (l zmqLink) send(b []byte) error { return l.push.Send(zmq4.NewMsg(b)) }

func (l zmqLink) recv() ([]byte, error) {
	m, err := l.pull.Recv()
	return m.Bytes(), err
}

func (l zmqLink) close() error { return errors.Join(l.push.Close(), l.pull.Close()) }

// raw sends bytes as they are.
type raw struct{}

func (raw) Name() string                       { return "raw" }
func (raw) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v any) error { *v.(*[]byte) = data; return nil }

const largest = 8 << 20

var bidi = grpc.StreamDesc{StreamName: "talk", ServerStreams: true, ClientStreams: true}

// grpcLink is either end of a bidirectional stream.
type grpcLink struct {
	stream grpc.Stream
	end    func() error
}

func (l grpcLink) send(b []byte) error { return l.stream.SendMsg(&b) }

func (l grpcLink) recv() (b []byte, err error) {
	err = l.stream.RecvMsg(&b)
	return b, err
}

func (l grpcLink) close() error { return l.end() }

func nearGRPC(j job) (link, error) {
	conn, err := grpc.NewClient("unix://"+j.socket(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithInitialWindowSize(largest), grpc.WithInitialConnWindowSize(largest),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{}), grpc.MaxCallRecvMsgSize(largest), grpc.MaxCallSendMsgSize(largest)))
	if err != nil {
		return nil, err
	}
	s, err := conn.NewStream(bg, &bidi, "/bench.Peer/talk")
	if err != nil {
		return nil, err
	}
	end := func() error {
		if err := s.CloseSend(); err != nil {
			return err
		}
		var rest []byte
		if err := s.RecvMsg(&rest); err != nil && !errors.Is(err, io.EOF) { // the far side has taken everything
			return err
		}
		return conn.Close()
	}
	return grpcLink{s, end}, nil
}

func farGRPC(j job, serve func(link) error) error {
	l, err := net.Listen("unix", j.socket())
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	talk := bidi
	talk.Handler = func(_ any, s grpc.ServerStream) error {
		err := serve(grpcLink{s, func() error { return nil }})
		done <- err
		return err
	}
	server := grpc.NewServer(grpc.ForceServerCodec(raw{}), grpc.InitialWindowSize(largest), grpc.InitialConnWindowSize(largest),
		grpc.MaxRecvMsgSize(largest), grpc.MaxSendMsgSize(largest))
	server.RegisterService(&grpc.ServiceDesc{ServiceName: "bench.Peer", Streams: []grpc.StreamDesc{talk}}, nil)
	go func() { _ = server.Serve(l) }()
	ready()
	err = <-done
	server.GracefulStop()
	return err
}

// buffer is the size of HTTP's buffers: their default of 4 KiB is small for large bodies.
const buffer = 64 << 10

// httpNear posts each message and receives the answer as the next message.
type httpNear struct {
	client *http.Client
	answer []byte
}

func nearHTTP(j job) (link, error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", j.socket())
	}
	return &httpNear{client: &http.Client{Transport: &http.Transport{DialContext: dial, WriteBufferSize: buffer, ReadBufferSize: buffer}}, answer: make([]byte, j.size)}, nil
}

func (h *httpNear) send(b []byte) error {
	r, err := h.client.Post("http://peer/", "application/octet-stream", bytes.NewReader(b))
	if err != nil {
		return err
	}
	defer func() { _ = r.Body.Close() }()
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("the far side answered %s", r.Status)
	}
	h.answer = h.answer[:r.ContentLength]
	_, err = io.ReadFull(r.Body, h.answer)
	return err
}

func (h *httpNear) recv() ([]byte, error) { return h.answer, nil }

func (h *httpNear) close() error {
	h.client.CloseIdleConnections()
	return nil
}

// httpFar is the server's side as a link, for one request at a time.
type httpFar struct {
	requests, answers chan []byte
}

func (h httpFar) recv() ([]byte, error) { return <-h.requests, nil }
func (h httpFar) send(b []byte) error   { h.answers <- b; return nil }
func (h httpFar) close() error          { return nil }

func farHTTP(j job, serve func(link) error) error {
	l, err := net.Listen("unix", j.socket())
	if err != nil {
		return err
	}
	h := httpFar{make(chan []byte), make(chan []byte)}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, b); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		h.requests <- b
		if j.back() && b[0] != stop {
			answer := <-h.answers
			w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
			_, _ = w.Write(answer)
		}
	})}
	go func() { _ = server.Serve(l) }()
	ready()
	return errors.Join(serve(h), server.Shutdown(bg))
}
