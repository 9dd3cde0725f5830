package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"example.com/goring/examples/photo"
	"example.com/goring/pool"
)

// drive holds the demo's clients and their counts.
type drive struct {
	url    string
	files  []string
	bodies [][]byte

	mu       sync.Mutex
	took     []time.Duration
	failures []error
	seen     map[string]looks // the answer for each file
	thumbs   int
}

// demo posts pictures from several clients at once, and kills a worker in the middle.
func demo(ctx context.Context, o options, url string, workers *pool.Pool) error {
	d := &drive{url: url + "/look", seen: map[string]looks{}}
	if err := d.load(o.images); err != nil {
		return err
	}
	span := time.Duration(o.seconds * float64(time.Second))
	ctx, cancel := context.WithTimeout(ctx, span)
	defer cancel()
	begun := time.Now()
	var clients sync.WaitGroup
	for i := range o.clients {
		clients.Go(func() { d.client(ctx, i) })
	}
	killed := killBusyWorker(ctx, span/2, workers)
	clients.Wait()
	elapsed := time.Since(begun)
	st, err := workers.Stats()
	if err != nil {
		return err
	}
	d.print(elapsed, o, st)
	return d.verdict(killed, st)
}

func (d *drive) load(folder string) error {
	files, err := photo.Files(folder)
	if err != nil {
		return err
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if p, err := photo.Decode(bytes.NewReader(b)); err != nil || len(p.RGB) > largestPhoto {
			fmt.Fprintf(os.Stderr, "service: left out: %s: %v\n", path, err)
			continue
		}
		d.files, d.bodies = append(d.files, filepath.Base(path)), append(d.bodies, b)
	}
	if len(d.files) == 0 {
		return fmt.Errorf("no JPEG or PNG in %s that decodes", folder)
	}
	return nil
}

// client posts one picture after the other, every third for its thumbnail. It waits for requests
// that are in flight at the end of the time.
func (d *drive) client(ctx context.Context, first int) {
	for n := first; ctx.Err() == nil; n++ {
		k := n % len(d.files)
		begun := time.Now()
		err := d.post(k, n%3 == 2)
		d.mu.Lock()
		d.took = append(d.took, time.Since(begun))
		if err != nil {
			d.failures = append(d.failures, fmt.Errorf("%s: %w", d.files[k], err))
		}
		d.mu.Unlock()
	}
}

// post sends one picture and checks the answer.
func (d *drive) post(k int, thumbnail bool) error {
	url := d.url
	if thumbnail {
		url += "?want=png"
	}
	r, err := http.Post(url, "application/octet-stream", bytes.NewReader(d.bodies[k]))
	if err != nil {
		return err
	}
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %.300s", r.Status, body)
	}
	if thumbnail {
		if _, err := png.Decode(bytes.NewReader(body)); err != nil {
			return err
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.thumbs++
		return nil
	}
	var l looks
	if err := json.Unmarshal(body, &l); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen[d.files[k]] = l
	return nil
}

// killBusyWorker kills a worker with kill -9 when it has taken a request, and returns its pid. It
// returns 0 when it found none before the end.
func killBusyWorker(ctx context.Context, after time.Duration, workers *pool.Pool) (pid int) {
	select {
	case <-time.After(after):
	case <-ctx.Done():
		return 0
	}
	for ctx.Err() == nil {
		st, err := workers.Stats()
		if err == nil && st.Taken == len(st.Workers) && st.Workers[0].Ready { // all are busy
			pid = st.Workers[0].PID
			if syscall.Kill(pid, syscall.SIGKILL) == nil {
				fmt.Printf("killed worker %s (pid %d) with a request in hand\n", st.Workers[0].Name, pid)
				return pid
			}
		}
		time.Sleep(time.Millisecond)
	}
	return 0
}

func (d *drive) print(elapsed time.Duration, o options, st pool.Stats) {
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "picture\tsize\tmean red green blue\tedges\tfaces")
	for _, file := range d.files {
		if l, ok := d.seen[file]; ok {
			_, _ = fmt.Fprintf(t, "%s\t%d x %d\t%v\t%.1f %%\t%d\n", file, l.Width, l.Height, l.Mean, 100*l.Edges, len(l.Faces))
		}
	}
	_ = t.Flush()
	slices.Sort(d.took)
	at := func(q float64) time.Duration {
		return d.took[int(q*float64(len(d.took)-1))].Round(time.Millisecond / 10)
	}
	fmt.Printf("\n%d requests of %d clients in %.1f s: %.0f a second, %d of them thumbnails\n",
		len(d.took), o.clients, elapsed.Seconds(), float64(len(d.took))/elapsed.Seconds(), d.thumbs)
	fmt.Printf("whole request: p50 %v, p90 %v, p99 %v, longest %v\n", at(0.5), at(0.9), at(0.99), at(1))
	fmt.Printf("of it in Python and the rings: p50 %v, p99 %v\n",
		st.Latency.Quantile(0.5).Round(time.Millisecond/10), st.Latency.Quantile(0.99).Round(time.Millisecond/10))
	for _, w := range st.Workers {
		fmt.Printf("worker %s: %d answers, busy %.1f s, started %d times\n", w.Name, w.Requests, w.Busy.Seconds(), w.Starts)
	}
}

// verdict returns nil when a worker was killed and every request was answered.
func (d *drive) verdict(killed int, st pool.Stats) error {
	switch {
	case len(d.failures) > 0:
		return fmt.Errorf("%d of %d requests failed, the first: %w", len(d.failures), len(d.took), d.failures[0])
	case killed == 0:
		return fmt.Errorf("no worker was ever busy: nothing was shown")
	case st.Restarts == 0:
		return fmt.Errorf("worker %d was killed and nobody noticed", killed)
	}
	fmt.Printf("every request was answered, although worker process %d was killed in the middle\n", killed)
	return nil
}
