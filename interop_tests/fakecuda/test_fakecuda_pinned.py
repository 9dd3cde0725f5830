"""Host memory that the device reaches: when it is read and written, and at which address."""

from __future__ import annotations

import ctypes as C
import mmap
import time

import pytest
from driver import pointer, u64

SIZE = 8192
SLOW = 5000  # us of delay: the program goes on long before the copy


def address_of(m: mmap.mmap) -> int:
    return C.addressof(C.c_char.from_buffer(m))


def registered(cu, m: mmap.mmap, flags: int = 2) -> tuple[int, int]:
    """Its address in the host and on the device."""
    host = address_of(m)
    cu("cuMemHostRegister_v2", host, len(m), flags)
    return host, cu.new("cuMemHostGetDevicePointer_v2", host, 0, kind=u64)


def mapped(path: str) -> mmap.mmap:
    with open(path, "r+b") as f:
        return mmap.mmap(f.fileno(), SIZE)


@pytest.fixture
def host_file(stage) -> str:
    path = stage.folder / "host"
    path.write_bytes(bytes(SIZE))
    return str(path)


# ---- sources: written too early ---------------------------------------------------------------


def reuses_source(cu, pipe, waits):
    memory, source, stream = cu.alloc(SIZE), cu.pinned(SIZE), cu.stream()
    for i in range(10):
        C.memset(source, i, SIZE)
        cu("cuMemcpyHtoDAsync_v2", memory, source, SIZE, stream)
        if waits:
            cu("cuStreamSynchronize", stream)
    cu("cuStreamSynchronize", stream)


@pytest.mark.parametrize("order", ["soon", "late"])
@pytest.mark.parametrize("waits", [True, False])
def test_a_pinned_source_is_reused(stage, order, waits):
    if not waits:
        stage.foresee(rf"UB: pinned memory \({SIZE} bytes at 0x[0-9a-f]+\) was written")
    stage.play(reuses_source, waits, delay_us=SLOW, order=order).done()


def source_of_the_device(cu, pipe):
    """Only the device itself and a host function wrote, in their turn."""
    memory, source, stream = cu.alloc(SIZE), cu.pinned(SIZE), cu.stream()
    cu("cuMemsetD8Async", memory, 3, SIZE, stream)
    cu("cuMemcpyDtoHAsync_v2", source, memory, SIZE, stream)
    cu("cuMemcpyHtoDAsync_v2", memory, source, SIZE, stream)
    cu("cuStreamSynchronize", stream)
    function = cu.host_function(lambda: C.memset(source, 4, SIZE))
    cu("cuLaunchHostFunc", stream, function, None)
    cu("cuMemcpyHtoDAsync_v2", memory, source, SIZE, stream)
    cu("cuStreamSynchronize", stream)
    assert cu.read(memory, SIZE) == b"\4" * SIZE


@pytest.mark.parametrize("order", ["soon", "late"])
def test_a_source_that_was_written_in_order_is_none(stage, order):
    stage.play(source_of_the_device, delay_us=SLOW, order=order).done()


def source_of_a_peer(cu, pipe, path):
    """The copy is queued before the peer writes; a cell orders them."""
    m, memory, stream = mapped(path), cu.alloc(SIZE), cu.stream()
    host, device = registered(cu, m)
    cu("cuStreamWaitValue64_v2", stream, device, 1, 0)
    cu("cuMemcpyHtoDAsync_v2", memory, host + 4096, 4096, stream)
    pipe.send("queued")
    cu("cuStreamSynchronize", stream)
    assert cu.read(memory, 4096) == b"\7" * 4096


def test_a_peer_writes_behind_a_wait(stage, host_file):
    actor = stage.play(source_of_a_peer, host_file)
    assert actor.recv() == "queued"
    m = mapped(host_file)
    m[4096:] = b"\7" * 4096
    m[0] = 1  # the stream goes on by a plain store of the host
    actor.done()


def pageable_source(cu, pipe):
    memory, stream = cu.alloc(SIZE), cu.stream()
    source = C.create_string_buffer(b"\1" * SIZE, SIZE)
    cu("cuMemcpyHtoDAsync_v2", memory, source, SIZE, stream)
    C.memset(source, 2, SIZE)
    assert cu.read(memory, 1) == b"\xcd"  # the null stream does not wait for a non-blocking one
    cu("cuStreamSynchronize", stream)
    assert cu.read(memory, SIZE) == b"\1" * SIZE


def test_a_pageable_source_is_taken_at_the_call(stage):
    stage.play(pageable_source, order="late", late_us=5_000_000, delay_us=0).done()


# ---- targets: read too early ------------------------------------------------------------------


def reads_target(cu, pipe):
    memory, target, stream = cu.alloc(SIZE), cu.pinned(SIZE), cu.stream()
    cu.fill(memory, 6, SIZE)
    C.memset(target, 6, SIZE)  # a reader that is too early would take this for the answer
    cu("cuMemcpyDtoHAsync_v2", target, memory, SIZE, stream)
    early = C.string_at(target, SIZE)
    cu("cuStreamSynchronize", stream)
    pageable = C.create_string_buffer(SIZE)
    cu("cuMemcpyDtoHAsync_v2", pageable, memory, SIZE, stream)
    assert pageable.raw == b"\6" * SIZE  # the call waits
    pipe.send((early, C.string_at(target, SIZE)))


def test_a_pinned_target_is_spoilt_until_the_copy_came(stage):
    early, late = stage.play(reads_target, delay_us=200_000).recv()
    assert early == b"\xee" * SIZE
    assert late == b"\6" * SIZE


# ---- registered memory ------------------------------------------------------------------------


def addresses(cu, pipe, path, same):
    m = mapped(path)
    host, device = registered(cu, m)
    assert (host == device) == same == bool(cu.attribute(91))
    assert device % 4096 == 0
    stream, memory = cu.stream(), cu.alloc(SIZE)
    codes = [
        cu.code("cuStreamWriteValue64_v2", stream, p + 8, 5, 0) for p in (device, host, host + SIZE)
    ]
    assert codes == [0, 0 if same else 1, 1]
    cu("cuStreamSynchronize", stream)
    assert m[8:16] == (5).to_bytes(8, "little")
    assert cu.new("cuPointerGetAttribute", 2, device, kind=C.c_uint) == 1  # host memory
    assert cu.new("cuPointerGetAttribute", 4, device + 9, kind=u64) == host + 9
    assert cu.new("cuPointerGetAttribute", 3, host + 9, kind=u64) == device + 9
    m[100] = 77
    cu("cuMemcpyDtoDAsync_v2", memory, device, SIZE, stream)  # the device reads it where it is
    cu("cuStreamSynchronize", stream)
    assert cu.read(memory, SIZE)[100] == 77
    cu("cuMemHostUnregister", host)
    assert cu.code("cuStreamWriteValue64_v2", stream, device, 5, 0) == 1


@pytest.mark.parametrize("same", [False, True])
def test_registered_memory_has_an_address_on_the_device(stage, host_file, same):
    stage.play(addresses, host_file, same, hostptr=int(same)).done()


def touches_the_device_address(cu, pipe, path):
    _, device = registered(cu, mapped(path))
    C.string_at(device, 1)


def test_that_address_is_not_for_the_host(stage, host_file):
    assert stage.play(touches_the_device_address, host_file).wait() == -11


def refusals(cu, pipe, path):
    m = mapped(path)
    host = address_of(m)
    register = "cuMemHostRegister_v2"
    assert cu.code(register, None, 4096, 0) == 1
    assert cu.code(register, 4096, 4096, 0) == 1  # nothing is mapped there
    assert cu.code("cuMemHostUnregister", host) == 713
    cu(register, host, 4096, 0)
    assert cu.code(register, host + 4000, 200, 0) == 712
    assert cu.code_of_new("cuMemHostGetDevicePointer_v2", host, 0) == 1  # not asked for
    cu("cuMemHostUnregister", host)
    with open(path, "rb") as f:
        fixed = mmap.mmap(f.fileno(), SIZE, prot=mmap.PROT_READ)
    view = C.py_object(fixed)
    buffer = (C.c_ubyte * 80)()
    C.pythonapi.PyObject_GetBuffer(view, buffer, 0)
    start = C.cast(buffer, C.POINTER(pointer))[0]
    assert cu.code(register, start, SIZE, 2) == 1
    cu(register, start, SIZE, 2 | 8)  # read only
    device = cu.new("cuMemHostGetDevicePointer_v2", start, 0, kind=u64)
    assert cu.code("cuStreamWriteValue64_v2", cu.stream(), device, 1, 0) == 1
    assert cu.code("cuStreamWaitValue64_v2", cu.stream(), device, 0, 0) == 0


def test_what_cannot_be_registered(stage, host_file):
    stage.play(refusals, host_file).done()


def writes_cell(cu, pipe, path):
    _, device = registered(cu, mapped(path))
    stream = cu.stream()
    pipe.recv()
    cu("cuStreamWriteValue64_v2", stream, device + 64, 9, 0)
    cu("cuStreamSynchronize", stream)


def awaits_cell(cu, pipe, path):
    m = mapped(path)
    _, device = registered(cu, m)
    stream = cu.stream()
    cu("cuStreamWaitValue64_v2", stream, device + 64, 9, 0)
    pipe.send(cu.code("cuStreamQuery", stream))
    cu("cuStreamSynchronize", stream)
    assert m[64] == 9  # and the host sees it too


def test_cells_in_shared_host_memory(stage, host_file):
    writer, reader = stage.play(writes_cell, host_file), stage.play(awaits_cell, host_file)
    assert reader.recv() == 600
    writer.send("write")
    reader.done()
    writer.done()
    assert mapped(host_file)[64] == 9


def unmaps_too_early(cu, pipe, path):
    libc = C.CDLL(None)
    libc.mmap.restype = pointer
    libc.mmap.argtypes = [pointer, C.c_size_t, C.c_int, C.c_int, C.c_int, C.c_long]
    libc.munmap.argtypes = [pointer, C.c_size_t]
    with open(path, "r+b") as f:
        host = libc.mmap(None, SIZE, 3, 1, f.fileno(), 0)
    cu("cuMemHostRegister_v2", host, SIZE, 2)
    device = cu.new("cuMemHostGetDevicePointer_v2", host, 0, kind=u64)
    assert libc.munmap(host, SIZE) == 0
    stream = cu.stream()
    cu("cuStreamWriteValue64_v2", stream, device, 3, 0)
    cu("cuStreamSynchronize", stream)
    cu("cuMemHostUnregister", host)


def test_pinned_pages_outlive_the_mapping(stage, host_file):
    stage.play(unmaps_too_early, host_file).done()
    assert mapped(host_file)[0] == 3


# ---- late -------------------------------------------------------------------------------------


def late_work(cu, pipe, deadline):
    """A stream that is not queried does nothing before its deadline."""
    target = cu.pinned(4096)
    C.memset(target, 0, 4096)
    cells = cu.new("cuMemHostGetDevicePointer_v2", target, 0, kind=u64)
    first, second = cu.stream(), cu.stream()
    value = u64.from_address(target)
    cu("cuStreamWriteValue64_v2", first, cells, 1, 0)
    time.sleep(0.05)
    while deadline and value.value != 1:
        time.sleep(0.001)
    assert value.value == (1 if deadline else 0)
    cu("cuStreamWriteValue64_v2", second, cells, 2, 0)
    cu("cuStreamSynchronize", first)
    assert deadline or value.value == 1
    while cu.code("cuStreamQuery", second):  # to ask is enough
        time.sleep(0.001)
    assert value.value == 2


@pytest.mark.parametrize("deadline", [False, True])
def test_late_streams_do_nothing_unasked(stage, deadline):
    late_us = 1000 if deadline else 10_000_000
    stage.play(late_work, deadline, order="late", late_us=late_us).done()


def late_drain(cu, pipe):
    """Everything at once: the stream that was used last goes first."""
    target = cu.pinned(4096)
    cells = cu.new("cuMemHostGetDevicePointer_v2", target, 0, kind=u64)
    for i in range(4):
        cu("cuStreamWriteValue64_v2", cu.stream(), cells, i, 0)
    cu("cuCtxSynchronize")
    pipe.send(u64.from_address(target).value)


def test_late_streams_drain_youngest_first(stage):
    assert stage.play(late_drain, order="late", late_us=10_000_000).recv() == 0
    assert stage.play(late_drain, order="soon", delay_us=0).recv() in range(4)
