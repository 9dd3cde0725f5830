// Pool measures goring's worker pool beside its peers: Go sends requests to Python
// processes and takes their answers, through goring, gRPC over a Unix socket, HTTP over a
// Unix socket, and pipes. The work and the number of processes are the same for all.
//
//	go run . -python PYTHON -rounds 5
//
// In every round each peer does each measurement once, so that all see the same machine;
// the table has medians.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"
)

// peer is one way to call Python processes.
type peer interface {
	// call sends data for the work "echo" or "add" and checks the answer.
	call(ctx context.Context, work string, data []byte) error
	close() error
}

type options struct {
	python  string
	dir     string
	workers int
	rounds  int
	span    time.Duration
	out     string
}

func main() {
	var o options
	flag.StringVar(&o.python, "python", "python3", "interpreter with goring and the peers")
	flag.StringVar(&o.dir, "dir", "workers", "folder of the Python programs")
	flag.IntVar(&o.workers, "workers", 2, "Python processes of each peer")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds")
	flag.DurationVar(&o.span, "span", 400*time.Millisecond, "length of one measurement")
	flag.StringVar(&o.out, "json", "", "file for the raw figures")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "pool:", err)
		os.Exit(1)
	}
}

// one is one measurement.
type one struct {
	Work        string `json:"work"`
	Bytes       int    `json:"bytes"`
	Concurrency int    `json:"concurrency"`
}

// figure is the result of a peer in one round.
type figure struct {
	PerSecond float64       `json:"per_second"`
	P50       time.Duration `json:"p50_ns"`
	P99       time.Duration `json:"p99_ns"`
}

var (
	names        = []string{"goring", "grpc", "http", "pipes"} // those that are there
	sizes        = []int{64, 64 << 10, 1 << 20}
	concurrences = []int{1, 8, 64}
)

func run(ctx context.Context, o options) error {
	open := map[string]func(context.Context, options) (peer, error){"goring": newGoring, "grpc": newGRPC, "http": newHTTP, "pipes": newPipes}
	peers := map[string]peer{}
	for _, name := range names {
		p, err := open[name](ctx, o)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s is not there: %v\n", name, err)
			continue
		}
		defer func() { _ = p.close() }()
		peers[name] = p
	}
	names = slices.DeleteFunc(names, func(name string) bool { return peers[name] == nil })
	all := map[one]map[string][]figure{}
	for round := range o.rounds {
		for _, m := range measurements() {
			if all[m] == nil {
				all[m] = map[string][]figure{}
			}
			for k := range names {
				name := names[(k+round)%len(names)] // each comes first in turn
				f, err := measure(ctx, peers[name], m, o.span)
				if err != nil {
					return fmt.Errorf("%s, %+v: %w", name, m, err)
				}
				all[m][name] = append(all[m][name], f)
			}
			fmt.Fprintf(os.Stderr, "\rround %d of %d, %s %d bytes, %d at once      ", round+1, o.rounds, m.Work, m.Bytes, m.Concurrency)
		}
	}
	fmt.Fprintln(os.Stderr)
	print(os.Stdout, all)
	return save(o.out, all)
}

func measurements() (all []one) {
	for _, work := range []string{"echo", "add"} {
		for _, size := range sizes {
			for _, c := range concurrences {
				all = append(all, one{work, size, c})
			}
		}
	}
	return all
}

func save(path string, all map[one]map[string][]figure) error {
	if path == "" {
		return nil
	}
	type row struct {
		one
		Peers map[string][]figure `json:"peers"`
	}
	var rows []row
	for _, m := range measurements() {
		rows = append(rows, row{m, all[m]})
	}
	b, err := json.MarshalIndent(rows, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}
