"""Readers of device arrays that are not ours, run with the Python of build/gpu: judges.py NAME.

The objects they read are plain ones made here: the protocols as other people write and read them.
"""

from __future__ import annotations

import ctypes as C
import gc
import sys
import warnings

import numpy as np
from cuda.bindings import driver

warnings.simplefilter("ignore")
N = 1024


def ok(result):
    assert result[0] == driver.CUresult.CUDA_SUCCESS, result[0]
    return result[1] if len(result) == 2 else result[1:]


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


class DLManagedTensorVersioned(C.Structure):
    _fields_ = [
        ("major", C.c_uint32),
        ("minor", C.c_uint32),
        ("manager", C.c_void_p),
        ("deleter", DELETER),
        ("flags", C.c_uint64),
        ("tensor", DLTensor),
    ]


class Array:
    """N float32 on device 0, by both protocols."""

    def __init__(self) -> None:
        ok(driver.cuInit(0))
        ok(driver.cuCtxSetCurrent(ok(driver.cuDevicePrimaryCtxRetain(0))))
        self.pointer = int(ok(driver.cuMemAlloc(4 * N)))
        self.values = np.arange(N, dtype=np.float32)
        ok(driver.cuMemcpyHtoD(self.pointer, self.values.ctypes.data, 4 * N))
        self.deleted = 0

    @property
    def __cuda_array_interface__(self):
        data = (self.pointer, False)
        return {
            "shape": (N,),
            "typestr": "<f4",
            "data": data,
            "version": 3,
            "strides": None,
            "stream": None,
        }

    def __dlpack_device__(self):
        return (2, 0)

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        self.asked = stream, max_version
        self.shape = (C.c_int64 * 1)(N)
        self.deleter = DELETER(self._delete)
        tensor = DLTensor(self.pointer, 2, 0, 1, 2, 32, 1, self.shape, None, 0)
        self.managed = DLManagedTensorVersioned(1, 0, None, self.deleter, 0, tensor)
        new = C.pythonapi.PyCapsule_New
        new.restype, new.argtypes = C.py_object, [C.c_void_p, C.c_char_p, C.c_void_p]
        return new(C.addressof(self.managed), b"dltensor_versioned", None)

    def _delete(self, _):
        self.deleted += 1


def bindings() -> None:
    """cuda-bindings: copies, handles, values in memory."""
    a = Array()
    found = np.zeros(N, np.float32)
    ok(driver.cuMemcpyDtoH(found.ctypes.data, a.pointer, 4 * N))
    assert (found == a.values).all()
    handle = ok(driver.cuIpcGetMemHandle(a.pointer))
    code = driver.cuIpcOpenMemHandle(handle, 1)[0]
    assert code == driver.CUresult.CUDA_ERROR_INVALID_CONTEXT
    stream = ok(driver.cuStreamCreate(1))
    ok(driver.cuStreamWriteValue64(stream, a.pointer, 7, 0))
    ok(driver.cuStreamWaitValue64(stream, a.pointer, 7, 0))
    ok(driver.cuStreamSynchronize(stream))
    assert len(bytes(ok(driver.cuDeviceGetUuid(0)).bytes)) == 16


def core() -> None:
    """cuda.core: the device, a stream, and StridedMemoryView by both protocols."""
    from cuda.core import Device
    from cuda.core.utils import StridedMemoryView

    a = Array()
    device = Device(0)
    device.set_current()
    assert device.name.startswith("fakecuda")
    assert device.create_stream().handle
    wanted = (a.pointer, (N,), np.dtype(np.float32), 0, False)
    view = StridedMemoryView.from_cuda_array_interface(a, stream_ptr=-1)
    assert (view.ptr, view.shape, view.dtype, view.device_id, view.readonly) == wanted
    view = StridedMemoryView.from_dlpack(a, stream_ptr=-1)
    assert (view.ptr, view.shape, view.dtype, view.device_id, view.readonly) == wanted
    assert a.asked[0] == -1
    assert a.asked[1] >= (1, 0)
    assert a.deleted == 0
    del view
    gc.collect()
    assert a.deleted == 1


def numba() -> None:
    """numba-cuda: an array over our pointer, copied to the host, and its own IPC handle."""
    from numba import cuda

    a = Array()
    assert cuda.is_cuda_array(a)
    array = cuda.as_cuda_array(a)
    assert (array.shape, array.dtype) == ((N,), np.float32)
    assert array.device_ctypes_pointer.value == a.pointer
    assert (array.copy_to_host() == a.values).all()
    assert cuda.to_device(a.values).get_ipc_handle() is not None


def numpy() -> None:
    """NumPy is of the host and must say so."""
    refused = ""
    try:
        np.from_dlpack(Array())
    except (RuntimeError, BufferError) as error:
        refused = str(error)
    assert "device" in refused.lower(), refused


if __name__ == "__main__":
    {"bindings": bindings, "core": core, "numba": numba, "numpy": numpy}[sys.argv[1]]()
