//go:build !amd64 || race

package goring

import "sync/atomic"

// storeRelease stores v so that everything before it is visible to whoever loads
// v. Under the race detector and on other machines it is the full atomic store.
func storeRelease(w *atomic.Uint64, v uint64) { w.Store(v) }
