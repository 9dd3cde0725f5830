package main

import (
	"context"
	"encoding/json"
	"fmt"

	"example.com/goring/goring"
)

// The plain structs of the schema tests; their NumPy twins are in test_schema.py.

type tick struct {
	TS    int64   `goring:"ts" json:"ts"`
	Price float64 `goring:"price" json:"price"`
	Size  uint32  `goring:"size" json:"size"`
	Flag  bool    `goring:"flag" json:"flag"`
}

type mixed struct {
	A uint8
	B int16
	C [3]float32
	D uint64
	_ [3]uint8
	E [2][2]int32
	F [4]uint8
	G int8
	H uint16
	I [2][3]float64
	J bool
}

type narrow struct {
	X int16
}

// pod holds the operations of the tests on one struct type.
type pod struct {
	create, open func(name string) (*goring.Ring, error)
	write        func(p *goring.Producer, text string) error
	read         func(c *goring.Consumer) (string, error)
}

var pods = map[string]pod{"tick": podOf[tick](), "mixed": podOf[mixed](), "narrow": podOf[narrow]()}

func podOf[T any]() pod {
	return pod{
		create: func(name string) (*goring.Ring, error) {
			r, err := goring.CreateTyped[T](name, goring.Slots(4))
			return r.Ring, err
		},
		open: func(name string) (*goring.Ring, error) {
			r, err := goring.OpenTyped[T](name)
			return r.Ring, err
		},
		write: func(p *goring.Producer, text string) error {
			var v T
			if err := json.Unmarshal([]byte(text), &v); err != nil {
				return err
			}
			return goring.TypedProducer[T]{Producer: p}.Write(context.Background(), &v)
		},
		read: func(c *goring.Consumer) (string, error) {
			ctx, cancel, _ := within("5000")
			defer cancel()
			m, err := goring.TypedConsumer[T]{Consumer: c}.Read(ctx)
			if err != nil {
				return "", err
			}
			defer m.Release()
			b, err := json.Marshal(m.Value())
			return string(b), err
		},
	}
}

func podNamed(name string) (pod, error) {
	t, ok := pods[name]
	if !ok {
		return t, fmt.Errorf("no struct %q", name)
	}
	return t, nil
}

func (p *peer) podCreate(args []string) (string, error) {
	t, err := podNamed(args[1])
	if err != nil {
		return "", err
	}
	r, err := t.create(args[0])
	return p.use(r, err)
}

func (p *peer) podOpen(args []string) (string, error) {
	t, err := podNamed(args[1])
	if err != nil {
		return "", err
	}
	r, err := t.open(args[0])
	return p.use(r, err)
}

func (p *peer) podWrite(args []string) (string, error) {
	t, err := podNamed(args[0])
	if err != nil {
		return "", err
	}
	return "", t.write(p.producer, args[1])
}

func (p *peer) podRead(args []string) (string, error) {
	t, err := podNamed(args[0])
	if err != nil {
		return "", err
	}
	return t.read(p.consumer)
}
