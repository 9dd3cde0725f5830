//go:build amd64 && !race

package proto

import (
	"sync/atomic"
	"unsafe"
)

// storeRelease stores v into w. Everything stored before is visible to a load that returns v. On
// amd64 every store is a release store; Go has no name for one without a fence, so this is a
// plain store. Batches use it for all words but the last; TestPublishOrder checks the order of
// the emitted stores.
// SYNC commit store, release store
func storeRelease(w *atomic.Uint64, v uint64) { *(*uint64)(unsafe.Pointer(w)) = v }
