package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"text/tabwriter"
	"time"
)

// measure calls from many goroutines at once for about span.
func measure(ctx context.Context, p peer, m one, span time.Duration) (figure, error) {
	data := make([]byte, m.Bytes)
	for i := range data {
		data[i] = byte(i * 7)
	}
	if err := p.call(ctx, m.Work, data); err != nil { // opens connections, warms caches
		return figure{}, err
	}
	took := make([][]time.Duration, m.Concurrency)
	failed := make([]error, m.Concurrency)
	begun := time.Now()
	var all sync.WaitGroup
	for k := range m.Concurrency {
		all.Go(func() {
			for last := time.Now(); last.Sub(begun) < span; {
				if failed[k] = p.call(ctx, m.Work, data); failed[k] != nil {
					return
				}
				now := time.Now()
				took[k] = append(took[k], now.Sub(last))
				last = now
			}
		})
	}
	all.Wait()
	elapsed := time.Since(begun)
	for _, err := range failed {
		if err != nil {
			return figure{}, err
		}
	}
	flat := slices.Concat(took...)
	slices.Sort(flat)
	at := func(q float64) time.Duration { return flat[int(q*float64(len(flat)-1))] }
	return figure{float64(len(flat)) / elapsed.Seconds(), at(0.5), at(0.99)}, nil
}

// check compares an answer with the expected result of the work on data.
func check(work string, data, answer []byte) error {
	if work == "echo" {
		if len(answer) != len(data) || answer[0] != data[0] || answer[len(answer)-1] != data[len(data)-1] {
			return fmt.Errorf("echo of %d bytes gave %d others", len(data), len(answer))
		}
		return nil
	}
	if len(answer) != 8 {
		return fmt.Errorf("the sum has %d bytes", len(answer))
	}
	got := uint64(0)
	for i := range 8 {
		got |= uint64(answer[i]) << (8 * i)
	}
	if want := sumOf(len(data)); got != want {
		return fmt.Errorf("the sum is %d, not %d", got, want)
	}
	return nil
}

var sums sync.Map

// sumOf returns the sum of the bytes that measure sends.
func sumOf(n int) uint64 {
	if s, ok := sums.Load(n); ok {
		return s.(uint64)
	}
	total := uint64(0)
	for i := range n {
		total += uint64(byte(i * 7))
	}
	sums.Store(n, total)
	return total
}

// median returns the median of get over the figures.
func median[T cmp.Ordered](all []figure, get func(figure) T) T {
	values := make([]T, 0, len(all))
	for _, f := range all {
		values = append(values, get(f))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func print(w io.Writer, all map[one]map[string][]figure) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprint(t, "work\tbytes\tat once\t")
	for _, name := range names {
		_, _ = fmt.Fprintf(t, "%s /s\t", name)
	}
	for _, name := range names[1:] {
		_, _ = fmt.Fprintf(t, "x %s\t", name)
	}
	for _, name := range names {
		_, _ = fmt.Fprintf(t, "%s p50\tp99\t", name)
	}
	_, _ = fmt.Fprintln(t)
	for _, m := range measurements() {
		rate := func(name string) float64 {
			return median(all[m][name], func(f figure) float64 { return f.PerSecond })
		}
		_, _ = fmt.Fprintf(t, "%s\t%d\t%d\t", m.Work, m.Bytes, m.Concurrency)
		for _, name := range names {
			_, _ = fmt.Fprintf(t, "%.0f\t", rate(name))
		}
		for _, name := range names[1:] {
			_, _ = fmt.Fprintf(t, "%.1f\t", rate("goring")/rate(name))
		}
		for _, name := range names {
			_, _ = fmt.Fprintf(t, "%v\t%v\t", median(all[m][name], func(f figure) time.Duration { return f.P50 }).Round(100*time.Nanosecond),
				median(all[m][name], func(f figure) time.Duration { return f.P99 }).Round(100*time.Nanosecond))
		}
		_, _ = fmt.Fprintln(t)
	}
	_ = t.Flush()
}
