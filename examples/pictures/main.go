// Pictures shows goring's main use in small: a Go program decodes photographs and puts each on a
// ring, Python workers read them in place with NumPy and answer on a second ring, and Go joins
// the answers to the pictures.
//
//	go run ./examples/pictures -images FOLDER -seconds 5 -workers 2
//
// Every frame is checksummed on both sides. A frame that is missing, doubled or
// different makes the program exit with status 1.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.images, "images", "", "folder of JPEG and PNG files")
	flag.Float64Var(&o.seconds, "seconds", 5, "repeat the set for so long; at least once")
	flag.IntVar(&o.workers, "workers", 2, "Python processes")
	flag.StringVar(&o.python, "python", "python3", "interpreter that has goring installed")
	flag.StringVar(&o.script, "worker", "examples/pictures/worker.py", "the workers' program")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "pictures:", err)
		os.Exit(1)
	}
}

type options struct {
	images  string
	seconds float64
	workers int
	python  string
	script  string
}

func run(ctx context.Context, o options) error {
	pictures, err := load(o.images)
	if err != nil {
		return err
	}
	rings, err := makeRings(pictures, o.workers)
	if err != nil {
		return err
	}
	defer rings.remove()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	crew, err := hire(ctx, cancel, o, rings)
	if err != nil {
		return err
	}
	book := newBook(pictures)
	joined := make(chan error, 1)
	go func() { joined <- rings.join(ctx, book) }()

	start := time.Now()
	sent := rings.feed(ctx, book, time.Duration(o.seconds*float64(time.Second)))
	took := func() time.Duration { return time.Since(start) }
	err = errors.Join(sent, rings.frames.Shutdown()) // the workers drain, answer and end
	err = errors.Join(err, crew.wait())
	elapsed := took()
	err = errors.Join(err, rings.results.Shutdown(), <-joined)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = errors.Join(cause, err)
	}
	book.print(os.Stdout, elapsed)
	return errors.Join(err, book.verdict())
}
