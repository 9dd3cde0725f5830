package proto

import (
	"sync/atomic"
	"time"

	"example.com/goring/layout"
)

// graceTime is step 1a of Reap: the driver gets this long to end the work of a dead process.
const graceTime = layout.GPUGraceNS * time.Nanosecond

// Cell says how far the device work of a slot's producer or consumer has come (spec section 11).
// It is words only: every process can complete the claims of the dead, with or without a driver.
type Cell struct {
	value, claimed, voided *atomic.Uint64
	seat                   *atomic.Uint32
}

// ReadyCell returns the cell of slot i's producer.
func (r *Ring) ReadyCell(i uint64) Cell { return r.cellAt(r.sb.ReadyCell(i)) }

// DoneCell returns the cell of the consumer in seat n of a broadcast GPU ring, and its index.
func (r *Ring) DoneCell(seat int) (Cell, uint64) {
	k := uint64(seat - r.sb.MaxProducers - 1)
	return r.cellAt(r.sb.DoneCell(k)), k
}

func (r *Ring) cellAt(off uint64) Cell {
	return Cell{
		value:   r.Word64(off + layout.GPUCellValue),
		claimed: r.Word64(off + layout.GPUCellClaimed),
		voided:  r.Word64(off + layout.GPUCellVoided),
		seat:    r.Word32(off + layout.GPUCellSeat),
	}
}

// Claimed returns the largest value that a participant has undertaken to write.
// SYNC claim load
func (c Cell) Claimed() uint64 { return c.claimed.Load() }

// Reached reports whether the device has come to target.
// SYNC reached load
func (c Cell) Reached(target uint64) bool { return int64(c.value.Load()-target) >= 0 }

// Void reports whether the payload of a message that the caller owns never arrived.
// SYNC claim load, void load
func (c Cell) Void() bool {
	claimed := c.claimed.Load()
	return claimed != 0 && c.voided.Load() == claimed
}

// Claim stores a claim without enqueuing device work, and completes it.
// SYNC claim store
func (c Cell) Claim(value uint64) {
	c.claimed.Store(value)
	c.Complete(value, false)
}

// Complete writes the value of a claim in the place of its writer. With payload true the message of
// that claim is void, which is stored before the waiting streams go on.
// SYNC reached load, reached store, void store
func (c Cell) Complete(claimed uint64, payload bool) {
	seen := c.value.Load()
	if int64(seen-claimed) >= 0 {
		return
	}
	if payload {
		c.voided.Store(claimed)
	}
	for int64(seen-claimed) < 0 && !c.value.CompareAndSwap(seen, claimed) {
		seen = c.value.Load()
	}
}

// CompleteCells completes every claim of seat n that was not reached: step 1b of Reap. It loads
// claimed before seat, the other way round from a claim, so that both are of the same claim
// unless that one has been reached.
// SYNC claim load
func (r *Ring) CompleteCells(n int) {
	for i := range r.sb.Slots + r.sb.DoneCells() {
		c := r.ReadyCell(i)
		if claimed := c.claimed.Load(); c.seat.Load() == uint32(n) {
			c.Complete(claimed, i < r.sb.Slots)
		}
	}
}

// hasDoneCell reports whether seat n has a cell of its own: a consumer's of a broadcast GPU ring.
func (r *Ring) hasDoneCell(n int) bool {
	return r.sb.GPU() && r.sb.Mode == layout.ModeBroadcast && n > r.sb.MaxProducers
}

// startDoneCell initialises the done cell of seat n to the larger of head and its claim, and
// returns that. The seat's last holder may have read one message more than head counts.
// SYNC claim load, claim store, reached store
func (r *Ring) startDoneCell(n int, head uint64) uint64 {
	c, _ := r.DoneCell(n)
	at := max(head, c.claimed.Load())
	c.value.Store(at)
	c.claimed.Store(at)
	return at
}

func (r *Ring) gpuState() *atomic.Uint32 { return r.Word32(r.sb.GPUOff + layout.GPUOffState) }

// Gone reports whether the owner of a GPU ring's memory has died or is closing it.
// SYNC gone load
func (r *Ring) Gone() bool { return r.sb.GPU() && r.gpuState().Load()&layout.GPUGone != 0 }

// EndedEarly reports whether a GPU ring ended because the owner of its memory has gone.
// SYNC gone load
func (r *Ring) EndedEarly() bool { return r.sb.GPU() && r.gpuState().Load()&layout.GPUEarly != 0 }

// MarkGone stores that the owner of a GPU ring's memory has gone, and shuts the ring down.
// SYNC gone store, gone load
func (r *Ring) MarkGone() {
	bits := uint32(layout.GPUGone)
	if !r.IsShutdown() {
		bits |= layout.GPUEarly
	}
	if r.gpuState().Or(bits)&layout.GPUGone == 0 {
		r.Shutdown()
	}
}
