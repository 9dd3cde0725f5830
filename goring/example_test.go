package goring_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"example.com/goring/goring"
	"example.com/goring/layout"
)

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func Example() {
	ctx := context.Background()
	ring := must(goring.Create("", layout.Array[float32](2, 2), goring.Slots(10)))
	defer ring.Close()
	p, c := must(ring.Producer()), must(ring.Consumer())

	slot := must(p.Reserve(ctx))
	slot.Bytes()[0] = 7 // in place, no copy
	slot.Commit()

	m := must(c.Read(ctx))
	fmt.Println(m.Seq(), len(m.Bytes()), m.Bytes()[0])
	m.Release()
	// Output: 0 16 7
}

func ExampleCreate() {
	ring := must(goring.Create("example-create", layout.Bytes(1024), goring.Slots(128), goring.Consumers(4)))
	defer ring.Close()
	defer ring.Unlink()
	again, err := goring.Create("example-create", layout.Bytes(8))
	fmt.Println(again, err != nil)
	// Output: <nil> true
}

func ExampleOpen() {
	made := must(goring.Create("example-open", layout.Array[uint8](4, 3)))
	defer made.Close()
	defer made.Unlink()
	ring := must(goring.Open("example-open"))
	defer ring.Close()
	fmt.Println(ring.Info().Schema.Kind, ring.Info().Schema.Shape)
	// Output: array [4 3]
}

func ExampleOpenFD() {
	made := must(goring.Create("", layout.Bytes(8)))
	defer made.Close()
	ring := must(goring.OpenFD(made.FD())) // in a child: the inherited descriptor
	defer ring.Close()
	fmt.Println(ring.Superblock().Slots)
	// Output: 64
}

func ExampleList() {
	dir := must(os.MkdirTemp("/dev/shm", "goring-example-"))
	defer os.RemoveAll(dir)
	ring := must(goring.Create("one", layout.Bytes(8), goring.Dir(dir)))
	defer ring.Close()
	for _, e := range must(goring.List(goring.Dir(dir))) {
		fmt.Println(e.Name, e.Info.Schema.Kind, e.Slots)
	}
	fmt.Println(goring.Unlink("one", goring.Dir(dir)))
	// Output:
	// one bytes 64
	// <nil>
}

func ExampleConsumer_Messages() {
	ctx := context.Background()
	ring := must(goring.Create("", layout.Bytes(64)))
	defer ring.Close()
	p, c := must(ring.Producer()), must(ring.Consumer())
	for _, s := range []string{"read", "process", "release"} {
		_ = p.Write(ctx, []byte(s))
	}
	_ = ring.Shutdown()
	for m, err := range c.Messages(ctx) {
		fmt.Printf("%d %s %v\n", m.Seq(), m.Bytes(), err)
	}
	// Output:
	// 0 read <nil>
	// 1 process <nil>
	// 2 release <nil>
}

func ExampleMessage_Requeue() {
	ctx := context.Background()
	ring := must(goring.Create("", layout.Bytes(8), goring.Consumers(2)))
	defer ring.Close()
	p, c := must(ring.Producer()), must(ring.Consumer())
	_ = p.Write(ctx, []byte("job"))
	must(c.Read(ctx)).Requeue() // cannot do it now
	m := must(c.Read(ctx))
	fmt.Printf("%s, requeued %d time\n", m.Bytes(), m.Redelivered())
	m.Release()
	// Output: job, requeued 1 time
}

func ExampleProducer_ReserveBatch() {
	ctx := context.Background()
	ring := must(goring.Create("", layout.Array[uint8](4), goring.Separate()))
	defer ring.Close()
	p, c := must(ring.Producer()), must(ring.Consumer())
	w := must(p.ReserveBatch(ctx, 3))
	copy(w.Data(), "aaaabbbbcccc")
	w.Commit(w.Len())
	b := must(c.ReadBatch(ctx, 256))
	fmt.Printf("%d %s\n", b.Len(), b.Data())
	b.Release()
	// Output: 3 aaaabbbbcccc
}

func ExampleSlot_SetMeta() {
	ctx := context.Background()
	ring := must(goring.Create("", layout.Bytes(8), goring.MaxMeta(64)))
	defer ring.Close()
	p, c := must(ring.Producer()), must(ring.Consumer())
	slot := must(p.Reserve(ctx))
	if err := slot.SetMeta(map[string]any{"file": "cat.jpg"}); err != nil {
		log.Fatal(err)
	}
	slot.SetTag(99)
	slot.Commit()
	m := must(c.Read(ctx))
	var meta struct {
		File string `msgpack:"file"`
	}
	fmt.Println(m.DecodeMeta(&meta), meta.File, m.Tag())
	m.Release()
	// Output: <nil> cat.jpg 99
}

func ExampleCreateTyped() {
	type Tick struct {
		Time  int64
		Price float64
	}
	ctx := context.Background()
	ring := must(goring.CreateTyped[Tick](""))
	defer ring.Close()
	p, c := must(ring.Producer()), must(ring.Consumer())
	_ = p.Write(ctx, &Tick{1, 101.5})
	m := must(c.Read(ctx))
	fmt.Println(m.Value().Price)
	m.Release()
	// Output: 101.5
}

func ExampleProducer_Writer() {
	ctx := context.Background()
	ring := must(goring.Create("", layout.Bytes(16)))
	defer ring.Close()
	p, c := must(ring.Producer()), must(ring.Consumer())
	_, _ = io.Copy(must(p.Writer(ctx)), strings.NewReader("a text longer than one slot of the ring\n"))
	_ = ring.Shutdown()
	_, _ = io.Copy(os.Stdout, must(c.Reader(ctx)))
	// Output: a text longer than one slot of the ring
}

func ExampleRing_Stats() {
	ring := must(goring.Create("", layout.Bytes(8), goring.Slots(4)))
	defer ring.Close()
	p := must(ring.Producer(goring.As("camera")))
	_ = p.Write(context.Background(), []byte("x"))
	st := must(ring.Stats())
	fmt.Println(st.Ready, st.Free, st.Participants[0].Name, st.Participants[0].Alive)
	// Output: 1 3 camera true
}
