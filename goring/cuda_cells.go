package goring

import (
	"sync/atomic"
	"time"

	"example.com/goring/layout"
)

// graceTime is step 1a of Reap.
const graceTime = layout.GPUGraceNS * time.Nanosecond

// completeCells is step 1b of Reap for seat n. claimed is loaded before seat, the other way
// round from a claim: so both are of the same one, unless it has been reached.
func (r *Ring) completeCells(n int) {
	for i := range r.sb.Slots + r.sb.DoneCells() {
		c := r.cell(r.sb.ReadyCell(i))
		if claimed := c.claimed.Load(); c.seat.Load() == uint32(n) {
			c.complete(claimed, i < r.sb.Slots)
		}
	}
}

// cell is how far the device work of a slot's producer or consumer is (spec section 11).
type cell struct {
	value, claimed, voided *atomic.Uint64
	seat                   *atomic.Uint32
}

func (r *Ring) cell(off uint64) cell {
	return cell{
		value: r.word64(off + layout.GPUCellValue), claimed: r.word64(off + layout.GPUCellClaimed),
		voided: r.word64(off + layout.GPUCellVoided), seat: r.word32(off + layout.GPUCellSeat),
	}
}

// complete fulfils a claim whose writer will not.
func (c cell) complete(claimed uint64, payload bool) {
	seen := c.value.Load()
	if int64(seen-claimed) >= 0 {
		return
	}
	if payload {
		c.voided.Store(claimed) // before the streams go on
	}
	for int64(seen-claimed) < 0 && !c.value.CompareAndSwap(seen, claimed) {
		seen = c.value.Load()
	}
}

// reached reports whether the device has come to target.
func (c cell) reached(target uint64) bool { return int64(c.value.Load()-target) >= 0 }

// isVoid reports whether the payload of a message that is owned never came.
func (c cell) isVoid() bool {
	claimed := c.claimed.Load()
	return claimed != 0 && c.voided.Load() == claimed
}

// hasLane reports whether seat n has a cell of its own: a broadcast consumer's of a GPU ring.
func (r *Ring) hasLane(n int) bool {
	return r.sb.GPU() && r.sb.Mode == layout.ModeBroadcast && n > r.sb.MaxProducers
}

// startLane makes the cell of seat n that of somebody who has come as far as he returns: as
// head, or as his predecessor, who may have read a message that head does not count yet.
func (r *Ring) startLane(n int, head uint64) uint64 {
	c := r.cell(r.sb.DoneCell(uint64(n - r.sb.MaxProducers - 1)))
	at := max(head, c.claimed.Load())
	c.value.Store(at)
	c.claimed.Store(at)
	return at
}
