package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

const (
	demoClients = 8
	demoSpan    = 3 * time.Second
)

// demo asks the service for known pairs, from several clients at once. It fails unless a
// paraphrase is always nearer than a related sentence, and that nearer than an unrelated one.
func demo(ctx context.Context, e embedder, dir string) error {
	b, err := os.ReadFile(filepath.Join(dir, "pairs.json"))
	if err != nil {
		return err
	}
	var rows [][4]string // a sentence, and a paraphrase, a related and an unrelated one
	if err := json.Unmarshal(b, &rows); err != nil {
		return fmt.Errorf("pairs.json: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler(e), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()
	url := "http://" + listener.Addr().String() + "/similarity"

	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "sentence\tparaphrase\trelated\tunrelated")
	wrong := 0
	for _, row := range rows {
		s, err := ask(ctx, url, row)
		if err != nil {
			return err
		}
		verdict := ""
		if s[0] <= s[1] || s[1] <= s[2] {
			verdict = "WRONG ORDER"
			wrong++
		}
		_, _ = fmt.Fprintf(t, "%s\t%.3f\t%.3f\t%.3f\t%s\n", row[0], s[0], s[1], s[2], verdict)
	}
	_ = t.Flush()
	if err := load(ctx, e, url, rows); err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d rows are in the wrong order of similarity", wrong, len(rows))
	}
	return nil
}

// ask returns the similarities of a row's first sentence to the others.
func ask(ctx context.Context, url string, row [4]string) ([]float32, error) {
	var question struct {
		Pairs [][2]string `json:"pairs"`
	}
	for _, other := range row[1:] {
		question.Pairs = append(question.Pairs, [2]string{row[0], other})
	}
	b, err := json.Marshal(question)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(string(b)))
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	var scores struct {
		Scores []float32 `json:"scores"`
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the service answered %s", answer.Status)
	}
	err = json.NewDecoder(answer.Body).Decode(&scores)
	return scores.Scores, err
}

// load asks from several clients for a while, and prints throughput and latency.
func load(ctx context.Context, e embedder, url string, rows [][4]string) error {
	before, err := e.pool.Stats()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, demoSpan)
	defer cancel()
	failed := make([]error, demoClients)
	var all sync.WaitGroup
	for k := range demoClients {
		all.Go(func() {
			for n := k; ctx.Err() == nil; n++ {
				if _, err := ask(context.WithoutCancel(ctx), url, rows[n%len(rows)]); err != nil {
					failed[k] = err
					return
				}
			}
		})
	}
	all.Wait()
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	after, err := e.pool.Stats()
	if err != nil {
		return err
	}
	fmt.Printf("\n%d clients, %v: %.0f texts a second, %v p50 and %v p99 from text to vector\n", demoClients, demoSpan,
		float64(after.Answered-before.Answered)/demoSpan.Seconds(), after.Latency.Quantile(0.5).Round(time.Millisecond/10), after.Latency.Quantile(0.99).Round(time.Millisecond/10))
	return nil
}
