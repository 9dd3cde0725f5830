"""The CUDA driver API through ctypes, as the tests of the double call it."""

from __future__ import annotations

import ctypes as C
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

u64, size_t, pointer, u32 = C.c_uint64, C.c_size_t, C.c_void_p, C.c_uint


class Handle(C.Structure):
    _fields_ = [("bytes", C.c_ubyte * 64)]


class Location(C.Structure):
    _fields_ = [("type", C.c_int), ("id", C.c_int)]


class Properties(C.Structure):
    """CUmemAllocationProp"""

    _fields_ = [
        ("type", C.c_int),
        ("handle_types", C.c_int),
        ("location", Location),
        ("win32", pointer),
        ("flags", C.c_ubyte * 8),
    ]


class Access(C.Structure):
    """CUmemAccessDesc"""

    _fields_ = [("location", Location), ("flags", C.c_int)]


#: arguments; the others take pointers and ints as ctypes guesses
SIGNATURES: dict[str, list[Any]] = {
    "cuDeviceGetAttribute": [pointer, C.c_int, C.c_int],
    "cuDeviceGetUuid_v2": [pointer, C.c_int],
    "cuDevicePrimaryCtxRetain": [pointer, C.c_int],
    "cuCtxSetCurrent": [pointer],
    "cuCtxPushCurrent_v2": [pointer],
    "cuMemAlloc_v2": [pointer, size_t],
    "cuMemFree_v2": [u64],
    "cuMemGetInfo_v2": [pointer, pointer],
    "cuMemGetAddressRange_v2": [pointer, pointer, u64],
    "cuPointerGetAttribute": [pointer, C.c_int, u64],
    "cuMemHostAlloc": [pointer, size_t, u32],
    "cuMemFreeHost": [pointer],
    "cuMemHostRegister_v2": [pointer, size_t, u32],
    "cuMemHostUnregister": [pointer],
    "cuMemHostGetDevicePointer_v2": [pointer, pointer, u32],
    "cuMemcpyHtoD_v2": [u64, pointer, size_t],
    "cuMemcpyDtoH_v2": [pointer, u64, size_t],
    "cuMemcpyHtoDAsync_v2": [u64, pointer, size_t, pointer],
    "cuMemcpyDtoHAsync_v2": [pointer, u64, size_t, pointer],
    "cuMemcpyDtoDAsync_v2": [u64, u64, size_t, pointer],
    "cuMemcpyAsync": [u64, u64, size_t, pointer],
    "cuMemsetD8_v2": [u64, C.c_ubyte, size_t],
    "cuMemsetD8Async": [u64, C.c_ubyte, size_t, pointer],
    "cuIpcGetMemHandle": [pointer, u64],
    "cuIpcOpenMemHandle_v2": [pointer, Handle, u32],
    "cuIpcCloseMemHandle": [u64],
    "cuIpcGetEventHandle": [pointer, pointer],
    "cuIpcOpenEventHandle": [pointer, Handle],
    "cuEventCreate": [pointer, u32],
    "cuEventRecord": [pointer, pointer],
    "cuEventQuery": [pointer],
    "cuEventSynchronize": [pointer],
    "cuEventDestroy_v2": [pointer],
    "cuStreamCreate": [pointer, u32],
    "cuStreamDestroy_v2": [pointer],
    "cuStreamSynchronize": [pointer],
    "cuStreamQuery": [pointer],
    "cuStreamWaitEvent": [pointer, pointer, u32],
    "cuStreamWriteValue64_v2": [pointer, u64, u64, u32],
    "cuStreamWaitValue64_v2": [pointer, u64, u64, u32],
    "cuStreamWriteValue32_v2": [pointer, u64, C.c_uint32, u32],
    "cuStreamWaitValue32_v2": [pointer, u64, C.c_uint32, u32],
    "cuLaunchHostFunc": [pointer, pointer, pointer],
    "cuMemCreate": [pointer, size_t, pointer, C.c_ulonglong],
    "cuMemRelease": [u64],
    "cuMemExportToShareableHandle": [pointer, u64, C.c_int, C.c_ulonglong],
    "cuMemImportFromShareableHandle": [pointer, pointer, C.c_int],
    "cuMemAddressReserve": [pointer, size_t, size_t, u64, C.c_ulonglong],
    "cuMemAddressFree": [u64, size_t],
    "cuMemMap": [u64, size_t, size_t, u64, C.c_ulonglong],
    "cuMemSetAccess": [u64, size_t, pointer, size_t],
    "cuMemUnmap": [u64, size_t],
}


class Refused(Exception):
    """A driver call that did not return 0; its code is in args[1]."""


class Driver:
    """One process's driver. Calls by name raise Refused; code() returns the call's error code."""

    def __init__(self, library: Path, context: bool = True) -> None:
        self.lib = C.CDLL(str(library))
        for name, arguments in SIGNATURES.items():
            getattr(self.lib, name).argtypes = arguments
        if context:
            self("cuInit", 0)
            self.context = self.new("cuDevicePrimaryCtxRetain", 0)
            self("cuCtxSetCurrent", self.context)

    def code(self, name: str, *arguments: Any) -> int:
        return getattr(self.lib, name)(*arguments)

    def __call__(self, name: str, *arguments: Any) -> None:
        code = self.code(name, *arguments)
        if code:
            raise Refused(name, code)

    def new(self, name: str, *arguments: Any, kind: Any = pointer) -> Any:
        """Return the value that a call writes through its first argument."""
        out = kind()
        self(name, C.byref(out), *arguments)
        return out.value

    def code_of_new(self, name: str, *arguments: Any, kind: Any = u64) -> int:
        return self.code(name, C.byref(kind()), *arguments)

    def alloc(self, n: int) -> int:
        return self.new("cuMemAlloc_v2", n, kind=u64)

    def pinned(self, n: int) -> int:
        return self.new("cuMemHostAlloc", n, 0)

    def stream(self) -> int:
        return self.new("cuStreamCreate", 1)

    def handle(self, p: int, call: str = "cuIpcGetMemHandle") -> bytes:
        h = Handle()
        self(call, C.byref(h), p)
        return bytes(h)

    def open(self, handle: bytes) -> int:
        return self.new("cuIpcOpenMemHandle_v2", Handle.from_buffer_copy(handle), 1, kind=u64)

    def code_of_open(self, handle: bytes, flags: int = 1) -> int:
        return self.code_of_new("cuIpcOpenMemHandle_v2", Handle.from_buffer_copy(handle), flags)

    def fill(self, p: int, byte: int, n: int) -> None:
        self("cuMemsetD8_v2", p, byte, n)
        self("cuCtxSynchronize")

    def read(self, p: int, n: int) -> bytes:
        out = C.create_string_buffer(n)
        self("cuMemcpyDtoH_v2", out, p, n)
        return out.raw

    def free_memory(self) -> int:
        free, total = size_t(), size_t()
        self("cuMemGetInfo_v2", C.byref(free), C.byref(total))
        return free.value

    def attribute(self, number: int, device: int = 0) -> int:
        return self.new("cuDeviceGetAttribute", number, device, kind=C.c_int)

    def host_function(self, function: Callable[[], None]) -> Any:
        """For cuLaunchHostFunc; keep it until it ran."""
        return C.CFUNCTYPE(None, pointer)(lambda _: function())


def exit_properly(code: int) -> None:
    """As a C program does, with the destructors of its libraries, but without Python's end."""
    C.CDLL(None).exit(code)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
