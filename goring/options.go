package goring

import (
	"fmt"
	"os"
	"path/filepath"

	"example.com/goring/internal/shm"
	"example.com/goring/layout"
)

// Option changes how a ring is made, found or used. An option where it has no
// meaning is refused with ErrOption.
type Option func(*config)

// use says which calls an option is for.
type use uint8

const (
	forCreate use = 1 << iota
	forOpen
	forOpenFD
	forJoin
	forFind // Unlink, List
)

type config struct {
	plan     layout.Plan
	dir      string
	access   shm.Access
	strategy Strategy
	as       string

	peerDeath PeerDeath
	sealed    bool
	cuda      cuda

	given []given
}

type given struct {
	name string
	ok   use
}

func (c *config) note(name string, ok use) { c.given = append(c.given, given{name, ok}) }

func configure(what use, opts []Option) (*config, error) {
	c := &config{
		plan:   layout.Plan{Slots: 64, MaxProducers: 1, MaxMeta: layout.Auto, Mode: layout.ModeQueue},
		dir:    defaultDir(),
		access: shm.Access{GID: -1},
		as:     filepath.Base(os.Args[0]),
		cuda:   cuda{stream: LegacyStream},
	}
	if what == forCreate {
		c.plan.Creator = thisProgram()
	}
	for _, o := range opts {
		o(c)
	}
	for _, g := range c.given {
		if g.ok&what == 0 {
			return nil, fmt.Errorf("option %s has no meaning here: %w", g.name, ErrOption)
		}
	}
	if c.plan.MaxConsumers == 0 {
		c.plan.MaxConsumers = 1
		if c.plan.Mode != layout.ModeQueue {
			c.plan.MaxConsumers = broadcastSeats
		}
	}
	return c, c.settleCUDA()
}

// broadcastSeats is how many consumers a broadcast ring has seats for unless told.
const broadcastSeats = 32

// defaultDir is GORING_DIR or /dev/shm.
func defaultDir() string {
	if d := os.Getenv("GORING_DIR"); d != "" {
		return d
	}
	return "/dev/shm"
}

// Slots sets how many messages the ring holds: any number from 2 on. 64 without it.
func Slots(n int) Option {
	return func(c *config) { c.note("Slots", forCreate); c.plan.Slots = n }
}

// Producers sets how many producers may be in the ring at once. With 1, the
// default, the producer needs no atomic read-modify-write.
func Producers(n int) Option {
	return func(c *config) { c.note("Producers", forCreate); c.plan.MaxProducers = n }
}

// Consumers sets how many consumers may be in the ring at once. In queue mode each
// message goes to exactly one of them, and with 1, the default, the consumer needs no
// read-modify-write; in the broadcast modes each gets all, and the default is 32.
// Producers and consumers together are at most 63.
func Consumers(n int) Option {
	return func(c *config) {
		c.note("Consumers", forCreate)
		if c.plan.MaxConsumers = n; n == 0 {
			c.plan.MaxConsumers = -1 // not the default: refused with the others
		}
	}
}

// Mode sets how messages are shared out. layout.ModeQueue, the default: each goes to
// exactly one consumer. layout.ModeBroadcast: each goes to all who have joined; the
// slowest one holds the producer up. layout.ModeOverwrite: the same, but the producer
// waits for nobody, and a consumer that is too slow learns how many it lost.
func Mode(m layout.Mode) Option {
	return func(c *config) { c.note("Mode", forCreate); c.plan.Mode = m }
}

// MaxMeta sets how many bytes of metadata a message may carry, rounded up to 16.
// Without it 256 when slots hold 4 KiB or more, else 0.
func MaxMeta(n int) Option {
	return func(c *config) { c.note("MaxMeta", forCreate); c.plan.MaxMeta = n }
}

// Timestamps says whether producers note the time of every commit, which costs
// about as much as a small message. Without it: when slots hold 4 KiB or more.
func Timestamps(on bool) Option {
	return func(c *config) {
		c.note("Timestamps", forCreate)
		c.plan.Timestamps = layout.Off
		if on {
			c.plan.Timestamps = layout.On
		}
	}
}

// Inline places each payload beside its header: best for small messages.
func Inline() Option {
	return func(c *config) { c.note("Inline", forCreate); c.plan.Placement = layout.PlaceInline }
}

// Separate places the payloads in an area of their own, so that a batch is one
// contiguous array. Without Inline or Separate the size decides.
func Separate() Option {
	return func(c *config) { c.note("Separate", forCreate); c.plan.Placement = layout.PlaceSeparate }
}

// User stores the caller's own facts in the ring's info block.
func User(m map[string]any) Option {
	return func(c *config) { c.note("User", forCreate); c.plan.User = m }
}

// CreatedBy says who makes the ring, for people who look at it; without it this
// program. It is for bindings of other languages.
func CreatedBy(who layout.Creator) Option {
	return func(c *config) { c.note("CreatedBy", forCreate); c.plan.Creator = who }
}

// Group creates the ring with mode 0660 and gives it to a group; -1 keeps the
// creator's group. Openers of another user need AllowGroup.
func Group(gid int) Option {
	return func(c *config) { c.note("Group", forCreate); c.access = shm.Access{Group: true, GID: gid} }
}

// AllowGroup opens a ring of another user, or one that its group may write.
func AllowGroup() Option {
	return func(c *config) { c.note("AllowGroup", forOpen); c.access.Group = true }
}

// Dir is the folder of the ring's file, instead of GORING_DIR or /dev/shm. It
// must be memory-backed to be fast: two containers of a pod share such a folder.
func Dir(path string) Option {
	return func(c *config) { c.note("Dir", forCreate|forOpen|forFind); c.dir = path }
}

// Wait sets how this participant waits; [Adaptive] without it.
func Wait(s Strategy) Option {
	return func(c *config) { c.note("Wait", forJoin); c.strategy = s }
}

// As names this participant for people who look at the ring; without it the
// program's name.
func As(name string) Option {
	return func(c *config) { c.note("As", forJoin); c.as = name }
}
