"""Charts of what was measured, for light pages and for dark ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import pyplot

from .figures import Figure, short

# ink, paper, ours, theirs
INK = {
    "light": ("#1f2328", "#ffffff", "#0969da", "#8c959f"),
    "dark": ("#e6edf3", "#0d1117", "#58a6ff", "#6e7681"),
}
PEERS = (("flow", "messages a second, 64 bytes"), ("trip", "round trip, 64 bytes, p50"))


def draw(figures: Sequence[Figure], folder: Path) -> list[Path]:
    """Draw what there is, and return the files."""
    made = []
    for shade, (ink, paper, *_) in INK.items():
        with pyplot.rc_context(style(ink, paper)):
            for task, title in PEERS:
                panels = by_pair(figures, task)
                if panels:
                    made.append(folder / f"{task}-{shade}.svg")
                    peers(panels, title, shade, made[-1])
            ours = [f for f in figures if f.section == "own" and f.goal and not f.failure]
            if ours:
                made.append(folder / f"limits-{shade}.svg")
                limits(ours, {f.row: f for f in figures if f.section == "own"}, shade, made[-1])
    return made


def style(ink: str, paper: str) -> dict[str, Any]:
    inked = dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), ink)
    papered = {"axes.facecolor": paper, "figure.facecolor": paper, "axes.edgecolor": ink}
    plain = {"axes.spines.top": False, "axes.spines.right": False, "font.size": 9}
    return inked | papered | plain | {"svg.fonttype": "none", "svg.hashsalt": "goring"}


def by_pair(figures: Sequence[Figure], task: str) -> dict[str, list[Figure]]:
    """The figures of 64 bytes, by the pair of languages."""
    panels: dict[str, list[Figure]] = {}
    for f in figures:
        pair, _, what = f.section.partition(", ")
        if what == task and f.column in {"64 B", "64 B p50"} and not f.failure:
            panels.setdefault(pair, []).append(f)
    return panels


def peers(panels: dict[str, list[Figure]], title: str, shade: str, path: Path) -> None:
    """A panel for each pair of languages, the best on top."""
    _, _, ours, theirs = INK[shade]
    heights = [len(p) for p in panels.values()]
    tall = 0.26 * sum(heights) + 0.75 * len(panels)
    figure, axes = pyplot.subplots(
        len(panels), 1, figsize=(8, tall), height_ratios=heights, squeeze=False
    )
    for axis, (pair, field) in zip(axes[:, 0], panels.items(), strict=True):
        unit = field[0].unit
        field = sorted(field, key=lambda f: f.median, reverse=unit == "ns")
        values = [f.median for f in field]
        colours = [ours if f.row == "goring" else theirs for f in field]
        axis.barh([f.row for f in field], values, color=colours, height=0.7)
        axis.set_xscale("log")
        axis.set_xlim(min(values) / 1.5, max(values) * 4)
        axis.xaxis.set_major_formatter(lambda v, _, unit=unit: short(v, unit))
        axis.set_title(f"{pair}: {title}", loc="left", fontsize=9, fontweight="bold")
        for at, f in enumerate(field):
            axis.text(f.median * 1.08, at, short(f.median, unit), va="center", fontsize=8)
    save(figure, path)


def limits(figures: Sequence[Figure], all_rows: dict[str, Figure], shade: str, path: Path) -> None:
    """How much of the machine's limit each path reaches."""
    field = [f for f in reversed(figures) if f.beside in all_rows]
    shares = [f.better(all_rows[f.beside]) for f in field]
    figure, axis = pyplot.subplots(figsize=(8, 0.3 * len(field) + 0.7))
    axis.barh([f.row for f in field], shares, color=INK[shade][2], height=0.7)
    axis.axvline(1, color=INK[shade][3], linewidth=1)
    axis.set_xlim(0, max(1.2, *shares))
    axis.set_title("part of the limit of the machine", loc="left", fontsize=9, fontweight="bold")
    for at, (f, share) in enumerate(zip(field, shares, strict=True)):
        axis.text(share + 0.01, at, short(f.median, f.unit), va="center", fontsize=8)
    save(figure, path)


def save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
