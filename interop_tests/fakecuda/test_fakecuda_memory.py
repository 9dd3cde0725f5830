"""Device memory: access to it, blocks, handles, and the death of holders."""

from __future__ import annotations

import ctypes as C
import signal

import pytest
from driver import Handle, size_t, u64

BLOCK = 2 << 20
MIB = 1 << 20


# ---- the host stays out -----------------------------------------------------------------------


def dereferences(cu, pipe, freed):
    memory = cu.alloc(4096)
    if freed:
        cu("cuMemFree_v2", memory)
    C.memset(memory, 0, 1)


@pytest.mark.parametrize("freed", [False, True])
def test_the_host_cannot_touch_device_memory(stage, freed):
    assert stage.play(dereferences, freed).wait() == -signal.SIGSEGV


def dereferences_import(cu, pipe, handle):
    C.string_at(cu.open(handle), 1)


def test_the_host_cannot_touch_an_import(stage):
    exporter = stage.play(exports, BLOCK)
    assert stage.play(dereferences_import, exporter.recv()).wait() == -signal.SIGSEGV
    exporter.send("end")
    exporter.done()


# ---- allocations and blocks -------------------------------------------------------------------


def shares_blocks(cu, pipe):
    small = [cu.alloc(n) for n in (1, 512, 100_000, BLOCK - 200_000)]
    large = [cu.alloc(BLOCK), cu.alloc(BLOCK + 1)]
    assert cu.read(small[1], 512) == b"\xcd" * 512  # not zero
    handles = [cu.handle(p) for p in small]
    assert len(set(handles[:3])) == 1
    assert cu.handle(small[2] + 99_999) == handles[2]
    assert cu.handle(large[0]) not in handles
    assert [p % 512 for p in small] == [0] * 4
    assert [p % BLOCK for p in large] == [0, 0]
    base, size = u64(), size_t()
    cu("cuMemGetAddressRange_v2", C.byref(base), C.byref(size), small[2] + 5)
    assert (base.value, size.value) == (small[2], 100_000)
    assert cu.code_of_new("cuMemGetAddressRange_v2", None, 4096) == 500
    assert cu.code("cuMemsetD8_v2", small[2], 0, 100_001) == 1  # past its end
    assert cu.code("cuMemFree_v2", small[2] + 512) == 1
    cu("cuMemFree_v2", small[2])
    assert cu.code("cuMemFree_v2", small[2]) == 1
    assert cu.alloc(100_000) == small[2]


def test_small_allocations_share_a_block(stage):
    stage.play(shares_blocks).done()


def exports_second(cu, pipe):
    first, second = cu.alloc(4096), cu.alloc(4096)
    cu.fill(first, 1, 4096)
    cu.fill(second, 2, 4096)
    pipe.send((cu.handle(second), second % BLOCK))
    pipe.recv()


def finds_by_offset(cu, pipe, handle, offset):
    base = cu.open(handle)
    size = size_t()
    cu("cuMemGetAddressRange_v2", None, C.byref(size), base + offset)
    assert size.value == BLOCK
    assert offset == 4096
    pipe.send((cu.read(base, 4), cu.read(base + offset, 4)))
    cu("cuIpcCloseMemHandle", base)


def test_an_import_is_of_the_whole_block(stage):
    exporter = stage.play(exports_second)
    importer = stage.play(finds_by_offset, *exporter.recv())
    assert importer.recv() == (b"\1" * 4, b"\2" * 4)  # the neighbour's bytes, too
    importer.done()
    exporter.send("end")
    exporter.done()


def fills_memory(cu, pipe):
    baseline = cu.free_memory()
    assert baseline == 16 * MIB
    assert cu.code_of_new("cuMemAlloc_v2", 17 * MIB) == 2
    assert cu.code_of_new("cuMemAlloc_v2", 1 << 60) == 2
    assert cu.code_of_new("cuMemAlloc_v2", 0) == 1
    held = [cu.alloc(5 * MIB), cu.alloc(1), cu.alloc(1)]  # 6, 2 and nothing more
    assert cu.free_memory() == 8 * MIB
    assert cu.code_of_new("cuMemAlloc_v2", 9 * MIB) == 2
    for p in held:
        cu("cuMemFree_v2", p)
    assert cu.free_memory() == baseline


def test_memory_ends(stage):
    stage.play(fills_memory, mem_mb=16).done()


# ---- handles ----------------------------------------------------------------------------------


def exports(cu, pipe, n, device=0):
    if device:
        cu("cuCtxSetCurrent", cu.new("cuDevicePrimaryCtxRetain", device))
    memory = cu.alloc(n)
    cu.fill(memory, 9, 64)
    handle = cu.handle(memory)
    assert cu.code_of_open(handle) == 201  # one's own
    pipe.send(handle)
    pipe.recv()
    cu("cuMemFree_v2", memory)
    assert cu.code_of_open(handle) == 201


def imports(cu, pipe, handle):
    memory = cu.open(handle)
    assert cu.open(handle) == memory
    assert cu.read(memory, 8) == b"\x09" * 8
    assert cu.code("cuIpcGetMemHandle", C.byref(Handle()), memory) == 1  # not its to export
    assert cu.code("cuMemFree_v2", memory) == 1
    cu.fill(memory, 5, 8)
    cu("cuIpcCloseMemHandle", memory)
    assert cu.read(memory, 1) == b"\5"
    assert cu.code("cuIpcCloseMemHandle", memory + 512) == 1
    cu("cuIpcCloseMemHandle", memory)
    assert cu.code("cuIpcCloseMemHandle", memory) == 1
    assert cu.code_of_open(handle, flags=0) == 1
    for at in (0, 8, 20, 40):
        damaged = bytearray(handle)
        damaged[at] ^= 1
        assert cu.code_of_open(bytes(damaged)) == 1
    again = cu.open(handle)
    assert again != memory
    cu("cuIpcCloseMemHandle", again)


def opens(cu, pipe, handle):
    pipe.send(cu.code_of_open(handle))


def test_handles(stage):
    exporter = stage.play(exports, 3 * MIB)
    handle = exporter.recv()
    stage.play(imports, handle).done()
    exporter.send("free")
    exporter.done()
    assert stage.play(opens, handle).recv() == 400  # freed


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({"devices": 2}, 0),
        ({"devices": 2, "nopeer": 1}, 217),
        ({"devices": 2, "CUDA_VISIBLE_DEVICES": "1", "nopeer": 1}, 0),
        ({"devices": 2, "CUDA_VISIBLE_DEVICES": "0"}, 1),
    ],
)
def test_memory_of_another_device(stage, environment, code):
    exporter = stage.play(exports, BLOCK, 1, devices=2)
    importer = stage.play(opens, exporter.recv(), **environment)
    assert importer.recv() == code
    importer.done()
    exporter.send("free")
    exporter.done()


def closes(cu, pipe, handle, busy):
    memory, stream = cu.open(handle), cu.stream()
    cu("cuMemsetD8Async", memory, 0, 64, stream)
    if not busy:
        cu("cuStreamSynchronize", stream)
    cu("cuIpcCloseMemHandle", memory)


@pytest.mark.parametrize("busy", [True, False])
def test_closing_under_work_is_undefined(stage, busy):
    if busy:
        stage.foresee("UB: cuIpcCloseMemHandle with work in flight")
    exporter = stage.play(exports, BLOCK)
    stage.play(closes, exporter.recv(), busy, order="late", late_us=10_000_000).done()
    exporter.send("free")
    exporter.done()


def attaches_often(cu, pipe, handle):
    def mappings() -> int:
        with open("/proc/self/maps") as maps:
            return sum(1 for _ in maps)

    cu("cuIpcCloseMemHandle", cu.open(handle))
    before = mappings()
    for _ in range(2000):
        cu("cuIpcCloseMemHandle", cu.open(handle))
    assert mappings() <= before + 2


def test_attaching_leaves_nothing(stage):
    exporter = stage.play(exports, BLOCK)
    stage.play(attaches_often, exporter.recv()).done()
    exporter.send("free")
    exporter.done()
