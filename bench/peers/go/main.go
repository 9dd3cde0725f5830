// Peer is one side of a measurement: a process that exchanges messages with another one, over
// goring or over another transport. The other side is this program again or ../python/peer.py:
// both use the same protocol over goring, unix, pipe, zmq, grpc and http.
//
//	peer LINK TASK BYTES MILLISECONDS near|far FOLDER
//
// The far side says "ready" when the near one may start. Tasks:
//
//	flow   near sends as fast as it can; far checks the first and the last byte
//	batch  the same, 32 messages at a time
//	trip   near sends and waits for the answer
//
// With "+spin" goring never sleeps while it waits, with "+park" it always does.
//
// Far prints the messages that it took, near the times of its round trips, as a line of JSON.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// job is the task of a side, from its arguments.
type job struct {
	task   string
	size   int
	span   time.Duration
	folder string // holds the sockets; its name is part of the names of segments
	wait   string // goring's strategy; "" is the default
}

func (j job) socket() string { return filepath.Join(j.folder, "s") }

// back reports whether the messages are answered.
func (j job) back() bool { return j.task == "trip" }

// slots is the number of slots of a ring.
func (j job) slots() int {
	switch {
	case j.size <= 1<<10:
		return 256
	case j.size <= 64<<10:
		return 64
	}
	return 16
}

// every returns the number of messages between two readings of the clock: each of the sources, or more.
func (j job) every() int { return max(8, min(1024, 1<<20/j.size)) }

// link carries messages both ways.
type link interface {
	send(b []byte) error
	// recv returns a message, valid until the next call.
	recv() ([]byte, error)
	close() error
}

// batcher is a link that sends several messages at once.
type batcher interface {
	sendBatch(src [][]byte, n int) error
	recvBatch(each func([]byte) (bool, error)) (bool, error)
}

type kind struct {
	near func(job) (link, error)
	// far says ready, and calls serve with the link when the near side has connected.
	far func(job, func(link) error) error
}

var kinds = map[string]kind{
	"goring": {nearGoring, farGoring},
	"unix":   {nearUnix, farUnix},
	"pipe":   {nearPipe, farPipe},
	"zmq":    {nearZMQ, farZMQ},
	"grpc":   {nearGRPC, farGRPC},
	"http":   {nearHTTP, farHTTP},
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 6 {
		return fmt.Errorf("usage: peer LINK TASK BYTES MILLISECONDS near|far|both FOLDER, got %q", args)
	}
	size, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	ms, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	task, wait, _ := strings.Cut(args[1], "+")
	j := job{task, size, time.Duration(ms) * time.Millisecond, args[5], wait}
	if args[0] == "chan" {
		return channel(j)
	}
	k, ok := kinds[args[0]]
	if !ok {
		return fmt.Errorf("no link %q", args[0])
	}
	if args[4] == "far" {
		return k.far(j, func(l link) error { return answer(j, l) })
	}
	l, err := k.near(j)
	if err != nil {
		return err
	}
	return errors.Join(ask(j, l), l.close())
}

func ready() { fmt.Println("ready") }

func report(v any) error { return json.NewEncoder(os.Stdout).Encode(v) }

// stop is the first byte of the last message.
const stop = 255

// sources returns the messages that are sent in turn. The first and the last byte of each are
// equal, which the receiver checks.
func sources(size int) [][]byte {
	all := make([][]byte, 8)
	for k := range all {
		all[k] = slices.Repeat([]byte{byte(k)}, size)
	}
	return all
}

// ask runs the near side.
func ask(j job, l link) error {
	src := sources(j.size)
	var err error
	switch {
	case j.back():
		err = trips(j, l, src)
	case j.task == "batch":
		b, ok := l.(batcher)
		if !ok {
			return errors.New("this link has no batches")
		}
		for start := time.Now(); err == nil && time.Since(start) < j.span; {
			err = b.sendBatch(src, max(32, j.every()))
		}
	default:
		err = flow(j, l, src)
	}
	if err != nil {
		return err
	}
	return l.send(slices.Repeat([]byte{stop}, j.size))
}

func flow(j job, l link, src [][]byte) error {
	for start := time.Now(); time.Since(start) < j.span; {
		for n := range j.every() {
			if err := l.send(src[n&7]); err != nil {
				return err
			}
		}
	}
	return nil
}

func trips(j job, l link, src [][]byte) error {
	var took []time.Duration
	begun := time.Now()
	for n, last := 0, begun; last.Sub(begun) < j.span; n++ {
		if err := l.send(src[n&7]); err != nil {
			return err
		}
		b, err := l.recv()
		if err != nil {
			return err
		}
		if len(b) != j.size || b[0] != byte(n&7) || b[len(b)-1] != byte(n&7) {
			return fmt.Errorf("answer %d is not what was sent", n)
		}
		now := time.Now()
		took = append(took, now.Sub(last))
		last = now
	}
	took = took[len(took)/10:] // the first are warm-up
	slices.Sort(took)
	at := func(q float64) int64 { return took[int(q*float64(len(took)-1))].Nanoseconds() }
	return report(map[string]int64{"count": int64(len(took)), "p50": at(0.5), "p99": at(0.99), "p999": at(0.999)})
}

// tally counts and checks the messages that the far side takes.
type tally struct {
	count       int64
	first, last time.Time
}

// take counts b and reports whether it is not the last message.
func (t *tally) take(b []byte) (more bool, err error) {
	if b[0] == stop {
		t.last = time.Now()
		return false, nil
	}
	if t.count == 0 {
		t.first = time.Now()
	}
	if t.count++; b[0] != b[len(b)-1] {
		return false, fmt.Errorf("message %d begins with %d and ends with %d", t.count, b[0], b[len(b)-1])
	}
	return true, nil
}

func (t *tally) report() error {
	return report(map[string]any{"count": t.count, "seconds": t.last.Sub(t.first).Seconds()})
}

// answer runs the far side.
func answer(j job, l link) error {
	var t tally
	for more := true; more; {
		var err error
		if j.task == "batch" {
			b, ok := l.(batcher)
			if !ok {
				return errors.New("this link has no batches")
			}
			more, err = b.recvBatch(t.take)
		} else {
			var b []byte
			if b, err = l.recv(); err == nil {
				more, err = t.take(b)
			}
			if err == nil && more && j.back() {
				err = l.send(b)
			}
		}
		if err != nil {
			return err
		}
	}
	if j.back() {
		return nil
	}
	return t.report()
}
