package goring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/goring/layout"
)

// tempRing creates a ring in a folder of the test's own.
func tempRing(t *testing.T, name string, schema layout.Schema, opts ...Option) (*Ring, Option) {
	t.Helper()
	dir := Dir(t.TempDir())
	r, err := Create(name, schema, append(opts, dir)...)
	check(t, err)
	t.Cleanup(func() { check(t, r.Close()) })
	return r, dir
}

func TestTheRingDescribesItself(t *testing.T) {
	_, dir := tempRing(t, "frames", layout.Array[float32](4, 3), Slots(10), User(map[string]any{"camera": "left"}))
	o, err := Open("frames", dir)
	check(t, err)
	defer func() { check(t, o.Close()) }()
	in := o.Info()
	if in.Schema.DType != "<f4" || fmt.Sprint(in.Schema.Shape) != "[4 3]" || in.User["camera"] != "left" || o.Superblock().Slots != 10 {
		t.Fatalf("info %+v, %d slots", in, o.Superblock().Slots)
	}
}

func TestTwoHandlesShareTheRing(t *testing.T) {
	for _, place := range []Option{Inline(), Separate()} {
		r, dir := tempRing(t, "x", layout.Bytes(64), place, MaxMeta(32))
		o, err := Open("x", dir)
		check(t, err)
		p, err := r.Producer()
		check(t, err)
		c, err := o.Consumer()
		check(t, err)
		s, err := p.Reserve(bg)
		check(t, err)
		copy(s.Bytes(), "hello")
		check(t, s.SetLen(5))
		check(t, s.SetMeta(map[string]any{"k": 7}))
		s.SetTag(42)
		s.Commit()
		m := read(t, c)
		var meta map[string]int
		check(t, m.DecodeMeta(&meta))
		if string(m.Bytes()) != "hello" || meta["k"] != 7 || m.Tag() != 42 || !m.Timestamp().IsZero() {
			t.Fatalf("%q %v %d %v", m.Bytes(), meta, m.Tag(), m.Timestamp())
		}
		m.Release()
		check(t, errors.Join(p.Close(), c.Close(), o.Close()))
	}
}

func TestAGivenTimestampReplacesThatOfTheCommitOnce(t *testing.T) {
	for _, mode := range []layout.Mode{Queue, Broadcast, Overwrite} {
		r, _ := tempRing(t, "x", layout.Bytes(8), Timestamps(true), Mode(mode))
		p, err := r.Producer()
		check(t, err)
		c, err := r.Consumer()
		check(t, err)
		made := time.Unix(1_000_000_000, 123)
		s, err := p.Reserve(bg)
		check(t, err)
		check(t, s.SetTimestamp(time.Unix(1, 0)))
		s.Abort()
		before := time.Now()
		for k := range 3 {
			s, err := p.Reserve(bg)
			check(t, err)
			if k == 1 {
				check(t, s.SetTimestamp(made))
			}
			s.Commit()
		}
		for k := range 3 {
			m := read(t, c)
			if given := m.Timestamp().Equal(made); given != (k == 1) || !given && m.Timestamp().Before(before) {
				t.Fatalf("%s: message %d has time %v", mode, k, m.Timestamp())
			}
			check(t, m.Release())
		}
		check(t, errors.Join(p.Close(), c.Close()))
	}
	r, _ := tempRing(t, "y", layout.Bytes(8), Timestamps(false))
	p, err := r.Producer()
	check(t, err)
	s, err := p.Reserve(bg)
	check(t, err)
	wantErr(t, s.SetTimestamp(time.Now()), ErrUnsupported)
	check(t, p.Close())
}

func TestASeatTakenIsRefusedByName(t *testing.T) {
	r, dir := tempRing(t, "x", layout.Bytes(8))
	p, err := r.Producer(As("camera"))
	check(t, err)
	_, err = r.Producer() // the same handle
	wantErr(t, err, ErrBusy)
	o, err := Open("x", dir)
	check(t, err)
	_, err = o.Producer() // another
	wantErr(t, err, ErrBusy)
	if !strings.Contains(err.Error(), `"camera"`) {
		t.Fatalf("%v does not name the holder", err)
	}
	check(t, p.Close())
	q, err := o.Producer()
	check(t, err)
	check(t, errors.Join(q.Close(), o.Close()))
}

func TestCloseWithMessagesOutKeepsTheMappingForOtherSeats(t *testing.T) {
	r, err := Create("", layout.Bytes(8))
	check(t, err)
	p, err := r.Producer()
	check(t, err)
	c, err := r.Consumer()
	check(t, err)
	check(t, r.Close())
	check(t, p.Write(bg, []byte("x")))
	m, err := c.Read(bg)
	check(t, err)
	if string(m.Bytes()) != "x" {
		t.Fatalf("got %q", m.Bytes())
	}
	check(t, p.Close())
	check(t, c.Close())
	_, err = r.Producer()
	wantErr(t, err, os.ErrClosed)
}

func TestAnonymousRingByDescriptor(t *testing.T) {
	r, err := Create("", layout.Bytes(8))
	check(t, err)
	o, err := OpenFD(r.FD())
	check(t, err)
	p, err := r.Producer()
	check(t, err)
	_, err = o.Producer()
	wantErr(t, err, ErrBusy)
	if err := unix.Ftruncate(r.FD(), 0); err != unix.EPERM {
		t.Fatalf("an anonymous ring could be truncated: %v", err)
	}
	check(t, errors.Join(p.Close(), o.Close(), r.Close()))
}

func TestCreateRefusesNonsenseAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	ok := layout.Bytes(8)
	for _, c := range []struct {
		name   string
		schema layout.Schema
		opts   []Option
		want   error
		value  string
	}{
		{".hidden", ok, nil, ErrName, ".hidden"},
		{"a/b", ok, nil, ErrName, "a/b"},
		{strings.Repeat("x", 201), ok, nil, ErrName, "xxx"},
		{"x", ok, []Option{Slots(1)}, nil, "1"},
		{"x", ok, []Option{Slots(-5)}, nil, "-5"},
		{"x", ok, []Option{Producers(0)}, nil, "0"},
		{"x", ok, []Option{Producers(40), Consumers(30)}, nil, "70"},
		{"x", ok, []Option{MaxMeta(1 << 20)}, nil, "1048576"},
		{"x", ok, []Option{AllowGroup()}, ErrOption, "AllowGroup"},
		{"x", ok, []Option{Mode(layout.ModeBroadcast), Producers(2)}, layout.ErrPlan, "broadcast"},
		{"x", layout.Bytes(0), nil, nil, "0"},
		{"x", layout.Array[int32](0, 4), nil, nil, "0"},
		{"x", layout.Bytes(1 << 30), []Option{Slots(1 << 20)}, ErrNoSpace, "--shm-size"},
	} {
		r, err := Create(c.name, c.schema, append(c.opts, Dir(dir))...)
		if err == nil {
			_ = r.Close()
			t.Fatalf("Create(%q, %+v) worked", c.name, c.schema)
		}
		if c.want != nil {
			wantErr(t, err, c.want)
		}
		if !strings.Contains(err.Error(), c.value) {
			t.Errorf("%v does not name %q", err, c.value)
		}
	}
	if f, _ := os.ReadDir(dir); len(f) != 0 {
		t.Fatalf("left behind: %v", f)
	}
}

func TestAFullTmpfsIsAnErrorThatNamesTheNeed(t *testing.T) {
	_, err := Create("big", layout.Bytes(1<<30), Slots(1<<12), Dir("/dev/shm"))
	wantErr(t, err, ErrNoSpace)
	if !strings.Contains(err.Error(), "MiB free") || !strings.Contains(err.Error(), "--shm-size") {
		t.Fatal(err)
	}
}

func TestCreateTwiceKeepsTheFirst(t *testing.T) {
	r, dir := tempRing(t, "x", layout.Bytes(8))
	_, err := Create("x", layout.Bytes(16), dir)
	wantErr(t, err, ErrExist)
	o, err := Open("x", dir)
	check(t, err)
	if o.Superblock().UUID != r.Superblock().UUID {
		t.Fatal("another ring has the name")
	}
	check(t, o.Close())
}

func TestFileModeIs0600WhateverTheUmask(t *testing.T) {
	old := unix.Umask(0)
	defer unix.Umask(old)
	r, _ := tempRing(t, "x", layout.Bytes(8))
	st, err := os.Stat(r.Path())
	check(t, err)
	if m := st.Mode().Perm(); m != 0o600 {
		t.Fatalf("mode %#o", m)
	}
	unix.Umask(0o077)
	g, dir := tempRing(t, "g", layout.Bytes(8), Group(-1))
	st, err = os.Stat(g.Path())
	check(t, err)
	if m := st.Mode().Perm(); m != 0o660 {
		t.Fatalf("mode %#o", m)
	}
	_, err = Open("g", dir)
	wantErr(t, err, ErrMode)
	o, err := Open("g", dir, AllowGroup())
	check(t, err)
	check(t, o.Close())
}

func TestOpenRefusesWhatIsNoRing(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, "goring."+name) }
	r, err := Create("good", layout.Bytes(8), Dir(dir))
	check(t, err)
	check(t, r.Close())
	good, err := os.ReadFile(at("good"))
	check(t, err)
	put := func(name string, change func(b []byte) []byte) {
		check(t, os.WriteFile(at(name), change(bytes.Clone(good)), 0o600))
	}
	flip := func(i int) func([]byte) []byte {
		return func(b []byte) []byte { b[i] ^= 1; return b }
	}
	put("empty", func([]byte) []byte { return nil })
	put("short", func(b []byte) []byte { return b[:4000] })
	put("cut", func(b []byte) []byte { return b[:4096] })
	put("long", func(b []byte) []byte { return append(b, make([]byte, 4096)...) })
	put("zero", func(b []byte) []byte { return make([]byte, len(b)) })
	put("foreign", flip(3))
	put("newer", flip(9))
	put("flipped", flip(33))
	put("crc", flip(253))
	put("info", func(b []byte) []byte { b[layout.SuperblockSize+2*layout.ParticipantSize+1] ^= 0x40; return b })
	check(t, os.Symlink(at("good"), at("link")))
	check(t, unix.Mkfifo(at("fifo"), 0o600))
	check(t, os.Mkdir(at("folder"), 0o700))
	put("world", func(b []byte) []byte { return b })
	check(t, os.Chmod(at("world"), 0o666))
	for name, want := range map[string]error{
		"empty": ErrTruncated, "short": ErrTruncated, "cut": ErrTruncated, "long": ErrTruncated,
		"zero": ErrForeign, "foreign": ErrForeign, "newer": ErrVersion, "flipped": ErrChecksum, "crc": ErrChecksum, "info": ErrInfo,
		"link": ErrFileType, "fifo": ErrFileType, "folder": ErrFileType, "world": ErrMode, "missing": ErrNotExist,
	} {
		_, err := Open(name, Dir(dir))
		if !errors.Is(err, want) {
			t.Errorf("%s: error %v, want %v", name, err, want)
		}
		if name != "missing" && !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name the ring", err)
		}
	}
	if os.Geteuid() == 0 {
		put("theirs", func(b []byte) []byte { return b })
		check(t, os.Chown(at("theirs"), 12345, -1))
		_, err := Open("theirs", Dir(dir))
		wantErr(t, err, ErrOwner)
	}
}

func TestUnlinkLeavesForeignFilesAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "goring.notes")
	check(t, os.WriteFile(path, []byte("my notes"), 0o600))
	wantErr(t, Unlink("notes", Dir(dir)), ErrTruncated)
	check(t, os.WriteFile(path, make([]byte, 8192), 0o600))
	wantErr(t, Unlink("notes", Dir(dir)), ErrForeign)
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	wantErr(t, Unlink("none", Dir(dir)), ErrNotExist)
}

func TestUnlinkOfAHandleSparesANewerRingOfTheName(t *testing.T) {
	r, dir := tempRing(t, "x", layout.Bytes(8))
	check(t, Unlink("x", dir))
	n, err := Create("x", layout.Bytes(8), dir)
	check(t, err)
	wantErr(t, r.Unlink(), ErrNotExist)
	check(t, n.Unlink())
	check(t, n.Close())
	wantErr(t, n.Unlink(), os.ErrClosed)
}

func TestListNamesWhatItFinds(t *testing.T) {
	_, dir := tempRing(t, "a", layout.Tensor(4096))
	b, err := Create("b", layout.Bytes(8), dir)
	check(t, err)
	check(t, os.Truncate(b.Path(), 10))
	all, err := List(dir)
	check(t, err)
	if len(all) != 2 || all[0].Name != "a" || all[0].Err != nil || all[0].Info.Schema.Kind != layout.KindTensor || !errors.Is(all[1].Err, ErrTruncated) {
		t.Fatalf("%+v", all)
	}
	// b's mapping has no pages left; it is closed without being touched.
	check(t, b.Close())
}

func TestStatsCountSlotsAndSeats(t *testing.T) {
	r, _ := tempRing(t, "x", layout.Bytes(8), Slots(6), Consumers(2))
	p, err := r.Producer(As("camera"))
	check(t, err)
	c, err := r.Consumer(As("model"))
	check(t, err)
	for range 4 {
		check(t, p.Write(bg, []byte("x")))
	}
	read(t, c).Release()
	read(t, c)
	st, err := r.Stats()
	check(t, err)
	if st.Ready != 2 || st.Taken != 1 || st.Free != 3 || st.Published != 4 || st.Released != 1 || len(st.Participants) != 2 {
		t.Fatalf("%+v", st)
	}
	if a := st.Participants[1]; a.Name != "model" || !a.Alive || a.Role != RoleConsumer || a.PID != os.Getpid() {
		t.Fatalf("%+v", a)
	}
	check(t, errors.Join(p.Close(), c.Close()))
}

// The kernel closes the descriptors of a killed process: closing a seat's descriptor without leaving
// does the same.
func TestTheNextHolderOfASeatRepairsWhatTheDeadOneLeft(t *testing.T) {
	r, _ := tempRing(t, "x", layout.Bytes(8), Slots(4), Producers(2), Consumers(2))
	p, err := r.Producer()
	check(t, err)
	c, err := r.Consumer()
	check(t, err)
	check(t, p.Write(bg, []byte("kept")))
	_, err = p.Reserve(bg)
	check(t, err)
	read(t, c)
	wantStates(t, r, "TWFF")
	check(t, unix.Close(p.seat.fd))
	check(t, unix.Close(c.seat.fd))
	st, err := r.Stats()
	check(t, err)
	if len(st.Participants) != 2 || st.Participants[0].Alive || st.Participants[1].Alive {
		t.Fatalf("%+v", st.Participants)
	}
	q, err := r.Producer()
	check(t, err)
	d, err := r.Consumer()
	check(t, err)
	wantStates(t, r, "RAFF")
	m := read(t, d)
	if string(m.Bytes()) != "kept" || m.Redelivered() != 1 {
		t.Fatalf("%q, redelivered %d", m.Bytes(), m.Redelivered())
	}
	m.Release()
	check(t, errors.Join(q.Close(), d.Close()))
	p.seat.fd, c.seat.fd = -1, -1 // the kernel closed them
	check(t, errors.Join(p.ring.release(), c.ring.release()))
}

func TestMirroredBatchIsOnePieceAcrossTheWrap(t *testing.T) {
	page := os.Getpagesize()
	r, _ := tempRing(t, "x", layout.Array[uint8](page/2), Slots(6), Separate())
	p, err := r.Producer()
	check(t, err)
	c, err := r.Consumer()
	check(t, err)
	rows := make([]byte, 4*page/2)
	for lap := range 5 {
		for i := range rows {
			rows[i] = byte(lap*7 + i*4/len(rows))
		}
		n, err := p.WriteAll(bg, rows)
		check(t, err)
		b, err := c.ReadBatch(bg, 6)
		check(t, err)
		if n != 4 || b.Len() != 4 || !bytes.Equal(b.Data(), rows) {
			t.Fatalf("lap %d: wrote %d, read %d", lap, n, b.Len())
		}
		b.Release()
	}
	check(t, errors.Join(p.Close(), c.Close()))
}

type tick struct {
	Time  int64
	Price float64
	Size  uint32
	Flags [4]uint8
}

func TestTypedRing(t *testing.T) {
	dir := Dir(t.TempDir())
	r, err := CreateTyped[tick]("ticks", dir, Separate(), Slots(8))
	check(t, err)
	o, err := OpenTyped[tick]("ticks", dir)
	check(t, err)
	p, err := r.Producer()
	check(t, err)
	c, err := o.Consumer()
	check(t, err)
	check(t, p.Write(bg, &tick{Time: 1, Price: 2.5, Size: 3}))
	s, err := p.Reserve(bg)
	check(t, err)
	s.Value().Time = 2
	s.Commit()
	_, err = p.WriteAll(bg, []tick{{Time: 3}, {Time: 4}})
	check(t, err)
	m, err := c.Read(bg)
	check(t, err)
	if *m.Value() != (tick{Time: 1, Price: 2.5, Size: 3}) {
		t.Fatalf("%+v", *m.Value())
	}
	m.Release()
	b, err := c.ReadBatch(bg, 8)
	check(t, err)
	if v := b.Values(); len(v) != 3 || v[0].Time != 2 || v[2].Time != 4 {
		t.Fatalf("%+v", v)
	}
	b.Release()
	type other struct {
		Time  int64
		Price float32
	}
	_, err = OpenTyped[other]("ticks", dir)
	wantErr(t, err, ErrSchema)
	if !strings.Contains(err.Error(), "Price") {
		t.Fatalf("%v does not name the field", err)
	}
	check(t, errors.Join(p.Close(), c.Close(), o.Close(), r.Close()))
}

func TestTensorsCarryTheirShape(t *testing.T) {
	r, _ := tempRing(t, "t", layout.Tensor(64))
	p, err := r.Producer()
	check(t, err)
	c, err := r.Consumer()
	check(t, err)
	f4, _ := layout.CodeOf("<f4")
	s, err := p.Reserve(bg)
	check(t, err)
	wantErr(t, s.SetTensor(f4, 5, 5), ErrTooLarge)
	check(t, s.SetTensor(f4, 2, 3))
	s.Commit()
	m := read(t, c)
	d, err := m.Tensor()
	check(t, err)
	if d.Code != f4 || fmt.Sprint(d.Dims()) != "[2 3]" || len(m.Bytes()) != 24 {
		t.Fatalf("%+v, %d bytes", d, len(m.Bytes()))
	}
	m.Release()
	check(t, errors.Join(p.Close(), c.Close()))
}

func TestStreamCarriesAnyNumberOfBytes(t *testing.T) {
	for _, whole := range []bool{true, false} {
		// On the heap: the race detector cannot follow what is shared through a mapping.
		r := heapRing(t, layout.Plan{Schema: layout.Bytes(100), Slots: 4})
		p, c := r.heapProducer(1, Adaptive), r.heapConsumer(1, Adaptive)
		w, err := p.Writer(bg)
		check(t, err)
		rd, err := c.Reader(bg)
		check(t, err)
		sent := bytes.Repeat([]byte("0123456789abcdef"), 1000)
		go func() {
			if _, err := io.Copy(w, bytes.NewReader(sent)); err != nil {
				t.Error(err)
			}
			if err := r.Shutdown(); err != nil {
				t.Error(err)
			}
		}()
		var got []byte
		if whole {
			var b bytes.Buffer
			_, err = io.Copy(&b, rd)
			got = b.Bytes()
		} else {
			got, err = io.ReadAll(struct{ io.Reader }{rd})
		}
		check(t, err)
		if !bytes.Equal(got, sent) {
			t.Fatalf("%d bytes came, want %d", len(got), len(sent))
		}
		check(t, errors.Join(p.Close(), c.Close()))
	}
}

func TestTimestampsOnlyWhereWanted(t *testing.T) {
	r, _ := tempRing(t, "x", layout.Bytes(8), Timestamps(true))
	p, err := r.Producer()
	check(t, err)
	c, err := r.Consumer()
	check(t, err)
	before := time.Now()
	check(t, p.Write(bg, []byte("x")))
	m := read(t, c)
	if ts := m.Timestamp(); ts.Before(before.Add(-time.Second)) || ts.After(time.Now().Add(time.Second)) {
		t.Fatalf("timestamp %v", ts)
	}
	check(t, errors.Join(p.Close(), c.Close()))
}

func TestNothingIsAllocatedPerMessage(t *testing.T) {
	for name, opts := range map[string][]Option{
		"alone":     nil,
		"stamped":   {Timestamps(true)},
		"shared":    {Producers(2), Consumers(2)},
		"broadcast": {Mode(layout.ModeBroadcast)},
		"overwrite": {Mode(layout.ModeOverwrite)},
	} {
		t.Run(name, func(t *testing.T) { nothingIsAllocated(t, opts) })
	}
}

func nothingIsAllocated(t *testing.T, opts []Option) {
	r, _ := tempRing(t, "x", layout.Bytes(64), append(opts, Slots(8))...)
	p, err := r.Producer()
	check(t, err)
	c, err := r.Consumer()
	check(t, err)
	ctx, cancel := context.WithCancel(bg)
	defer cancel()
	next, stop := iter.Pull2(c.Messages(ctx))
	defer stop()
	b := make([]byte, 64)
	var failed error
	note := func(errs ...error) {
		for _, err := range errs {
			if err != nil {
				failed = err
			}
		}
	}
	for _, op := range []struct {
		name string
		do   func()
	}{
		{"write and read", func() {
			err := p.Write(ctx, b)
			m, err2 := c.Read(ctx)
			note(err, err2, m.Release())
		}},
		{"reserve and commit", func() {
			s, err := p.Reserve(ctx)
			s.Bytes()[0] = 1
			s.SetTag(7)
			s.Commit()
			m, err2 := c.TryRead()
			note(err, err2, m.Release())
		}},
		{"batch", func() {
			w, err := p.ReserveBatch(ctx, 4)
			w.Bytes(w.Len() - 1)[0] = 1
			w.Commit(w.Len())
			m, err2 := c.ReadBatch(ctx, 4)
			b[0] = m.At(m.Len() - 1).Bytes()[0]
			note(err, err2, m.Release())
		}},
		{"try on empty", func() {
			if _, err := c.TryRead(); !errors.Is(err, ErrEmpty) {
				note(err)
			}
		}},
		{"messages", func() { // the last: the iterator holds one
			err := p.Write(ctx, b)
			_, err2, _ := next()
			note(err, err2)
		}},
	} {
		if n := testing.AllocsPerRun(1000, op.do); n != 0 {
			t.Errorf("%s: %v allocations", op.name, n)
		}
	}
	stop()
	check(t, failed)
	check(t, errors.Join(p.Close(), c.Close()))
}
