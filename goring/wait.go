package goring

import (
	"example.com/goring/internal/config"
	"example.com/goring/internal/enum"
	"example.com/goring/internal/proto"
)

// Strategy is how a producer or consumer waits.
type Strategy uint8

const (
	// Adaptive spins for a little, yields the core for a little, and sleeps; it spins less while
	// its waits are long. In a fast stream it pauses up to 2 us before it looks, so that its peer
	// gets some messages ahead, which makes both faster. The default.
	Adaptive = Strategy(proto.Adaptive)
	// Spin never sleeps and looks at once: the lowest latency of each message, at the price of a
	// core and of some of a stream's speed.
	Spin = Strategy(proto.Spin)
	// Park sleeps at once: the lowest cost while nothing happens.
	Park = Strategy(proto.Park)
)

var strategyNames = []string{Adaptive: "adaptive", Spin: "spin", Park: "park"}

// String returns the strategy's name: adaptive, spin or park.
func (s Strategy) String() string { return enum.Name("Strategy", strategyNames, uint8(s)) }

// ParseStrategy is the inverse of [Strategy.String]. It fails with ErrOption.
func ParseStrategy(name string) (Strategy, error) {
	i, err := enum.Parse("wait strategy", strategyNames, name, ErrOption)
	return Strategy(i), err
}

// Wait sets how this participant waits; [Adaptive] without it.
func Wait(s Strategy) Option {
	return func(c *config.Config) { c.Note("Wait", config.ForJoin); c.Strategy = proto.Strategy(s) }
}
