package goring

import (
	"context"
	"fmt"
	"iter"

	"example.com/goring/layout"
)

// Typed is a ring with values of T as messages: a struct of fixed-size numbers,
// booleans and arrays of them. T is checked against the ring field by field.
type Typed[T any] struct{ *Ring }

// CreateTyped is [Create] for a ring of T.
func CreateTyped[T any](name string, opts ...Option) (Typed[T], error) {
	schema, err := layout.StructOf[T]()
	if err != nil {
		return Typed[T]{}, err
	}
	r, err := Create(name, schema, opts...)
	return Typed[T]{r}, err
}

// OpenTyped is [Open] for a ring of T. When the ring carries something else it
// fails with ErrSchema, naming the first field that differs.
func OpenTyped[T any](name string, opts ...Option) (Typed[T], error) {
	r, err := Open(name, opts...)
	if err != nil {
		return Typed[T]{}, err
	}
	if err := layout.CheckStruct[T](r.info.Schema); err != nil {
		_ = r.Close()
		return Typed[T]{}, fmt.Errorf("ring %q: %w: %w", name, ErrSchema, err)
	}
	return Typed[T]{r}, nil
}

// Producer joins the ring as a producer of T.
func (r Typed[T]) Producer(opts ...Option) (TypedProducer[T], error) {
	p, err := r.Ring.Producer(opts...)
	return TypedProducer[T]{p}, err
}

// Consumer joins the ring as a consumer of T.
func (r Typed[T]) Consumer(opts ...Option) (TypedConsumer[T], error) {
	c, err := r.Ring.Consumer(opts...)
	return TypedConsumer[T]{c}, err
}

// TypedProducer writes values of T; see [Producer].
type TypedProducer[T any] struct{ *Producer }

// Write waits for a free slot and publishes a copy of v.
func (p TypedProducer[T]) Write(ctx context.Context, v *T) error {
	s, err := p.Reserve(ctx)
	if err != nil {
		return err
	}
	*s.Value() = *v
	s.Commit()
	return nil
}

// Reserve is [Producer.Reserve].
func (p TypedProducer[T]) Reserve(ctx context.Context) (TypedSlot[T], error) {
	s, err := p.Producer.Reserve(ctx)
	return TypedSlot[T]{s}, err
}

// WriteAll publishes copies of vs in as few batches as there is room for, and
// returns how many, which is all of them unless there is an error.
func (p TypedProducer[T]) WriteAll(ctx context.Context, vs []T) (int, error) {
	return p.Producer.WriteAll(ctx, bytesOf(vs))
}

// TypedSlot is a reserved slot seen as a T; see [Slot].
type TypedSlot[T any] struct{ Slot }

// Value is the T in the slot, to be filled in place. It may hold an earlier value.
func (s TypedSlot[T]) Value() *T { return valueIn[T](s.Bytes()) }

// TypedConsumer takes values of T; see [Consumer].
type TypedConsumer[T any] struct{ *Consumer }

// Read is [Consumer.Read].
func (c TypedConsumer[T]) Read(ctx context.Context) (TypedMessage[T], error) {
	m, err := c.Consumer.Read(ctx)
	return TypedMessage[T]{m}, err
}

// Messages is [Consumer.Messages].
func (c TypedConsumer[T]) Messages(ctx context.Context) iter.Seq2[TypedMessage[T], error] {
	return func(yield func(TypedMessage[T], error) bool) {
		for m, err := range c.Consumer.Messages(ctx) {
			if !yield(TypedMessage[T]{m}, err) {
				return
			}
		}
	}
}

// TypedMessage is a T on loan; see [Message].
type TypedMessage[T any] struct{ Message }

// Value is the T in the slot, in place, valid until Release.
func (m TypedMessage[T]) Value() *T { return valueIn[T](m.Bytes()) }

// ReadBatch is [Consumer.ReadBatch].
func (c TypedConsumer[T]) ReadBatch(ctx context.Context, limit int) (TypedBatch[T], error) {
	b, err := c.Consumer.ReadBatch(ctx, limit)
	return TypedBatch[T]{b}, err
}

// TypedBatch is a run of values of T on loan; see [ReadBatch].
type TypedBatch[T any] struct{ ReadBatch }

// Values is the whole batch as one slice, in place, valid until Release; nil on
// rings with payloads that are not back to back (see [Separate]).
func (b TypedBatch[T]) Values() []T { return valuesIn[T](b.Data()) }
