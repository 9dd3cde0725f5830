// Gobench measures goring's Go side between two processes through its public API.
// It prints "name value unit" lines.
//
//	gobench NAME [DIVISOR]
//
// The process starts itself again as the peer; both are pinned by taskset.
package main

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"example.com/goring/goring"
	"example.com/goring/layout"
)

const mib = 1 << 20

var bg = context.Background()

// bench is one measurement: near runs in the first process, far in the peer.
type bench struct {
	unit      string
	count     int
	scale     float64 // factor of the figure
	rate      bool    // the figure is count per time, not time per count
	schema    layout.Schema
	slots     int
	wait      goring.Strategy
	both      bool // there is a ring in each direction
	bytes     int  // size of a message that is copied
	near, far func(b *bench, p *goring.Producer, c *goring.Consumer) error
}

var benches = map[string]*bench{
	"one":    {unit: "Mmsg/s", count: 3000000, scale: 1e3, rate: true, schema: layout.Bytes(32), slots: 1024, near: putInPlace, far: take},
	"write":  {unit: "Mmsg/s", count: 3000000, scale: 1e3, rate: true, schema: layout.Bytes(32), slots: 1024, near: write, far: take},
	"batch":  {unit: "Mmsg/s", count: 6400000, scale: 1e3, rate: true, schema: layout.Bytes(32), slots: 1024, near: putBatch, far: takeBatch},
	"rtt":    {unit: "ns", count: 500000, scale: 1, schema: layout.Bytes(32), slots: 1024, wait: goring.Spin, both: true, near: ask, far: answer},
	"parked": {unit: "us", count: 10000, scale: 1e-3, schema: layout.Bytes(32), slots: 64, wait: goring.Park, both: true, near: ask, far: answer},
	"copy":   {unit: "GB/s", count: 2048, scale: mib, bytes: mib, rate: true, schema: layout.Bytes(mib), slots: 8, near: copyIn, far: copyOut},
}

func putInPlace(b *bench, p *goring.Producer, _ *goring.Consumer) error {
	for n := range uint64(b.count) {
		s, err := p.Reserve(bg)
		if err != nil {
			return err
		}
		fill(s.Bytes(), n)
		s.Commit()
	}
	return nil
}

func fill(b []byte, n uint64) {
	_ = b[31]
	for i := 0; i < 32; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], n)
	}
}

func write(b *bench, p *goring.Producer, _ *goring.Consumer) error {
	var row [32]byte
	for n := range uint64(b.count) {
		fill(row[:], n)
		if err := p.Write(bg, row[:]); err != nil {
			return err
		}
	}
	return nil
}

func take(b *bench, _ *goring.Producer, c *goring.Consumer) error {
	sum := uint64(0)
	for range b.count {
		m, err := c.Read(bg)
		if err != nil {
			return err
		}
		sum += ends(m.Bytes())
		m.Release()
	}
	return checkSum(b, sum)
}

func ends(b []byte) uint64 {
	return binary.LittleEndian.Uint64(b) + binary.LittleEndian.Uint64(b[24:])
}

func checkSum(b *bench, sum uint64) error {
	if n := uint64(b.count); sum != n*(n-1) {
		return fmt.Errorf("the messages sum up to %d, want %d", sum, n*(n-1))
	}
	return nil
}

func putBatch(b *bench, p *goring.Producer, _ *goring.Consumer) error {
	for n := 0; n < b.count; {
		w, err := p.ReserveBatch(bg, min(32, b.count-n))
		if err != nil {
			return err
		}
		for k := range w.Len() {
			fill(w.Bytes(k), uint64(n+k))
		}
		w.Commit(w.Len())
		n += w.Len()
	}
	return nil
}

func takeBatch(b *bench, _ *goring.Producer, c *goring.Consumer) error {
	sum := uint64(0)
	for n := 0; n < b.count; {
		r, err := c.ReadBatch(bg, 32)
		if err != nil {
			return err
		}
		for k := range r.Len() {
			sum += ends(r.At(k).Bytes())
		}
		n += r.Len()
		r.Release()
	}
	return checkSum(b, sum)
}

func ask(b *bench, p *goring.Producer, c *goring.Consumer) error {
	var row [32]byte
	for range b.count {
		if err := p.Write(bg, row[:]); err != nil {
			return err
		}
		m, err := c.Read(bg)
		if err != nil {
			return err
		}
		m.Release()
	}
	return nil
}

func answer(b *bench, p *goring.Producer, c *goring.Consumer) error {
	for range b.count {
		m, err := c.Read(bg)
		if err != nil {
			return err
		}
		if err := p.Write(bg, m.Bytes()); err != nil {
			return err
		}
		m.Release()
	}
	return nil
}

func copyIn(b *bench, p *goring.Producer, _ *goring.Consumer) error {
	own := make([]byte, b.bytes)
	for range b.count {
		if err := p.Write(bg, own); err != nil {
			return err
		}
	}
	return nil
}

func copyOut(b *bench, _ *goring.Producer, c *goring.Consumer) error {
	own := make([]byte, b.bytes)
	for range b.count {
		m, err := c.Read(bg)
		if err != nil {
			return err
		}
		m.CopyTo(own)
		m.Release()
	}
	return nil
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gobench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("which bench? %v", args)
	}
	divisor := "1"
	if len(args) > 1 {
		divisor = args[1]
	}
	by, err := strconv.Atoi(divisor)
	if err != nil {
		return err
	}
	b := benches[args[0]]
	switch what, n := grow(args[0]); {
	case grown[what] != nil:
		value, unit, err := grown[what](n, by)
		fmt.Printf("%s\t%.2f\t%s\n", args[0], value, unit)
		return err
	case what == "slots":
		b = slots(n)
	case what == "bulk":
		b = bulk(n)
	case what == "size":
		b = size(n)
	}
	if b == nil {
		return fmt.Errorf("which bench? %v", args)
	}
	b.count = max(b.count/by/32, 1) * 32 // whole batches
	if len(args) > 2 {
		return peer(b, args[2])
	}
	return measure(b, args[0], divisor)
}

// measure makes the rings, starts the peer and times the near side until the peer has ended.
func measure(b *bench, name, divisor string) error {
	there, err := goring.Create(fmt.Sprintf("gobench-%d", os.Getpid()), b.schema, goring.Slots(b.slots))
	if err != nil {
		return err
	}
	defer func() { _ = there.Unlink() }()
	back, err := goring.Create(fmt.Sprintf("gobench-%d-back", os.Getpid()), b.schema, goring.Slots(b.slots))
	if err != nil {
		return err
	}
	defer func() { _ = back.Unlink() }()
	cmd := exec.Command("taskset", "-c", cmp.Or(os.Getenv("BENCH_FAR"), "1"), os.Args[0], name, divisor, there.Name())
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	err = near(b, name, there, back)
	if e := cmd.Wait(); err == nil {
		err = e
	}
	return err
}

func near(b *bench, name string, there, back *goring.Ring) error {
	p, err := there.Producer(goring.Wait(b.wait))
	if err != nil {
		return err
	}
	c, err := back.Consumer(goring.Wait(b.wait))
	if err != nil {
		return err
	}
	m, err := c.Read(bg) // the peer has started
	if err != nil {
		return err
	}
	m.Release()
	start := time.Now()
	if err := b.near(b, p, c); err != nil {
		return err
	}
	for !b.both { // until the last message is released
		if st, err := there.Stats(); err != nil || st.Released == uint64(b.count) {
			break
		}
	}
	ns := float64(time.Since(start))
	v := ns / float64(b.count) * b.scale
	if b.rate {
		v = float64(b.count) * b.scale / ns
	}
	fmt.Printf("%s\t%.3f\t%s\n", name, v, b.unit)
	return nil
}

func peer(b *bench, name string) error {
	there, err := goring.Open(name)
	if err != nil {
		return err
	}
	back, err := goring.Open(name + "-back")
	if err != nil {
		return err
	}
	p, err := back.Producer(goring.Wait(b.wait))
	if err != nil {
		return err
	}
	c, err := there.Consumer(goring.Wait(b.wait))
	if err != nil {
		return err
	}
	if err := p.Write(bg, make([]byte, 8)); err != nil {
		return err
	}
	return b.far(b, p, c)
}
