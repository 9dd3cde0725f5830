"""Figures, goals, and how people read them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Goal:
    """The goal of a figure: a value, or a fraction of the limit's figure."""

    value: float = 0.0
    ratio: float = 0.0  # of a rate at least, of a time at most

    def words(self, unit: str) -> str:
        """>= 20 M/s, >= 0.6 x."""
        sign = "<=" if unit == "ns" else ">="
        parts = [f"{self.ratio:g} x"] if self.ratio else []
        parts += [short(self.value, unit)] if self.value else []
        return ", ".join(f"{sign} {part}" for part in parts)

    def aim(self, unit: str, limit: Figure | None) -> float:
        """The figure to reach, or 0 if there is none."""
        bounds = [self.value] if self.value else []
        if self.ratio and limit:
            bounds.append(self.ratio * limit.median)
        return (min if unit == "ns" else max)(bounds, default=0.0)


@dataclass
class Figure:
    """One figure of a table: the median of the clean samples and their extremes."""

    section: str
    row: str
    column: str
    unit: str  # "/s", "ns", "GB/s"
    median: float = 0.0
    low: float = 0.0
    high: float = 0.0
    samples: int = 0
    spoilt: bool = False  # no sample is clean: not to be compared
    beside: str = ""  # the row of the limit
    goal: str = ""
    aim: float = 0.0  # the figure that the goal asks for; 0: none
    failure: str = ""

    @classmethod
    def of(cls, values: Sequence[float], *, spoilt: bool = False, **what: str) -> Figure:
        """The figure of some values, of which there is at least one."""
        figure = cls(**what, samples=len(values), spoilt=spoilt)
        figure.median, figure.low, figure.high = statistics.median(values), min(values), max(values)
        return figure

    @classmethod
    def read(cls, saved: dict[str, Any]) -> Figure:
        """A figure that was saved, perhaps by an earlier version with other fields."""
        return cls(**{f.name: saved[f.name] for f in fields(cls) if f.name in saved})

    def better(self, other: Figure) -> float:
        """How many times this is better than the other: faster, or more."""
        return self.share_of(self.median, other)

    def share_of(self, value: float, other: Figure) -> float:
        """How many times a value of this unit is better than the other."""
        return other.median / value if self.unit == "ns" else value / other.median

    def met(self) -> bool:
        """Whether the goal is reached."""
        return self.median <= self.aim if self.unit == "ns" else self.median >= self.aim


UNITS = {
    "ns": (("s", 1e9), ("ms", 1e6), ("us", 1e3), ("ns", 1)),
    "/s": (("G/s", 1e9), ("M/s", 1e6), ("k/s", 1e3), ("/s", 1)),
}


def short(value: float, unit: str) -> str:
    """20.4 M/s, 3.1 us."""
    for name, factor in UNITS.get(unit, ()):
        if value >= factor:
            return f"{three(value / factor)} {name}"
    return f"{three(value)} {unit}"


def three(value: float) -> str:
    """The value with three figures."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def size(n: int) -> str:
    """64 KiB."""
    for unit, factor in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if n >= factor:
            return f"{n // factor} {unit}"
    return f"{n} B"
