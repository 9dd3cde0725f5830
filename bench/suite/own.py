"""goring beside the machine's own limits: the measurements of `make bench`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from .figures import Figure, Goal, size
from .machine import HERE, ROOT, build_limit, pinned
from .processes import alone
from .samples import Measure, Samples, measure

DIVISOR = "10" if os.environ.get("QUICK") else "1"

# of the programs, and ours
UNITS = {"Mmsg/s": ("/s", 1e6), "GB/s": ("GB/s", 1), "us": ("ns", 1e3), "ns": ("ns", 1)}

# The measurement, its program, the row of the limit beside it, the goal.
RING, BATCH, TRIP = "a ring in C", "a ring in C, batches of 32", "a ring in C, round trip"
FUTEX, CALL = "two futex wakes, there and back", "a Python loop that calls C"
HAND = "a ring by hand over C atomics, in Python"
COPIES = (64, 1 << 10, 64 << 10, 1 << 20)
ROWS = [
    ("Go -> Go, 64-byte slots, in place", "one", RING, Goal(20e6, 0.6)),
    ("Go -> Go, 64-byte slots, Write", "write", RING, Goal()),
    ("Go -> Go, batches of 32", "batch", BATCH, Goal(ratio=0.7)),
    ("Go round trip, spinning", "rtt", TRIP, Goal(ratio=1.25)),
    ("Go round trip, asleep", "parked", FUTEX, Goal(ratio=1.15)),
    *(
        (
            f"Go -> Go, {size(n)} copied in and out",
            f"size{n}",
            f"{size(n)} copied in and out in C",
            Goal(ratio=0.9 if n == 1 << 20 else 0),
        )
        for n in COPIES
    ),
    ("Python -> Python, 64 B, loop counts", "py_count", CALL, Goal(10e6)),
    ("the same, beside a ring by hand", "py_count", HAND, Goal(ratio=2.5)),
    ("Python -> Python, frame[0]", "py_touch", CALL, Goal(5e6)),
    ("Python -> Python, s += int(frame[0])", "py_sum", CALL, Goal()),
    ("Python -> Python, batches of 256", "py_batch", BATCH, Goal(80e6)),
    ("Python round trip, spinning", "py_rtt", TRIP, Goal(1e3)),
    ("Python round trip, one core for both", "py_shared", "", Goal(10e3)),
    ("Python round trip, asleep", "py_parked", FUTEX, Goal(ratio=1.15)),
    (RING, "limit one", "", Goal()),
    (BATCH, "limit batch", "", Goal()),
    (TRIP, "limit rtt", "", Goal()),
    (FUTEX, "limit parked", "", Goal()),
    *((f"{size(n)} copied in and out in C", f"limit copy{n}", "", Goal()) for n in COPIES),
    (HAND, "hand", "", Goal()),
    (CALL, "py_call", "", Goal()),
    ("ping-pong on one line", "limit line", "", Goal()),
    ("ping-pong on two lines", "limit lines", "", Goal()),
    ("a futex wake that finds nobody", "limit wake", "", Goal()),
]

SLOTS = [2, 8, 64, 1024, 1 << 14, 1 << 17, 1 << 20]
BULK = [2, 4, 8, 16, 32, 64, 128]
CONSUMERS = [0, 1, 2, 4, 8, 16, 32]
RINGS = [1, 10, 100, 1000, 10000]
SIZES = [8 << (3 * k) for k in range(7)] + [64 << 20]

# the quantity that grows, the program, and its values
GROWTH = [
    ("slots, messages one by one", "slots", SLOTS, "within 2 x from 64 on"),
    ("slots, messages of 64 KiB copied in and out", "bulk", BULK, ""),
    ("consumers of a broadcast ring: the producer's cost", "cast", CONSUMERS, "within 2 x"),
    ("rings open, a message through each (of 1,000) in turn", "rings", RINGS, ""),
    ("rings open: what opening one more takes", "opens", RINGS, ""),
    ("bytes of a message, copied in and out", "size", SIZES, ""),
]


def build(folder: Path) -> dict[str, list[str]]:
    """Build the programs; the command that runs each measurement, by name."""
    limit, go = build_limit(folder), str(folder / "gobench")
    subprocess.run(["go", "build", "-o", go, "./bench/gobench"], cwd=ROOT, check=True)
    return {name: command(name, limit, go) for name in sorted(names())}


def names() -> set[str]:
    """Of all measurements."""
    grown = {f"{what}{n}" for _, what, steps, _ in GROWTH for n in steps}
    return grown | {program for _, program, _, _ in ROWS}


def command(name: str, limit: str, go: str) -> list[str]:
    """How the measurement of that name is run."""
    if name.startswith("limit "):
        return [limit, name.removeprefix("limit "), DIVISOR]
    if name == "hand":
        return [sys.executable, str(HERE / "byhand.py"), DIVISOR]
    if name.startswith("py_"):
        return [sys.executable, str(HERE / "pybench.py"), name, DIVISOR]
    return [*pinned(os.environ["BENCH_NEAR"], [go, name]), DIVISOR]


def run(command: list[str]) -> dict[str, float | str]:
    """Run one measurement, which prints its name, its figure and the unit."""
    _, value, unit = alone(command, 120).strip().split("\t")
    return {"value": float(value), "unit": unit}


def figures(folder: Path, rounds: int, limit: str) -> tuple[list[Figure], Samples]:
    """Measure everything."""
    todo: dict[str, Measure] = {
        name: lambda c=command: run(c) for name, command in build(folder).items()
    }
    samples = measure(todo, rounds, limit)
    shown = [
        figure(samples, program, section="own", row=path, column="", beside=beside)
        for path, program, beside, _ in ROWS
    ]
    judge(shown)
    for label, what, steps, goal in GROWTH:
        for n in steps:
            column = size(n) if what == "size" else f"{n:,}"
            where = {"section": "growth", "row": label, "column": column, "goal": goal}
            shown.append(figure(samples, f"{what}{n}", **where))
    return shown, samples


def figure(samples: Samples, program: str, **what: str) -> Figure:
    """Return the figure of a program's samples."""
    row = samples.rows[program]
    if row.failure:
        return Figure(unit="", failure=row.failure, **what)
    best = samples.best(row)
    unit, factor = UNITS[best[0].figures["unit"]]
    values = [s.figures["value"] * factor for s in best]
    return Figure.of(values, spoilt=not samples.clean(row), unit=unit, **what)


def judge(shown: list[Figure]) -> None:
    """Put the goals beside the figures."""
    by_row: Mapping[str, Figure] = {f.row: f for f in shown}
    for f, (_, _, beside, goal) in zip(shown, ROWS, strict=True):
        limit = by_row.get(beside)
        f.goal = goal.words(f.unit)
        if not f.failure and not (limit and limit.failure):
            f.aim = goal.aim(f.unit, limit)
