"""The figures of the fault rows, and how long the rows that can run long do."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

#: row and what was done -> figure -> sum
FIGURES = pytest.StashKey[dict[tuple[str, str], dict[str, float]]]()


@pytest.fixture(scope="session")
def soak() -> float:
    """How many times longer than in `make test` a row runs; `make soak` sets it."""
    return float(os.environ.get("GORING_SOAK", "1"))


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[..., None]:
    """figure(row, what, name=number, ..): numbers of one name add up; max_.. and p99_.. do not."""
    table = request.config.stash.setdefault(FIGURES, {})

    def add(row: str, what: str, **numbers: float) -> None:
        cells = table.setdefault((row, what), {})
        for name, number in numbers.items():
            joined = max if name.startswith(("max_", "p50_", "p99_")) else lambda a, b: a + b
            cells[name] = joined(cells[name], number) if name in cells else number

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


def shown(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:,.2f}"


def row_key(row: str) -> int:
    return int(row.split(",")[0])
