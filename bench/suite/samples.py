"""Taking samples in rounds, and choosing those that may be compared."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.progress import Progress

from .machine import Load, probe
from .processes import Failed

Measure = Callable[[], dict[str, Any]]


@dataclass
class Sample:
    """Figures, and how far apart the cores were when they were taken."""

    figures: dict[str, Any]
    probe: float


@dataclass
class Row:
    """What one program did at one task, or why it did not."""

    samples: list[Sample] = field(default_factory=list)
    failure: str = ""


@dataclass
class Samples:
    """All rows of a run, and the largest part of the cores that others had in a round."""

    rows: Mapping[Any, Row]
    others: float
    distance: float = field(init=False)

    def __post_init__(self) -> None:
        self.distance = reference(list(self.rows.values()))

    def good(self, row: Row) -> list[Sample]:
        """The samples that are compared: all, if none was taken at the usual distance."""
        return comparable(row, self.distance) or row.samples


def measure(todo: Mapping[Hashable, Measure | str], rounds: int, limit: str) -> Samples:
    """Do everything once in every round; a string says why something cannot be done.

    The progress is drawn between two measurements, never during one.
    """
    rows = {key: Row(failure=what if isinstance(what, str) else "") for key, what in todo.items()}
    others = 0.0
    with Progress(transient=True, auto_refresh=False, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=rounds * len(todo))
        for n in range(rounds):
            load = Load()
            for key, what in todo.items():
                name = " ".join(map(str, key)) if isinstance(key, tuple) else key
                progress.update(task, advance=1, description=f"round {n + 1}: {name}"[:60])
                progress.refresh()
                if not rows[key].failure and not isinstance(what, str):
                    take(rows[key], what, limit)
            others = max(others, load.others())
    return Samples(rows, others)


def take(row: Row, what: Measure, limit: str) -> None:
    """Take a sample between two probes."""
    before = probe(limit)
    try:
        figures = what()
    except (Failed, OSError) as e:
        row.failure = str(e)
        return
    row.samples.append(Sample(figures, max(before, probe(limit))))


def reference(rows: Sequence[Row]) -> float:
    """The distance of the cores that was seen most: the middle of the fullest octave."""
    probes = sorted(s.probe for row in rows for s in row.samples)
    if not probes:
        return 0.0

    def within(p: float) -> list[float]:
        return [q for q in probes if p / 1.41 <= q <= p * 1.41]

    return statistics.median(max((within(p) for p in probes), key=len))


def comparable(row: Row, distance: float) -> list[Sample]:
    """The samples that were taken at that distance of the cores."""
    return [s for s in row.samples if distance / 1.5 <= s.probe <= distance * 1.5]
