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

// answer is the reply of every function: a value, or the code of an error and its text, and
// with layout.CodeCUDA the driver's own code as the value. Python turns codes into exceptions.
type answer struct {
	Value any              `json:"value"`
	Code  layout.ErrorCode `json:"code"`
	Text  string           `json:"text"`
}

// codes are the errors that have an exception of their own. The first that matches counts.
var codes = []struct {
	err  error
	code layout.ErrorCode
}{
	{goring.ErrExist, layout.CodeExists},
	{goring.ErrNotExist, layout.CodeNotFound},
	{os.ErrClosed, layout.CodeClosed},
	{goring.ErrShutdown, layout.CodeEnded},
	{goring.ErrBusy, layout.CodeBusy},
	{goring.ErrNoSpace, layout.CodeNoSpace},
	{cuda.ErrUnavailable, layout.CodeCUDAUnavailable},
	{cuda.ErrWrongDevice, layout.CodeWrongDevice},
	{goring.ErrExporterGone, layout.CodeGone},
	{cuda.ErrVoided, layout.CodeVoided},
	{cuda.ErrForked, layout.CodeForked},
	{goring.ErrName, layout.CodeName},
	{goring.ErrOption, layout.CodeValue},
	{layout.ErrPlan, layout.CodeValue},
	{goring.ErrInfo, layout.CodeCorrupt},
	{goring.ErrSchema, layout.CodeSchema},
	{layout.ErrSchema, layout.CodeSchema},
	{goring.ErrFileType, layout.CodeUnsafe},
	{goring.ErrOwner, layout.CodeUnsafe},
	{goring.ErrMode, layout.CodeUnsafe},
	{goring.ErrUnsealed, layout.CodeUnsafe},
	{os.ErrPermission, layout.CodeUnsafe},
	{goring.ErrVersion, layout.CodeVersion},
	{goring.ErrFeature, layout.CodeVersion},
	{goring.ErrByteOrder, layout.CodeVersion},
	{goring.ErrForeign, layout.CodeCorrupt},
	{goring.ErrTruncated, layout.CodeCorrupt},
	{goring.ErrChecksum, layout.CodeCorrupt},
	{goring.ErrGeometry, layout.CodeCorrupt},
	{goring.ErrUnsupported, layout.CodeUnsupported},
}

func codeOf(err error) layout.ErrorCode {
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	return layout.CodeError
}

// refusal returns the answer for an error.
func refusal(err error) answer {
	a := answer{Code: codeOf(err), Text: err.Error()}
	var driver *cuda.Error
	if a.Code == layout.CodeError && errors.As(err, &driver) {
		a.Code, a.Value = layout.CodeCUDA, map[string]any{"code": driver.Code, "name": driver.Name}
	}
	return a
}

// reply runs f and returns its answer as JSON. A panic, which would end the interpreter,
// becomes an error.
func reply(f func() (any, error)) (text string) {
	defer func() {
		if p := recover(); p != nil {
			text = encode(answer{Code: layout.CodeError, Text: fmt.Sprintf("panic: %v\n%s", p, debug.Stack())})
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
