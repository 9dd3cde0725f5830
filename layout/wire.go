package layout

// The constants of this file are in no segment, but Go, C and Python must agree on them. Like
// those of the layout they are written for C and Python by layout/gen.

// LibraryVersion is the version of this implementation, in Go and in Python; a release changes it
// here.
const LibraryVersion = "0.1.0"

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

// Kinds of results of a pool's workers, the first number of a result's metadata.
const (
	ResultArray  = 0
	ResultBytes  = 1
	ResultValue  = 2
	ResultError  = 3
	ResultPoison = 4
)

// Descriptors that a pool's worker inherits: its two rings, and the pipe for its status line.
const (
	FDRequests = 3
	FDResults  = 4
	FDStatus   = 5
)

// ErrorCode names the exception that an error of the control plane becomes in Python.
type ErrorCode string

// Codes of the control plane's errors.
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
