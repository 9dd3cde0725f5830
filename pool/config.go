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

// Config says what a pool runs. Only Worker and Request are needed. The pool takes
// Slots x the largest request and ResultSlots x ResultBytes of memory when it starts.
type Config struct {
	Worker string   // what to run: "module:function"
	Python string   // the interpreter; "python3" without it
	Dir    string   // the workers' folder, where the module is looked for first; this process's without it
	Env    []string // "KEY=value", added to this process's environment

	Workers int // how many; one per core without it, at most 32

	Request     layout.Schema // what a request carries
	MaxMeta     int           // room for a request's metadata, bytes; 256 without it, -1: none
	ResultBytes int           // the largest result; as large as a request, and at least 4096, without it
	Slots       int           // requests that wait or are worked on at once; 64 without it
	ResultSlots int           // results on their way; by Workers and Batch without it

	Batch     int           // most requests in one call of a batch function; what the function says without it
	BatchWait time.Duration // how long a batch waits for more; what the function says without it

	Full        Policy // what a call does when all slots are taken
	MaxAttempts int    // workers that a request may kill before it fails with ErrPoison; 3 without it

	StartTimeout  time.Duration // from start to ready; 60 s without it
	WorkerTimeout time.Duration // a worker that keeps a request longer is killed and replaced; never without it
	DrainTimeout  time.Duration // how long Close waits for calls in hand; 10 s without it

	MaxRequests int   // a worker is replaced after so many requests; never without it
	MaxMemory   int64 // a worker is replaced when it uses more resident memory, bytes; never without it

	Logger *slog.Logger // what happens to workers, and what they print; slog.Default without it
}

// Policy says what a call does when every request slot is taken.
type Policy uint8

const (
	// Block waits for a slot, as long as the call's context allows.
	Block Policy = iota
	// Reject fails with goring.ErrFull at once: backpressure for the caller to pass on.
	Reject
)

const (
	mostWorkers    = 32
	smallResult    = 4096
	fewResults     = 16
	firstBackOff   = 100 * time.Millisecond
	longestBackOff = 10 * time.Second
)

// complete checks c and fills in what was left out.
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

// fill sets what is zero.
func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

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
