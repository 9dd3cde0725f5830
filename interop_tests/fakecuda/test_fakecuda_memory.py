"""Device memory: who may touch it, blocks, handles, and what happens when holders die."""

from __future__ import annotations

import ctypes as C
import os
import random
import signal
import socket
import time

import pytest
from driver import Access, Handle, Location, Properties, die, size_t, u64

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


# ---- deaths -----------------------------------------------------------------------------------


def watches(cu, pipe):
    """Says how much memory is free whenever it is asked."""
    while pipe.recv():
        pipe.send(cu.free_memory())


def free_seen_by(watcher) -> int:
    watcher.send(True)
    return watcher.recv()


def keeps(cu, pipe, handle):
    memory = cu.open(handle)
    pipe.send("open")
    pipe.recv()
    pipe.send(cu.read(memory, 4))
    pipe.recv()
    cu("cuIpcCloseMemHandle", memory)
    pipe.send("closed")
    pipe.recv()


def test_an_import_outlives_its_killed_exporter(stage):
    watcher = stage.play(watches)
    baseline = free_seen_by(watcher)
    exporter = stage.play(exports, 4 * MIB)
    handle = exporter.recv()
    importer = stage.play(keeps, handle)
    importer.recv()
    exporter.kill()
    assert free_seen_by(watcher) == baseline - 4 * MIB
    importer.send("read")
    assert importer.recv() == b"\x09" * 4
    assert stage.play(opens, handle).recv() == 400
    importer.send("close")
    importer.recv()
    assert free_seen_by(watcher) == baseline
    importer.send("end")
    importer.done()


def test_a_killed_importer_holds_nothing(stage):
    watcher = stage.play(watches)
    baseline = free_seen_by(watcher)
    exporter = stage.play(exports, BLOCK)
    importer = stage.play(keeps, exporter.recv())
    importer.recv()
    importer.kill()
    exporter.send("free")  # no line in the log: nobody holds it any more
    exporter.done()
    assert free_seen_by(watcher) == baseline


def churns(cu, pipe, handle):
    """Takes and gives until it is killed."""
    pipe.send("begun")
    held = []
    for i in range(1_000_000):
        cu("cuIpcCloseMemHandle", cu.open(handle))
        held.append(cu.alloc(3 * MIB if i % 3 else 700))
        if len(held) > 4:
            cu("cuMemFree_v2", held.pop(0))
        cu.free_memory()


def test_killed_at_any_moment(stage):
    """The registry's lock is not left held, and memory returns to what it was."""
    rng = random.Random(int(stage.environment["FAKECUDA_SEED"]))
    watcher, exporter = stage.play(watches), stage.play(exports, BLOCK)
    handle = exporter.recv()
    baseline = free_seen_by(watcher)
    for _ in range(15):
        lives = [stage.play(churns, handle) for _ in range(2)]
        for life in lives:
            life.recv()
        time.sleep(rng.random() * 0.03)
        for life in lives:
            life.kill()
        assert free_seen_by(watcher) == baseline
    exporter.send("free")
    exporter.done()


def allocates_and_dies(cu, pipe):
    cu.alloc(BLOCK)
    cu.new("cuEventCreate", 6)
    die()


def test_a_registry_of_the_dead_is_begun_anew(stage):
    state = stage.folder / "state"

    def kept() -> set[str]:
        return {p.name.partition("-")[0] for p in state.iterdir()}

    stage.play(allocates_and_dies).wait()
    assert kept() == {"registry", "mem", "calls"}
    watcher = stage.play(watches)
    assert free_seen_by(watcher) == 1024 * MIB
    assert kept() == {"registry", "calls"}
    watcher.send(False)
    watcher.done()
    assert kept() == {"calls"}  # the last one out takes the registry with it


# ---- VMM --------------------------------------------------------------------------------------

PINNED, DEVICE, POSIX_FD, READ, READ_WRITE = 1, 1, 1, 1, 3


def created(cu, n=BLOCK) -> int:
    wish = Properties(PINNED, POSIX_FD, Location(DEVICE, 0))
    return cu.new("cuMemCreate", n, C.byref(wish), 0, kind=u64)


def mapped(cu, memory, access=READ_WRITE) -> int:
    p = cu.new("cuMemAddressReserve", BLOCK, 0, 0, 0, kind=u64)
    cu("cuMemMap", p, BLOCK, 0, memory, 0)
    if access:
        cu("cuMemSetAccess", p, BLOCK, C.byref(Access(Location(DEVICE, 0), access)), 1)
    return p


def unmap(cu, p) -> None:
    cu("cuMemUnmap", p, BLOCK)
    cu("cuMemAddressFree", p, BLOCK)


def vmm_rules(cu, pipe):
    wish = Properties(PINNED, POSIX_FD, Location(DEVICE, 0))
    assert cu.code_of_new("cuMemCreate", 4096, C.byref(wish), 0) == 1
    memory = created(cu)
    p = mapped(cu, memory, access=0)
    assert cu.code("cuMemsetD8_v2", p, 1, 1) == 1
    cu("cuMemSetAccess", p, BLOCK, C.byref(Access(Location(DEVICE, 0), READ)), 1)
    assert cu.code("cuMemsetD8_v2", p, 1, 1) == 1
    cu.read(p, 1)
    assert cu.code("cuMemAddressFree", p, BLOCK) == 1  # still mapped
    assert cu.code("cuIpcGetMemHandle", C.byref(Handle()), p) == 1
    assert cu.new("cuPointerGetAttribute", 10, p, kind=C.c_int) == 0
    cu("cuMemRelease", memory)
    cu.read(p, 1)  # the mapping holds it
    unmap(cu, p)
    assert cu.code("cuMemRelease", memory) == 1
    assert cu.free_memory() == 1024 * MIB


def test_vmm_rules(stage):
    stage.play(vmm_rules).done()


def vmm_exports(cu, pipe, path):
    memory = created(cu)
    p = mapped(cu, memory)
    cu.fill(p, 0x11, BLOCK)
    fd = cu.new("cuMemExportToShareableHandle", memory, POSIX_FD, 0, kind=C.c_int)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        pipe.send("listening")
        with server.accept()[0] as peer:
            socket.send_fds(peer, [b"memory"], [fd])
    os.close(fd)
    unmap(cu, p)
    cu("cuMemRelease", memory)


def vmm_imports(cu, pipe, path):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        _, fds, _, _ = socket.recv_fds(s, 10, 1)
    pipe.recv()
    memory = cu.new("cuMemImportFromShareableHandle", fds[0], POSIX_FD, kind=u64)
    os.close(fds[0])
    p = mapped(cu, memory)
    pipe.send(cu.read(p, 3))
    unmap(cu, p)
    cu("cuMemRelease", memory)
    with open("/dev/null") as other:
        code = cu.code_of_new("cuMemImportFromShareableHandle", other.fileno(), POSIX_FD)
    assert code == 1


def test_vmm_memory_outlives_its_exporter(stage):
    path = str(stage.folder / "socket")
    exporter = stage.play(vmm_exports, path)
    exporter.recv()
    importer = stage.play(vmm_imports, path)
    exporter.done()
    importer.send("import")
    assert importer.recv() == b"\x11" * 3
    importer.done()


def vmm_dies(cu, pipe):
    mapped(cu, created(cu))
    pipe.send(cu.free_memory())
    die()


def test_vmm_memory_of_the_dead_is_free(stage):
    watcher = stage.play(watches)
    baseline = free_seen_by(watcher)
    dying = stage.play(vmm_dies)
    assert dying.recv() == baseline - BLOCK
    dying.wait()
    assert free_seen_by(watcher) == baseline
