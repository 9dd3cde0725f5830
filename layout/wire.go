package layout

import "slices"

// Values that Go, C and Python share beside the segment: layout/gen writes them for C and Python.

// Wait strategies.
const (
	StrategyAdaptive = 0
	StrategySpin     = 1
	StrategyPark     = 2
)

// Roles of participants.
const (
	RoleProducer = 1
	RoleConsumer = 2
)

// Kinds of results of a pool's workers.
const (
	ResultArray  = 0
	ResultBytes  = 1
	ResultValue  = 2
	ResultError  = 3
	ResultPoison = 4
)

// Descriptors that a pool's worker inherits.
const (
	FDRequests = 3
	FDResults  = 4
	FDStatus   = 5
)

// ErrorCode names an error of the control plane for other languages.
type ErrorCode string

// The error codes.
const (
	CodeExists          ErrorCode = "exists"
	CodeNotFound        ErrorCode = "not-found"
	CodeClosed          ErrorCode = "closed"
	CodeEnded           ErrorCode = "ended"
	CodeBusy            ErrorCode = "busy"
	CodeNoSpace         ErrorCode = "no-space"
	CodeName            ErrorCode = "name"
	CodeValue           ErrorCode = "value"
	CodeSchema          ErrorCode = "schema"
	CodeUnsafe          ErrorCode = "unsafe"
	CodeVersion         ErrorCode = "version"
	CodeCorrupt         ErrorCode = "corrupt"
	CodeUnsupported     ErrorCode = "unsupported"
	CodeCUDA            ErrorCode = "cuda"
	CodeCUDAUnavailable ErrorCode = "cuda-unavailable"
	CodeWrongDevice     ErrorCode = "wrong-device"
	CodeGone            ErrorCode = "gone"
	CodeVoided          ErrorCode = "voided"
	CodeForked          ErrorCode = "forked"
	CodeError           ErrorCode = "error"
)

var errorCodes = []ErrorCode{
	CodeExists, CodeNotFound, CodeClosed, CodeEnded, CodeBusy, CodeNoSpace, CodeName, CodeValue, CodeSchema,
	CodeUnsafe, CodeVersion, CodeCorrupt, CodeUnsupported, CodeCUDA, CodeCUDAUnavailable, CodeWrongDevice,
	CodeGone, CodeVoided, CodeForked, CodeError,
}

// ErrorCodes returns all error codes.
func ErrorCodes() []ErrorCode { return slices.Clone(errorCodes) }
