package pool_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/goring/goring"
	"example.com/goring/layout"
	"example.com/goring/pool"
)

// python returns the interpreter that has the package installed: GORING_TEST_PYTHON, or the tree's.
func python(t *testing.T) string {
	t.Helper()
	if p := os.Getenv("GORING_TEST_PYTHON"); p != "" {
		return p
	}
	p, err := filepath.Abs("../.venv/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	if exec.Command(p, "-c", "import goring; goring.create(None, max_bytes=8)").Run() != nil {
		t.Skip("no Python with goring here: make build, or set GORING_TEST_PYTHON")
	}
	return p
}

// logs collects a pool's log lines.
type logs struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func config(t *testing.T, worker string, log *logs) pool.Config {
	t.Helper()
	return pool.Config{
		Worker: worker, Python: python(t), Dir: "testdata", Workers: 2, Request: layout.Bytes(64),
		Env:    []string{"PYTHONDONTWRITEBYTECODE=1"},
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	}
}

// start starts a pool for the test, with the configuration that change alters.
func start(t *testing.T, worker string, change ...func(*pool.Config)) (*pool.Pool, *logs) {
	t.Helper()
	log := &logs{}
	c := config(t, worker, log)
	for _, f := range change {
		f(&c)
	}
	p, err := pool.New(context.Background(), c)
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if t.Failed() {
			t.Logf("the log:\n%s", log)
		}
	})
	return p, log
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// value makes a call and returns its decoded result.
func value[T any](t *testing.T, p *pool.Pool, payload string, meta any) (v T) {
	t.Helper()
	r, err := p.Call(soon(t), []byte(payload), meta)
	if err == nil {
		err = r.Decode(&v)
	}
	if err != nil {
		t.Fatalf("call %q: %v", payload, err)
	}
	return v
}

func TestEveryKindOfResult(t *testing.T) {
	p, _ := start(t, "workers:kinds")
	if got := value[any](t, p, "none", nil); got != nil {
		t.Errorf("None became %v", got)
	}
	if got := value[int](t, p, "number", nil) + value[int](t, p, "numpy number", nil); got != 15 {
		t.Errorf("7 + 8 = %d", got)
	}
	if got := value[string](t, p, "text", nil); got != "größe" {
		t.Errorf("text became %q", got)
	}
	if got := fmt.Sprint(value[[]any](t, p, "list", nil)); got != "[1 [2.5 x] map[k:<nil>]]" {
		t.Errorf("list became %s", got)
	}
	if got := value[[]byte](t, p, "bytes", nil); !slices.Equal(got, []byte{0, 1}) {
		t.Errorf("bytes became %v", got)
	}
	if got := value[[]byte](t, p, "empty", nil); len(got) != 0 {
		t.Errorf("no bytes became %v", got)
	}
	array := func(name, want string) {
		t.Helper()
		r, err := p.Call(soon(t), []byte(name), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		d, err := r.Tensor()
		if got := fmt.Sprint(d.Code, d.Dims()); got != want || err != nil {
			t.Errorf("%s is %s, %v; want %s", name, got, err, want)
		}
		var v any
		if err := r.Decode(&v); !errors.Is(err, pool.ErrResult) {
			t.Errorf("%s decoded as a value: %v", name, err)
		}
	}
	array("array", "<f4 [2 3]")
	array("scalar array", "<f8 []")
	array("empty array", "<u2 [0 3]")
	array("big endian", "<i4 [3]")
	r, err := p.Call(soon(t), []byte("strided"), nil)
	if err != nil {
		t.Fatal(err)
	}
	elements, shape, err := pool.Array[int64](r)
	if fmt.Sprint(elements, shape, err) != "[0 2 4 6 8 10] [3 2] <nil>" {
		t.Errorf("strided array: %v %v %v", elements, shape, err)
	}
	if _, _, err := pool.Array[int32](r); !errors.Is(err, pool.ErrResult) {
		t.Errorf("an array of int64 as int32: %v", err)
	}
}

func TestWhatCannotBeReturned(t *testing.T) {
	p, _ := start(t, "workers:kinds")
	for payload, want := range map[string]string{
		"object":        "TypeError: workers:kinds returned object, which a result cannot carry",
		"object array":  "TypeError: workers:kinds returned an array of dtype object",
		"large":         "TooLarge: workers:kinds returned 8388608 bytes, a result holds 4096 (see Config.ResultBytes)",
		"unknown":       "KeyError: b'unknown'",
		"huge":          "TypeError: workers:kinds returned int, which a result cannot carry",
		"half a letter": "TypeError: workers:kinds returned str, which a result cannot carry",
		"own key":       "TypeError: workers:kinds returned dict, which a result cannot carry",
	} {
		_, err := p.Call(soon(t), []byte(payload), nil)
		var e *pool.RemoteError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", payload, err, want)
		}
	}
	if got := value[int](t, p, "number", nil); got != 7 {
		t.Errorf("the pool is not well afterwards: %d", got)
	}
}

func TestPythonsExceptionsBecomeErrors(t *testing.T) {
	p, _ := start(t, "workers:fail")
	_, err := p.Call(soon(t), []byte("this"), nil)
	var e *pool.RemoteError
	if !errors.As(err, &e) || e.Type != "ValueError" || e.Message != "cannot do this" {
		t.Fatalf("%v", err)
	}
	if !strings.Contains(e.Traceback, "workers.py") || !strings.Contains(e.Traceback, "raise ValueError") {
		t.Errorf("traceback:\n%s", e.Traceback)
	}
	if _, err = p.Call(soon(t), []byte("exit"), nil); !errors.As(err, &e) || e.Type != "SystemExit" {
		t.Errorf("sys.exit in the function: %v", err)
	}
	for range 10 { // both workers may have left; others came
		if _, err = p.Call(soon(t), []byte("that"), nil); !errors.As(err, &e) || e.Type != "ValueError" {
			t.Errorf("after a worker left: %v", err)
		}
	}
}

func TestStartsThatFail(t *testing.T) {
	for worker, want := range map[string]string{
		"no_such_module:f":        "ModuleNotFoundError: No module named 'no_such_module'",
		"workers:no_such":         "AttributeError: module 'workers' has no function 'no_such'",
		"workers:not_a_function":  "TypeError: workers:not_a_function is a int, not a function",
		"workers:wrong_signature": "TypeError: workers:wrong_signature(a, b, c) must take (request) or (request, meta)",
		"broken:f":                "ModuleNotFoundError: No module named 'no_such_module_anywhere'",
		"raises:f":                "RuntimeError: at import",
		"exits:f":                 "exit status 7; it printed: last words",
		"workers:sums":            "SchemaError",
		"sleeps:f":                "not ready within 1.5s",
	} {
		t.Run(worker, func(t *testing.T) {
			t.Parallel()
			log := &logs{}
			c := config(t, worker, log)
			if worker == "sleeps:f" {
				c.StartTimeout = 1500 * time.Millisecond
			}
			_, err := pool.New(context.Background(), c)
			var e *pool.StartError
			if !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
				t.Errorf("%v\nwant %q", err, want)
			}
		})
	}
	c := config(t, "workers:echo", &logs{})
	c.Python = "/no/such/python"
	if _, err := pool.New(context.Background(), c); err == nil || !strings.Contains(err.Error(), "/no/such/python") {
		t.Errorf("a missing interpreter: %v", err)
	}
}

func TestNonsenseIsRefusedWithItsField(t *testing.T) {
	for field, change := range map[string]func(*pool.Config){
		"Worker":        func(c *pool.Config) { c.Worker = "module" },
		"Workers":       func(c *pool.Config) { c.Workers = 33 },
		"Request":       func(c *pool.Config) { c.Request = layout.Schema{} },
		"MaxMeta":       func(c *pool.Config) { c.MaxMeta = 1 << 20 },
		"ResultBytes":   func(c *pool.Config) { c.ResultBytes = -1 },
		"Slots":         func(c *pool.Config) { c.Slots = 1 },
		"ResultSlots":   func(c *pool.Config) { c.ResultSlots = 1 },
		"Batch":         func(c *pool.Config) { c.Batch = -1 },
		"BatchWait":     func(c *pool.Config) { c.BatchWait = -time.Second },
		"Full":          func(c *pool.Config) { c.Full = 7 },
		"MaxAttempts":   func(c *pool.Config) { c.MaxAttempts = 256 },
		"StartTimeout":  func(c *pool.Config) { c.StartTimeout = -1 },
		"WorkerTimeout": func(c *pool.Config) { c.WorkerTimeout = -1 },
		"DrainTimeout":  func(c *pool.Config) { c.DrainTimeout = -1 },
		"MaxRequests":   func(c *pool.Config) { c.MaxRequests = -1 },
		"MaxMemory":     func(c *pool.Config) { c.MaxMemory = -1 },
	} {
		c := pool.Config{Worker: "m:f", Request: layout.Bytes(8)}
		change(&c)
		if _, err := pool.New(context.Background(), c); !errors.Is(err, pool.ErrConfig) || !strings.Contains(err.Error(), ": "+field+" is ") {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestPayloadsThatDoNotFit(t *testing.T) {
	p, _ := start(t, "workers:echo")
	if _, err := p.Call(soon(t), make([]byte, 65), nil); !errors.Is(err, goring.ErrTooLarge) {
		t.Errorf("65 bytes into 64: %v", err)
	}
	if _, err := p.Call(soon(t), nil, strings.Repeat("x", 300)); !errors.Is(err, goring.ErrTooLarge) {
		t.Errorf("metadata of 300 bytes into 256: %v", err)
	}
	if got := value[[]byte](t, p, "still well", nil); string(got) != "still well" {
		t.Errorf("echo gave %q", got)
	}
}

func TestMetadataReachesTheFunction(t *testing.T) {
	p, _ := start(t, "workers:with_meta")
	got := value[map[string]any](t, p, "four", map[string]any{"id": 5})
	if fmt.Sprint(got) != "map[meta:map[id:5] size:4]" {
		t.Errorf("%v", got)
	}
	if got := value[map[string]any](t, p, "four", nil); got["meta"] != nil {
		t.Errorf("no metadata became %v", got)
	}
}

func TestWhatWorkersPrintIsLogged(t *testing.T) {
	p, log := start(t, "workers:shout")
	if got := value[[]byte](t, p, "anna", nil); string(got) != "ANNA" {
		t.Errorf("%q", got)
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		text := log.String()
		if strings.Contains(text, `msg="hello from anna" worker=w`) && strings.Contains(text, `msg="and on stderr" worker=w`) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the log has not what was printed:\n%s", text)
		}
	}
}

func TestInPlaceAtBothEnds(t *testing.T) {
	p, _ := start(t, "workers:echo")
	var got string
	err := p.Do(soon(t), func(s *goring.Slot) error {
		return s.SetLen(copy(s.Bytes(), "in place"))
	}, func(r pool.Result) error {
		got = string(r.Bytes())
		return nil
	})
	if err != nil || got != "in place" {
		t.Errorf("%q, %v", got, err)
	}
	wrong := errors.New("no payload")
	if err := p.Do(soon(t), func(*goring.Slot) error { return wrong }, nil); err != wrong {
		t.Errorf("the writer's error became %v", err)
	}
	if err := p.Do(soon(t), func(*goring.Slot) error { return nil }, func(pool.Result) error { return wrong }); err != wrong {
		t.Errorf("the reader's error became %v", err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = p.Do(soon(t), func(*goring.Slot) error { panic("writer") }, nil)
	}()
	if got := value[[]byte](t, p, "well", nil); string(got) != "well" {
		t.Errorf("after a panic of the writer: %q", got)
	}
}

func TestManyResultsHeldInPlace(t *testing.T) {
	p, _ := start(t, "workers:echo", func(c *pool.Config) { c.ResultSlots = 2 })
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := p.Do(soon(t), func(s *goring.Slot) error { return s.SetLen(1) }, func(pool.Result) error {
				time.Sleep(20 * time.Millisecond)
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestBatches(t *testing.T) {
	p, _ := start(t, "workers:sums", func(c *pool.Config) {
		c.Request, c.Workers = layout.Array[float32](3), 1
	})
	item := []byte{0, 0, 128, 63, 0, 0, 0, 64, 0, 0, 64, 64} // 1, 2, 3
	var all sync.WaitGroup
	var mu sync.Mutex
	largest := 0
	for range 24 {
		all.Go(func() {
			r, err := p.Call(soon(t), item, nil)
			var v struct {
				Sum float64 `msgpack:"sum"`
				N   int     `msgpack:"n"`
			}
			if err == nil {
				err = r.Decode(&v)
			}
			if err != nil || v.Sum != 6 {
				t.Errorf("%+v, %v", v, err)
			}
			mu.Lock()
			defer mu.Unlock()
			largest = max(largest, v.N)
		})
	}
	all.Wait()
	if largest < 2 || largest > 8 {
		t.Errorf("the largest batch had %d requests, want 2 to 8", largest)
	}
}

func TestABadRequestOfABatchFailsAlone(t *testing.T) {
	p, _ := start(t, "workers:pieces", func(c *pool.Config) { c.Workers = 1 })
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			text := fmt.Sprint("t", i)
			if i == 3 {
				text = "bad"
			}
			r, err := p.Call(soon(t), []byte(text), i)
			var e *pool.RemoteError
			if i == 3 {
				if !errors.As(err, &e) || e.Message != "this one" {
					t.Errorf("the bad one: %v", err)
				}
				return
			}
			var v []any
			if err == nil {
				err = r.Decode(&v)
			}
			if err != nil || v[0] != text || fmt.Sprint(v[1]) != fmt.Sprint(i) {
				t.Errorf("%s: %v, %v", text, v, err)
			}
		})
	}
	all.Wait()
}

func TestTooFewAnswersOfABatch(t *testing.T) {
	p, _ := start(t, "workers:short", func(c *pool.Config) { c.Workers = 1 })
	if got := value[int](t, p, "one", nil); got != 1 {
		t.Errorf("%d", got)
	}
}

func TestAsyncWorkersOverlap(t *testing.T) {
	p, _ := start(t, "workers:nap", func(c *pool.Config) { c.Workers = 1 })
	begun := time.Now()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { value[int](t, p, "0.3", nil) })
	}
	all.Wait()
	if took := time.Since(begun); took > 1500*time.Millisecond {
		t.Errorf("8 naps of 0.3 s took %v one after the other", took)
	}
}

func TestGeneratorsKeepTheirState(t *testing.T) {
	p, _ := start(t, "workers:counted", func(c *pool.Config) { c.Workers = 1 })
	for n := 1; n <= 3; n++ {
		if got := fmt.Sprint(value[[]any](t, p, "x", nil)); got != fmt.Sprintf("[%d x]", n) {
			t.Errorf("call %d gave %s", n, got)
		}
	}
	var e *pool.RemoteError
	if _, err := p.Call(soon(t), []byte("bad"), nil); !errors.As(err, &e) || e.Type != "ValueError" {
		t.Errorf("%v", err)
	}
	if got := fmt.Sprint(value[[]any](t, p, "y", nil)); got != "[1 y]" {
		t.Errorf("started anew it gave %s", got)
	}
}

func TestManyCallersAtOnce(t *testing.T) {
	p, _ := start(t, "workers:echo")
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			for k := range 40 {
				want := fmt.Sprint(i, "-", k)
				if got := value[[]byte](t, p, want, nil); string(got) != want {
					t.Errorf("%q came back as %q", want, got)
				}
			}
		})
	}
	all.Wait()
	s, err := p.Stats()
	if err != nil || s.Answered != 2000 || s.InFlight != 0 || s.Latency.Count() != 2000 || s.Latency.Quantile(0.5) <= 0 {
		t.Errorf("%v %v", s, err)
	}
	if n := s.Workers[0].Requests + s.Workers[1].Requests; n != 2000 || s.Workers[0].Requests == 0 {
		t.Errorf("the workers answered %d: %+v", n, s.Workers)
	}
}
