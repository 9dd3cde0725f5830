package main

import (
	"fmt"
	"time"

	"example.com/goring/goring"
	"example.com/goring/layout"
)

// castSlots is the number of slots of the broadcast measurements.
const castSlots = 64

// broadcast measures the cost of a message to its producer, in ns, with that many consumers. All
// participants take turns on one core, a lap at a time, so that the figure is work, not waiting.
func broadcast(consumers, laps int) (float64, error) {
	r, err := goring.Create("", layout.Bytes(32), goring.Mode(layout.ModeBroadcast), goring.Slots(castSlots), goring.Consumers(max(consumers, 1)))
	if err != nil {
		return 0, err
	}
	defer func() { _ = r.Close() }()
	p, err := r.Producer()
	if err != nil {
		return 0, err
	}
	defer func() { _ = p.Close() }()
	inboxes := make([]*goring.Consumer, consumers)
	for k := range inboxes {
		if inboxes[k], err = r.Consumer(); err != nil {
			return 0, err
		}
		defer func() { _ = inboxes[k].Close() }()
	}
	var producing time.Duration
	for lap := range laps {
		begun := time.Now()
		for n := range uint64(castSlots) {
			s, err := p.TryReserve()
			if err != nil {
				return 0, fmt.Errorf("lap %d: %w", lap, err)
			}
			fill(s.Bytes(), n)
			s.Commit()
		}
		producing += time.Since(begun)
		for _, c := range inboxes {
			if err := drain(c); err != nil {
				return 0, err
			}
		}
	}
	return float64(producing.Nanoseconds()) / float64(laps*castSlots), nil
}

func drain(c *goring.Consumer) error {
	for range castSlots {
		m, err := c.TryRead()
		if err != nil {
			return err
		}
		if err := m.Release(); err != nil {
			return err
		}
	}
	return nil
}
