package goring

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"example.com/goring/internal/cudadrv"
)

// Whether device memory can be shared here is tried, not asked: attributes say yes under
// WSL2 and in containers where opening a handle fails. So the first ring that a process makes
// on a device starts a child that opens the handle, writes to it and ends. GORING_CUDA_PROBE=off
// leaves that out.
const (
	probeEnv  = "GORING_CUDA_PROBE"
	probeMark = 0xa5
	probeTime = 30 * time.Second
)

// init makes a program that was started as such a child nothing else.
func init() {
	handle, device, ok := probeTask(os.Getenv(probeEnv))
	if !ok {
		return
	}
	if err := cudadrv.Probe(handle, device, probeMark); err != nil {
		_, _ = fmt.Fprintln(os.Stdout, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func probeTask(text string) (handle [64]byte, device [16]byte, ok bool) {
	h, d, found := strings.Cut(text, ":")
	if !found || len(h) != 2*len(handle) || len(d) != 2*len(device) {
		return handle, device, false
	}
	_, err1 := hex.Decode(handle[:], []byte(h))
	_, err2 := hex.Decode(device[:], []byte(d))
	return handle, device, err1 == nil && err2 == nil
}

// probed are the devices whose memory was seen to be shared.
var probed sync.Map

// probeSharing has a child process open the allocation of w. command starts a program that loads
// this package; nil: this one.
func probeSharing(w cudadrv.Wish, d cudadrv.Device, command []string) error {
	if _, done := probed.Load(d.UUID); done || os.Getenv(probeEnv) == "off" {
		return nil
	}
	if len(command) == 0 {
		command = []string{"/proc/self/exe"}
	}
	ctx, cancel := context.WithTimeout(context.Background(), probeTime)
	defer cancel()
	child := exec.CommandContext(ctx, command[0], command[1:]...)
	child.Env = append(os.Environ(), fmt.Sprintf("%s=%x:%x", probeEnv, w.Handle, d.UUID))
	var said bytes.Buffer
	child.Stdout = &said
	err := child.Run()
	mark, peekErr := cudadrv.TakeByte(w)
	if err == nil && peekErr == nil && mark == probeMark {
		probed.Store(d.UUID, true)
		return nil
	}
	words := strings.TrimSpace(said.String())
	if words == "" {
		words = fmt.Sprintf("the child ended with %v and left %#x", err, mark)
	}
	return fmt.Errorf("device memory cannot be shared with other processes here: a child that tried says: %s: %w", words, ErrUnsupported)
}

// ProbeWith sets the command that loads this library in a child process, to try whether
// device memory can be shared. It is for bindings of other languages; without it the program
// itself is started and ends before its main function.
func ProbeWith(command ...string) Option {
	return func(c *config) { c.note("ProbeWith", forCreate); c.cuda.prober = command }
}
