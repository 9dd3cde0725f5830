package goring

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"example.com/goring/internal/proto"
	"example.com/goring/layout"
)

// long is more than a death may take to be noticed.
const long = 5 * time.Second

// wantDead checks that err names a dead peer.
func wantDead(t *testing.T, err error, role Role, name string) {
	t.Helper()
	var dead *PeerDeadError
	if !errors.As(err, &dead) || !errors.Is(err, ErrPeerDead) {
		t.Fatalf("%v; want a PeerDeadError", err)
	}
	if dead.Role != role || dead.Name != name || dead.PID == 0 || dead.Quiet <= 0 || !strings.Contains(err.Error(), name) {
		t.Fatalf("%+v (%v)", dead, err)
	}
}

func TestAConsumerLearnsThatItsProducerDied(t *testing.T) {
	r := newRing(t)
	p, err := r.Producer(As("camera"))
	if err != nil {
		t.Fatal(err)
	}
	c := join(t, r)
	put(t, p, 0, 2)
	kill(t, p.seat)
	expect(t, c, 0, 2) // what it had committed comes first
	for range 2 {      // and it stays so
		_, err = c.Read(within(t, long))
		wantDead(t, err, RoleProducer, "camera")
	}
	put(t, produce(t, r), 2, 3)
	expect(t, c, 2, 3)
	if _, err := c.Read(within(t, 3*proto.Slice)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%v; a successor lives", err)
	}
}

func TestAProducerLearnsThatItsConsumerDied(t *testing.T) {
	r := newRing(t, Slots(2))
	p := produce(t, r)
	c, err := r.Consumer(As("model"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, p, 0, 2)
	kill(t, c.seat)
	wantDead(t, p.Write(within(t, long), number(2)), RoleConsumer, "model")
	expect(t, join(t, r), 0, 2)
}

func TestOnePeerThatLivesIsEnough(t *testing.T) {
	r := newRing(t, Producers(2))
	dead, _, c := produce(t, r), produce(t, r), join(t, r)
	kill(t, dead.seat)
	if _, err := c.Read(within(t, 3*proto.Slice)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

func TestAPeerThatLeftOrNeverCameIsWaitedFor(t *testing.T) {
	r := newRing(t)
	c := join(t, r)
	if _, err := c.Read(within(t, 3*proto.Slice)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("nobody has come yet: %v", err)
	}
	if err := produce(t, r).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(within(t, 3*proto.Slice)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("it has left: %v", err)
	}
}

func TestADeathBeforeOneJoinedIsNoAffairOfOnes(t *testing.T) {
	r := newRing(t)
	p := produce(t, r)
	put(t, p, 0, 1)
	kill(t, p.seat)
	c := join(t, r)
	expect(t, c, 0, 1)
	if _, err := c.Read(within(t, 3*proto.Slice)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	successor, err := r.Producer(As("second"))
	if err != nil {
		t.Fatal(err)
	}
	kill(t, successor.seat)
	_, err = c.Read(within(t, long))
	wantDead(t, err, RoleProducer, "second")
}

func TestAwaitSuccessor(t *testing.T) {
	r := newRing(t)
	p := produce(t, r)
	c, err := r.Consumer(OnPeerDeath(AwaitSuccessor))
	if err != nil {
		t.Fatal(err)
	}
	kill(t, p.seat)
	if _, err := c.Read(within(t, 3*proto.Slice)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	put(t, produce(t, r), 0, 1)
	expect(t, c, 0, 1)
}

func TestEveryWaitLearnsOfADeath(t *testing.T) {
	for name, wait := range map[string]func(*Consumer) error{
		"ReadBatch": func(c *Consumer) error { _, err := c.ReadBatch(within(t, long), 4); return err },
		"Latest":    func(c *Consumer) error { _, err := c.Latest(within(t, long)); return err },
		"Messages": func(c *Consumer) (err error) {
			for _, err = range c.Messages(within(t, long)) {
			}
			return err
		},
		"Reader": func(c *Consumer) error {
			in, err := c.Reader(within(t, long))
			if err == nil {
				_, err = io.ReadAll(in)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newBroadcast(t, layout.ModeBroadcast)
			p, err := r.Producer(As("gone"))
			if err != nil {
				t.Fatal(err)
			}
			c := join(t, r)
			kill(t, p.seat)
			wantDead(t, wait(c), RoleProducer, "gone")
		})
	}
}

func TestEveryStrategyLearnsOfADeath(t *testing.T) {
	for _, s := range []Strategy{Adaptive, Spin, Park} {
		t.Run(s.String(), func(t *testing.T) {
			r := newRing(t)
			p, err := r.Producer(As("gone"))
			if err != nil {
				t.Fatal(err)
			}
			c, err := r.Consumer(Wait(s))
			if err != nil {
				t.Fatal(err)
			}
			kill(t, p.seat)
			_, err = c.Read(within(t, long))
			wantDead(t, err, RoleProducer, "gone")
		})
	}
}

func TestASleeperTellsWhenItLastSleptOrWoke(t *testing.T) {
	r := newRing(t)
	c := join(t, r)
	progress := r.proto.Seat(c.seat.number).Progress
	joined := progress.Load()
	if _, err := c.Read(within(t, 100*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	if slept := progress.Load(); joined == 0 || slept <= joined || slept > proto.Monotonic() {
		t.Fatalf("joined at %d, last slept or woke at %d, now is %d", joined, slept, proto.Monotonic())
	}
}
