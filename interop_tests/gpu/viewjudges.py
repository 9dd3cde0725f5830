"""Readers of a ring's views that are not ours, with the Python of build/gpu: viewjudges.py NAME."""

from __future__ import annotations

import gc
import os
import sys
import warnings
from pathlib import Path

import double
import numpy as np

import goring

warnings.simplefilter("ignore")
N = 1024
VALUES = np.arange(N, dtype=np.float32) + np.float32(0.5)


def ring() -> goring.Ring:
    return goring.create(None, slots=4, dtype=np.float32, shape=(N,), device="cuda:0")


def numba() -> None:
    from numba import cuda

    with ring() as r, r.producer() as out, r.consumer() as frames:
        out.write(VALUES)
        view = frames.read(10).array
        array = cuda.as_cuda_array(view)
        assert (array.shape, array.dtype) == ((N,), np.float32)
        assert array.device_ctypes_pointer.value == view.ptr
        assert (array.copy_to_host() == VALUES).all()
        del view, array
        gc.collect()
        assert r.free == 4


def numba_source() -> None:
    """An array that numba has on the device gets into the ring without a copy through the host."""
    from numba import cuda

    array = cuda.to_device(VALUES)
    cuda.synchronize()
    with ring() as r, r.producer() as out, r.consumer() as frames:
        before = copied()
        for _ in range(8):
            out.write(array)
            with frames.read(10) as message:
                message.array.wait()
        after = copied()
        assert after.pop("bytes DtoD") - before.pop("bytes DtoD", 0) == 8 * 4 * N
        assert after == before, f"copies through the host: {before} before, {after} after"
        out.write(array)
        with frames.read(10) as message:
            assert (message.array.copy_to_host() == VALUES).all()


def copied() -> dict[str, int]:
    """Bytes that this process copied on the emulated driver, by direction."""
    counters = double.counters(Path(os.environ["FAKECUDA_DIR"]), os.getpid())
    return {figure: n for figure, n in counters.items() if figure.startswith("bytes")}


def core() -> None:
    from cuda.core import Device
    from cuda.core.utils import StridedMemoryView

    Device(0).set_current()
    stream = Device(0).create_stream()
    with ring() as r, r.producer() as out, r.consumer() as frames:
        out.write(VALUES)
        view = frames.read(10).array
        wanted = (view.ptr, (N,), np.dtype(np.float32), 0, True)
        for take in (StridedMemoryView.from_cuda_array_interface, StridedMemoryView.from_dlpack):
            seen = take(view, stream_ptr=int(stream.handle))
            assert (seen.ptr, seen.shape, seen.dtype, seen.device_id, seen.readonly) == wanted
            assert (bytes_at(seen, stream) == VALUES).all()
            del seen
        del view
        gc.collect()
        assert r.free == 4


def bytes_at(seen, stream) -> np.ndarray:
    """Return the bytes that cuda-bindings copies from there."""
    from cuda.bindings import driver

    found = np.zeros(N, np.float32)
    codes = [driver.cuMemcpyDtoHAsync(found.ctypes.data, seen.ptr, 4 * N, stream.handle)[0]]
    codes += driver.cuStreamSynchronize(stream.handle)
    assert codes == [driver.CUresult.CUDA_SUCCESS] * 2, codes
    return found


if __name__ == "__main__":
    {"numba": numba, "numba_source": numba_source, "core": core}[sys.argv[1]]()
