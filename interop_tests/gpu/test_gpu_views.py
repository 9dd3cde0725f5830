"""Views of GPU rings in Python: protocols, lifetimes, refusals, and readers that are not ours."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import double
import machine
import pytest

HERE = Path(__file__).parent
PACKAGE = HERE.parent.parent / "pybridge" / "python"

BODIES = [
    "interface",
    "interface_of_records",
    "capsules",
    "capsules_of_slots",
    "deleters",
    "host",
    "leases",
    "iteration",
    "wrong",
    "forked",
]

emulated = pytest.mark.skipif(machine.HARDWARE, reason="shown by the emulated driver only")


@pytest.fixture
def views() -> Iterator[machine.Machine]:
    """A machine for one body. An error found by the emulated driver fails it."""
    with machine.machine({"body": [sys.executable, str(HERE / "views.py")]}) as m:
        yield m
        assert "UB:" not in m.log(), m.log()


@pytest.mark.parametrize("body", BODIES)
def test_views(views, body):
    views.start("body", body).last(60)


@emulated
def test_arrays_of_another_device(views):
    views.start("body", "other_device", FAKECUDA_DEVICES="2").last(60)


def test_host_rings_need_no_driver(views):
    nowhere = str(views.folder / "libcuda.so.1")
    views.start("body", "no_driver", GORING_LIBCUDA=nowhere).last(60)


@pytest.fixture
def judges(views) -> machine.Machine:
    try:
        python = double.gpu_python()
    except RuntimeError as error:
        pytest.skip(str(error))
    views.programs["judge"] = [str(python), str(HERE / "viewjudges.py")]
    views.environment |= {"PYTHONPATH": f"{PACKAGE}:{Path(double.__file__).parent}"}
    if not machine.HARDWARE:
        views.environment |= {"LD_LIBRARY_PATH": str(double.library().parent)}
    return views


@pytest.mark.parametrize("name", ["numba", "core"])
def test_readers_that_are_not_ours(judges, name):
    judges.start("judge", name).last(100)


@emulated
def test_a_device_array_is_written_without_the_host(judges):
    judges.start("judge", "numba_source").last(100)
