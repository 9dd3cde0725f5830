// Service shows goring's main use in full: an HTTP service in Go that has Python workers analyse
// pictures. It decodes a POSTed JPEG or PNG straight into shared memory; a worker finds faces and
// edges in place with scikit-image; the answer is JSON, or a thumbnail.
//
//	go run ./examples/service -listen 127.0.0.1:8080
//	curl --data-binary @photo.jpg http://127.0.0.1:8080/look
//	curl --data-binary @photo.jpg http://127.0.0.1:8080/look?want=png -o edges.png
//	curl http://127.0.0.1:8080/stats
//
// With -demo it sends itself the photographs of a folder, kills a worker in the middle, and ends
// with status 1 unless every request was answered.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"example.com/goring/layout"
	"example.com/goring/pool"
)

const (
	largestPhoto = 16 << 20 // bytes, decoded
	largestBody  = 16 << 20 // bytes, as it is sent
)

type options struct {
	listen, python, dir, images string
	workers, clients            int
	seconds                     float64
	demo                        bool
}

func main() {
	var o options
	flag.StringVar(&o.listen, "listen", "127.0.0.1:8080", "where to listen")
	flag.StringVar(&o.python, "python", "python3", "interpreter that has goring and scikit-image")
	flag.StringVar(&o.dir, "dir", "examples/service", "folder of looker.py")
	flag.IntVar(&o.workers, "workers", 2, "Python processes")
	flag.BoolVar(&o.demo, "demo", false, "drive the service with pictures, and end")
	flag.StringVar(&o.images, "images", "", "demo: folder of JPEG and PNG files")
	flag.Float64Var(&o.seconds, "seconds", 5, "demo: for so long")
	flag.IntVar(&o.clients, "clients", 4, "demo: so many at once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "service:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	workers, err := pool.New(context.WithoutCancel(ctx), pool.Config{ // closed below, when no request is left
		Worker: "looker:look", Python: o.python, Dir: o.dir, Workers: o.workers,
		Request: layout.Tensor(largestPhoto), Slots: 2 * o.workers, ResultBytes: 1 << 20,
		WorkerTimeout: 30 * time.Second,
		Env:           []string{"OPENBLAS_NUM_THREADS=1"},
		Logger:        slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, workers.Close()) }()
	if o.demo {
		o.listen = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: newService(workers), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	url := "http://" + listener.Addr().String()
	fmt.Println("listening on", url)
	if o.demo {
		err = demo(ctx, o, url, workers)
	} else {
		<-ctx.Done()
	}
	done, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err = errors.Join(err, server.Shutdown(done))
	if end := <-served; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return err
}
