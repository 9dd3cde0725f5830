"""A machine with a GPU for tests: the emulated driver with a state of its own, or hardware.

``GORING_TEST_GPU=1`` asks for hardware; then the driver is the system's, and checks that need
the emulated one are left out.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import double

HARDWARE = bool(os.environ.get("GORING_TEST_GPU"))
HERE = Path(__file__).parent


class Peer:
    """One process of a test."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdout
        os.set_blocking(self.process.stdout.fileno(), False)
        self.rest = b""

    @property
    def pid(self) -> int:
        return self.process.pid

    def line(self, timeout: float) -> str:
        """The next line of its output, "" at the end of it."""
        assert self.process.stdout
        end = time.monotonic() + timeout
        while b"\n" not in self.rest:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{self.process.args}: no line within {timeout} s")
            if select.select([self.process.stdout], [], [], left)[0]:
                more = self.process.stdout.read()
                if not more:
                    return ""
                self.rest += more
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode()

    def last(self, timeout: float = 30) -> str:
        """Its last line, once it has ended well."""
        end, line = time.monotonic() + timeout, ""
        while more := self.line(end - time.monotonic()):
            line = more
        assert self.process.stderr
        words = self.process.stderr.read().decode()
        assert self.process.wait(timeout) == 0, f"{self.process.args}: {words}"
        return line

    def kill(self) -> None:
        self.process.kill()
        self.end()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def end(self) -> None:
        """Make sure that nothing is left of it."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()


class Machine:
    """The processes of one test, their rings and their driver."""

    def __init__(self, folder: Path, programs: dict[str, list[str]]) -> None:
        self.folder = folder
        self.programs = programs
        self.peers: list[Peer] = []
        self.sabotaged = False  # then the driver has something to complain about
        self.environment = os.environ | {"GORING_DIR": str(folder)}
        if not HARDWARE:
            self.environment |= {
                "GORING_LIBCUDA": str(double.library()),
                "FAKECUDA_DIR": str(folder / "state"),
                "FAKECUDA_LOG": str(folder / "log"),
                "FAKECUDA_DELAY_US": "50",
                "FAKECUDA_SEED": os.environ.get("FAKECUDA_SEED", "1"),
            }

    def start(self, program: str, *arguments: object, **environment: str) -> Peer:
        command = [*self.programs[program], *map(str, arguments)]
        peer = Peer(command, self.environment | environment)
        self.peers.append(peer)
        return peer

    def hold(self, name: str, *arguments: object) -> Peer:
        """A process that makes a ring and owns its memory."""
        holder = self.start("hold", name, *arguments)
        line = holder.line(30)
        if not line.startswith(f"{name}: "):
            assert holder.process.stderr
            holder.process.wait(10)
            raise AssertionError(f"gpu-hold: {line} {holder.process.stderr.read()!r}")
        return holder

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    def counters(self, peer: Peer) -> dict[str, int]:
        """Return a process's calls and copied bytes; emulated only."""
        return double.counters(self.folder / "state", peer.pid)

    def end(self) -> None:
        for peer in self.peers:
            peer.end()


def programs(build: Path) -> dict[str, list[str]]:
    """The commands of a peer in each language, and of the holder."""
    for name, package in (("gopeer", "./interop_tests/gpupeer"), ("goring", "./cmd/goring")):
        subprocess.run(
            ["go", "build", "-o", str(build / name), package], cwd=HERE.parent.parent, check=True
        )
    return {
        "go": [str(build / "gopeer")],
        "py": [sys.executable, str(HERE / "gpupeer.py")],
        "hold": [str(build / "goring"), "gpu-hold"],
    }


@contextlib.contextmanager
def machine(commands: dict[str, list[str]]) -> Iterator[Machine]:
    folder = Path(tempfile.mkdtemp(prefix="goring-gpu-", dir="/dev/shm"))
    m = Machine(folder, commands)
    try:
        yield m
    finally:
        m.end()
        shutil.rmtree(folder)


def eventually(what: Callable[[], bool], timeout: float) -> float:
    """Return the seconds until what() holds."""
    start = time.monotonic()
    while not what():
        assert time.monotonic() - start < timeout, f"not within {timeout} s"
        time.sleep(0.002)
    return time.monotonic() - start
