package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"example.com/goring/goring"
	"example.com/goring/layout"
)

func (p *peer) reserve([]string) (string, error) {
	s, err := p.producer.TryReserve()
	if err != nil {
		return "", err
	}
	p.slot = &s
	return fmt.Sprintf("seq=%d", s.Seq()), nil
}

// commit fills and commits the open reservation. It keeps the slot, for tests of a second commit.
func (p *peer) commit(args []string) (string, error) {
	return "", fill(p.slot, args, true)
}

func (p *peer) abort([]string) (string, error) {
	p.slot.Abort()
	return "", nil
}

func (p *peer) write(args []string) (string, error) {
	s, err := p.producer.TryReserve()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("seq=%d", s.Seq()), fill(&s, args, false)
}

func (p *peer) put(args []string) (string, error) {
	ctx, cancel, err := within(args[0])
	if err != nil {
		return "", err
	}
	defer cancel()
	s, err := p.producer.Reserve(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("seq=%d", s.Seq()), fill(&s, args[1:], false)
}

func within(ms string) (context.Context, context.CancelFunc, error) {
	n, err := strconv.Atoi(ms)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(n)*time.Millisecond)
	return ctx, cancel, nil
}

// fill puts payload, tag, metadata and descriptor into s and commits it. On failure it aborts the
// slot, or keeps it for another try.
func fill(s *goring.Slot, args []string, keep bool) error {
	err := describe(s, args)
	if err == nil {
		s.Commit()
	} else if !keep {
		s.Abort()
	}
	return err
}

func describe(s *goring.Slot, args []string) error {
	b, err := unhex(args[0])
	if err != nil {
		return err
	}
	o := parse(args[1:])
	if err := s.SetLen(len(b)); err != nil {
		return err
	}
	if t, ok := o["tensor"]; ok {
		if err := setTensor(s, t); err != nil {
			return err
		}
	}
	if m, ok := o["meta"]; ok {
		raw, err := unhex(m)
		if err == nil {
			err = s.SetRawMeta(raw)
		}
		if err != nil {
			return err
		}
	}
	tag, err := strconv.ParseUint("0"+o["tag"], 10, 64)
	s.SetTag(tag)
	copy(s.Bytes(), b)
	return err
}

// setTensor sets the descriptor from CODE:2x3, where a scalar has no numbers.
func setTensor(s *goring.Slot, text string) error {
	code, dims, _ := strings.Cut(text, ":")
	c, err := strconv.Atoi(code)
	if err != nil {
		return err
	}
	var shape []int
	for _, d := range strings.FieldsFunc(dims, func(r rune) bool { return r == 'x' }) {
		n, err := strconv.Atoi(d)
		if err != nil {
			return err
		}
		shape = append(shape, n)
	}
	return s.SetTensor(layout.DTypeCode(c), shape...)
}

// writeBatch writes its arguments in as few runs as the ring allows.
func (p *peer) writeBatch(args []string) (string, error) {
	ctx, cancel, _ := within("1000")
	defer cancel()
	done := 0
	for done < len(args) {
		b, err := p.producer.ReserveBatch(ctx, len(args)-done)
		if err != nil {
			return "", err
		}
		for k := range b.Len() {
			data, err := unhex(args[done+k])
			if err == nil {
				err = b.SetLen(k, len(data))
			}
			if err != nil {
				return "", err
			}
			copy(b.Bytes(k), data)
		}
		b.Commit(b.Len())
		done += b.Len()
	}
	return fmt.Sprintf("n=%d", done), nil
}

func (p *peer) tryRead([]string) (string, error) {
	return p.lend(p.consumer.TryRead())
}

func (p *peer) read(args []string) (string, error) {
	ctx, cancel, err := within(args[0])
	if err != nil {
		return "", err
	}
	defer cancel()
	return p.lend(p.consumer.Read(ctx))
}

func (p *peer) latest(args []string) (string, error) {
	ctx, cancel, err := within(args[0])
	if err != nil {
		return "", err
	}
	defer cancel()
	return p.lend(p.consumer.Latest(ctx))
}

func (p *peer) lost([]string) (string, error) {
	return fmt.Sprintf("lost=%d", p.consumer.Lost()), nil
}

// lend keeps the message and prints it. It releases a message with a corrupt descriptor.
func (p *peer) lend(m goring.Message, err error) (string, error) {
	if err != nil {
		return "", err
	}
	tensor := ""
	if p.ring.Superblock().Kind == layout.KindTensor {
		if tensor, err = descriptor(m); err != nil {
			m.Release()
			return "", err
		}
	}
	p.lent[m.Seq()] = m
	stamp := int64(0)
	if !m.Timestamp().IsZero() {
		stamp = m.Timestamp().UnixNano()
	}
	meta := hexed(m.RawMeta())
	var decoded any
	if m.DecodeMeta(&decoded) != nil {
		meta = "!"
	}
	return fmt.Sprintf("seq=%d data=%s tag=%d meta=%s again=%d ts=%d%s",
		m.Seq(), hexed(m.Bytes()), m.Tag(), meta, m.Redelivered(), stamp, tensor), nil
}

func descriptor(m goring.Message) (string, error) {
	d, err := m.Tensor()
	if err != nil {
		return "", err
	}
	var dims []string
	for _, n := range d.Dims() {
		dims = append(dims, strconv.Itoa(n))
	}
	return fmt.Sprintf(" tensor=%d:%s", d.Code, strings.Join(dims, "x")), nil
}

// held returns the message of that number, also a released one.
func (p *peer) held(args []string) (goring.Message, error) {
	seq, err := strconv.ParseUint(args[0], 10, 64)
	if err != nil {
		return goring.Message{}, err
	}
	m, ok := p.lent[seq]
	if !ok {
		return m, errors.New("never lent message " + args[0])
	}
	return m, nil
}

func (p *peer) release(args []string) (string, error) {
	m, err := p.held(args)
	if err == nil {
		err = m.Release()
	}
	return "", err
}

func (p *peer) requeue(args []string) (string, error) {
	m, err := p.held(args)
	if err == nil {
		m.Requeue()
	}
	return "", err
}

func (p *peer) readBatch(args []string) (string, error) {
	limit, err := strconv.Atoi(args[0])
	if err != nil {
		return "", err
	}
	ctx, cancel, _ := within("1")
	defer cancel()
	if p.batch, err = p.consumer.ReadBatch(ctx, limit); err != nil {
		return "", err
	}
	var data []string
	for k := range p.batch.Len() {
		data = append(data, hexed(p.batch.At(k).Bytes()))
	}
	return fmt.Sprintf("seq=%d n=%d data=%s", p.batch.Seq(), p.batch.Len(), strings.Join(data, ",")), nil
}

func (p *peer) releaseBatch([]string) (string, error) {
	return "", p.batch.Release()
}
