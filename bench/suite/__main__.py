"""Measure goring beside the machine's limits, and beside its peers.

    python -m suite own|peers|all [ROUNDS]

Every round does every measurement once, so that all see the same machine; the figures are
medians, with the smallest and the largest. QUICK=1 does a tenth of the work, CORES=2,3
chooses the cores, ONLY=zmq measures a part of the peers. The results go into
bench/results/latest.json, the charts beside it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from . import machine, own, peers, tables
from .figures import Figure
from .processes import interrupts

RESULTS = Path(os.environ.get("BENCH_RESULTS") or machine.HERE / "results")
BUILD = machine.ROOT / "build" / "bench"
SPOILT = 0.2  # a larger part of figures without a clean sample, and a rank means nothing
PARTS = {
    "own": [own.figures],
    "peers": [peers.figures],
    "all": [own.figures, peers.figures],
}


def save(figures: list[Figure], about: dict[str, Any]) -> None:
    """Replace the sections that were measured, keep the others, and draw."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / "latest.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    for section in dict.fromkeys(f.section for f in figures):
        kept[section] = about | {"figures": [asdict(f) for f in figures if f.section == section]}
    path.write_text(json.dumps(kept, indent=1) + "\n")
    from . import charts  # brings threads along, which have no place in a measurement

    drawn = [Figure.read(f) for section in kept.values() for f in section["figures"]]
    for made in [path, *charts.draw(drawn, RESULTS)]:
        print(f"wrote {made}")


def main(what: str, rounds: int) -> None:
    """Measure, show, save."""
    os.environ["BENCH_NEAR"], os.environ["BENCH_FAR"] = machine.pick_cores()
    BUILD.mkdir(parents=True, exist_ok=True)
    limit = machine.build_limit(BUILD)
    begun = time.monotonic()
    for part in PARTS[what]:
        begun = time.monotonic()
        figures, samples = part(BUILD, rounds, limit)
        about = {
            "when": machine.now(),
            "machine": machine.describe(samples.distance),
            "rounds": rounds,
            "seconds": round(time.monotonic() - begun),
            "others": round(samples.others, 3),
        }
        show(figures, about)
        if os.environ.get("ONLY"):
            print("a part of the peers: not saved")
        else:
            save(figures, about)


def show(figures: list[Figure], about: dict[str, Any]) -> None:
    """Print the tables and the notes about them."""
    console = Console(width=None if sys.stdout.isatty() else 180, highlight=False)
    spoilt = sum(f.spoilt for f in figures) / len(figures)
    tables.show(console, figures, rank=spoilt <= SPOILT)
    console.print("{machine}; {rounds} rounds in {seconds} s".format(**about))
    console.print("medians, smallest .. largest; xN: goring is N times better")
    console.print(
        f"others had {about['others']:.0%} of the cores; ~{spoilt:.0%} of the figures are spoilt: "
        "others had the cores each time, or these were at another distance than usual"
    )
    if spoilt > SPOILT:
        console.print("[yellow]too many: no ranks, and no word on the goals[/]")


if __name__ == "__main__":
    interrupts.install()
    try:
        main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3)
    except KeyboardInterrupt:
        sys.exit("interrupted: nothing was written, nothing is left")
