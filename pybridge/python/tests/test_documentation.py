"""Every example in a docstring runs, and everything public has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil

import pytest
from goring.compat import shm_ring_buffer

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
            fields = getattr(thing, "__dataclass_fields__", {})  # the class says what they are
            public = [n for n in dir(thing) if not n.startswith("_") and n not in fields]
            assert [n for n in public if not inspect.getdoc(getattr(thing, n))] == [], name
            assert [n for n in fields if n not in (thing.__doc__ or "")] == [], name


def test_all_is_what_there_is() -> None:
    assert sorted(goring.__all__) == goring.__all__
    assert dir(goring) == goring.__all__
    with pytest.raises(AttributeError, match="nonsense"):
        _ = goring.nonsense
