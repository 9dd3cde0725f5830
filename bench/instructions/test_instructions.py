"""The hot paths take no more instructions than were written down, and allocate nothing.

Each guard has a control: with something slow added it must fail."""

from __future__ import annotations

import functools
import itertools
import json
import shutil
import subprocess
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import counting
import numpy as np
import pytest

import goring

reason = counting.why_not()
steps = pytest.mark.skipif(bool(reason), reason=reason or "nothing to skip")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    counting.build(folder)
    return folder


def counted(how: Callable[[Path], dict[str, float]], folder: Path) -> dict[str, float]:
    try:
        return how(folder)
    except counting.CannotTrace as why:
        pytest.skip(str(why))


@steps
@pytest.mark.parametrize("how", [counting.count_go, counting.count_c, counting.count_py])
def test_no_operation_takes_more_instructions_than_it_may(how, built: Path) -> None:
    found = counted(how, built)
    side = next(iter(found)).split()[0]
    assert found.keys() == {n for n in counting.WRITTEN_DOWN if n.split()[0] == side}
    assert not counting.slower(found), "see bench/instructions/counts.txt"


def slowed(source: Path, line: str, instead: str, to: Path) -> Path:
    """A copy of source in which the line, which is there once, is another."""
    text = source.read_text()
    assert text.count(line) == 1, f"{source} has changed: {line!r} is what the control replaces"
    to.write_text(text.replace(line, instead))
    return to


@steps
def test_a_lock_per_message_would_be_noticed_in_go(tmp_path: Path) -> None:
    source = counting.ROOT / "internal/proto/produce.go"
    line = "\th.Tag = tag\n"
    copy = slowed(source, line, line + "\tlock.Lock()\n\tlock.Unlock()\n", tmp_path / "produce.go")
    slowed(copy, "import (\n", 'import (\n\t"sync"\n', copy)
    kind = "type Producer struct {\n"
    slowed(copy, kind, "var lock sync.Mutex\n\n" + kind, copy)
    overlay = tmp_path / "overlay.json"
    overlay.write_text(json.dumps({"Replace": {str(source): str(copy)}}))
    counting.build(tmp_path, go=("-overlay", str(overlay)))
    found = counted(counting.count_go, tmp_path)
    said = "\n".join(counting.slower(found))
    assert "go alone: Write:" in said
    assert "go alone: Reserve, Commit:" in said
    assert "Read, Release" not in said


@steps
def test_a_look_at_the_clock_per_message_would_be_noticed_in_c(tmp_path: Path) -> None:
    line = "\tif (!r->timestamps) return 0;\n"
    shutil.copytree(counting.INCLUDE / "goring", tmp_path / "goring")
    produce = tmp_path / "goring/produce.h"
    slowed(produce, line, "\t(void)r;\n", produce)
    counting.build(tmp_path, include=tmp_path)
    said = "\n".join(counting.slower(counted(counting.count_c, tmp_path)))
    assert "c alone: write:" in said
    assert "read" not in said


@steps
def test_an_object_per_message_would_be_noticed_in_python(built: Path) -> None:
    found = counted(counting.count_py, built)
    assert counting.slower({"py for": found["py read, release"]})


def test_the_c_header_allocates_nothing(built: Path) -> None:
    symbols = subprocess.run(
        ["nm", "-u", str(built / "cops")], capture_output=True, text=True, check=True
    ).stdout
    called = {line.split()[-1].partition("@")[0] for line in symbols.splitlines()}
    assert "memcpy" in called or "raise" in called  # nm has understood the file
    assert not called & {"malloc", "calloc", "realloc", "aligned_alloc", "free"}


@pytest.fixture
def ring() -> Iterator[goring.Ring]:
    with goring.create(None, slots=16, dtype="u1", shape=(64,)) as r:
        yield r


def peak(step: Callable[[], object]) -> int:
    """The most bytes that Python had allocated during a dozen steps."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in itertools.repeat(None, 12):
            step()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def test_python_allocates_nothing_per_message(ring: goring.Ring) -> None:
    row = np.ones(64, "u1")
    with ring.producer() as p, ring.consumer() as c:
        write, take, nothing = functools.partial(p.write, row), c.__next__, bool
        for _ in range(2):  # a lap: views are made once
            for step in (write, take):
                peak(step)
        assert peak(write) == peak(nothing)
        assert peak(take) == peak(nothing)
        for _ in range(12):
            p.write(row)
        assert peak(lambda: c.read().release()) > peak(nothing)  # a control
