package proto

import "example.com/goring/layout"

// Counts are numbers of messages at one look. Peers run on meanwhile: each is right at some
// instant, not all at the same.
type Counts struct {
	// Published is how many numbers were used up, aborted ones included.
	Published uint64
	// Released is a number before which every number was released, or overwritten.
	Released uint64
	// Ready is how many messages wait: for the slowest consumer, in the broadcast modes.
	Ready uint64
	// Taken is how many messages are held by one of several consumers.
	Taken uint64
	// Writing is how many slots are reserved by one of several producers.
	Writing uint64
	// Free is how many slots can be written without waiting.
	Free uint64
	// Holds has the message numbers that each seat is writing or has taken.
	Holds map[int][]uint64
}

// Count loads every slot word, or every cursor, once.
func (r *Ring) Count() Counts {
	if r.Mode == layout.ModeQueue {
		return r.countWords()
	}
	return r.countCursors()
}

// countWords counts the states of the words of a queue.
// SYNC commit load, release load, reserve load, take load
func (r *Ring) countWords() Counts {
	c := Counts{
		Published: r.FirstUnwritten().Number(r.Slots),
		Released:  r.FirstUnreleased().Number(r.Slots),
		Holds:     map[int][]uint64{},
	}
	for i := range r.Slots {
		w := r.Header(i).Word.Load()
		switch n, owner := WordLap(w)*r.Slots+i, int(WordOwner(w)); WordState(w) {
		case layout.StateFree:
			c.Free++
		case layout.StateWriting:
			c.Writing++
			c.Holds[owner] = append(c.Holds[owner], n)
		case layout.StateReady:
			c.Ready++
		case layout.StateTaken:
			c.Taken++
			c.Holds[owner] = append(c.Holds[owner], n)
		}
	}
	return c
}

// countCursors counts the messages that the slowest consumer of a broadcast ring has not read, or
// those that an overwrite ring still has.
func (r *Ring) countCursors() Counts {
	c := Counts{Published: r.Head(), Free: r.Slots}
	if r.Mode == layout.ModeOverwrite {
		c.Ready = min(c.Published, r.Slots)
	} else {
		c.Ready = min(c.Published-r.SlowestCursor(c.Published), r.Slots)
		c.Free = r.Slots - c.Ready
	}
	c.Released = c.Published - c.Ready
	return c
}
