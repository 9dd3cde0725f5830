"""Docstrings: every example runs, and every public name has one that is complete."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import inspect
import pkgutil
from pathlib import Path
from typing import Any

import goring.testing
import pytest
from goring.compat import queue, shm_ring_buffer

import goring

MODULES = sorted(
    name
    for _, name, _ in pkgutil.walk_packages(goring.__path__, "goring.")
    if "_native" not in name and name != "goring.worker"  # the decorator, not a module
)


@pytest.mark.parametrize("name", ["goring", *MODULES])
def test_examples_run(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module)
    assert result.failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder()
    for thing in (goring, goring.create, goring.open, shm_ring_buffer):
        assert any(test.examples for test in finder.find(thing)), thing


def test_everything_public_is_documented() -> None:
    for name in goring.__all__:
        thing = getattr(goring, name)
        assert inspect.getdoc(thing), name
        if isinstance(thing, type) and not issubclass(thing, Exception):
            fields = getattr(
                thing, "__dataclass_fields__", {}
            )  # documented in the docstring of the class
            public = [n for n in dir(thing) if not n.startswith("_") and n not in fields]
            assert [n for n in public if not inspect.getdoc(getattr(thing, n))] == [], name
            assert [n for n in fields if n not in (thing.__doc__ or "")] == [], name


#: Functions that raise nothing of their own, or name the one exception in their text.
WITHOUT_RAISES = {
    *("Ring.close", "Pool.close", "Pool.map", "Queue.cancel_join_thread", "Queue.close"),
    *("Queue.put_nowait", "Queue.get_nowait", "Queue.qsize", "Queue.empty", "Queue.full"),
}
PLACES = [goring, goring.Ring, goring.testing, goring.testing.Pool, queue.Queue]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_functions_document_what_they_raise(place: Any) -> None:
    prefix = f"{place.__name__}." if isinstance(place, type) else ""
    functions = {
        prefix + name: thing
        for name, thing in inspect.getmembers(place, inspect.isfunction)
        if not name.startswith("_")
    }
    assert functions
    for name, function in functions.items():
        if name not in WITHOUT_RAISES:
            assert "Raises\n" in (inspect.getdoc(function) or ""), name


def test_all_is_what_there_is() -> None:
    assert sorted(goring.__all__) == goring.__all__
    assert dir(goring) == goring.__all__
    with pytest.raises(AttributeError, match="nonsense"):
        _ = goring.nonsense


def core_documentation() -> Any:
    """Return scripts/core_docs.py as a module."""
    path = Path(__file__).parents[3] / "scripts" / "core_docs.py"
    spec = importlib.util.spec_from_file_location("core_docs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_texts_of_the_c_module_are_those_of_its_stub() -> None:
    docs = core_documentation()
    assert docs.OUT.read_text() == docs.generate(), "run python scripts/core_docs.py"


#: Methods of the C module that raise nothing of their own.
QUIET = {("Producer", "close")}


def test_help_shows_the_stub_and_what_is_raised() -> None:
    texts = list(core_documentation().documented())
    assert len(texts) > 20
    for kind, name, text in texts:
        shown = inspect.getdoc(getattr(getattr(goring, kind), name))
        if getattr(goring, kind).__dict__.get(name) is None:  # not overridden in Python
            assert shown == text, f"{kind}.{name}"
        assert (kind, name) in QUIET or "Raises\n" in (shown or ""), f"{kind}.{name}"
