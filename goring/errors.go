package goring

import (
	"errors"
	"io/fs"

	"example.com/goring/internal/shm"
	"example.com/goring/layout"
)

// Errors are matched with errors.Is. The text that wraps them carries the values
// and the remedy. A closed handle is os.ErrClosed, the end of a shut-down
// ring is io.EOF, and an ended context matches both its Err and its cause.
var (
	// ErrFull: no slot is free, on a call that does not wait.
	ErrFull = errors.New("ring is full")
	// ErrEmpty: no message is ready, on a call that does not wait.
	ErrEmpty = errors.New("ring is empty")
	// ErrTooLarge: the message does not fit its slot; both sizes are in the text.
	ErrTooLarge = errors.New("message does not fit")
	// ErrSchema: the payload, or the type it is read as, does not match the ring.
	ErrSchema = errors.New("schema mismatch")
	// ErrBusy: every seat of the role is taken; the holders are in the text.
	ErrBusy = errors.New("no seat left")
	// ErrShutdown: the ring takes no more messages.
	ErrShutdown = errors.New("ring is shut down")
	// ErrHeld: the caller waits for a slot that it holds itself.
	ErrHeld = errors.New("the next slot is held by a message not yet released")
	// ErrCorrupt: a peer wrote words or sizes that no peer that keeps the rules can write.
	ErrCorrupt = errors.New("ring is corrupt")
	// ErrName: not a legal ring name.
	ErrName = errors.New("bad ring name")
	// ErrOption: an option has no meaning, or not for this call.
	ErrOption = errors.New("bad option")
	// ErrLapped: the producer of an overwrite ring has overwritten the message.
	ErrLapped = errors.New("message was overwritten while it was read")
	// ErrUnsupported: the operation has no meaning on this ring, or the machine cannot do it.
	ErrUnsupported = errors.New("not supported")

	// ErrExist and ErrNotExist are fs.ErrExist and fs.ErrNotExist.
	ErrExist    = fs.ErrExist
	ErrNotExist = fs.ErrNotExist

	// ErrFileType: the name is a symbolic link, a FIFO, a folder or a device.
	ErrFileType = shm.ErrFileType
	// ErrOwner: the file belongs to another user.
	ErrOwner = shm.ErrOwner
	// ErrMode: others could write the file.
	ErrMode = shm.ErrMode
	// ErrNoSpace: the folder, or the device, lacks the memory for the ring.
	ErrNoSpace = shm.ErrNoSpace

	// ErrTruncated to ErrInfo say why a file is no ring this library can use.
	ErrTruncated = layout.ErrTruncated
	ErrForeign   = layout.ErrForeign
	ErrByteOrder = layout.ErrByteOrder
	ErrVersion   = layout.ErrVersion
	ErrChecksum  = layout.ErrChecksum
	ErrFeature   = layout.ErrFeature
	ErrGeometry  = layout.ErrGeometry
	ErrInfo      = layout.ErrInfo
)
