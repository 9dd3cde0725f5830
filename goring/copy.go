package goring

// cachedCopy is the longest piece that is copied at once, in bytes. From 1 MiB on Go's memmove
// bypasses the caches, and the other side would fetch the bytes from memory instead of from a
// cache that both cores share, at half the speed.
const cachedCopy = 1 << 19

// copyCached is copy that goes through the caches.
func copyCached(to, from []byte) int {
	if len(from) <= cachedCopy {
		return copy(to, from)
	}
	return copyPieces(to, from)
}

func copyPieces(to, from []byte) (n int) {
	for n < len(to) && n < len(from) {
		n += copy(to[n:], from[n:min(len(from), n+cachedCopy)])
	}
	return n
}

// CopyTo copies the payload, as much as fits b, and returns how many bytes that were. For messages
// of 1 MiB and more it is faster than copy.
func (m Message) CopyTo(b []byte) int { return copyCached(b, m.Bytes()) }

// CopyFrom copies b into the slot and makes it the message. For messages of 1 MiB and more it is
// faster than copy. Errors are those of SetLen.
func (s Slot) CopyFrom(b []byte) error {
	if err := s.SetLen(len(b)); err != nil {
		return err
	}
	copyCached(s.Bytes(), b)
	return nil
}
