"""Programs that are measured: started apart, watched, and gone with all they made.

A measurement has a folder of its own in /dev/shm. Sockets and rings are in it, the names of
other segments have its name in them, and all of it goes when the measurement ends, by
itself, by a crash or by Ctrl-C.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

SHM = Path("/dev/shm")
READY_S = 60.0  # to come up: a JVM and a driver, at worst


class Failed(Exception):
    """A program did not do its work: its last words."""


class Interrupts:
    """Ctrl-C and SIGTERM as KeyboardInterrupt, but not while something is started or removed."""

    def __init__(self) -> None:
        self.holders, self.wanted = 0, False

    def install(self) -> None:
        """Take both signals from now on."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.handle)

    def handle(self, *_: Any) -> None:
        """Raise, now or when the last hold on it ends."""
        if self.holders:
            self.wanted = True
        else:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep an interrupt back until the block is done."""
        self.holders += 1
        try:
            yield
        finally:
            self.holders -= 1
            if self.wanted and not self.holders:
                self.wanted = False
                raise KeyboardInterrupt


interrupts = Interrupts()


class Child:
    """A program in a session of its own: the terminal's Ctrl-C reaches only us."""

    def __init__(self, command: Sequence[str], folder: Path, number: int) -> None:
        self.words = folder / f"{number}.err"
        self.out = b""
        ours = {"GORING_DIR": str(folder), "TMPDIR": str(folder)}
        with self.words.open("w") as errors:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                env=os.environ | ours,
            )
        assert self.process.stdout
        self.pipe = self.process.stdout
        os.set_blocking(self.pipe.fileno(), False)
        self.ended = os.pidfd_open(self.process.pid)

    def read(self) -> None:
        """Return its output so far, without waiting for the end, which a grandchild may delay."""
        while data := self.pipe.read():
            self.out += data

    def close(self) -> None:
        """End the rest of its process group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.pipe.close()
        os.close(self.ended)


class Workplace:
    """A folder, and the programs that work in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.children: list[Child] = []

    def start(self, command: Sequence[str]) -> Child:
        """Start a program."""
        with interrupts.held():
            child = Child(command, self.folder, len(self.children))
            self.children.append(child)
        return child

    def await_ready(self, child: Child) -> None:
        """Wait until the program says that it is ready."""
        deadline = time.monotonic() + READY_S
        while b"ready\n" not in child.out:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([child.pipe, child.ended], [], [], left)[0]:
                raise Failed(self.last_words(child) or f"not ready within {READY_S:.0f} s")
            over = child.process.poll() is not None  # before the read: then it has printed all
            child.read()
            if over and b"ready\n" not in child.out:
                raise Failed(self.last_words(child) or f"ended with {child.process.returncode}")

    def finish(self, child: Child, limit_s: float) -> str:
        """Wait for the program's end and return its output, unless another one fails before."""
        deadline = time.monotonic() + limit_s
        running = {c.ended: c for c in self.children}
        while child in running.values():
            left = max(0.0, deadline - time.monotonic())
            ended = select.select(list(running), [], [], left)[0]
            if not ended:
                raise Failed(self.last_words(child) or f"not done within {limit_s:.0f} s")
            for fd in ended:
                one = running.pop(fd)
                if one.process.wait() != 0:
                    code = one.process.returncode
                    raise Failed(self.last_words(one) or f"ended with {code}")
        child.read()
        return child.out.decode()

    def last_words(self, first: Child) -> str:
        """Return the programs' words about a failure: a panic, or else the last line."""
        for child in sorted(self.children, key=lambda c: c is not first):
            lines = child.words.read_text(errors="replace").splitlines()
            lines = [s.strip() for s in lines if s.strip()]
            loud = [s for s in lines if s.startswith(("panic:", "peer:", "Exception in"))]
            if lines:
                return (loud or lines)[-1][:100]
        return ""

    def close(self) -> None:
        """End all programs."""
        # Python's resource tracker outlives its program for a moment, to clean up
        patience = time.monotonic() + 1
        ended = [c.process.pid for c in self.children if c.process.poll() is not None]
        while time.monotonic() < patience and any(map(alive, ended)):
            time.sleep(0.005)
        held = set().union(*(segments(c.process.pid) for c in self.children))
        for child in self.children:
            child.close()
        for path in held:  # of programs that did not end by themselves
            Path(path).unlink(missing_ok=True)


@contextlib.contextmanager
def workplace() -> Iterator[Workplace]:
    """Return a place to work, of which nothing remains."""
    before = set(os.listdir(SHM))
    with interrupts.held():
        place = Workplace(Path(tempfile.mkdtemp(prefix=f"goringbench-{os.getpid()}-", dir=SHM)))
    try:
        yield place
    finally:
        with interrupts.held():
            place.close()
            for path in (SHM / name for name in set(os.listdir(SHM)) - before):
                if path != place.folder and (place.folder.name in path.name or orphan(path)):
                    path.unlink(missing_ok=True)
            shutil.rmtree(place.folder, ignore_errors=True)


def orphan(path: Path) -> bool:
    """Report whether this is zenoh's segment, named by a number, of processes that have ended."""
    if path.suffix != ".zenoh":
        return False
    try:
        with path.open() as f:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)  # zenoh's own test: users hold it
    except OSError:
        return False
    return True


def segments(group: int) -> set[str]:
    """Return the files that the processes of a group have mapped and that outlive them."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.getpgid(int(pid)) == group:
                words = Path(f"/proc/{pid}/maps").read_text().split()
                found |= {w for w in words if w.startswith(f"{SHM}/")}
    return found


def alive(group: int) -> bool:
    """Whether a group of processes has one left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def alone(command: Sequence[str], limit_s: float) -> str:
    """Run one program and return its output."""
    with workplace() as place:
        return place.finish(place.start(command), limit_s)


def together(far: Sequence[str] | None, near: Sequence[str], limit_s: float) -> dict[str, float]:
    """Run a pair of programs, or one that is both, and return their output, which is JSON."""
    with workplace() as place:
        there = place.start([*far, str(place.folder)]) if far else None
        if there:
            place.await_ready(there)
        out = place.finish(place.start([*near, str(place.folder)]), limit_s)
        if there:
            out += place.finish(there, limit_s)
    for line in out.splitlines():
        if line.startswith("{"):
            return dict(json.loads(line))
    raise Failed("printed no figures")
