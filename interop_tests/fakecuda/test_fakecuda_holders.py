"""The holders of device memory when processes die, and memory that file descriptors share."""

from __future__ import annotations

import ctypes as C
import os
import random
import socket
import time

from driver import Access, Handle, Location, Properties, die, u64
from test_fakecuda_memory import BLOCK, MIB, exports, opens

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
    exporter.send("free")  # no line in the log: it has no holder any more
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
    """The registry's lock is not left held, and all memory is returned."""
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
