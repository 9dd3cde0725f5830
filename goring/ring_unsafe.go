package goring

import (
	"sync/atomic"
	"unsafe"

	"example.com/goring/layout"
)

// word32 is a control word of the mapped segment.
func (r *Ring) word32(off uint64) *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Add(r.control.Base, off))
}

// word64 is a control word of the mapped segment.
func (r *Ring) word64(off uint64) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Add(r.control.Base, off))
}

// wordI64 is a control word of the mapped segment that holds a time.
func (r *Ring) wordI64(off uint64) *atomic.Int64 {
	return (*atomic.Int64)(unsafe.Add(r.control.Base, off))
}

// participant is seat n's entry, in place.
func (r *Ring) participant(n int) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(r.control.Base, r.sb.Participant(n))), layout.ParticipantSize)
}
