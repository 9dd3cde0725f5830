// Embeddings serves a real text model from Go: MiniLM runs in NumPy in Python workers, and
// the pool puts the requests of all clients together into batches.
//
//	examples/embeddings/run.sh                        # the demo
//	examples/embeddings/run.sh -listen 127.0.0.1:8081
//	curl -d '{"texts": ["a text", "another"]}' http://127.0.0.1:8081/embed
//	curl -d '{"pairs": [["a text", "another"]]}' http://127.0.0.1:8081/similarity
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"example.com/goring/layout"
	"example.com/goring/pool"
)

const longestText = 16 << 10 // bytes

func main() {
	listen := flag.String("listen", "", "where to serve; without it the demo runs")
	python := flag.String("python", "python3", "interpreter that has goring and requirements.txt")
	dir := flag.String("dir", "examples/embeddings", "folder of embedder.py and pairs.json")
	workers := flag.Int("workers", 2, "Python processes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *python, *dir, *workers); err != nil {
		fmt.Fprintln(os.Stderr, "embeddings:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, listen, python, dir string, workers int) (err error) {
	p, err := pool.New(context.WithoutCancel(ctx), pool.Config{ // closed below, when no request is left
		Worker: "embedder:embed", Python: python, Dir: dir, Workers: workers,
		Request: layout.Bytes(longestText), Slots: 256,
		Env:    []string{"OPENBLAS_NUM_THREADS=1"},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if listen == "" {
		return demo(ctx, embedder{p}, dir)
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler(embedder{p}), ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() {
		done, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = server.Shutdown(done)
	})()
	fmt.Println("listening on http://" + listener.Addr().String())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// embedder asks the pool for vectors.
type embedder struct{ pool *pool.Pool }

// embed returns the vectors of the texts. It asks for all at once, and the pool makes batches.
func (e embedder) embed(ctx context.Context, texts []string) ([][]float32, error) {
	vectors := make([][]float32, len(texts))
	failed := make([]error, len(texts))
	var all sync.WaitGroup
	for i, text := range texts {
		all.Go(func() {
			r, err := e.pool.Call(ctx, []byte(text), nil)
			if err == nil {
				vectors[i], _, err = pool.Array[float32](r)
			}
			failed[i] = err
		})
	}
	all.Wait()
	return vectors, errors.Join(failed...)
}

// similarity returns the cosine of two texts' vectors.
func (e embedder) similarity(ctx context.Context, pairs [][2]string) ([]float32, error) {
	var texts []string
	for _, p := range pairs {
		texts = append(texts, p[0], p[1])
	}
	v, err := e.embed(ctx, texts)
	if err != nil {
		return nil, err
	}
	scores := make([]float32, len(pairs))
	for i := range pairs {
		for k, x := range v[2*i] { // unit vectors
			scores[i] += x * v[2*i+1][k]
		}
	}
	return scores, nil
}

func handler(e embedder) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /embed", func(w http.ResponseWriter, r *http.Request) {
		var ask struct {
			Texts []string `json:"texts"`
		}
		serve(w, r, &ask, func(ctx context.Context) (any, error) {
			v, err := e.embed(ctx, ask.Texts)
			return map[string]any{"embeddings": v}, err
		})
	})
	mux.HandleFunc("POST /similarity", func(w http.ResponseWriter, r *http.Request) {
		var ask struct {
			Pairs [][2]string `json:"pairs"`
		}
		serve(w, r, &ask, func(ctx context.Context) (any, error) {
			s, err := e.similarity(ctx, ask.Pairs)
			return map[string]any{"scores": s}, err
		})
	})
	return mux
}

// serve decodes the request and encodes the answer.
func serve(w http.ResponseWriter, r *http.Request, question any, answer func(context.Context) (any, error)) {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(question); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 30*time.Second)
	defer cancel()
	a, err := answer(ctx)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(a)
}
