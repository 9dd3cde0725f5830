"""Charts of the results, for light pages and for dark ones.

On the logarithmic scales a figure is a dot, with a line from the smallest sample to the
largest: the length of a bar would mean nothing there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from matplotlib import pyplot, ticker

from .figures import Figure, short

# ink, paper, ours, theirs
INK = {
    "light": ("#1f2328", "#ffffff", "#0969da", "#8c959f"),
    "dark": ("#e6edf3", "#0d1117", "#58a6ff", "#6e7681"),
}
PEERS = (("flow", "messages a second, 64 bytes"), ("trip", "round trip, 64 bytes, p50"))


def draw(figures: Sequence[Figure], folder: Path) -> list[Path]:
    """Draw the charts that there are results for, and return the files."""
    there = [f for f in figures if not f.failure]
    made = []
    for shade, (ink, paper, *_) in INK.items():
        with pyplot.rc_context(style(ink, paper)):
            for name, figure in drawings(there, shade):
                made.append(folder / f"{name}-{shade}.svg")
                figure.tight_layout()
                figure.savefig(made[-1], metadata={"Date": None})
                pyplot.close(figure)
    return made


def drawings(figures: Sequence[Figure], shade: str) -> Iterator[tuple[str, Any]]:
    """The charts by name."""
    for task, title in PEERS:
        panels = by_pair(figures, task)
        if panels:
            yield task, peers(panels, title, shade)
    own = {f.row: f for f in figures if f.section == "own"}
    judged = [f for f in own.values() if f.goal and f.beside in own and part(f, own[f.beside])]
    if judged:
        yield "limits", limits(judged, own, shade)
    grown = [f for f in figures if f.section == "growth"]
    if grown:
        yield "growth", growth(grown, shade)


def part(f: Figure, limit: Figure) -> bool:
    """Whether the goal is a part of the limit: of more, as beside a ring by hand, it is none."""
    return f.share_of(f.aim, limit) <= 1


def style(ink: str, paper: str) -> dict[str, Any]:
    """Colours, and a font that is there wherever the page is read."""
    inked = dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), ink)
    papered = {"axes.facecolor": paper, "figure.facecolor": paper, "axes.edgecolor": ink}
    plain = {"axes.spines.top": False, "axes.spines.right": False, "font.size": 9}
    return inked | papered | plain | {"svg.fonttype": "none", "svg.hashsalt": "goring"}


def by_pair(figures: Sequence[Figure], task: str) -> dict[str, list[Figure]]:
    """The figures of 64 bytes, by the pair of languages."""
    panels: dict[str, list[Figure]] = {}
    for f in figures:
        pair, _, what = f.section.partition(", ")
        if what == task and f.column in {"64 B", "64 B p50"}:
            panels.setdefault(pair, []).append(f)
    return panels


def peers(panels: dict[str, list[Figure]], title: str, shade: str) -> Any:
    """A panel for each pair of languages, the best on top."""
    _, _, ours, theirs = INK[shade]
    heights = [len(p) + 1 for p in panels.values()]
    figure, axes = pyplot.subplots(
        len(panels), 1, figsize=(8, 0.27 * sum(heights) + 0.2), height_ratios=heights, squeeze=False
    )
    for axis, (pair, field) in zip(axes[:, 0], panels.items(), strict=True):
        unit = field[0].unit
        field = sorted(field, key=lambda f: f.median, reverse=unit == "ns")
        for at, f in enumerate(field):
            colour = ours if f.row.startswith("goring") else theirs
            axis.hlines(at, f.low, f.high, color=colour, linewidth=2)
            axis.plot(f.median, at, "o", color=colour, markersize=6)
            axis.text(f.high * 1.15, at, short(f.median, unit), va="center", fontsize=8)
        axis.set_yticks(range(len(field)), [f.row for f in field])
        axis.set_ylim(-0.6, len(field) - 0.4)
        axis.set_xscale("log")
        axis.set_xlim(min(f.low for f in field) / 1.5, max(f.high for f in field) * 3)
        logarithmic(axis.xaxis, unit)
        axis.set_title(f"{pair}: {title}", loc="left", fontsize=9, fontweight="bold")
    return figure


def logarithmic(axis: Any, unit: str) -> None:
    """A mark and a word for each power of ten."""
    axis.set_major_locator(ticker.LogLocator(10))
    axis.set_major_formatter(lambda v, _: short(v, unit))
    axis.set_minor_locator(ticker.NullLocator())


def limits(figures: Sequence[Figure], own: dict[str, Figure], shade: str) -> Any:
    """How much of the machine's limit each path reaches, and how much of it is the goal."""
    field = list(reversed(figures))
    ink, _, ours, theirs = INK[shade]
    shares = [f.better(own[f.beside]) for f in field]
    figure, axis = pyplot.subplots(figsize=(8, 0.3 * len(field) + 0.7))
    axis.barh([f.row for f in field], shares, color=ours, height=0.7)
    axis.axvline(1, color=theirs, linewidth=1)
    edge = min(2, max(1.2, *shares))
    axis.set_xlim(0, edge * 1.12)
    title = "part of the machine's limit; the mark is the goal"
    axis.set_title(title, loc="left", fontsize=9, fontweight="bold")
    for at, (f, share) in enumerate(zip(field, shares, strict=True)):
        goal = f.share_of(f.aim, own[f.beside])
        axis.vlines(goal, at - 0.45, at + 0.45, color=ink, linewidth=2)
        behind = min(edge, max(share, goal)) + 0.015 * edge
        axis.text(behind, at, short(f.median, f.unit), va="center", fontsize=8)
    return figure


def growth(figures: Sequence[Figure], shade: str) -> Any:
    """A panel for each thing that grows."""
    rows = list(dict.fromkeys(f.row for f in figures))
    figure, axes = pyplot.subplots(-(-len(rows) // 2), 2, figsize=(8, 1.8 * -(-len(rows) // 2)))
    for axis, row in zip(axes.flat, rows, strict=False):
        field = [f for f in figures if f.row == row]
        steps = range(len(field))
        axis.plot(steps, [f.median for f in field], "o-", color=INK[shade][2], markersize=4)
        axis.vlines(steps, [f.low for f in field], [f.high for f in field], color=INK[shade][2])
        axis.set_ylim(0, max(f.high for f in field) * 1.1)
        axis.set_xticks(steps, [f.column.removesuffix("iB") for f in field], fontsize=7)
        axis.yaxis.set_major_formatter(lambda v, _, unit=field[0].unit: short(v, unit))
        axis.set_title(row, loc="left", fontsize=8, fontweight="bold")
    for axis in axes.flat[len(rows) :]:
        axis.set_axis_off()
    return figure
