package goring

import "testing"

// batchOfThree is a batch of three messages on loan.
func batchOfThree(t *testing.T, p *Producer, c *Consumer) ReadBatch {
	t.Helper()
	w, err := p.ReserveBatch(bg, 3)
	check(t, err)
	w.Commit(w.Len())
	b, err := c.ReadBatch(bg, 3)
	check(t, err)
	if b.Len() != 3 {
		t.Fatalf("a batch of %d, want 3", b.Len())
	}
	return b
}

func TestABatchIsReleasedOnceAndAsAWhole(t *testing.T) {
	sides(t, 6, func(t *testing.T, r *Ring, p *Producer, c *Consumer) {
		b := batchOfThree(t, p, c)
		b.Release()
		wantStates(t, r, "FFFFFF")
		mustPanic(t, "a second Release", func() { _ = b.Release() })

		b = batchOfThree(t, p, c)
		b.At(1).Release()
		mustPanic(t, "Release after one message was released", func() { _ = b.Release() })
		b.At(0).Release()
		b.At(2).Release()

		b = batchOfThree(t, p, c)
		b.At(2).Requeue()
		mustPanic(t, "Release after one message was requeued", func() { _ = b.Release() })
		b.At(0).Release()
		b.At(1).Release()
		read(t, c).Release()
		wantStates(t, r, "FFFFFF")
	})
}
