"""The promises of Python's views of GPU rings, each body in a process of its own: views.py NAME.

The driver is loaded once per process, and some bodies end with a process that can use it no more.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import protocols

import goring

N = 1024
VALUES = np.arange(N, dtype=np.float32) + np.float32(0.5)
SHAPE = {"dtype": np.float32, "shape": (N,)}


def ring(**options: Any) -> goring.Ring:
    return goring.create(None, **{"slots": 4, "device": "cuda:0", **SHAPE, **options})


def refused(kind: type[Exception], call: Callable[..., Any], *words: str, **options: Any) -> None:
    """call() raises exactly kind, and says every word."""
    try:
        call(**options)
    except Exception as error:
        found, said = type(error), str(error)
    else:
        found, said = None, "it went well"
    assert found is kind, f"{found}: {said}, want {kind.__name__}"
    missing = [word for word in words if word not in said]
    assert not missing, f"{missing} not in {said!r}"


def check_interface(view: Any, readonly: bool) -> dict[str, Any]:
    found = view.__cuda_array_interface__
    assert found["shape"] == view.shape == (N,)
    assert found["typestr"] == "<f4"
    assert found["strides"] is None
    assert found["version"] == 3
    assert found["data"] == (view.ptr, readonly)
    assert view.readonly is readonly
    assert "descr" not in found
    return found


def interface() -> None:
    """The stream is the participant's, or None for a message that is there for all to see."""
    gate = protocols.Gate()
    source = protocols.Buffer(VALUES, stream=gate.stream)
    to, of = protocols.stream(), protocols.stream()
    with ring() as r, r.producer(stream=to) as out, r.consumer(stream=of) as frames:
        out.write(source)
        message = frames.read(10)
        view = message.array
        found = check_interface(view, True)
        assert found["stream"] == view.stream == of  # the payload's copy waits for the gate
        gate.open()
        view.wait()
        assert check_interface(view, True)["stream"] is None
        assert (view.copy_to_host() == VALUES).all()
        with out.reserve() as slot:
            mine = slot.array
            assert check_interface(mine, False)["stream"] == mine.stream == to
            slot.copy_from(VALUES)
        assert mine.closed
        refused(goring.Closed, lambda: mine.__cuda_array_interface__, "committed")
        del view
        message.release()


def interface_of_records() -> None:
    dtype = np.dtype([("time", "<i8"), ("price", "<f8")])
    with ring(dtype=dtype, shape=()) as r, r.producer() as out, r.consumer() as frames:
        out.write(np.array((7, 0.5), dtype))
        view = frames.read(10).array
        found = view.__cuda_array_interface__
        assert (found["shape"], found["typestr"]) == ((), dtype.str)
        assert found["descr"] == dtype.descr
        assert view.copy_to_host() == np.array((7, 0.5), dtype)


def capsules() -> None:
    with ring() as r, r.producer() as out, r.consumer() as frames:
        out.write(VALUES)
        view = frames.read(10).array
        assert view.__dlpack_device__() == (2, 0)
        taken = protocols.Imported(view.__dlpack__(max_version=(1, 0), dl_device=(2, 0)))
        tensor = taken.tensor
        assert (taken.managed.major, taken.managed.minor) == (1, 0)
        assert taken.managed.flags == 1  # DLPACK_FLAG_BITMASK_READ_ONLY
        assert (tensor.device_type, tensor.device_id) == (2, 0)
        assert (tensor.data + tensor.byte_offset, tensor.ndim) == (view.ptr, 1)
        assert (tensor.code, tensor.bits, tensor.lanes) == (2, 32, 1)
        assert (tensor.shape[0], tensor.strides[0]) == (N, 1)
        refused(BufferError, view.__dlpack__, "read-only", "(1, 0)")
        refused(BufferError, view.__dlpack__, "read-only", "(0, 8)", max_version=(0, 8))
        refused(ValueError, view.__dlpack__, "stream is 0", stream=0, max_version=(1, 0))
        refused(ValueError, view.__dlpack__, "stream is -2", stream=-2, max_version=(1, 0))
        for other in ((2, 1), (1, 0)):
            refused(
                BufferError, view.__dlpack__, "(2, 0)", str(other),
                dl_device=other, max_version=(1, 0),
            )  # fmt: skip
        refused(BufferError, view.__dlpack__, "copy=True", copy=True, max_version=(1, 0))
        del view
        assert r.free == 3
        taken.delete()
        assert r.free == 4


def capsules_of_slots() -> None:
    with ring() as r, r.producer() as out, out.reserve() as slot:
        taken = protocols.Imported(slot.array.__dlpack__(max_version=(1, 0)))
        assert taken.managed.flags == 0
        taken.delete()
        taken = protocols.Imported(slot.array.__dlpack__())
        assert type(taken.managed) is protocols.Managed
        assert taken.tensor.data == slot.array.ptr
        taken.delete()
        slot.copy_from(VALUES)


def deleters() -> None:
    """Each capsule holds the slot once: both deleters, and no third release."""
    with ring() as r, r.producer() as out, r.consumer() as frames:
        out.write(VALUES)
        view = frames.read(10).array
        first, second = (protocols.Imported(view.__dlpack__(max_version=(1, 0))) for _ in range(2))
        unused = view.__dlpack__(max_version=(1, 0))
        del view
        first.delete()
        assert r.free == 3
        del unused  # a capsule that was not imported releases by itself
        assert r.free == 3
        second.delete()
        assert r.free == 4
        for _ in range(3 * r.slots):  # a release too many would show in the next rounds
            out.write(VALUES)
            with frames.read(10) as message:
                assert (message.array.copy_to_host() == VALUES).all()
        assert r.free == 4


def host() -> None:
    """Host code gets advice, and copies where it asks for them."""
    with ring() as r, r.producer() as out, r.consumer() as frames:
        out.write(VALUES)
        view = frames.read(10).array
        for take in (np.asarray, memoryview, bytes, list, lambda v: v[0]):
            refused(TypeError, lambda take=take: take(view), "device memory", "copy_to_host()")
        assert (view.copy_to_host() == VALUES).all()
        room = np.zeros(N, np.float32)
        assert view.copy_to_host(out=room) is room
        assert (room == VALUES).all()
        refused(TypeError, view.copy_to_host, "out is", out=bytearray(4 * N))
        for wrong in (room[::2], room.astype(np.int32), np.zeros(2 * N, np.float32)[::2]):
            refused(ValueError, view.copy_to_host, "float32", out=wrong)


def leases() -> None:
    with ring() as r, r.producer() as out, r.consumer() as frames:
        out.write(VALUES)
        message = frames.read(10)
        view = message.array
        message.release()
        assert r.free == 3
        assert not view.closed
        assert (view.copy_to_host() == VALUES).all()
        capsule = view.__dlpack__(max_version=(1, 0))
        taken = protocols.Imported(capsule)
        del view
        assert r.free == 3
        taken.delete()
        assert r.free == 4
        out.write(VALUES)
        message = frames.read(10)
        assert (message.array.copy_to_host() == VALUES).all()
        message.release()
        assert r.free == 4
        refused(goring.Closed, lambda: message.array, "released")
        refused(goring.Closed, message.release, "released")


def iteration() -> None:
    """As one of several consumers a view ends with the next step, unless it is referenced."""
    with ring(consumers=2) as r, r.producer() as out, r.consumer() as frames:
        for n in range(3):
            out.write(VALUES + np.float32(n))
        steps = iter(frames)
        first = next(steps)
        refused(goring.Unsupported, lambda v: v.__cuda_array_interface__, "DLPack", v=first)
        taken = protocols.Imported(first.__dlpack__(max_version=(1, 0)))
        second = next(steps)
        assert (second.copy_to_host() == VALUES + np.float32(1)).all()
        third = next(steps)
        assert second.closed
        assert (third.copy_to_host() == VALUES + np.float32(2)).all()
        assert r.free == 2  # the capsule's and the third one's are held
        taken.delete()
        del first, third
        gc.collect()


def good(out: goring.Producer, frames: goring.Consumer) -> None:
    out.write(VALUES)
    with frames.read(10) as message:
        assert (message.array.copy_to_host() == VALUES).all()


def wrong() -> None:
    """Each error names the argument, and leaves the ring as it was."""
    host_values = VALUES.astype(np.float64)
    buffer = protocols.Buffer
    cases: list[tuple[type[Exception], Any, tuple[str, ...]]] = [
        (goring.SchemaError, buffer(host_values), ("float64", "float32")),
        (goring.SchemaError, buffer(VALUES[: N // 2]), (f"({N // 2},)", f"({N},)")),
        (goring.SchemaError, buffer(VALUES.reshape(2, -1)), (f"(2, {N // 2})", f"({N},)")),
        (goring.SchemaError, buffer(np.tile(VALUES, 2), shape=(N,), strides=(8,)), ("(8,)",)),
        (goring.SchemaError, buffer(VALUES, mask="a mask"), ("'a mask'",)),
        (goring.SchemaError, buffer(VALUES, data=(0x10, False)), ("0x10",)),
        (goring.SchemaError, buffer(VALUES, data=(0, False)), ("(0, False)",)),
        (goring.SchemaError, buffer(VALUES, data=None), ("None",)),
        (goring.SchemaError, buffer(VALUES, typestr=7), ("typestr 7",)),
        (goring.SchemaError, buffer(VALUES, shape=[N]), (f"[{N}]",)),
        (goring.SchemaError, host_values, ("float64", "float32")),
    ]
    with ring() as r, r.producer() as out, r.consumer() as frames:
        for kind, array, words in cases:
            refused(kind, lambda array=array: out.write(array, 0), *words)
            assert r.free == 4
            good(out, frames)
        with out.reserve() as slot:
            refused(goring.SchemaError, lambda: slot.copy_from(cases[0][1]), "float64")
            slot.copy_from(VALUES)
        with frames.read(10) as message:
            assert (message.array.copy_to_host() == VALUES).all()
    with ring(kind="tensor", max_bytes=64, dtype=None, shape=()) as r, r.producer() as out:
        refused(goring.TooLarge, lambda: out.write(buffer(VALUES), 0), str(4 * N), "64")


def other_device() -> None:
    with ring() as r, r.producer() as out, r.consumer() as frames:
        there = protocols.Buffer(VALUES, device=1)
        refused(goring.WrongDevice, lambda: out.write(there, 0), "device 1", "device 0")
        good(out, frames)
        with ring(device="cuda:1") as r1, r1.producer() as out1, r1.consumer() as frames1:
            out1.write(there)
            with frames1.read(10) as message:
                view = message.array
                assert view.__dlpack_device__() == (2, 1)
                assert (view.copy_to_host() == VALUES).all()
                refused(
                    goring.WrongDevice, lambda v: out.write(v, 0), "device 1", "device 0", v=view
                )
                del view
        good(out, frames)
    refused(goring.WrongDevice, lambda: ring(device="cuda:2"), "2")


def in_child(body: Callable[[], None]) -> None:
    pid = os.fork()
    if not pid:
        try:
            body()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, "the child failed"


def forked() -> None:
    with ring() as r, r.producer() as out, r.consumer() as frames:
        out.write(VALUES)
        view = frames.read(10).array
        ways: list[Callable[[], Any]] = [
            lambda: out.write(VALUES, 0),
            lambda: out.reserve(0),
            lambda: frames.read(0),
            lambda: view.ptr,
            view.copy_to_host,
            lambda: view.__cuda_array_interface__,
            lambda: view.__dlpack__(max_version=(1, 0)),
            ring,
        ]

        def child() -> None:
            for way in ways:
                refused(goring.ForkError, way, "fork")

        in_child(child)
        assert (view.copy_to_host() == VALUES).all()
        ways.clear()
        good(out, frames)
        assert r.free == 3


def no_driver() -> None:
    refused(goring.CudaUnavailable, ring, os.environ["GORING_LIBCUDA"])
    with ring(device=None) as r, r.producer() as out, r.consumer() as frames:
        out.write(VALUES)
        with frames.read(10) as message:
            assert (message.array == VALUES).all()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
