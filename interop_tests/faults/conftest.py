"""The figures of the fault rows, and how long the rows that can run long do."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable

import numpy as np
import pytest

Figure = float | list[float]

#: row and task -> figure -> sum
FIGURES = pytest.StashKey[dict[tuple[str, str], dict[str, Figure]]]()


@pytest.fixture(scope="session")
def soak() -> float:
    """How many times longer than in `make test` a row runs; `make soak` sets it."""
    return float(os.environ.get("GORING_SOAK", "1"))


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[..., None]:
    """figure(row, what, name=figure, ..): numbers of one name add up, of max_.. the largest
    counts, and of lists of samples the percentiles."""
    table = request.config.stash.setdefault(FIGURES, {})

    def add(row: str, what: str, **figures: Figure) -> None:
        cells = table.setdefault((row, what), {})
        for name, figure in figures.items():
            joined = max if name.startswith("max_") else operator.add
            cells[name] = joined(cells[name], figure) if name in cells else figure

    return add


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    table = config.stash.get(FIGURES, {})
    if table:
        terminalreporter.write_line("\nfault rows")
    for (row, what), cells in sorted(table.items(), key=lambda item: row_key(item[0][0])):
        numbers = ", ".join(f"{shown(n)} {name.replace('_', ' ')}" for name, n in cells.items())
        terminalreporter.write_line(f"{row:>6}  {what}: {numbers}")


def shown(figure: Figure) -> str:
    if isinstance(figure, list):
        p50, p99 = np.percentile(figure, [50, 99])
        return f"p50 {p50:.2f}, p99 {p99:.2f}"
    return f"{figure:,}" if isinstance(figure, int) else f"{figure:,.2f}"


def row_key(row: str) -> int:
    return int(row.split(",")[0])
