package layout

import "example.com/goring/internal/enum"

// Kind is the type of a ring's payloads.
type Kind uint8

// The kinds of payload.
const (
	KindBytes  Kind = 1 // any bytes up to the slot's size
	KindArray  Kind = 2 // one array of fixed dtype and shape
	KindStruct Kind = 3 // one record, or a fixed shape of them
	KindTensor Kind = 4 // an array that brings its dtype and shape
)

// Mode is how messages are shared out among the consumers.
type Mode uint8

// The modes.
const (
	ModeQueue     Mode = 1 // each message to exactly one consumer
	ModeBroadcast Mode = 2 // each message to all consumers; the producer waits for the slowest
	ModeOverwrite Mode = 3 // each message to all consumers; the producer never waits
)

var (
	kindNames = []string{1: "bytes", "array", "struct", "tensor"}
	modeNames = []string{1: "queue", "broadcast", "overwrite"}
)

// String returns the kind's name in the info block.
func (k Kind) String() string { return enum.Name("kind", kindNames, uint8(k)) }

// String returns the mode's name.
func (m Mode) String() string { return enum.Name("mode", modeNames, uint8(m)) }

// ParseKind is the inverse of [Kind.String]. It fails with ErrSchema.
func ParseKind(s string) (Kind, error) {
	i, err := enum.Parse("kind", kindNames, s, ErrSchema)
	return Kind(i), err
}

// ParseMode is the inverse of [Mode.String]. It fails with ErrSchema.
func ParseMode(s string) (Mode, error) {
	i, err := enum.Parse("mode", modeNames, s, ErrSchema)
	return Mode(i), err
}
