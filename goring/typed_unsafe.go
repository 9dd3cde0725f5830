package goring

import "unsafe"

// These casts are sound because a typed ring's item is exactly a T (checked field
// by field), T has no pointers, and payloads are aligned for every number.

// valueIn is the T that b holds.
func valueIn[T any](b []byte) *T { return (*T)(unsafe.Pointer(&b[0])) }

// valuesIn is the run of T that b holds.
func valuesIn[T any](b []byte) []T {
	var t T
	if len(b) == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&b[0])), uintptr(len(b))/unsafe.Sizeof(t))
}

// bytesOf is the memory of vs.
func bytesOf[T any](vs []T) []byte {
	var t T
	if len(vs) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&vs[0])), uintptr(len(vs))*unsafe.Sizeof(t))
}
