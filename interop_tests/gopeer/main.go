// Command gopeer is a participant of a ring that a test drives line by line. peers.py describes
// the commands.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"

	"example.com/goring/goring"
)

func init() { runtime.LockOSThread() } // main stays on the main thread: faults/stepper.c traces it

func main() {
	p := &peer{}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		words := strings.Fields(in.Text())
		if len(words) == 0 {
			continue
		}
		reply, err := p.do(words[0], words[1:])
		if err != nil {
			reply = "err " + class(err) + " " + strings.ReplaceAll(err.Error(), "\n", " ")
		} else {
			reply = strings.TrimSpace("ok " + reply)
		}
		fmt.Println(reply)
	}
}

// errMisuse is a panic of the library.
var errMisuse = errors.New("misuse")

// do runs one command. It turns the library's panics into errors of misuse; any other panic ends
// the peer.
func (p *peer) do(name string, args []string) (reply string, err error) {
	defer func() {
		if r := recover(); r != nil {
			text, ok := r.(string)
			if !ok || !strings.HasPrefix(text, "goring: ") {
				panic(r)
			}
			err = fmt.Errorf("%w: %s", errMisuse, text)
		}
	}()
	command, ok := commands[name]
	if !ok {
		return "", fmt.Errorf("no command %q", name)
	}
	return command(p, args)
}

// classes maps refusals to their names, which are the same in every language.
var classes = []struct {
	err  error
	name string
}{
	{errMisuse, "misuse"},
	{io.EOF, "end"},
	{context.DeadlineExceeded, "timeout"},
	{os.ErrClosed, "closed"},
	{goring.ErrFull, "full"},
	{goring.ErrEmpty, "empty"},
	{goring.ErrTooLarge, "toolarge"},
	{goring.ErrSchema, "schema"},
	{goring.ErrBusy, "busy"},
	{goring.ErrShutdown, "shutdown"},
	{goring.ErrHeld, "held"},
	{goring.ErrPeerDead, "peerdead"},
	{goring.ErrLapped, "lapped"},
	{goring.ErrCorrupt, "corrupt"},
	{goring.ErrName, "name"},
	{goring.ErrOption, "option"},
	{goring.ErrUnsupported, "unsupported"},
	{goring.ErrExist, "exist"},
	{goring.ErrNotExist, "notexist"},
	{goring.ErrFileType, "filetype"},
	{goring.ErrOwner, "owner"},
	{goring.ErrMode, "mode"},
	{goring.ErrNoSpace, "nospace"},
	{goring.ErrTruncated, "truncated"},
	{goring.ErrForeign, "foreign"},
	{goring.ErrByteOrder, "byteorder"},
	{goring.ErrVersion, "version"},
	{goring.ErrChecksum, "checksum"},
	{goring.ErrFeature, "feature"},
	{goring.ErrGeometry, "geometry"},
	{goring.ErrInfo, "info"},
}

func class(err error) string {
	for _, c := range classes {
		if errors.Is(err, c.err) {
			return c.name
		}
	}
	return "unclassified"
}

func hexed(b []byte) string {
	if len(b) == 0 {
		return "-"
	}
	return hex.EncodeToString(b)
}

func unhex(s string) ([]byte, error) {
	if s == "-" {
		return nil, nil
	}
	return hex.DecodeString(s)
}

// options returns the key=value words of a command.
type options map[string]string

func parse(args []string) options {
	o := options{}
	for _, a := range args {
		if k, v, ok := strings.Cut(a, "="); ok {
			o[k] = v
		}
	}
	return o
}

// number returns option k, 0 without it.
func (o options) number(k string) (int, error) {
	if o[k] == "" {
		return 0, nil
	}
	return strconv.Atoi(o[k])
}
