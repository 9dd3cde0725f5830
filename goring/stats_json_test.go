package goring

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"example.com/goring/layout"
)

func TestStatsKeepTheirNamesInJSON(t *testing.T) {
	want := Stats{Slots: 4, Published: 3, Participants: []Participant{{
		Seat: 2, Role: RoleConsumer, Name: "reader", Joined: time.Unix(1, 0).UTC(), Quiet: 5, Holds: []uint64{1},
	}}}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var raw struct {
		Slots        int              `json:"slots"`
		Participants []map[string]any `json:"participants"`
	}
	if err := json.Unmarshal(text, &raw); err != nil || raw.Slots != 4 || len(raw.Participants) != 1 {
		t.Fatalf("%v, %s", err, text)
	}
	if p := raw.Participants[0]; p["role"] != "consumer" || p["quiet_ns"] != 5.0 || p["start_time"] != 0.0 {
		t.Errorf("%s", text)
	}
	var got Stats
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v: %+v, want %+v", err, got, want)
	}
	if err := json.Unmarshal([]byte(`{"participants": [{"role": "juggler"}]}`), &got); !errors.Is(err, ErrOption) {
		t.Errorf("a role that is none: %v, want ErrOption", err)
	}
}

// A reader of the JSON finds lists where nothing is listed.
func TestStatsHaveListsInJSON(t *testing.T) {
	r, err := Create("", layout.Bytes(8))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	text := func() string {
		t.Helper()
		st, err := r.Stats()
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(st)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if got := text(); !strings.Contains(got, `"participants":[]`) {
		t.Error(got)
	}
	c, err := r.Consumer()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if got := text(); !strings.Contains(got, `"holds":[]`) {
		t.Error(got)
	}
}
