"""Every message exactly once and whole: across processes and languages, at full speed.

The matrix is timed, so that it takes about two minutes on two cores; the volume on top
of it makes more than 10^7 messages on any machine.
"""

from __future__ import annotations

import itertools

import pytest
from cases import every_shape
from stress import Run, run_all, run_successors

pytestmark = pytest.mark.stress

SLOTS = [2, 3, 4, 10, 256]
CORE = [("go", "go"), ("go", "py"), ("py", "go"), ("py", "py")]
PAIRINGS = [
    *CORE,
    ("go", "c"),
    ("c", "go"),
    ("py", "c"),
    ("c", "py"),
    ("c", "c"),
    ("mixed", "mixed"),
]
MILLISECONDS = 100
SPAN = 1 << 18

ITEMS = {"kind": "array", "dtype": "|u1", "shape": [64]}
PAGES = {"kind": "array", "dtype": "|u1", "shape": [4096]}
SMALL = {"kind": "bytes", "max_bytes": 200}
LARGE = {"kind": "bytes", "max_bytes": 20000}

#: name -> schema, placement, produce options, consume options
LOADS = {
    "items in batches": (ITEMS, "separate", {"batch": 32}, {"batch": 32}),
    "pages": (PAGES, "separate", {}, {}),
    "bytes, held, requeued, aborted": (SMALL, "inline", {"abort": 13}, {"hold": 2, "requeue": 17}),
    "large bytes": (LARGE, "separate", {"abort": 7}, {"hold": 1, "requeue": 5}),
}


def languages(lang: str, count: int) -> list[str]:
    return ["go", "c", "py"][:count] if lang == "mixed" else [lang] * count


def stress(crew, new_ring, report, pairing, shape, slots, load, *, ms=MILLISECONDS, span=SPAN):
    schema, place, produce, consume = LOADS[load]
    writers, readers = languages(pairing[0], shape[0]), languages(pairing[1], shape[1])
    if pairing[0] == "mixed":
        readers.reverse()
    ring = new_ring(
        schema, slots=slots, producers=shape[0], consumers=shape[1], placement=place, max_meta=0
    )
    run = Run(crew, ring, {"ms": ms, **produce}, consume, span)
    try:
        tally = run_all(run, writers, readers)
    finally:
        crew.rest()
    report(f"{pairing[0]} to {pairing[1]}", f"{shape[0]} to {shape[1]}", tally)
    assert tally.faults == 0, f"{load}, {slots} slots: {tally}"
    assert tally.requeued == tally.redelivered, f"{load}, {slots} slots: {tally}"
    return tally


@pytest.mark.parametrize("load", ["items in batches", "bytes, held, requeued, aborted"])
@every_shape
@pytest.mark.parametrize("pairing", PAIRINGS, ids=lambda p: f"{p[0]}-{p[1]}")
def test_matrix(crew, new_ring, report, pairing, shape, load):
    for slots in SLOTS:
        tally = stress(crew, new_ring, report, pairing, shape, slots, load)
        assert tally.messages > 4 * slots, f"hardly anything moved: {tally}"


@pytest.mark.parametrize("load", ["pages", "large bytes"])
@pytest.mark.parametrize("pairing", CORE, ids=lambda p: f"{p[0]}-{p[1]}")
def test_large(crew, new_ring, report, pairing, load):
    for shape, slots in itertools.product([(1, 1), (3, 3)], [4, 10]):
        stress(crew, new_ring, report, pairing, shape, slots, load)


@every_shape
@pytest.mark.parametrize("slots", [2, 4, 10])
def test_successors(crew, new_ring, report, shape, slots):
    """Producers and consumers stop in mid-run, in turn, and others go on."""
    langs = itertools.cycle(["go", "c", "py", "c", "go", "py", "py"])
    ring = new_ring(SMALL, slots=slots, producers=shape[0], consumers=shape[1], max_meta=0)
    run = Run(crew, ring, {"abort": 11}, {"hold": 2, "requeue": 19}, span=12_000)
    tally = run_successors(run, lambda: next(langs), legs=6, stop=1500)
    report("successors", f"{shape[0]} to {shape[1]}", tally)
    assert tally.messages == 12_000 * shape[0]
    assert tally.faults == 0, tally


@every_shape
@pytest.mark.parametrize("pairing", CORE, ids=lambda p: f"{p[0]}-{p[1]}")
def test_volume(crew, new_ring, report, pairing, shape):
    """16 x 660 000 messages: more than 10^7, however slow the matrix was."""
    tally = stress(
        crew,
        new_ring,
        report,
        pairing,
        shape,
        256,
        "items in batches",
        ms=0,
        span=660_000 // shape[0],
    )
    assert tally.messages == 660_000
