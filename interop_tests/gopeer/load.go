package main

import (
	"encoding/binary"
	"hash/crc32"
)

// The messages of the stress, the same in every language (see stress.py). The
// first 8 bytes are the id, producer<<40 | number; the rest follows from it.
//
// On rings of fixed items an item is k words: id, mix(id+1) .. mix(id+k-2), and a
// checksum over all of them. On bytes rings it is id, CRC-32 of id and body, body;
// the body's length and bytes depend on the id.

var le = binary.LittleEndian

// head is what a bytes message has before its body.
const head = 12

func mix(x uint64) uint64 {
	x *= 0x9e3779b97f4a7c15
	x ^= x >> 29
	x *= 0xbf58476d1ce4e5b9
	return x ^ x>>32
}

// pattern holds the bytes that bodies are cut from.
var pattern = func() []byte {
	b := make([]byte, 0, 1<<17)
	for i := uint64(0); len(b) < cap(b); i++ {
		b = le.AppendUint64(b, mix(i))
	}
	return b
}()

// body returns the body of message id for slots of room bytes.
func body(id uint64, room int) []byte {
	h := mix(id)
	at := int(h>>32) & 0xffff
	return pattern[at : at+int(h&0xffffffff)%(room-head+1)]
}

func sum(id, body []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE(id), crc32.IEEETable, body)
}

// makeBytes writes message id to b, a whole slot, and returns its length.
func makeBytes(b []byte, id uint64) int {
	n := copy(b[head:], body(id, len(b)))
	le.PutUint64(b, id)
	le.PutUint32(b[8:], sum(b[:8], b[head:head+n]))
	return head + n
}

// goodBytes reports whether b is a whole message of a ring with slots of room bytes.
func goodBytes(b []byte, room int) bool {
	if len(b) < head || len(b) != head+len(body(le.Uint64(b), room)) {
		return false
	}
	return le.Uint32(b[8:]) == sum(b[:8], b[head:])
}

// makeItem writes message id to b, a whole item.
func makeItem(b []byte, id uint64) {
	le.PutUint64(b, id)
	check := id
	last := len(b)/8 - 1
	for j := 1; j < last; j++ {
		w := mix(id + uint64(j))
		le.PutUint64(b[8*j:], w)
		check += uint64(2*j+1) * w
	}
	le.PutUint64(b[8*last:], check)
}

// goodItem reports whether b is a whole item: it checks every word and the checksum.
func goodItem(b []byte) bool {
	id := le.Uint64(b)
	check := id
	last := len(b)/8 - 1
	for j := 1; j < last; j++ {
		w := le.Uint64(b[8*j:])
		if w != mix(id+uint64(j)) {
			return false
		}
		check += uint64(2*j+1) * w
	}
	return le.Uint64(b[8*last:]) == check
}
