package pool

import (
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"strings"
	"time"

	"example.com/goring/layout"
)

// Config describes a pool. Worker and Request are required; every other field has a default when
// it is zero. The pool allocates Slots times the largest request, and ResultSlots times
// ResultBytes, when it starts.
type Config struct {
	Worker string   // The function that workers run, as "module:function".
	Python string   // The interpreter; default "python3".
	Dir    string   // The workers' folder, searched first for the module; default: this process's.
	Env    []string // "KEY=value" pairs added to this process's environment.

	Workers int // The number of workers, at most 32; default: one per core.

	Request     layout.Schema // The schema of requests.
	MaxMeta     int           // The limit of a request's metadata in bytes; default 256, -1: none.
	ResultBytes int           // The limit of a result in bytes; default: as a request, at least 4096.
	Slots       int           // The number of requests that wait or are worked on; default 64.
	ResultSlots int           // The number of results not yet delivered; default by Workers and Batch.

	Batch     int           // The limit of requests per call of a batch function; default: its own.
	BatchWait time.Duration // The time that a batch waits for more; default: the function's own.

	Full        Policy // The behaviour of a call when all slots are taken; default Block.
	MaxAttempts int    // The workers that a request may kill before it is ErrPoison; default 3.

	StartTimeout  time.Duration // The limit from a worker's start to ready; default 60 s.
	WorkerTimeout time.Duration // The limit for one request; then its worker is killed; default: none.
	DrainTimeout  time.Duration // The limit of Close's wait for calls in flight; default 10 s.

	MaxRequests int   // The number of requests after which a worker is replaced; default: none.
	MaxMemory   int64 // The resident bytes above which a worker is replaced; default: none.

	Logger *slog.Logger // Receives the workers' events and output; default slog.Default().
}

// Policy is the behaviour of a call when every request slot is taken.
type Policy uint8

const (
	// Block waits for a slot, as long as the call's context allows.
	Block Policy = iota
	// Reject fails with goring.ErrFull at once, so that the caller can pass the backpressure on.
	Reject
)

const (
	mostWorkers    = 32                     // limit of Config.Workers
	smallResult    = 4096                   // smallest default of Config.ResultBytes
	fewResults     = 16                     // smallest default of Config.ResultSlots
	firstBackOff   = 100 * time.Millisecond // pause before the second replacement in a row
	longestBackOff = 10 * time.Second       // limit of that pause, which doubles
)

// complete checks c and sets the defaults of zero fields.
func (c *Config) complete() error {
	if err := c.check(); err != nil {
		return err
	}
	slotBytes, err := c.Request.SlotBytes()
	if err != nil {
		return fmt.Errorf("%w: Request: %w", ErrConfig, err)
	}
	fill(&c.Python, "python3")
	fill(&c.Workers, min(runtime.NumCPU(), mostWorkers))
	fill(&c.MaxMeta, 256)
	fill(&c.ResultBytes, int(max(slotBytes, smallResult)))
	fill(&c.Slots, 64)
	fill(&c.ResultSlots, max(2*c.Workers*max(c.Batch, 1), fewResults))
	fill(&c.MaxAttempts, 3)
	fill(&c.StartTimeout, time.Minute)
	fill(&c.DrainTimeout, 10*time.Second)
	fill(&c.Logger, slog.Default())
	c.MaxMeta = max(c.MaxMeta, 0)
	return nil
}

// fill sets the field to value if it is zero.
func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// check returns an ErrConfig for the first field with a bad value.
func (c *Config) check() error {
	bad := func(field string, value any, want string) error {
		return fmt.Errorf("%w: %s is %v, want %s", ErrConfig, field, value, want)
	}
	module, function, found := strings.Cut(c.Worker, ":")
	switch {
	case !found || module == "" || function == "":
		return bad("Worker", fmt.Sprintf("%q", c.Worker), `"module:function"`)
	case c.Workers < 0 || c.Workers > mostWorkers:
		return bad("Workers", c.Workers, "1 to 32")
	case c.Request.Kind == 0:
		return bad("Request", "not set", "a schema, such as layout.Bytes(65536)")
	case c.MaxMeta < -1 || c.MaxMeta > layout.MaxMetaBytes:
		return bad("MaxMeta", c.MaxMeta, "-1 to 65520")
	case c.ResultBytes < 0 || int64(c.ResultBytes) > math.MaxUint32:
		return bad("ResultBytes", c.ResultBytes, "1 to 4294967295")
	case c.Slots != 0 && c.Slots < 2:
		return bad("Slots", c.Slots, "2 or more")
	case c.ResultSlots != 0 && c.ResultSlots < 2:
		return bad("ResultSlots", c.ResultSlots, "2 or more")
	case c.Batch < 0:
		return bad("Batch", c.Batch, "1 or more")
	case c.Full > Reject:
		return bad("Full", c.Full, "Block or Reject")
	case c.MaxAttempts < 0 || c.MaxAttempts > math.MaxUint8:
		return bad("MaxAttempts", c.MaxAttempts, "1 to 255")
	case c.MaxRequests < 0:
		return bad("MaxRequests", c.MaxRequests, "1 or more")
	case c.MaxMemory < 0:
		return bad("MaxMemory", c.MaxMemory, "bytes")
	}
	for field, d := range map[string]time.Duration{
		"BatchWait": c.BatchWait, "StartTimeout": c.StartTimeout, "WorkerTimeout": c.WorkerTimeout, "DrainTimeout": c.DrainTimeout,
	} {
		if d < 0 {
			return bad(field, d, "a positive duration")
		}
	}
	return nil
}
