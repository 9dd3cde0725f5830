package goring

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"
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
