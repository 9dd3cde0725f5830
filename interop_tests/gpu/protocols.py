"""Arrays in device memory as other libraries hand them over, by ctypes alone."""

from __future__ import annotations

import ctypes as C
import functools
import os
from typing import Any

import numpy as np


@functools.cache
def driver() -> C.CDLL:
    return C.CDLL(os.environ.get("GORING_LIBCUDA", "libcuda.so.1"))


def call(name: str, *arguments: Any) -> None:
    code = getattr(driver(), name)(*arguments)
    assert code == 0, f"{name}: {code}"


class Buffer:
    """Device memory with values in it; the keywords change its interface."""

    def __init__(self, values: np.ndarray, device: int = 0, **changes: Any) -> None:
        context, self.pointer, self.device = C.c_void_p(), C.c_uint64(), device
        call("cuInit", 0)
        call("cuDevicePrimaryCtxRetain", C.byref(context), device)
        call("cuCtxPushCurrent_v2", context)
        call("cuMemAlloc_v2", C.byref(self.pointer), C.c_size_t(values.nbytes))
        call(
            "cuMemcpyHtoD_v2",
            self.pointer,
            C.c_void_p(values.ctypes.data),
            C.c_size_t(values.nbytes),
        )
        call("cuCtxPopCurrent_v2", C.byref(context))
        self.context = context
        self.__cuda_array_interface__ = {
            "shape": values.shape,
            "typestr": values.dtype.str,
            "data": (self.pointer.value, False),
            "strides": None,
            "version": 3,
        } | changes


def stream() -> int:
    """A stream of the current context that the legacy default stream does not wait for."""
    made = C.c_void_p()
    call("cuStreamCreate", C.byref(made), 1)
    assert made.value
    return made.value


class Gate:
    """A stream that waits until the gate is opened; its context becomes the current one."""

    def __init__(self) -> None:
        self.word = Buffer(np.zeros(1, np.uint64))
        call("cuCtxPushCurrent_v2", self.word.context)
        self.stream, self.other = stream(), stream()
        self._enqueue("cuStreamWaitValue64_v2", self.stream)

    def open(self) -> None:
        self._enqueue("cuStreamWriteValue64_v2", self.other)

    def _enqueue(self, operation: str, on: int) -> None:
        call(operation, C.c_void_p(on), self.word.pointer, C.c_uint64(1), 0)


class DLTensor(C.Structure):
    _fields_ = [
        ("data", C.c_void_p),
        ("device_type", C.c_int32),
        ("device_id", C.c_int32),
        ("ndim", C.c_int32),
        ("code", C.c_uint8),
        ("bits", C.c_uint8),
        ("lanes", C.c_uint16),
        ("shape", C.POINTER(C.c_int64)),
        ("strides", C.POINTER(C.c_int64)),
        ("byte_offset", C.c_uint64),
    ]


DELETER = C.CFUNCTYPE(None, C.c_void_p)


class Managed(C.Structure):
    _fields_ = [("tensor", DLTensor), ("manager", C.c_void_p), ("deleter", DELETER)]


class ManagedVersioned(C.Structure):
    _fields_ = [
        ("major", C.c_uint32),
        ("minor", C.c_uint32),
        ("manager", C.c_void_p),
        ("deleter", DELETER),
        ("flags", C.c_uint64),
        ("tensor", DLTensor),
    ]


api = C.pythonapi
api.PyCapsule_GetPointer.restype = C.c_void_p
api.PyCapsule_GetPointer.argtypes = [C.py_object, C.c_char_p]
api.PyCapsule_SetName.argtypes = [C.py_object, C.c_char_p]
api.PyCapsule_IsValid.argtypes = [C.py_object, C.c_char_p]
USED = b"used_dltensor"  # a name lives as long as its capsule


class Imported:
    """The tensor that an importer takes from a capsule, until it calls the deleter."""

    def __init__(self, capsule: Any) -> None:
        old = api.PyCapsule_IsValid(capsule, b"dltensor")
        kind, name = (Managed, b"dltensor") if old else (ManagedVersioned, b"dltensor_versioned")
        self.at = api.PyCapsule_GetPointer(capsule, name)
        self.managed = kind.from_address(self.at)
        api.PyCapsule_SetName(capsule, USED)
        self.tensor = self.managed.tensor

    def delete(self) -> None:
        self.managed.deleter(self.at)
