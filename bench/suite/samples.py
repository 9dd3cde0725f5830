"""Taking samples in rounds, and choosing those that may be compared.

A sample is spoilt if others had the cores while it was taken, or if the cores were at
another distance than usual.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.progress import Progress

from .machine import Load, probe
from .processes import Failed

Measure = Callable[[], dict[str, Any]]

BUSY = 0.1  # a larger part of the cores in others' hands spoils a sample
TRIES = 3  # at a sample that is not spoilt by others
EXTRA = 0.25  # tries, as a part of all samples: a machine that is always busy is not waited for


@dataclass
class Sample:
    """Figures, the distance of the cores meanwhile, and the part of them that others used."""

    figures: dict[str, Any]
    probe: float
    others: float


@dataclass
class Row:
    """The figures of one program at one task, or the reason why there are none."""

    samples: list[Sample] = field(default_factory=list)
    failure: str = ""


@dataclass
class Samples:
    """All rows of a run, the usual distance of the cores, and the part of them that others used."""

    rows: Mapping[Any, Row]
    others: float
    distance: float = field(init=False)

    def __post_init__(self) -> None:
        self.distance = reference([s for row in self.rows.values() for s in row.samples])

    def clean(self, row: Row) -> list[Sample]:
        """The samples that are not spoilt."""
        near, far = self.distance / 1.5, self.distance * 1.5
        return [s for s in row.samples if near <= s.probe <= far and s.others <= BUSY]

    def best(self, row: Row) -> list[Sample]:
        """The samples to show: all, if each is spoilt."""
        return self.clean(row) or row.samples


def measure(todo: Mapping[Hashable, Measure | str], rounds: int, limit: str) -> Samples:
    """Do everything once in every round, each in an order of its own, so that no disturbance
    that comes and goes hits the same rows. A string says why something cannot be done.

    The progress is drawn between two measurements, never during one; without a terminal it is a
    line for each round.
    """
    rows = {key: Row(failure=what if isinstance(what, str) else "") for key, what in todo.items()}
    load, console = Load(), Console(stderr=True)
    spare = int(EXTRA * rounds * len(todo))
    with Progress(transient=True, auto_refresh=False, console=console) as progress:
        task = progress.add_task("", total=rounds * len(todo))
        for n in range(rounds):
            if not console.is_terminal:
                console.print(f"round {n + 1} of {rounds}: {len(todo)} measurements")
            for key, what in random.Random(n).sample(list(todo.items()), len(todo)):
                name = " ".join(map(str, key)) if isinstance(key, tuple) else key
                progress.update(task, advance=1, description=f"round {n + 1}: {name}"[:60])
                progress.refresh()
                if not rows[key].failure and not isinstance(what, str):
                    spare -= take(rows[key], what, limit, min(TRIES, 1 + spare)) - 1
    return Samples(rows, load.others())


def take(row: Row, what: Measure, limit: str, most: int) -> int:
    """Take a sample between two probes; again, if others had the cores. How often it was."""
    tries: list[Sample] = []
    while len(tries) < most and not (tries and tries[-1].others <= BUSY):
        load, before = Load(), probe(limit)
        try:
            figures = what()
        except (Failed, OSError) as e:
            row.failure = str(e)
            return len(tries) + 1
        tries.append(Sample(figures, max(before, probe(limit)), load.others()))
    row.samples.append(min(tries, key=lambda s: s.others))
    return len(tries)


def reference(samples: Sequence[Sample]) -> float:
    """The distance of the cores that was seen most: the middle of the fullest octave."""
    probes = sorted(s.probe for s in samples)
    if not probes:
        return 0.0

    def within(p: float) -> list[float]:
        return [q for q in probes if p / 1.41 <= q <= p * 1.41]

    return statistics.median(max((within(p) for p in probes), key=len))
