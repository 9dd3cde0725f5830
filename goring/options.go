package goring

import (
	"errors"

	"example.com/goring/internal/config"
	"example.com/goring/internal/shm"
	"example.com/goring/layout"
)

// Option changes how a ring is made, found or used. An option where it has no
// meaning is refused with ErrOption.
type Option func(*config.Config)

// configure returns the configuration that opts make for a call.
func configure(use config.Use, opts []Option) (*config.Config, error) {
	c := config.Default()
	if use == config.ForCreate {
		c.Plan.Creator = thisProgram()
	}
	for _, o := range opts {
		o(c)
	}
	if c.Admit != nil {
		use |= config.ForGPUJoin
	}
	if err := c.Check(use, ErrOption); err != nil {
		return nil, err
	}
	if c.Plan.MaxConsumers == 0 {
		c.Plan.MaxConsumers = 1
		if c.Plan.Mode != layout.ModeQueue {
			c.Plan.MaxConsumers = broadcastSeats
		}
	}
	return c, nil
}

// broadcastSeats is how many consumers a broadcast ring has seats for by default.
const broadcastSeats = 32

// Slots sets how many messages the ring holds: any number from 2 on. 64 without it.
func Slots(n int) Option {
	return func(c *config.Config) { c.Note("Slots", config.ForCreate); c.Plan.Slots = n }
}

// Producers sets how many producers may be in the ring at once. With 1, the
// default, the producer needs no atomic read-modify-write.
func Producers(n int) Option {
	return func(c *config.Config) { c.Note("Producers", config.ForCreate); c.Plan.MaxProducers = n }
}

// Consumers sets how many consumers may be in the ring at once. In queue mode each
// message goes to exactly one of them, and with 1, the default, the consumer needs no
// read-modify-write; in the broadcast modes each gets all, and the default is 32.
// Producers and consumers together are at most 63.
func Consumers(n int) Option {
	return func(c *config.Config) {
		c.Note("Consumers", config.ForCreate)
		if c.Plan.MaxConsumers = n; n == 0 {
			c.Plan.MaxConsumers = -1 // not the default: refused with the others
		}
	}
}

// The modes of a ring, for [Mode].
const (
	// Queue delivers each message to exactly one consumer. The default.
	Queue = layout.ModeQueue
	// Broadcast delivers each message to every consumer that has joined; the producer waits for
	// the slowest one.
	Broadcast = layout.ModeBroadcast
	// Overwrite is Broadcast without a gate: the producer waits for no consumer, and one that is
	// too slow learns how many messages it lost.
	Overwrite = layout.ModeOverwrite
)

// Mode sets how messages are shared out: [Queue], [Broadcast] or [Overwrite].
func Mode(m layout.Mode) Option {
	return func(c *config.Config) { c.Note("Mode", config.ForCreate); c.Plan.Mode = m }
}

// MaxMeta sets how many bytes of metadata a message may carry, rounded up to 16.
// Without it 256 when slots hold 4 KiB or more, else 0.
func MaxMeta(n int) Option {
	return func(c *config.Config) { c.Note("MaxMeta", config.ForCreate); c.Plan.MaxMeta = n }
}

// Timestamps sets whether producers store the time of every commit, which costs
// about as much as a small message. Without it: when slots hold 4 KiB or more.
func Timestamps(on bool) Option {
	return func(c *config.Config) {
		c.Note("Timestamps", config.ForCreate)
		c.Plan.Timestamps = layout.Off
		if on {
			c.Plan.Timestamps = layout.On
		}
	}
}

// Inline places each payload beside its header: best for small messages.
func Inline() Option {
	return func(c *config.Config) { c.Note("Inline", config.ForCreate); c.Plan.Placement = layout.PlaceInline }
}

// Separate places the payloads in an area of their own, so that a batch is one
// contiguous array. Without Inline or Separate the size decides.
func Separate() Option {
	return func(c *config.Config) { c.Note("Separate", config.ForCreate); c.Plan.Placement = layout.PlaceSeparate }
}

// User stores the caller's own values in the ring's info block.
func User(m map[string]any) Option {
	return func(c *config.Config) { c.Note("User", config.ForCreate); c.Plan.User = m }
}

// CreatedBy sets the creator that the ring names, for people; this program without it. It is for
// bindings of other languages.
func CreatedBy(creator layout.Creator) Option {
	return func(c *config.Config) { c.Note("CreatedBy", config.ForCreate); c.Plan.Creator = creator }
}

// Group creates the ring with mode 0660 and gives it to a group; -1 keeps the
// creator's group. Openers of another user need AllowGroup.
func Group(gid int) Option {
	return func(c *config.Config) {
		c.Note("Group", config.ForCreate)
		c.Access = shm.Access{Group: true, GID: gid}
	}
}

// AllowGroup opens a ring of another user, or one that its group may write.
func AllowGroup() Option {
	return func(c *config.Config) { c.Note("AllowGroup", config.ForOpen); c.Access.Group = true }
}

// Dir sets the folder of the ring's file; "" is the default, GORING_DIR or /dev/shm. It
// must be memory-backed to be fast: two containers of a pod share such a folder.
func Dir(path string) Option {
	return func(c *config.Config) {
		c.Note("Dir", config.ForCreate|config.ForOpen|config.ForFind)
		if path != "" {
			c.Dir = path
		}
	}
}

// As sets the name of this participant, for people; without it the program's name.
func As(name string) Option {
	return func(c *config.Config) { c.Note("As", config.ForJoin); c.Name = name }
}

// ErrUnsealed: the segment can be truncated by any process that has it while others read it.
var ErrUnsealed = errors.New("segment is not sealed")

// Sealed refuses, with ErrUnsealed, a ring that other processes could truncate. It is for
// peers that are not trusted: see [Receive].
func Sealed() Option {
	return func(c *config.Config) { c.Note("Sealed", config.ForOpenFD); c.Sealed = true }
}
