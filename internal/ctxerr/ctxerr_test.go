package ctxerr

import (
	"context"
	"errors"
	"testing"
	"time"
)

var errStopped = errors.New("stopped by the operator")

func TestOf(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	caused, cancelCause := context.WithCancelCause(t.Context())
	cancelCause(errStopped)
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	lateCaused, cancel := context.WithDeadlineCause(t.Context(), time.Unix(0, 0), errStopped)
	defer cancel()
	child, cancel := context.WithCancel(caused)
	defer cancel()

	for _, c := range []struct {
		name string
		ctx  context.Context
		is   []error
		text string
	}{
		{"not ended", t.Context(), nil, ""},
		{"canceled", canceled, []error{context.Canceled}, "context canceled"},
		{"cause", caused, []error{context.Canceled, errStopped}, "context canceled: stopped by the operator"},
		{"deadline", late, []error{context.DeadlineExceeded}, "context deadline exceeded"},
		{"deadline and cause", lateCaused, []error{context.DeadlineExceeded, errStopped}, "context deadline exceeded: stopped by the operator"},
		{"cause of the parent", child, []error{context.Canceled, errStopped}, "context canceled: stopped by the operator"},
	} {
		err := Of(c.ctx)
		if (err == nil) != (c.text == "") || err != nil && err.Error() != c.text {
			t.Errorf("%s: %v", c.name, err)
		}
		for _, want := range c.is {
			if !errors.Is(err, want) {
				t.Errorf("%s: %v is not %v", c.name, err, want)
			}
		}
	}
	if err := Of(canceled); err != context.Canceled {
		t.Errorf("without a cause: %#v is not context.Canceled itself", err)
	}
}
