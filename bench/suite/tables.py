"""Tables of the results."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .figures import Figure, short
from .peers import QUANTILES

TITLES = {
    "flow": "messages a second, one at a time",
    "batch": "messages a second, 32 at a time",
    "trip": "round trip",
}


def show(console: Console, figures: Sequence[Figure], *, rank: bool) -> None:
    """A table for each section, three for those of times."""
    for section in dict.fromkeys(f.section for f in figures):
        group = [f for f in figures if f.section == section]
        pair, _, task = section.partition(", ")
        title = f"{pair}: {TITLES.get(task, task)}"
        if section == "own":
            own_table(console, group, rank=rank)
        elif section == "growth":
            growth_tables(console, group)
        elif task == "trip":
            for end in QUANTILES.values():
                part = [f for f in group if f.column.endswith(f" {end}")]
                peer_table(console, part, f"{title} {end}", rank=rank)
        else:
            peer_table(console, group, title, rank=rank)


def own_table(console: Console, figures: Sequence[Figure], *, rank: bool) -> None:
    """goring beside the limits, a row for each path; the ratio is ours to the limit."""
    by_row = {f.row: f for f in figures}
    columns = ("path", "median", "smallest .. largest", "limit", "ratio", "goal", "")
    table = Table(*columns, title="goring beside the machine's limits")
    for f in figures:
        if f.failure:
            table.add_row(f.row, failed(f))
            continue
        spread = f"{short(f.low, f.unit)} .. {short(f.high, f.unit)}"
        limit = by_row.get(f.beside)
        beside = ("", "")
        if limit and limit.failure:
            beside = ("failed", "")
        elif limit:
            beside = (short(limit.median, limit.unit), f"{f.median / limit.median:.2f}")
        table.add_row(
            f.row,
            tilde(f) + short(f.median, f.unit),
            spread,
            *beside,
            f.goal,
            verdict(f, limit, rank),
        )
    console.print(table)


def verdict(f: Figure, limit: Figure | None, rank: bool) -> str:
    """Whether the goal is met, where that can be told."""
    if not f.aim or not rank or f.spoilt or (limit and limit.spoilt):
        return ""
    return "[green]met[/]" if f.met() else "[yellow]behind[/]"


def growth_tables(console: Console, figures: Sequence[Figure]) -> None:
    """A line for each thing that grows."""
    for row in dict.fromkeys(f.row for f in figures):
        mine = [f for f in figures if f.row == row]
        table = Table(*[f.column for f in mine], title=f"{row}   {mine[0].goal}")
        table.add_row(*[failed(f) or tilde(f) + short(f.median, f.unit) for f in mine])
        console.print(table)


def peer_table(console: Console, figures: Sequence[Figure], title: str, *, rank: bool) -> None:
    """Peers by sizes: how many times goring is better, and ranks if they mean something."""
    columns = list(dict.fromkeys(f.column for f in figures))
    cells = {(f.row, f.column): f for f in figures}
    table = Table("", *columns, title=title)
    for row in dict.fromkeys(f.row for f in figures):
        table.add_row(row, *[cell(cells, row, column, rank=rank) for column in columns])
    console.print(table)


def cell(cells: dict[tuple[str, str], Figure], row: str, column: str, *, rank: bool) -> str:
    """1. 20.4 M/s [19..22], and for a peer how many times goring is better."""
    f = cells.get((row, column))
    if f is None or f.failure:
        return failed(f) if f else ""
    low, high = (short(v, f.unit).replace(" ", "") for v in (f.low, f.high))
    words = escape(f"{tilde(f)}{short(f.median, f.unit)} [{low}..{high}]")
    ours = cells.get(("goring", column))
    if ours and not row.startswith("goring") and not ours.failure:
        words += f" x{ours.better(f):.2g}"
    if rank and not f.spoilt:
        field = [g for (_, c), g in cells.items() if c == column and not g.failure and not g.spoilt]
        words = f"{1 + sum(g.better(f) > 1 for g in field)}. {words}"
    return words


def tilde(f: Figure) -> str:
    """Return a mark for figures that cannot be compared."""
    return "~" if f.spoilt else ""


def failed(f: Figure) -> str:
    """Why there is no figure."""
    return f"[red]{escape(f.failure)}[/]" if f.failure else ""
