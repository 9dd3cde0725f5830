// Package proto is the protocol of a ring: the steps that participants take on the words of a
// segment. It knows no contexts, error texts or options; package goring makes an API of it.
//
// Each file of the protocol has a twin in C, with the same functions under the same names, and a
// section of spec/LAYOUT.md that both follow (count.go and clock.go only count words and read the
// clock):
//
//	file                     include/goring/   spec
//	words.go, ring_unsafe.go words.h           4, 5: slot words, sizes, positions, geometry
//	produce.go               produce.h         6, 7: reserving, publishing, aborting
//	consume.go               consume.h         6, 7: taking, releasing, requeueing
//	cursor.go                cursor.h          7: cursors of broadcast rings and their gate
//	overwrite.go             overwrite.h       7: marking, intact and lost messages
//	seat.go                  seat.h            3: joining, leaving, reaping
//	peers.go                 peers.h           3: the death of peers
//	wait.go                  wait.h            9: spinning, yielding, sleeping
//	slip.go                  slip.h            PACING.md: temporal slipping
//	cells.go                 cells.h           11: claims of device work, as the host sees them
//
// Every access of an atomic word carries a tag, `SYNC tag store` or `SYNC tag load`, on its line or
// in the comment of its function. Both ends of a pair have the same tag, in Go and in C:
//
//	tag        stored by                        loaded by                      held by
//	commit     publish, abort, requeue, reap    every look at a word           slot_queue.pml, litmus queue
//	release    release, skip, retract, clear    reserving, where to start      slot_queue.pml, litmus queue
//	reserve    several producers' CAS           walks, reap                    slot_queue_producers.pml
//	take       several consumers' CAS, retract  walks, reap                    slot_queue_consumers.pml
//	hint       after each of these CAS          the start of a walk            slot_queue_producers.pml
//	requeue    requeue, reap                    a walk that found nothing      slot_queue_consumers.pml
//	waiting    a sleeper, before its last look  notify, after the word         eventcount.pml, litmus waiting
//	wake       notify, wake all                 a sleeper's ticket             eventcount.pml
//	head       broadcast producer, after words  joiners, lapped consumers      broadcast.pml
//	cursor     release, joining twice           the gate                       broadcast.pml
//	overwrite  WRITING, then a fence            a fence, then the word again   overwrite.pml, litmus overwrite
//	shutdown   Shutdown                         reserving, the end of a wait   eventcount.pml
//	seat       join, leave, reap                the gate, reapers, peers       broadcast.pml
//	progress   joining, sleeping, losing        people                         none: no step depends on it
//	claim      a cell's owner, joining          its waiter, reap               gpu_queue.pml, litmus cells
//	reached    the device, reap                 waiters                        gpu_queue.pml, litmus cells
//	void       reap                             the message's consumer         gpu_queue.pml, litmus cells
//	gone       the memory's owner, its watcher  joiners, refusals              none: a late look at it ends a wait later
//	local      this process                     this process                   none: no other process sees it
package proto
