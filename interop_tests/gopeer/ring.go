package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"example.com/goring/goring"
	"example.com/goring/layout"
)

// peer is the state between commands.
type peer struct {
	ring     *goring.Ring
	producer *goring.Producer
	consumer *goring.Consumer

	slot  *goring.Slot
	lent  map[uint64]goring.Message // by number; released ones too, for tests of misuse
	batch goring.ReadBatch
	taken goring.Message // taken by a marked step
}

var commands map[string]func(p *peer, args []string) (string, error)

func init() {
	commands = map[string]func(p *peer, args []string) (string, error){
		"open": (*peer).open, "openfd": (*peer).openFD, "send": (*peer).send, "receive": (*peer).receive, "create": (*peer).create, "describe": (*peer).describe,
		"producer": (*peer).join, "consumer": (*peer).joinConsumer, "leave": (*peer).leave, "close": (*peer).close,
		"shutdown": (*peer).shutdown, "unlink": (*peer).unlink,
		"reserve": (*peer).reserve, "commit": (*peer).commit, "abort": (*peer).abort,
		"write": (*peer).write, "put": (*peer).put, "writebatch": (*peer).writeBatch,
		"latest": (*peer).latest, "lost": (*peer).lost,
		"tryread": (*peer).tryRead, "read": (*peer).read, "release": (*peer).release, "requeue": (*peer).requeue,
		"readbatch": (*peer).readBatch, "releasebatch": (*peer).releaseBatch,
		"produce": (*peer).produce, "consume": (*peer).consume, "make": (*peer).makeMessages, "take": (*peer).takeMessages,
		"reap": (*peer).reap, "step": (*peer).step,
		"podcreate": (*peer).podCreate, "podopen": (*peer).podOpen, "podwrite": (*peer).podWrite, "podread": (*peer).podRead,
	}
}

func (p *peer) open(args []string) (string, error) {
	r, err := goring.Open(args[0])
	return p.use(r, err)
}

func (p *peer) openFD(args []string) (string, error) {
	fd, err := strconv.Atoi(args[0])
	if err != nil {
		return "", err
	}
	r, err := goring.OpenFD(fd)
	return p.use(r, err)
}

// socket returns the Unix socket of an inherited descriptor, which it closes.
func socket(number string) (*net.UnixConn, error) {
	fd, err := strconv.Atoi(number)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "socket")
	defer func() { _ = f.Close() }()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return c.(*net.UnixConn), nil
}

func (p *peer) send(args []string) (string, error) {
	conn, err := socket(args[0])
	if err != nil {
		return "", err
	}
	return "", errors.Join(p.ring.Send(conn), conn.Close())
}

func (p *peer) receive(args []string) (string, error) {
	conn, err := socket(args[0])
	if err != nil {
		return "", err
	}
	r, err := goring.Receive(conn)
	return p.use(r, errors.Join(err, conn.Close()))
}

func (p *peer) use(r *goring.Ring, err error) (string, error) {
	if err != nil {
		return "", err
	}
	if _, err := p.close(nil); err != nil {
		return "", err
	}
	p.ring = r
	sb := r.Superblock()
	return fmt.Sprintf("kind=%s slots=%d slot_bytes=%d", sb.Kind, sb.Slots, sb.SlotBytes), nil
}

// recipe is the JSON of the create command, which is the same in every language.
type recipe struct {
	Kind      string  `json:"kind"`
	DType     string  `json:"dtype"`
	Shape     []int   `json:"shape"`
	MaxBytes  int     `json:"max_bytes"`
	Fields    [][]any `json:"fields"` // [name, dtype, offset, shape]
	ItemSize  int     `json:"itemsize"`
	Slots     int     `json:"slots"`
	Producers int     `json:"producers"`
	Consumers int     `json:"consumers"`
	MaxMeta   int     `json:"max_meta"`
	Inline    *bool   `json:"inline"`
	Stamps    *bool   `json:"timestamps"`

	User map[string]any `json:"user"`
}

func (p *peer) create(args []string) (string, error) {
	var c recipe
	if err := json.Unmarshal([]byte(args[1]), &c); err != nil {
		return "", err
	}
	schema, err := c.schema()
	if err != nil {
		return "", err
	}
	r, err := goring.Create(args[0], schema, c.options()...)
	return p.use(r, err)
}

func (c recipe) schema() (layout.Schema, error) {
	switch c.Kind {
	case "bytes":
		return layout.Bytes(c.MaxBytes), nil
	case "tensor":
		return layout.Tensor(c.MaxBytes), nil
	case "array":
		return layout.ArrayOf(c.DType, c.Shape...)
	}
	s := layout.Schema{Kind: layout.KindStruct, Shape: c.Shape, ItemSize: c.ItemSize}
	for _, f := range c.Fields {
		field := layout.Field{Name: f[0].(string), DType: f[1].(string), Offset: int(f[2].(float64))}
		for _, n := range f[3].([]any) {
			field.Shape = append(field.Shape, int(n.(float64)))
		}
		s.Fields = append(s.Fields, field)
	}
	return s, s.Validate()
}

func (c recipe) options() []goring.Option {
	var o []goring.Option
	for _, n := range []struct {
		value int
		set   func(int) goring.Option
	}{{c.Slots, goring.Slots}, {c.Producers, goring.Producers}, {c.Consumers, goring.Consumers}, {c.MaxMeta, goring.MaxMeta}} {
		if n.value != 0 {
			o = append(o, n.set(n.value))
		}
	}
	if c.Inline != nil && *c.Inline {
		o = append(o, goring.Inline())
	} else if c.Inline != nil {
		o = append(o, goring.Separate())
	}
	if c.Stamps != nil {
		o = append(o, goring.Timestamps(*c.Stamps))
	}
	if c.User != nil {
		o = append(o, goring.User(c.User))
	}
	return o
}

// describe returns the ring's schema in the words of the info block.
func (p *peer) describe([]string) (string, error) {
	s := p.ring.Info().Schema
	out := map[string]any{"kind": s.Kind.String(), "user": p.ring.Info().User}
	switch s.Kind {
	case layout.KindBytes, layout.KindTensor:
		out["max_bytes"] = s.MaxBytes
	case layout.KindArray:
		out["dtype"], out["shape"] = s.DType, append([]int{}, s.Shape...)
	case layout.KindStruct:
		out["itemsize"], out["shape"] = s.ItemSize, append([]int{}, s.Shape...)
		fields := [][]any{}
		for _, f := range s.Fields {
			fields = append(fields, []any{f.Name, f.DType, f.Offset, append([]int{}, f.Shape...)})
		}
		out["fields"] = fields
	}
	b, err := json.Marshal(out)
	return string(b), err
}

func (p *peer) join(args []string) (reply string, err error) {
	if p.producer, err = p.ring.Producer(as(args)...); err != nil {
		return "", err
	}
	return p.seat(goring.RoleProducer)
}

func (p *peer) joinConsumer(args []string) (reply string, err error) {
	if p.consumer, err = p.ring.Consumer(as(args)...); err != nil {
		return "", err
	}
	p.lent = map[uint64]goring.Message{}
	return p.seat(goring.RoleConsumer)
}

// as parses [AS] [death=raise].
func as(args []string) []goring.Option {
	opts := []goring.Option{goring.OnPeerDeath(goring.AwaitSuccessor)}
	for _, arg := range args {
		if arg == "death=raise" {
			opts[0] = goring.OnPeerDeath(goring.FailOnDeath)
		} else {
			opts = append(opts, goring.As(arg))
		}
	}
	return opts
}

// seat returns the seat that this process took last.
func (p *peer) seat(role goring.Role) (string, error) {
	st, err := p.ring.Stats()
	if err != nil {
		return "", err
	}
	for _, who := range st.Participants {
		if who.Role == role && who.PID == os.Getpid() {
			return fmt.Sprintf("seat=%d", who.Seat), nil
		}
	}
	return "", errors.New("the seat just taken is not in the stats")
}

func (p *peer) leave([]string) (string, error) {
	var err error
	if p.producer != nil {
		err = p.producer.Close()
	}
	if p.consumer != nil {
		err = errors.Join(err, p.consumer.Close())
	}
	p.producer, p.consumer, p.slot, p.batch = nil, nil, nil, goring.ReadBatch{}
	return "", err
}

func (p *peer) close([]string) (string, error) {
	if p.ring == nil {
		return "", nil
	}
	_, err := p.leave(nil)
	err = errors.Join(err, p.ring.Close())
	p.ring = nil
	return "", err
}

func (p *peer) shutdown([]string) (string, error) { return "", p.ring.Shutdown() }

func (p *peer) reap([]string) (string, error) {
	n, err := p.ring.Reap()
	return fmt.Sprintf("n=%d", n), err
}

func (p *peer) unlink(args []string) (string, error) { return "", goring.Unlink(args[0]) }
