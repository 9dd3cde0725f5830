"""Peers: one process per participant, in Go, C or Python, driven line by line.

All three speak the same language on stdin and stdout, one reply line per command:

    open NAME | openfd N          attach: ok kind=.. slots=.. slot_bytes=..
    send N | receive N            (not C) pass a sealed ring through the Unix socket N
    create NAME JSON              make a ring (not C): {"kind", "dtype", "shape", "slots", ..}
    describe                      the ring's info, as JSON
    producer [AS] [death=raise]   take a seat: ok seat=N. With death=raise waits fail when
    consumer [AS] [death=raise]   the last peer has died; else they await a successor
    reserve                       without waiting
    commit HEX [tag=N] [meta=HEX] [tensor=CODE:2x3]    fill the reservation and publish it
    abort
    write HEX [..] | put MS HEX [..]   reserve and commit, without waiting | waiting MS at most
    writebatch HEX HEX ..         one batch, waiting for room: ok n=COUNT
    latest MS | lost              broadcast modes: skip to the newest | ok lost=N
    tryread | read MS             ok seq= data= tag= meta= again= ts= [tensor=]; it stays held
    release SEQ | requeue SEQ
    readbatch N                   ok seq=FIRST n=COUNT data=HEX,HEX,..; it stays held
    releasebatch
    iterate N                     (Python) "for frame in consumer", N times
    view SEQ                      (Python) a held message as NumPy has it, as JSON
    shutdown | leave | close | unlink NAME
    reap                          reap the dead
    produce .. | consume ..       full speed, see stress.py
    make .. | take ..             the same until killed, see faults/chaos.py
    step OP [marked]              (not Python) one call of the library, see faults/test_steps.py

Bytes are hexadecimal, "-" stands for none. A refusal is "err CLASS TEXT", with
the classes of ERRORS in every language.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent

#: Classes of refusals. Attaching's are those of the table in section 10.
ERRORS = frozenset(
    "full empty timeout end held lapped peerdead busy shutdown toolarge schema corrupt misuse "
    "closed exist option name notexist filetype owner mode truncated foreign byteorder version "
    "checksum feature geometry info unsupported nospace".split()
)


@dataclass(frozen=True)
class Reply:
    """error is "ok" or a class of ERRORS; fields are the key=value pairs."""

    error: str
    text: str
    fields: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, key: str) -> str:
        return self.fields[key]

    @property
    def seq(self) -> int:
        return int(self.fields["seq"])

    @property
    def data(self) -> bytes:
        return unhex(self.fields["data"])

    def counts(self) -> dict[str, int]:
        return {k: int(v) for k, v in self.fields.items()}


def unhex(text: str) -> bytes:
    return b"" if text == "-" else bytes.fromhex(text)


def hexed(data: bytes) -> str:
    return data.hex() or "-"


class PeerDied(AssertionError):
    """A peer ended, or did not answer, in the middle of a command."""


class Peer:
    """One running peer."""

    def __init__(
        self,
        lang: str,
        argv: list[str],
        folder: Path,
        user: int | None = None,
        fds: tuple[int, ...] = (),
    ) -> None:
        self.lang = lang
        env = {**os.environ, "GORING_DIR": str(folder), "PYTHONFAULTHANDLER": "1"}
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=env,
            bufsize=0,
            pass_fds=fds,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
        self.buffer = b""

    def __repr__(self) -> str:
        return f"<{self.lang} peer {self.process.pid}>"

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def send(self, line: str) -> None:
        self.process.stdin.write(line.encode() + b"\n")

    def reply(self, seconds: float = 30.0) -> Reply:
        """The answer to the oldest command not yet answered."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.process.stdout], [], [], max(left, 0))
            if not ready:
                raise PeerDied(f"{self!r} gave no answer within {seconds} s")
            data = os.read(self.process.stdout.fileno(), 1 << 20)
            if not data:
                raise PeerDied(f"{self!r} ended with status {self.process.wait()}")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return parse(line.decode())

    def ask(self, line: str, seconds: float = 30.0) -> Reply:
        self.send(line)
        return self.reply(seconds)

    def must(self, line: str) -> Reply:
        """Ask for a step that has to succeed."""
        answer = self.ask(line)
        if answer.error != "ok":
            raise AssertionError(f"{self!r} refused {line!r}: {answer.error}: {answer.text}")
        return answer

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.end()

    def end(self) -> None:
        """End the process, by closing its input if that is enough."""
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def parse(line: str) -> Reply:
    word, _, rest = line.partition(" ")
    if word == "ok":
        return Reply("ok", rest, dict(p.split("=", 1) for p in rest.split() if "=" in p))
    if word != "err":
        raise AssertionError(f"no reply: {line!r}")
    kind, _, text = rest.partition(" ")
    if kind not in ERRORS:
        raise AssertionError(f"unclassified refusal: {line!r}")
    return Reply(kind, text)


@dataclass(frozen=True)
class Machine:
    """The target of Go and C peers, and the command that starts their binaries."""

    cc: tuple[str, ...]
    go: dict[str, str]
    start: tuple[str, ...]


NATIVE = Machine(("cc",), {}, ())
#: Emulated peers share rings with native Python ones; see scripts/arm64.sh.
ARM64 = Machine(
    ("aarch64-linux-gnu-gcc", "-static"),
    {"GOARCH": "arm64", "CGO_ENABLED": "0"},
    ("qemu-aarch64",),
)
MACHINE = ARM64 if os.environ.get("GORING_TEST_ARM64") == "1" else NATIVE


def build(into: Path) -> dict[str, list[str]]:
    """Compile the peers for MACHINE; language -> command line."""
    root = HERE.parent
    run = {"check": True, "cwd": root, "env": {**os.environ, **MACHINE.go}}
    subprocess.run(["go", "build", "-o", into / "gopeer", "./interop_tests/gopeer"], **run)
    sources = sorted((HERE / "cpeer").glob("*.c"))
    flags = "-std=gnu11 -O2 -Wall -Wextra -Werror -pthread".split()
    include = ["-I", root / "include"]
    subprocess.run([*MACHINE.cc, *flags, *include, "-o", into / "cpeer", *sources], **run)
    return {
        "go": [*MACHINE.start, str(into / "gopeer")],
        "c": [*MACHINE.start, str(into / "cpeer")],
        "py": [sys.executable, str(HERE / "pypeer.py")],
    }


class Crew:
    """Peers that are kept from test to test: starting one costs more than a test."""

    def __init__(self, commands: dict[str, list[str]], folder: Path) -> None:
        self.commands, self.folder = commands, folder
        self.idle: list[Peer] = []
        self.busy: list[Peer] = []

    def get(self, lang: str) -> Peer:
        """A peer in that language with nothing open."""
        peer = next((p for p in self.idle if p.lang == lang and p.alive), None)
        if peer:
            self.idle.remove(peer)
        else:
            peer = Peer(lang, self.commands[lang], self.folder)
        self.busy.append(peer)
        return peer

    def give_back(self, peer: Peer) -> None:
        """Close the peer's rings; end a peer that fails to."""
        self.busy.remove(peer)
        try:
            if peer.alive and peer.ask("close", 10).error == "ok" and not peer.buffer:
                self.idle.append(peer)
                return
        except (PeerDied, OSError, AssertionError):
            pass
        self._end(peer)

    def rest(self) -> None:
        for peer in list(self.busy):
            self.give_back(peer)

    def _end(self, peer: Peer) -> None:
        peer.kill() if peer.alive else peer.end()

    def dismiss(self) -> None:
        for peer in self.idle + self.busy:
            self._end(peer)
