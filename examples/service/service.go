package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"example.com/goring/examples/photo"
	"example.com/goring/goring"
	"example.com/goring/layout"
	"example.com/goring/pool"
)

// looks is a worker's answer about a photograph.
type looks struct {
	Height int       `json:"height" msgpack:"height"`
	Width  int       `json:"width" msgpack:"width"`
	Mean   []float64 `json:"mean" msgpack:"mean"`
	Edges  float64   `json:"edges" msgpack:"edges"` // the fraction of the picture that is edge
	Faces  []struct {
		Row    int `json:"r" msgpack:"r"`
		Column int `json:"c" msgpack:"c"`
		Width  int `json:"width" msgpack:"width"`
		Height int `json:"height" msgpack:"height"`
	} `json:"faces" msgpack:"faces"`
}

type service struct{ workers *pool.Pool }

func newService(workers *pool.Pool) http.Handler {
	s := service{workers}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /look", s.look)
	mux.HandleFunc("GET /stats", s.stats)
	return mux
}

// look answers a posted picture with the worker's result.
func (s service) look(w http.ResponseWriter, r *http.Request) {
	want := r.URL.Query().Get("want")
	if want == "" {
		want = "json"
	}
	if want != "json" && want != "png" {
		http.Error(w, fmt.Sprintf("want is %q: json or png", want), http.StatusBadRequest)
		return
	}
	p, err := photo.Decode(http.MaxBytesReader(w, r.Body, largestBody))
	if err != nil {
		http.Error(w, fmt.Sprintf("not a picture: %v", err), http.StatusUnsupportedMediaType)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second)
	defer cancel()
	err = s.workers.Do(ctx, func(slot *goring.Slot) error {
		if err := slot.SetTensor(uint8Code, p.Height, p.Width, 3); err != nil {
			return err
		}
		copy(slot.Bytes(), p.RGB)
		return slot.SetMeta(map[string]string{"want": want})
	}, func(result pool.Result) error { return answer(w, want, result) })
	if err != nil {
		http.Error(w, err.Error(), statusOf(err))
	}
}

var uint8Code, _ = layout.CodeOf("|u1")

// answer writes a result. It encodes the thumbnail in place, from shared memory.
func answer(w http.ResponseWriter, want string, r pool.Result) error {
	w.Header().Set("X-Worker", r.Worker())
	if want == "json" {
		var l looks
		if err := r.Decode(&l); err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/json")
		return json.NewEncoder(w).Encode(l)
	}
	d, err := r.Tensor()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "image/png")
	return photo.Photo{Height: d.Dims()[0], Width: d.Dims()[1], RGB: r.Bytes()}.EncodePNG(w)
}

func statusOf(err error) int {
	var raised *pool.RemoteError
	switch {
	case errors.Is(err, goring.ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, goring.ErrFull):
		return http.StatusServiceUnavailable
	case errors.As(err, &raised):
		return http.StatusUnprocessableEntity
	}
	return http.StatusInternalServerError
}

func (s service) stats(w http.ResponseWriter, _ *http.Request) {
	st, err := s.workers.Stats()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = fmt.Fprintln(w, st)
	for _, x := range st.Workers {
		_, _ = fmt.Fprintf(w, "%s pid %d ready %v, %d requests, busy %v, %d starts\n", x.Name, x.PID, x.Ready, x.Requests, x.Busy, x.Starts)
	}
}
