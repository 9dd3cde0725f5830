package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"example.com/goring/goring"
	"example.com/goring/layout"
)

// patience is how long a run may last before its peer reports a hang.
const patience = 30 * time.Second

// production is a run of the produce command: count messages from number first on, in batches, for
// at most ms milliseconds. It spoils and aborts every abort-th reservation.
type production struct {
	p               *goring.Producer
	fixed           bool
	id              uint64
	n, count, batch int
	abort, aborted  int
	patience        context.Context
}

func (p *peer) produce(args []string) (string, error) {
	o := parse(args)
	var producer, first, ms int
	r := production{p: p.producer, fixed: p.ring.Superblock().Kind == layout.KindArray}
	err := o.numbers(map[string]*int{"producer": &producer, "first": &first, "count": &r.count, "ms": &ms, "batch": &r.batch, "abort": &r.abort})
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(ms)*time.Millisecond+patience)
	defer cancel()
	r.patience, r.id = ctx, uint64(producer)<<40|uint64(first)
	end := time.Now().Add(time.Duration(ms) * time.Millisecond)
	for r.n < r.count && (ms == 0 || time.Now().Before(end)) {
		for k := 0; k < 16 && r.n < r.count; k++ {
			if err := r.step(); err != nil {
				return "", err
			}
		}
	}
	return fmt.Sprintf("sent=%d aborted=%d", r.n, r.aborted), nil
}

// step writes one message or one batch.
func (r *production) step() error {
	if r.batch > 1 {
		return r.stepBatch()
	}
	s, err := r.p.Reserve(r.patience)
	if err != nil {
		return err
	}
	if r.abort > 0 && (r.n+r.aborted)%r.abort == r.abort-1 {
		spoil(s.Bytes())
		s.Abort()
		r.aborted++
		return nil
	}
	id := r.id + uint64(r.n)
	if r.fixed {
		makeItem(s.Bytes(), id)
	} else if err := s.SetLen(makeBytes(s.Bytes(), id)); err != nil {
		return err
	}
	s.SetTag(mix(id))
	s.Commit()
	r.n++
	return nil
}

func (r *production) stepBatch() error {
	b, err := r.p.ReserveBatch(r.patience, min(r.batch, r.count-r.n))
	if err != nil {
		return err
	}
	for k := range b.Len() {
		id := r.id + uint64(r.n+k)
		if r.fixed {
			makeItem(b.Bytes(k), id)
		} else if err := b.SetLen(k, makeBytes(b.Bytes(k), id)); err != nil {
			return err
		}
		b.SetTag(k, mix(id))
	}
	b.Commit(b.Len())
	r.n += b.Len()
	return nil
}

func spoil(b []byte) {
	for i := range b[:min(len(b), 64)] {
		b[i] = 0xee
	}
}

// numbers parses options into ints.
func (o options) numbers(into map[string]*int) (err error) {
	for k, v := range into {
		if *v, err = o.number(k); err != nil {
			return err
		}
	}
	return nil
}

// consumption is a run of the consume command, until the ring ends or stop messages were counted.
// It holds up to hold messages and releases them in any order, and requeues every requeue-th once.
// A message counts when it is released.
type consumption struct {
	c                          *goring.Consumer
	fixed                      bool
	room                       int
	producers, span            int
	batch, hold, requeue, stop int

	seen     []byte // how often each message was counted, producers x span
	last     []int64
	held     []goring.Message
	mine     map[uint64]bool // the messages that this consumer has requeued
	patience context.Context // ends when the run hangs

	got, torn, stray, disorder, requeued, again int
}

func (p *peer) consume(args []string) (string, error) {
	o := parse(args)
	sb := p.ring.Superblock()
	r := consumption{c: p.consumer, fixed: sb.Kind == layout.KindArray, room: int(sb.SlotBytes), mine: map[uint64]bool{}}
	err := o.numbers(map[string]*int{"producers": &r.producers, "span": &r.span, "batch": &r.batch, "hold": &r.hold, "requeue": &r.requeue, "stop": &r.stop})
	if err != nil {
		return "", err
	}
	r.seen, r.last = make([]byte, r.producers*r.span), make([]int64, r.producers)
	for i := range r.last {
		r.last[i] = -1
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r.patience = ctx
	for more := true; more; {
		more, err = r.step()
		if err != nil {
			return "", err
		}
	}
	if err := os.WriteFile(o["out"], r.seen, 0o600); err != nil {
		return "", err
	}
	return fmt.Sprintf("got=%d torn=%d stray=%d disorder=%d requeued=%d again=%d", r.got, r.torn, r.stray, r.disorder, r.requeued, r.again), nil
}

// step takes one message or batch and reports whether to go on.
func (r *consumption) step() (more bool, err error) {
	if r.stop > 0 && r.got >= r.stop {
		return false, nil // leaving requeues the held messages
	}
	if r.batch > 1 {
		b, err := r.c.ReadBatch(r.patience, r.batch)
		if err != nil {
			return r.end(err)
		}
		for k := range b.Len() {
			m := b.At(k)
			r.order(m)
			r.count(m)
		}
		b.Release()
		return true, nil
	}
	m, err := r.c.TryRead()
	if errors.Is(err, goring.ErrEmpty) || errors.Is(err, goring.ErrHeld) {
		r.releaseAll() // the others may wait for the messages that this consumer holds
		m, err = r.c.Read(r.patience)
	}
	if err != nil {
		return r.end(err)
	}
	r.order(m)
	if id := r.id(m); r.requeue > 0 && !r.mine[id] && mix(id)%uint64(r.requeue) == 0 {
		r.mine[id] = true
		r.requeued++
		m.Requeue()
		return true, nil
	}
	r.held = append(r.held, m)
	if len(r.held) > r.hold {
		r.release(r.got * 7 % len(r.held))
	}
	return true, nil
}

// end releases the held messages at the end of the ring.
func (r *consumption) end(err error) (bool, error) {
	if !errors.Is(err, io.EOF) {
		return false, err
	}
	r.releaseAll()
	return false, nil
}

func (r *consumption) releaseAll() {
	for len(r.held) > 0 {
		r.release(0)
	}
}

// release counts and releases a held message, which must be unchanged.
func (r *consumption) release(k int) {
	m := r.held[k]
	r.held = append(r.held[:k], r.held[k+1:]...)
	r.count(m)
	m.Release()
}

func (r *consumption) id(m goring.Message) uint64 {
	if b := m.Bytes(); len(b) >= 8 {
		return le.Uint64(b)
	}
	return ^uint64(0)
}

// order checks that messages which were never requeued come in each producer's order.
func (r *consumption) order(m goring.Message) {
	id := r.id(m)
	producer, n := int(id>>40), int64(id&(1<<40-1))
	if m.Redelivered() > 0 || r.mine[id] || producer >= r.producers {
		return
	}
	if n <= r.last[producer] {
		r.disorder++
	}
	r.last[producer] = n
}

func (r *consumption) count(m goring.Message) {
	b, id := m.Bytes(), r.id(m)
	good := m.Tag() == mix(id)
	if r.fixed {
		good = goodItem(b) // batches have no tags
	} else if good {
		good = goodBytes(b, r.room)
	}
	producer, n := int(id>>40), int(id&(1<<40-1))
	switch {
	case !good:
		r.torn++
	case producer >= r.producers || n >= r.span:
		r.stray++
	default:
		r.got++
		r.again += m.Redelivered()
		if at := &r.seen[producer*r.span+n]; *at < 255 {
			*at++
		}
	}
}
