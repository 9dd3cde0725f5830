package goring

import (
	"testing"

	"example.com/goring/internal/proto"
)

// The strategies for the lowest latency and the lowest cost never pause before they look.
func TestOnlyAdaptiveWaitsSlip(t *testing.T) {
	r := newRing(t, Slots(1024))
	for _, s := range []Strategy{Adaptive, Spin, Park} {
		p, err := r.Producer(Wait(s))
		if err != nil {
			t.Fatal(err)
		}
		if slips := p.wait.Slip != (proto.Slip{}); slips != (s == Adaptive) {
			t.Errorf("%v: slips: %v", s, slips)
		}
		if p.core.Prefetches != (s == Adaptive) {
			t.Errorf("%v: prefetches: %v", s, p.core.Prefetches)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEnumsRoundTrip(t *testing.T) {
	for s := Adaptive; s <= Park; s++ {
		if got, err := ParseStrategy(s.String()); got != s || err != nil {
			t.Errorf("%v became %v, %v", s, got, err)
		}
	}
	for r := RoleProducer; r <= RoleConsumer; r++ {
		if got, err := ParseRole(r.String()); got != r || err != nil {
			t.Errorf("%v became %v, %v", r, got, err)
		}
	}
	for d := FailOnDeath; d <= AwaitSuccessor; d++ {
		if got, err := ParsePeerDeath(d.String()); got != d || err != nil {
			t.Errorf("%v became %v, %v", d, got, err)
		}
	}
	_, err := ParseStrategy("eager")
	wantErr(t, err, ErrOption)
}
