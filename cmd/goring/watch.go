package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"example.com/goring/cmd/goring/internal/doctor"
)

const (
	refresh     = time.Second
	clearScreen = "\033[H\033[2J"
)

// watchRing prints a ring every second until ctx ends. On a terminal each print replaces the last.
func watchRing(ctx context.Context, w io.Writer, inspect func() (doctor.Report, error), asJSON bool) error {
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	var before *doctor.Ring
	for last := time.Now(); ; {
		r, err := inspect()
		if err != nil {
			return err
		}
		now := time.Now()
		if err := showOnce(w, r, speed(before, r.Ring, now.Sub(last)), asJSON); err != nil {
			return err
		}
		before, last = r.Ring, now
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func showOnce(w io.Writer, r doctor.Report, rates []string, asJSON bool) error {
	if asJSON {
		return printJSON(w, r)
	}
	var text bytes.Buffer
	if isTerminal(w) {
		text.WriteString(clearScreen)
	}
	if err := printStat(&text, r, rates); err != nil {
		return err
	}
	text.WriteByte('\n')
	_, err := w.Write(text.Bytes())
	return err
}

// speed returns the messages per second published and released between two snapshots.
func speed(before, now *doctor.Ring, d time.Duration) []string {
	if before == nil || now == nil || d <= 0 || now.Published < before.Published || now.Released < before.Released {
		return nil
	}
	per := func(n uint64) float64 { return float64(n) / d.Seconds() }
	return []string{fmt.Sprintf("%.0f messages/s in, %.0f out", per(now.Published-before.Published), per(now.Released-before.Released))}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
