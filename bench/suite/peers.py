"""goring beside its peers: the measurements of `make bench-peers`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .figures import Figure, size
from .machine import pinned
from .processes import Failed, together
from .programs import Programs
from .samples import Measure, Samples, measure

SIZES = (64, 1 << 10, 64 << 10, 1 << 20)
SPAN_MS = 60 if os.environ.get("QUICK") else 300
GRACE_S = 20.0  # to start, send the messages in transit, and end
QUANTILES = {"p50": "p50", "p99": "p99", "p999": "p99.9"}

# how goring waits, where not as it does by itself: rows of their own
WAITS = {"": "", "spin": ", never asleep", "park": ", always asleep"}
BATCHED = ("flow", "batch", "trip")
OURS = (*BATCHED, "flow+spin", "batch+spin", "trip+spin", "trip+park")


@dataclass(frozen=True)
class Kind:
    """One way to send messages between two programs of one language.

    A program is "go", "rust", "java" or "python"; one that ends in "+" is both sides.
    """

    label: str
    link: str
    program: str
    tasks: tuple[str, ...] = ("flow", "trip")
    needs: str = ""  # the package that it stands for
    longer: int = 1  # times: a JVM compiles while it runs


GO = (
    Kind("goring", "goring", "go", OURS),
    Kind("Go channel, one process", "chan", "go+"),
    Kind("Aeron IPC (Java)", "aeron", "java", longer=3),
    Kind("iceoryx2 (Rust)", "iceoryx2", "rust"),
    Kind("Unix socket", "unix", "go", BATCHED),
    Kind("named pipe", "pipe", "go", BATCHED),
    Kind("zmq4 ipc", "zmq", "go"),
    Kind("gRPC, Unix socket", "grpc", "go"),
    Kind("HTTP, Unix socket", "http", "go"),
)

PYTHON = (
    Kind("goring", "mixed.Goring", "python", OURS),
    Kind("atomicshm, a ring by hand", "rings.AtomicShm", "python+", BATCHED, "atomicshm"),
    Kind("shared_memory + 2 semaphores", "rings.Semaphores", "python+"),
    Kind("shm-ring-buffer", "rings.ShmRingBuffer", "python+", needs="shm-ring-buffer"),
    Kind("global-buffer (loses)", "rings.GlobalBuffer", "python+", ("flow",), "global-buffer"),
    Kind("iceoryx2", "rings.Iceoryx2", "python+", needs="iceoryx2"),
    Kind("multiprocessing.Pipe", "queues.Pipe", "python+"),
    Kind("zenoh SHM", "queues.Zenoh", "python+", needs="eclipse-zenoh"),
    Kind("pyzmq ipc", "mixed.Zmq", "python", needs="pyzmq"),
    Kind("the vLLM pattern", "rings.FlagBytes", "python+"),
    Kind("faster-fifo", "queues.FasterFifo", "python+", BATCHED, "faster-fifo"),
    Kind("multiprocessing.SimpleQueue", "queues.SimpleQueue", "python+"),
    Kind("multiprocessing.Queue", "queues.Queue", "python+"),
)

# the same link by its names in Go and in Python, and the package of the latter
MIXED = (
    ("goring", "goring", "mixed.Goring", OURS, ""),
    ("named pipe", "pipe", "mixed.Pipe", ("flow", "trip"), ""),
    ("Unix socket", "unix", "mixed.Unix", ("flow", "trip"), ""),
    ("zmq ipc", "zmq", "mixed.Zmq", ("flow", "trip"), "pyzmq"),
    ("gRPC, Unix socket", "grpc", "mixed.Grpc", ("flow", "trip"), "grpcio"),
    ("HTTP, Unix socket", "http", "mixed.Http", ("flow", "trip"), "uvicorn"),
)

# pair, its table, the participants, message size
Key = tuple[str, str, str, int]


@dataclass(frozen=True)
class Cell:
    """One measurement: a task, its participants, and the size of messages."""

    task: str
    size: int
    near: tuple[str, ...]
    far: tuple[str, ...] | None
    longer: int = 1

    def run(self) -> dict[str, float]:
        """Measure once."""
        arguments = (self.task, str(self.size), str(SPAN_MS * self.longer))
        near = [*self.near, *arguments, "near" if self.far else "both"]
        far = [*self.far, *arguments, "far"] if self.far else None
        figures = together(far, near, SPAN_MS / 1000 + GRACE_S)
        if not figures["count"]:
            raise Failed("no message arrived")
        return figures


@dataclass(frozen=True)
class Entry:
    """A row of the tables: the pair, the label, the tasks, and both commands or why not."""

    pair: str
    label: str
    tasks: tuple[str, ...]
    near: tuple[str, ...] = ()
    far: tuple[str, ...] | None = None
    longer: int = 1
    failure: str = ""

    def plan(self) -> Iterator[tuple[Key, Measure | str]]:
        """Return the measurements to make."""
        for task in self.tasks:
            table, _, wait = task.partition("+")
            for n in SIZES:
                cell = Cell(task, n, self.near, self.far, self.longer)
                yield (self.pair, table, self.label + WAITS[wait], n), self.failure or cell.run


def same(programs: Programs, pair: str, kind: Kind) -> Entry:
    """The row of two programs of one language."""
    program = kind.program.removesuffix("+")
    failure = programs.failures.get(program) or programs.missing.get(kind.needs, "")
    if failure:
        return Entry(pair, kind.label, kind.tasks, failure=failure)
    base = (*programs.commands[program], kind.link)
    if kind.program.endswith("+"):
        return Entry(pair, kind.label, kind.tasks, base)
    return Entry(pair, kind.label, kind.tasks, near(base), far(base), kind.longer)


def mixed(programs: Programs) -> Iterator[Entry]:
    """The rows of a program in Go and one in Python, both ways."""
    for pair, turned in (("Go -> Python", False), ("Python -> Go", True)):
        for label, in_go, in_python, tasks, needs in MIXED:
            failures = (programs.failures.get("go"), programs.failures.get("python"))
            failure = next(filter(None, (*failures, programs.missing.get(needs))), "")
            if failure:
                yield Entry(pair, label, tasks, failure=failure)
                continue
            go = (*programs.commands["go"], in_go)
            python = (*programs.commands["python"], in_python)
            one, other = (python, go) if turned else (go, python)
            yield Entry(pair, label, tasks, near(one), far(other))


def near(command: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(pinned(os.environ["BENCH_NEAR"], command))


def far(command: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(pinned(os.environ["BENCH_FAR"], command))


def entries(programs: Programs) -> Iterator[Entry]:
    """All rows."""
    for pair, kinds in (("Go -> Go", GO), ("Python -> Python", PYTHON)):
        for kind in kinds:
            yield same(programs, pair, kind)
    yield from mixed(programs)


def figures(folder: Path, rounds: int, limit: str) -> tuple[list[Figure], Samples]:
    """Measure everything, or goring and the rows with ONLY in their pair or label."""
    only = os.environ.get("ONLY", "")
    rows = entries(Programs(folder))
    chosen = [e for e in rows if e.label == "goring" or only in f"{e.pair} {e.label}"]
    samples = measure(dict(cell for e in chosen for cell in e.plan()), rounds, limit)
    shown = []
    for (pair, table, label, n), row in samples.rows.items():
        for end, name in QUANTILES.items() if table == "trip" else (("", ""),):
            what = {"section": f"{pair}, {table}", "row": label, "unit": "ns" if end else "/s"}
            what["column"] = f"{size(n)} {name}".strip()
            if row.failure:
                shown.append(Figure(failure=row.failure, **what))
                continue
            values = [
                s.figures[end] if end else s.figures["count"] / s.figures["seconds"]
                for s in samples.best(row)
            ]
            shown.append(Figure.of(values, spoilt=not samples.clean(row), **what))
    return shown, samples
