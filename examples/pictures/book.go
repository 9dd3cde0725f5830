package main

import (
	"fmt"
	"io"
	"sync"
	"text/tabwriter"
	"time"
)

// book joins answers to pictures. The feeder and the joiner fill it.
type book struct {
	pictures []picture

	mu     sync.Mutex
	of     []int  // index of the picture, by frame
	seen   []bool // whether the answer has arrived, by frame
	last   map[int]result
	work   map[uint32]int // number of frames, by worker
	wrong  []string
	volume int64
}

func newBook(pictures []picture) *book {
	return &book{pictures: pictures, last: map[int]result{}, work: map[uint32]int{}}
}

// sent enters a frame of picture i and returns its number.
func (b *book) sent(i int) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of, b.seen = append(b.of, i), append(b.seen, false)
	b.volume += int64(len(b.pictures[i].rgb))
	return uint64(len(b.of) - 1)
}

// answered enters a worker's answer and checks it against the picture.
func (b *book) answered(r *result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.Frame >= uint64(len(b.of)) {
		b.complain("an answer for frame %d, which was never sent", r.Frame)
		return
	}
	i := b.of[r.Frame]
	p := &b.pictures[i]
	switch {
	case b.seen[r.Frame]:
		b.complain("frame %d (%s) was answered twice", r.Frame, p.file)
	case r.CRC != p.crc || int(r.Height) != p.height || int(r.Width) != p.width:
		b.complain("frame %d (%s, %dx%d, crc %08x) came as %dx%d, crc %08x",
			r.Frame, p.file, p.width, p.height, p.crc, r.Width, r.Height, r.CRC)
	}
	b.seen[r.Frame] = true
	b.last[i] = *r
	b.work[r.Worker]++
}

func (b *book) complain(format string, args ...any) {
	b.wrong = append(b.wrong, fmt.Sprintf(format, args...))
}

// verdict returns an error unless every frame came back once and unchanged.
func (b *book) verdict() error {
	missing := 0
	for _, s := range b.seen {
		if !s {
			missing++
		}
	}
	if missing == 0 && len(b.wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d frames missing, %d wrong %v", missing, len(b.of), len(b.wrong), b.wrong[:min(len(b.wrong), 5)])
}

// print prints the table and the rates.
func (b *book) print(w io.Writer, took time.Duration) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "picture\tsize\tmean red green blue\tsharpness\tbrightness 0..255\tcrc")
	for i := range b.pictures {
		p, r := &b.pictures[i], b.last[i]
		_, _ = fmt.Fprintf(t, "%s\t%dx%d\t%5.1f %5.1f %5.1f\t%9.1f\t%s\t%08x\n",
			p.file, p.width, p.height, r.Mean[0], r.Mean[1], r.Mean[2], r.Sharpness, bars(r.Histogram[:]), r.CRC)
	}
	_ = t.Flush()
	s := took.Seconds()
	_, _ = fmt.Fprintf(w, "\n%d frames, %.1f MB in %.1f s: %.0f frames/s, %.0f MB/s, Go -> %d Python workers -> Go\n",
		len(b.of), float64(b.volume)/1e6, s, float64(len(b.of))/s, float64(b.volume)/1e6/s, len(b.work))
	for worker := range uint32(len(b.work)) {
		_, _ = fmt.Fprintf(w, "  worker %d looked at %d frames\n", worker, b.work[worker])
	}
	if b.verdict() == nil {
		_, _ = fmt.Fprintf(w, "every frame came back once, with the right checksum\n")
	}
}

// bars returns a histogram in block characters.
func bars(h []uint32) string {
	blocks := []rune(" ▁▂▃▄▅▆▇█")
	most := uint32(1)
	for _, n := range h {
		most = max(most, n)
	}
	out := make([]rune, len(h))
	for i, n := range h {
		out[i] = blocks[(uint64(n)*8+uint64(most)-1)/uint64(most)]
	}
	return string(out)
}
