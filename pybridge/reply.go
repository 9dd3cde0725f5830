package pybridge

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"example.com/goring/goring"
	"example.com/goring/goring/cuda"
	"example.com/goring/layout"
)

// answer is what every function replies: a value, or the code of an error and its
// text, and with the code cuda the driver's own as the value. Python turns codes into
// exceptions.
type answer struct {
	Value any    `json:"value"`
	Code  string `json:"code"`
	Text  string `json:"text"`
}

// codes name the errors that have an exception of their own, the first match wins.
var codes = []struct {
	err  error
	code string
}{
	{goring.ErrExist, "exists"}, {goring.ErrNotExist, "not-found"}, {os.ErrClosed, "closed"},
	{goring.ErrShutdown, "closed"}, {goring.ErrBusy, "busy"}, {goring.ErrNoSpace, "no-space"},
	{cuda.ErrUnavailable, "cuda-unavailable"}, {cuda.ErrWrongDevice, "wrong-device"},
	{goring.ErrExporterGone, "gone"}, {cuda.ErrVoided, "voided"}, {cuda.ErrForked, "forked"},
	{goring.ErrName, "name"}, {goring.ErrOption, "value"}, {layout.ErrPlan, "value"},
	{goring.ErrInfo, "corrupt"}, {goring.ErrSchema, "schema"}, {layout.ErrSchema, "schema"},
	{goring.ErrFileType, "unsafe"}, {goring.ErrOwner, "unsafe"}, {goring.ErrMode, "unsafe"}, {goring.ErrUnsealed, "unsafe"}, {os.ErrPermission, "unsafe"},
	{goring.ErrVersion, "version"}, {goring.ErrFeature, "version"}, {goring.ErrByteOrder, "version"},
	{goring.ErrForeign, "corrupt"}, {goring.ErrTruncated, "corrupt"}, {goring.ErrChecksum, "corrupt"},
	{goring.ErrGeometry, "corrupt"}, {goring.ErrUnsupported, "unsupported"},
}

func codeOf(err error) string {
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	return "error"
}

// refusal is the answer for an error.
func refusal(err error) answer {
	a := answer{Code: codeOf(err), Text: err.Error()}
	var driver *cuda.Error
	if a.Code == "error" && errors.As(err, &driver) {
		a.Code, a.Value = "cuda", map[string]any{"code": driver.Code, "name": driver.Name}
	}
	return a
}

// reply runs f and is its answer as JSON. A panic, which would take the interpreter
// down, becomes an error.
func reply(f func() (any, error)) (text string) {
	defer func() {
		if p := recover(); p != nil {
			text = encode(answer{Code: "error", Text: fmt.Sprintf("panic: %v\n%s", p, debug.Stack())})
		}
	}()
	v, err := f()
	if err != nil {
		return encode(refusal(err))
	}
	return encode(answer{Value: v})
}

func encode(a answer) string {
	b, err := json.Marshal(a)
	if err != nil {
		return `{"code": "error", "text": "the reply cannot be encoded"}`
	}
	return string(b)
}
