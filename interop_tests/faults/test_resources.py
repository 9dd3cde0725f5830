"""Rows 8, 18, 19, 32: too little memory, and leftovers."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import time
from pathlib import Path

import pytest
from peers import Peer, PeerDied

FULL = ("go", "py")  # C makes no rings
every_maker = pytest.mark.parametrize("lang", FULL)


def recipe(max_bytes: int, slots: int) -> str:
    text = {"kind": "bytes", "max_bytes": max_bytes, "slots": slots, "inline": False}
    return json.dumps(text, separators=(",", ":"))


@pytest.fixture
def peer_in(commands):
    """peer_in(lang, folder) -> a peer whose rings are there."""
    with contextlib.ExitStack() as stack:

        def start(lang: str, folder: Path) -> Peer:
            peer = Peer(lang, commands[lang], folder)
            stack.callback(peer.end)
            return peer

        yield start


@pytest.mark.timeout(0)
@every_maker
def test_row_08_killed_while_creating(folder, peer_in, figure, soak, lang):
    """At any moment: there is a whole ring of that name, or none, and no other file."""
    made = 0
    rounds = round(20 * soak)
    for _ in range(rounds):
        peer = peer_in(lang, folder)
        peer.must("create warm " + recipe(64, 2))  # everything is loaded
        peer.must("unlink warm")
        peer.send("create victim " + recipe(1 << 20, 8))
        time.sleep(random.random() * 0.004)
        peer.kill()
        left = {path.name for path in folder.iterdir()}
        assert left <= {"goring.victim"}, left
        if left:
            made += 1
            other = peer_in("c", folder)
            other.must("open victim")
            other.end()
            (folder / "goring.victim").unlink()
    what = "killed while creating: a whole ring or none"
    figure("8", what, kills=rounds, whole=made, none=rounds - made, leftovers=0)


@pytest.fixture
def small(tmp_path):
    """A tmpfs of 1 MiB, as a container has 64."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs (root)")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


@every_maker
def test_row_18_a_full_tmpfs(small, peer_in, figure, lang):
    """An error with both sizes, at once, and no SIGBUS later; existing rings go on."""
    peer = peer_in(lang, small)
    peer.must("create fits " + recipe(65536, 4))
    refusal = peer_in(lang, small).ask("create large " + recipe(65536, 32))
    assert refusal.error == "nospace"
    assert "needs 2.1 MiB" in refusal.text, refusal.text
    assert "--shm-size" in refusal.text, refusal.text
    assert [path.name for path in small.iterdir()] == ["goring.fits"]
    filler = small / "filler"
    with contextlib.suppress(OSError), filler.open("wb") as file:
        while file.write(bytes(4096)):
            file.flush()
    other = peer_in("c", small)
    other.must("open fits")
    other.must("producer p")
    peer.must("consumer c")
    for n in range(12):
        other.must(f"write {'ab' * 65536}")
        message = peer.must("read 1000")
        assert len(message.data) == 65536
        peer.must(f"release {message.seq}")
        assert message.seq == n
    peer.end()
    other.end()
    filler.unlink()
    figure("18", "a tmpfs too small, and then full", refusals=1, faults=0)


@pytest.fixture
def limited():
    """A memory cgroup of 64 MiB: limited(pid) moves a process there."""
    roots = [Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")]
    for root in roots:
        group = root / f"goring-faults-{os.getpid()}"
        limits = ("memory.limit_in_bytes", "memory.max")
        try:
            group.mkdir()
        except OSError:
            continue
        file = next((group / name for name in limits if (group / name).exists()), None)
        if file is not None:
            break
        group.rmdir()
    else:
        pytest.skip("needs the right to make memory cgroups")
    file.write_text(str(64 << 20))
    yield lambda pid: (group / "cgroup.procs").write_text(str(pid))
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.01)
    raise AssertionError(f"{group} is still in use")


@every_maker
def test_row_19_a_memory_cgroup(folder, peer_in, limited, figure, lang):
    """Too large a ring is refused, or its maker killed; nothing of it stays, others go on."""
    other = peer_in("c", folder)
    victim = peer_in(lang, folder)
    limited(victim.process.pid)
    start = time.monotonic()
    killed = 0
    try:
        assert victim.ask("create large " + recipe(1 << 20, 256)).error == "nospace"
        victim.must("create fits " + recipe(65536, 4))
        other.must("open fits")
        victim.must("unlink fits")
    except PeerDied:
        killed = 1
    took = 1000 * (time.monotonic() - start)
    victim.end()
    assert list(folder.iterdir()) == []
    figure("19", "a memory cgroup too small", trials=1, killed_by_the_kernel=killed, max_ms=took)


@pytest.mark.timeout(0)
@pytest.mark.parametrize("lang", ["go", "c", "py"])
def test_row_32_nothing_leaks(crew, new_ring, figure, soak, lang):
    """Opening, joining, leaving, closing: descriptors, mappings and threads stay as many."""
    ring = new_ring({"kind": "array", "dtype": "|u1", "shape": [4096]}, slots=4)
    peer = crew.get(lang)
    name = ring.path.name.removeprefix("goring.")

    def cycle() -> None:
        peer.must(f"open {name}")
        for role in ("producer x", "leave", "consumer x", "close"):
            peer.must(role)

    def counts() -> tuple[int, int, int]:
        proc = Path(f"/proc/{peer.process.pid}")
        maps = (proc / "maps").read_text().count(ring.path.name)
        return len(list((proc / "fd").iterdir())), maps, len(list((proc / "task").iterdir()))

    for _ in range(10):
        cycle()
    before, cycles = counts(), round(200 * soak)
    for _ in range(cycles):
        cycle()
    after = counts()
    assert after[:2] == before[:2]
    assert after[2] <= before[2] + 4, "threads"
    figure("32", "cycles of open, join, leave, close in Go, C and Python", cycles=cycles, leaked=0)
