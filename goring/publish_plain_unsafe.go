//go:build amd64 && !race

package goring

import (
	"sync/atomic"
	"unsafe"
)

// storeRelease stores v so that everything before it is visible to whoever loads
// v. On amd64 every store is a release store; Go has no name for one that costs
// no fence, so this is a plain store. Batches use it for all words but the last;
// TestPublishOrder checks the order of the emitted stores.
func storeRelease(w *atomic.Uint64, v uint64) { *(*uint64)(unsafe.Pointer(w)) = v }
