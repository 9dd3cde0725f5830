// Gpu makes a ring in GPU memory, fills frames in it and has a Python process read them in place:
// as arrays of CuPy, PyTorch, numba or JAX, whichever is installed. examples/gpu/run.sh runs it.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"time"

	"example.com/goring/goring"
	"example.com/goring/goring/cuda"
	"example.com/goring/layout"
)

const height, width = 120, 160

func main() {
	frames := flag.Int("frames", 100, "how many")
	with := flag.String("with", "", "cupy, torch, numba, jax or goring; the first that is installed")
	python := flag.String("python", "python3", "the interpreter")
	flag.Parse()
	if err := run(*frames, *python, *with); err != nil {
		fmt.Fprintln(os.Stderr, "gpu:", err)
		os.Exit(1)
	}
}

func run(frames int, python, with string) error {
	name := fmt.Sprintf("gpu-example-%d", os.Getpid())
	ring, err := goring.Create(name, layout.Array[float32](height, width), cuda.Device(0), goring.Slots(4))
	if err != nil {
		return err
	}
	defer func() { _, _ = ring.Unlink(), ring.Close() }()
	info, _ := ring.GPU()
	fmt.Printf("a ring of %d frames in %s memory of %s, synchronised by %s\n", ring.Superblock().Slots, info.Memory, info.Device, info.Sync)

	reader := exec.Command(python, "examples/gpu/read.py", name, with)
	reader.Stdout, reader.Stderr = os.Stdout, os.Stderr
	if err := reader.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- reader.Wait() }()
	if err := write(ring, frames); err != nil {
		return errors.Join(err, reader.Process.Kill(), <-ended)
	}
	return <-ended
}

// write fills frame n with n and copies it to the device on a stream.
func write(ring *goring.Ring, frames int) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	p, err := cuda.NewProducer(ring)
	if err != nil {
		return err
	}
	defer func() { _ = p.Close() }()
	stream, err := cuda.NewStream(ring)
	if err != nil {
		return err
	}
	b := make([]byte, height*width*4)
	for n := range frames {
		for i := 0; i < len(b); i += 4 {
			binary.LittleEndian.PutUint32(b[i:], math.Float32bits(float32(n)))
		}
		slot, err := p.Reserve(ctx)
		if err != nil {
			return err
		}
		if err := slot.CopyFromHost(b, stream); err != nil {
			return err
		}
		if err := slot.CommitOn(stream); err != nil { // waits for nothing: the reader's stream does
			return err
		}
	}
	return ring.Shutdown()
}
