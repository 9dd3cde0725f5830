// Gpupeer is the Go side of the tests of GPU rings. It writes messages that contain their number,
// copies them from device to device, and checks whether they are whole.
//
//	gpupeer produce RING COUNT [-broken]   write COUNT messages, for ever with 0
//	gpupeer relay   RING TO COUNT [-broken]  copy messages from ring to ring on the device
//	gpupeer consume RING COUNT [-broken]   read and check; a line "N wrong W void V" at the end,
//	                                       and "at N" every 50 ms
//
// -broken skips the waits for the device work of others. Such an exchange must go wrong.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"time"

	"example.com/goring/goring"
	"example.com/goring/goring/cuda"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gpupeer:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	broken := slices.Contains(args, "-broken")
	if broken {
		args = args[:len(args)-1]
	}
	if len(args) < 3 {
		return errors.New("usage: gpupeer produce|consume RING COUNT, gpupeer relay RING TO COUNT")
	}
	count, err := strconv.ParseUint(args[len(args)-1], 10, 64)
	if err != nil {
		return err
	}
	ring, err := goring.Open(args[1])
	if err != nil {
		return err
	}
	defer func() { _ = ring.Close() }()
	saboteur := sabotage{ring: ring, on: broken}
	switch args[0] {
	case "produce":
		return produce(ctx, ring, count, saboteur)
	case "consume":
		return consume(ctx, ring, count, saboteur)
	case "relay":
		to, err := goring.Open(args[2])
		if err != nil {
			return err
		}
		defer func() { _ = to.Close() }()
		return relay(ctx, ring, to, count, saboteur)
	}
	return fmt.Errorf("unknown part %q", args[0])
}

// pattern fills b with words that tell their message and their place in it.
func pattern(b []byte, tag uint64) {
	for i := 0; i+8 <= len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], tag*0x9e3779b97f4a7c15+uint64(i))
	}
}

func produce(ctx context.Context, ring *goring.Ring, count uint64, s sabotage) error {
	p, err := cuda.NewProducer(ring, goring.OnPeerDeath(goring.AwaitSuccessor))
	if err != nil {
		return err
	}
	defer func() { _ = p.Close() }()
	stream, err := cuda.NewStream(ring)
	if err != nil {
		return err
	}
	b := make([]byte, ring.Superblock().SlotBytes)
	for n := uint64(0); count == 0 || n < count; n++ {
		slot, err := p.Reserve(ctx)
		if err != nil {
			return err
		}
		tag := slot.Seq() + 1
		pattern(b, tag)
		s.forget(slot.Seq())
		if err := slot.CopyFromHost(b, stream); err != nil {
			return err
		}
		slot.SetTag(tag)
		if err := slot.CommitOn(stream); err != nil {
			return err
		}
	}
	return nil
}

func relay(ctx context.Context, ring, to *goring.Ring, count uint64, s sabotage) error {
	c, err := cuda.NewConsumer(ring, goring.OnPeerDeath(goring.AwaitSuccessor))
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	p, err := cuda.NewProducer(to, goring.OnPeerDeath(goring.AwaitSuccessor))
	if err != nil {
		return err
	}
	defer func() { _ = p.Close() }()
	stream, err := cuda.NewStream(ring)
	if err != nil {
		return err
	}
	for n := uint64(0); count == 0 || n < count; n++ {
		m, err := c.Read(ctx)
		if err != nil {
			return err
		}
		s.forget(m.Seq())
		from, err := m.DevicePtr(stream)
		if err != nil {
			return err
		}
		slot, err := p.Reserve(ctx)
		if err != nil {
			return err
		}
		if err := slot.CopyFromDevice(from, int(ring.Superblock().SlotBytes), stream); err != nil {
			return err
		}
		slot.SetTag(m.Tag())
		if err := errors.Join(slot.CommitOn(stream), m.ReleaseOn(stream)); err != nil {
			return err
		}
	}
	return nil
}

func consume(ctx context.Context, ring *goring.Ring, count uint64, s sabotage) error {
	c, err := cuda.NewConsumer(ring, goring.OnPeerDeath(goring.AwaitSuccessor))
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	stream, err := cuda.NewStream(ring)
	if err != nil {
		return err
	}
	got, want := make([]byte, ring.Superblock().SlotBytes), make([]byte, ring.Superblock().SlotBytes)
	fmt.Println("at 0") // it has joined
	var n, wrong, void uint64
	said := time.Now()
	for ; count == 0 || n < count; n++ {
		m, err := c.Read(ctx)
		if errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) || errors.Is(err, goring.ErrExporterGone) {
			break
		}
		if err != nil {
			return err
		}
		s.forget(m.Seq())
		pattern(want, m.Tag())
		switch k, err := m.CopyToHost(got, stream); {
		case errors.Is(err, cuda.ErrVoided):
			void++
		case err != nil:
			return err
		case !bytes.Equal(got[:k], want[:k]):
			wrong++
		}
		if err := m.ReleaseOn(stream); err != nil && !errors.Is(err, cuda.ErrVoided) {
			return err
		}
		if time.Since(said) > 50*time.Millisecond {
			said = time.Now()
			fmt.Println("at", n)
		}
	}
	fmt.Println(n, "wrong", wrong, "void", void)
	return nil
}
