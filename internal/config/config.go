// Package config is the parsed form of goring's options. Package goring and the packages that
// extend it, such as goring/cuda, make options that fill it.
package config

import (
	"fmt"
	"os"
	"path/filepath"

	"example.com/goring/internal/proto"
	"example.com/goring/internal/shm"
	"example.com/goring/layout"
)

// Use is a set of the calls that an option is for.
type Use uint8

// The calls that take options.
const (
	ForCreate Use = 1 << iota
	ForOpen
	ForOpenFD
	ForJoin
	ForGPUJoin
	ForFind // Unlink, UnlinkStale, List
)

// Config has the values that the options of one call set.
type Config struct {
	// Plan is the geometry of a new ring.
	Plan layout.Plan
	// Dir is the folder of the ring's file.
	Dir string
	// Access is how the file may be shared between users.
	Access shm.Access
	// Sealed refuses segments that a peer could truncate.
	Sealed bool
	// Strategy is how a participant waits.
	Strategy proto.Strategy
	// Await is true when a participant waits for a successor after its last peer has died.
	Await bool
	// Name is the participant's name, for people.
	Name string
	// Stream is the CUDA stream that a participant of a GPU ring works on.
	Stream uintptr

	// Export makes the memory of a new GPU ring; nil for other rings.
	Export Exporter
	// Admit admits a participant to the GPU ring in segment fd, with the block that describes its
	// memory; without it such a ring is refused.
	Admit func(fd int, block layout.GPUBlock) (Member, error)
	// Member is the participant that Admit has admitted. Joining sets it.
	Member Member
	// Checks are those of a producer that has joined. Joining sets them.
	Checks Checks

	given []given
}

// Exporter makes and owns the memory of a new GPU ring.
type Exporter interface {
	// Plan completes the plan of the ring.
	Plan(plan *layout.Plan) error
	// Fill makes the memory and writes the GPU block of the segment fd, which has no name yet.
	Fill(fd int, sb *layout.Superblock) error
	// Own makes the memory that of the ring in segment fd. It returns a function to be called when
	// the ring's handle is closed, or nil.
	Own(fd int, name string) (closed func(), err error)
	// Discard frees the memory of a ring that could not be made.
	Discard()
}

// Checks are a producer's own checks, for a package that must make them before its own steps.
type Checks struct {
	// Refusal returns the reason why no slot may be reserved at all, or nil.
	Refusal func() error
	// Size returns the error of a message of n bytes that does not fit the ring, or nil.
	Size func(n int) error
}

// Member is one participant's use of a GPU ring's memory.
type Member interface {
	// BeforeCursor is called before the cursor of a broadcast consumer becomes next.
	BeforeCursor(seat int, next uint64)
	// Drain waits until the device work of the seat has been done.
	Drain(seat int)
	// Leave gives the memory back.
	Leave()
}

type given struct {
	name string
	use  Use
}

// Note records that an option was given and which calls it is for.
func (c *Config) Note(name string, use Use) { c.given = append(c.given, given{name, use}) }

// Default returns the configuration without options.
func Default() *Config {
	return &Config{
		Plan:   layout.Plan{Slots: 64, MaxProducers: 1, MaxMeta: layout.Auto, Mode: layout.ModeQueue},
		Dir:    defaultDir(),
		Access: shm.Access{GID: -1},
		Name:   filepath.Base(os.Args[0]),
	}
}

// Check returns an error that wraps bad, naming the first option that is not for this call.
func (c *Config) Check(use Use, bad error) error {
	for _, g := range c.given {
		if g.use&use == 0 {
			return fmt.Errorf("option %s has no meaning here: %w", g.name, bad)
		}
	}
	return nil
}

// defaultDir returns GORING_DIR or /dev/shm.
func defaultDir() string {
	if d := os.Getenv("GORING_DIR"); d != "" {
		return d
	}
	return "/dev/shm"
}
