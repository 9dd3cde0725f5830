"""Impossible arguments are refused before anything is created, with the value in the text."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import goring

BAD_NAMES = [
    "", ".", "..", ".hidden", "a/b", "../up", "a b", "a\n", "a\0b", "x" * 201, "é", "\ud800", 5,
    b"x",
]  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_is_created(ring_folder: Path) -> Any:
    before = sorted(os.listdir("/proc/self/fd"))
    yield
    assert list(ring_folder.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) <= len(before) + 2  # those of the runtime, at its start


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
@pytest.mark.parametrize(
    "use",
    [lambda n: goring.create(n, max_bytes=8), goring.open, goring.unlink],
    ids=["create", "open", "unlink"],
)
def test_names(use: Callable[[Any], object], name: Any) -> None:
    with pytest.raises(goring.BadName) as caught:
        use(name)
    assert repr(name) in str(caught.value)
    assert isinstance(caught.value, ValueError)


BYTES = {"max_bytes": 8}
PAIR = {"names": ["a", "b"], "formats": ["f4", "f4"]}

OPTIONS: list[tuple[dict[str, Any], str]] = [
    (BYTES | {"slots": 1}, "slots is 1"),
    (BYTES | {"slots": 0}, "slots is 0"),
    (BYTES | {"slots": -1}, "slots is -1"),
    (BYTES | {"slots": 2.5}, "slots is 2.5"),
    (BYTES | {"slots": "8"}, "slots is '8'"),
    (BYTES | {"slots": True}, "slots is True"),
    (BYTES | {"slots": 2**40}, "slots is 1099511627776"),
    (BYTES | {"slots": 2**70}, f"slots is {2**70}"),
    ({"max_bytes": "8"}, "max_bytes is '8'"),
    ({"max_bytes": 8.0}, "max_bytes is 8.0"),
    (BYTES | {"kind": "blob"}, "kind is 'blob'"),
    (BYTES | {"mode": "sideways"}, "mode is 'sideways'"),
    (BYTES | {"mode": 1}, "mode is 1"),
    (BYTES | {"producers": 0}, "producers is 0"),
    (BYTES | {"consumers": -3}, "consumers is -3"),
    (BYTES | {"producers": 40, "consumers": 24}, "64"),
    (BYTES | {"max_meta": -1}, "max_meta is -1"),
    (BYTES | {"max_meta": 65521}, "max_meta is 65521"),
    (BYTES | {"timestamps": "yes"}, "timestamps is 'yes'"),
    (BYTES | {"placement": "middle"}, "placement is 'middle'"),
    (BYTES | {"group": "staff"}, "group is 'staff'"),
    (BYTES | {"dir": 5}, "dir is 5"),
    (BYTES | {"user": [1]}, r"user is \[1\]"),
    (BYTES | {"user": {1: 2}}, "user is {1: 2}"),
    (BYTES | {"user": {"a": "x" * 70000}}, "info block of 7"),
]


@pytest.mark.parametrize(("options", "text"), OPTIONS, ids=str)
def test_options(options: dict[str, Any], text: str) -> None:
    with pytest.raises(goring.BadValue, match=text):
        goring.create("bad", **options)


SCHEMAS: list[tuple[dict[str, Any], str]] = [
    ({}, "say what the ring carries"),
    ({"max_bytes": 0}, "max_bytes is 0"),
    ({"max_bytes": -5}, "max_bytes is -5"),
    ({"max_bytes": 2**32}, "max_bytes is 4294967296"),
    ({"max_bytes": 8, "shape": 3}, "shape is 3"),
    ({"max_bytes": 8, "dtype": "u1"}, "max_bytes is 8"),
    ({"max_bytes": 8, "kind": "array"}, "say what the ring carries"),
    ({"dtype": "u1", "kind": "bytes"}, "kind is 'bytes'"),
    ({"dtype": "u1", "kind": "struct"}, "kind is 'struct'"),
    ({"dtype": "O"}, "object"),
    ({"dtype": object, "shape": 2}, "object"),
    ({"dtype": [("a", "O")]}, "object of field 'a'"),
    ({"dtype": "f4,O"}, "object of field 'f1'"),
    ({"dtype": "T"}, "StringDType"),
    ({"dtype": ">f4"}, ">f4"),
    ({"dtype": [("a", ">f4")]}, ">f4.* of field 'a'"),
    ({"dtype": "nonsense"}, "nonsense"),
    ({"dtype": 5}, "5"),
    ({"dtype": str}, "no bytes"),
    ({"dtype": []}, "no bytes"),
    ({"dtype": "V0"}, "no bytes"),
    ({"dtype": "S65536"}, "S65536"),
    ({"dtype": "U16384"}, "U16384"),
    ({"dtype": np.longdouble}, "f16"),
    ({"dtype": np.clongdouble}, "c32"),
    ({"dtype": "M8"}, "M8"),
    ({"dtype": "M8[25s]"}, "25s"),
    ({"dtype": [("a", "u1"), ("a", "u1")]}, "'a'"),
    ({"dtype": [("a", [("b", "u1")])]}, "field 'a' is a record"),
    ({"dtype": PAIR | {"offsets": [0, 2]}}, 'field "b" at offset 2 overlaps'),
    ({"dtype": "u1", "shape": 0}, "shape is 0"),
    ({"dtype": "u1", "shape": (2, -1)}, r"shape is \(2, -1\)"),
    ({"dtype": "u1", "shape": (True,)}, r"shape is \(True,\)"),
    ({"dtype": "u1", "shape": 2.5}, "shape is 2.5"),
    ({"dtype": "u1", "shape": "23"}, "shape is '23'"),
    ({"dtype": "u1", "shape": None}, "shape is None"),
    ({"dtype": "u1", "shape": (1,) * 9}, "9 dimensions"),
    ({"dtype": "u1", "shape": (2**31, 2**31)}, "2147483648 2147483648"),
    ({"dtype": ("f4", (2, 0))}, "at least 1|no bytes"),
]


@pytest.mark.parametrize(("options", "text"), SCHEMAS, ids=str)
def test_schemas(options: dict[str, Any], text: str) -> None:
    with pytest.raises(goring.SchemaError, match=text):
        goring.create("bad", **options)


@pytest.mark.parametrize("mode", ["broadcast", "overwrite"])
def test_broadcast_has_one_producer(mode: str) -> None:
    with pytest.raises(goring.BadValue, match=f"producers is 2, want 1 in mode {mode}"):
        goring.create("bad", max_bytes=8, mode=mode, producers=2)


def test_a_folder_that_is_none() -> None:
    with pytest.raises(goring.NotFound, match="/does/not/exist"):
        goring.create("bad", max_bytes=8, dir="/does/not/exist")
    with pytest.raises(goring.Error, match="/proc"):
        goring.create("bad", max_bytes=8, dir="/proc")


def test_no_room_says_what_is_needed_what_is_free_and_what_to_do() -> None:
    with pytest.raises(goring.NoSpace) as caught:
        goring.create("bad", slots=2**20, max_bytes=2**31)
    assert isinstance(caught.value, OSError)
    for word in ("needs 2147483", "MiB free", "--shm-size"):
        assert word in str(caught.value)


def test_open_takes_a_name_or_a_descriptor() -> None:
    for arguments in ({}, {"name": "r", "fd": 0}):
        with pytest.raises(TypeError, match="one of them"):
            goring.open(**arguments)
    for fd in (-1, 10**6):
        with pytest.raises(goring.Error, match=str(fd)):
            goring.open(fd=fd)
    for word in ("3", 1.5, None):
        with pytest.raises((goring.BadValue, TypeError)):
            goring.open(fd=word)


def test_descriptors_of_other_things(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"not a ring" * 1000)
    ends = os.pipe()
    others = [*ends, os.open(tmp_path, os.O_RDONLY), os.open(tmp_path / "text", os.O_RDWR)]
    for fd in others:
        with pytest.raises(goring.Error):
            goring.open(fd=fd)
        os.close(fd)


def test_waiting_strategies_and_timeouts() -> None:
    with goring.create(None, max_bytes=8) as ring:
        with pytest.raises(goring.BadValue, match="wait is 'nap'"):
            ring.producer(wait="nap")
        for timeout in (-1, float("nan")):
            with pytest.raises(ValueError, match="timeout is"):
                ring.consumer(timeout=timeout)
        with pytest.raises(TypeError):
            ring.consumer(timeout="soon")
        for wait in ("adaptive", "spin", "park"):
            ring.producer(wait=wait).close()
            ring.consumer(wait=wait).close()  # the refused calls left no seat in use
