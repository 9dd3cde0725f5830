//go:build !amd64 || race

package proto

import "sync/atomic"

// storeRelease stores v into w. Everything stored before is visible to a load that returns v.
// Under the race detector and on processors other than amd64 it is the full atomic store.
// SYNC commit store, release store
func storeRelease(w *atomic.Uint64, v uint64) { w.Store(v) }
