package doctor

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/goring/goring"
	"example.com/goring/layout"
)

// TestMain runs the test binary also as a participant to be killed and stopped, with
// DOCTOR_TEST="role [reserve|take]".
func TestMain(m *testing.M) {
	if task := os.Getenv("DOCTOR_TEST"); task != "" {
		participate(strings.Fields(task))
	}
	os.Exit(m.Run())
}

// participate joins ring r, does the task and waits until its standard input ends.
func participate(task []string) {
	r, err := goring.Open("r")
	if err == nil {
		if task[0] == "producer" {
			var p *goring.Producer
			if p, err = r.Producer(goring.As("child")); err == nil && len(task) > 1 {
				_, err = p.TryReserve()
			}
		} else {
			var c *goring.Consumer
			if c, err = r.Consumer(goring.As("child")); err == nil && len(task) > 1 {
				_, err = c.Read(context.Background())
			}
		}
	}
	fmt.Println("ready", err)
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	os.Exit(0)
}

// folder returns an empty folder and makes it the default for rings.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("GORING_DIR", dir)
	return dir
}

func create(t *testing.T, opts ...goring.Option) *goring.Ring {
	t.Helper()
	r, err := goring.Create("r", layout.Bytes(8), append([]goring.Option{goring.Slots(4)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// child starts a participant in another process.
func child(t *testing.T, task string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "DOCTOR_TEST="+task)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(cmd) })
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "ready <nil>\n" {
		t.Fatalf("the child said %q", line)
	}
	return cmd
}

func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

func write(t *testing.T, r *goring.Ring, n int) *goring.Producer {
	t.Helper()
	p, err := r.Producer(goring.As("writer"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	for range n {
		if err := p.TryWrite([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func consume(t *testing.T, r *goring.Ring) *goring.Consumer {
	t.Helper()
	c, err := r.Consumer(goring.As("reader"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// diagnose returns the report on the only ring of the folder.
func diagnose(t *testing.T, o Options) Report {
	t.Helper()
	all, err := All(o)
	if err != nil || len(all) != 1 {
		t.Fatalf("%d reports, %v", len(all), err)
	}
	return all[0]
}

// expect checks the codes of the findings, and that the first one has these words.
func expect(t *testing.T, r Report, codes []string, say ...string) {
	t.Helper()
	var got []string
	for _, f := range r.Findings {
		got = append(got, f.Code)
	}
	if !slices.Equal(got, codes) {
		t.Fatalf("found %v, want %v: %+v", got, codes, r.Findings)
	}
	for _, words := range say {
		if text := r.Findings[0].Text + "; " + r.Findings[0].Advice; !strings.Contains(text, words) {
			t.Errorf("%q does not say %q", text, words)
		}
	}
}

func TestAllWell(t *testing.T) {
	folder(t)
	r := create(t)
	write(t, r, 2)
	consume(t, r)
	rep := diagnose(t, Options{})
	expect(t, rep, nil)
	if !rep.Healthy() || rep.Ring.Ready != 2 || len(rep.Ring.Participants) != 2 || rep.Ring.Participants[1].Name != "reader" {
		t.Fatalf("%+v", rep.Ring)
	}
}

func TestADeadConsumer(t *testing.T) {
	folder(t)
	r := create(t, goring.Consumers(2))
	write(t, r, 2)
	dead := child(t, "consumer take")
	consume(t, r)
	kill(dead)
	rep := diagnose(t, Options{})
	expect(t, rep, []string{"dead"}, `consumer "child"`, fmt.Sprint(dead.Process.Pid), "holds message 0", "--reap r")
	if rep.Healthy() {
		t.Fatal("a dead consumer is a problem")
	}
	rep = diagnose(t, Options{Reap: true})
	expect(t, rep, nil)
	if rep.Reaped != 1 || rep.Ring.Ready != 2 {
		t.Fatalf("reaped %d, ready %d", rep.Reaped, rep.Ring.Ready)
	}
}

func TestADeadProducerInTheMiddle(t *testing.T) {
	folder(t)
	r := create(t, goring.Producers(2))
	dead := child(t, "producer reserve")
	write(t, r, 1)
	consume(t, r)
	kill(dead)
	expect(t, diagnose(t, Options{}), []string{"dead"}, "holds message 0")
}

func TestAStoppedParticipant(t *testing.T) {
	folder(t)
	create(t)
	stopped := child(t, "consumer")
	if err := stopped.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var rep Report
	for range 200 { // until the signal has arrived
		if rep = diagnose(t, Options{}); len(rep.Findings) > 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	expect(t, rep, []string{"stopped"}, fmt.Sprintf("kill -CONT %d", stopped.Process.Pid))
}

func TestAProducerThatDoesNotCommit(t *testing.T) {
	folder(t)
	r := create(t, goring.Producers(2))
	child(t, "producer reserve")
	write(t, r, 1)
	consume(t, r)
	time.Sleep(slow + 50*time.Millisecond)
	expect(t, diagnose(t, Options{}), []string{"writing"}, "has reserved message 0", "the messages after it wait")
}

func TestAConsumerThatDoesNotRelease(t *testing.T) {
	folder(t)
	r := create(t, goring.Consumers(2))
	write(t, r, 1)
	child(t, "consumer take")
	time.Sleep(slow + 50*time.Millisecond)
	rep := diagnose(t, Options{})
	expect(t, rep, []string{"holding"}, "holds message 0")
	if !rep.Healthy() {
		t.Fatal("a long computation is no problem")
	}
}

func TestFull(t *testing.T) {
	folder(t)
	r := create(t)
	write(t, r, 4)
	expect(t, diagnose(t, Options{}), []string{"full"}, "no consumer is attached")
	consume(t, r)
	expect(t, diagnose(t, Options{}), []string{"full"}, "4 wait, 0 are being read")
}

func TestASlowBroadcastConsumer(t *testing.T) {
	folder(t)
	r := create(t, goring.Mode(layout.ModeBroadcast))
	consume(t, r)
	write(t, r, 4)
	expect(t, diagnose(t, Options{}), []string{"full"}, `waits for consumer "reader"`, "4 messages left to read")
}

func TestALappedConsumer(t *testing.T) {
	folder(t)
	r := create(t, goring.Mode(layout.ModeOverwrite))
	c := consume(t, r)
	write(t, r, 9)
	if _, err := c.TryRead(); err != nil {
		t.Fatal(err)
	}
	expect(t, diagnose(t, Options{}), []string{"lost"}, "too slow for 6 messages")
}

func TestUnreadAndShutDown(t *testing.T) {
	folder(t)
	r := create(t)
	write(t, r, 1)
	if err := r.Shutdown(); err != nil {
		t.Fatal(err)
	}
	expect(t, diagnose(t, Options{}), []string{"unread", "shutdown"}, "1 message waits and no consumer")
}

func TestStale(t *testing.T) {
	dir := folder(t)
	create(t)
	expect(t, diagnose(t, Options{}), []string{"stale"}, "nobody is attached", "--unlink-stale r")
	if rep := diagnose(t, Options{Unlink: true, MinAge: time.Hour}); rep.Unlinked {
		t.Fatal("a young ring was removed")
	}
	if rep := diagnose(t, Options{Unlink: true}); !rep.Unlinked {
		t.Fatalf("%+v", rep)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Fatalf("left: %v", left)
	}
}

func TestRingsInUseAreNotRemoved(t *testing.T) {
	folder(t)
	create(t)
	child(t, "consumer")
	if rep := diagnose(t, Options{Unlink: true, Reap: true}); rep.Unlinked || rep.Reaped != 0 {
		t.Fatalf("%+v", rep)
	}
}

func TestWhatIsNoRing(t *testing.T) {
	dir := folder(t)
	path := filepath.Join(dir, "goring.diary")
	if err := os.WriteFile(path, []byte("dear diary"), 0o600); err != nil {
		t.Fatal(err)
	}
	rep := diagnose(t, Options{Unlink: true, Reap: true})
	expect(t, rep, []string{"unusable"}, "left alone", path)
	if _, err := os.Stat(path); err != nil || rep.Healthy() {
		t.Fatal(err)
	}
}

func TestAnOrphanedSlot(t *testing.T) {
	folder(t)
	r := create(t, goring.Consumers(2))
	consume(t, r)
	at := int64(r.Superblock().HeaderOff)
	scribble(t, r, at, []byte{3<<2 | layout.StateTaken}) // taken by a seat without a holder
	expect(t, diagnose(t, Options{}), []string{"orphaned"}, "1 slots", "nobody sits in")
}

// scribble writes b into the segment at offset at.
func scribble(t *testing.T, r *goring.Ring, at int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(r.Path(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

// The doctor reports on any bytes that a peer may have written, without a crash.
func TestHostileBytes(t *testing.T) {
	folder(t)
	for _, mode := range []layout.Mode{layout.ModeQueue, layout.ModeBroadcast, layout.ModeOverwrite} {
		r, err := goring.Create("r", layout.Bytes(8), goring.Mode(mode), goring.Slots(4), goring.Consumers(2))
		if err != nil {
			t.Fatal(err)
		}
		c := consume(t, r)
		random := rand.New(rand.NewPCG(1, uint64(mode)))
		noise := make([]byte, int(r.Superblock().TotalSize)-256)
		for range 200 {
			for i := range noise {
				noise[i] = byte(uint64(1) << random.UintN(64)) // mostly zeros
			}
			scribble(t, r, 256, noise)
			if _, err := json.Marshal(diagnose(t, Options{})); err != nil {
				t.Fatal(err)
			}
		}
		_ = c.Close()
		if err := r.Unlink(); err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
	}
}
