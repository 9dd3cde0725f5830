package proto

import "example.com/goring/layout"

// Peers are the seats of the other role as one participant has seen them.
type Peers struct {
	first int
	seats []Seat
	// known is each seat's epoch at the snapshot, less 1 if it was in use: a death counts when the
	// epoch differs from it.
	known []uint32
}

// Snapshot notes the holders of a role's seats. The dead have been reaped before.
// SYNC seat load
func (r *Ring) Snapshot(role Role) *Peers {
	first, last := r.SeatsOf(role)
	p := &Peers{first: first, seats: r.seats[first-1 : last]}
	for _, s := range p.seats {
		known := s.Epoch.Load()
		if s.InUse() {
			known--
		}
		p.known = append(p.known, known)
	}
	return p
}

// Dead returns the seat of a dead peer when no peer lives and at least one has died since the
// snapshot, else 0. Of several it returns the one that was seen last. It needs no lock: the dead
// are in use until a participant reaps them, which the waiting one does at the end of each slice.
// SYNC seat load, progress load
func (p *Peers) Dead() (seat int) {
	latest := int64(-1)
	for i, s := range p.seats {
		if s.InUse() {
			return 0
		}
		if s.Flags.Load()&layout.PartDied == 0 || s.Epoch.Load() == p.known[i] {
			continue
		}
		if seen := max(s.Progress.Load(), 0); seen > latest {
			latest, seat = seen, p.first+i
		}
	}
	return seat
}
