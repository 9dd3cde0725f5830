"""Metadata: anything msgpack can carry, and hostile bytes."""

from __future__ import annotations

import datetime
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import goring


@pytest.fixture
def ring() -> Iterator[goring.Ring]:
    with goring.create("r", slots=4, max_bytes=8, max_meta=128) as ring:
        yield ring


def nested(depth: int) -> Any:
    value: Any = None
    for i in range(depth):
        value = [value] if i % 2 else {"k": value}
    return value


GOOD = [
    {"name": "x.jpg", "shape": [3, 4], "ok": True, "ratio": 0.5, "raw": b"\0\xff"},
    [],
    {},
    "",
    "ж€",
    b"\0",
    0,
    -(2**63),
    2**64 - 1,
    1e300,
    False,
    nested(16),
    [[]] * 30,
    {"": None},
    datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
]


@pytest.mark.parametrize("value", GOOD, ids=lambda v: repr(v)[:40])
def test_there_and_back(ring: goring.Ring, value: Any) -> None:
    with ring.producer() as out, ring.consumer(timeout=5) as inbox:
        out.write(b"x", meta=value)
        with out.reserve() as slot:
            slot.meta = {"overwritten": 1}
            slot.meta = value
        for _ in range(2):
            with inbox.read() as message:
                assert message.meta == value
                assert message.raw_meta


def test_none_is_no_metadata(ring: goring.Ring) -> None:
    with ring.producer() as out, ring.consumer(timeout=5) as inbox:
        out.write(b"x")
        out.write(b"x", meta=None)
        for _ in range(2):
            with inbox.read() as message:
                assert message.meta is None
                assert message.raw_meta is None


def test_numpys_scalars_are_numbers(ring: goring.Ring) -> None:
    meta = {"mean": np.float32(0.5), "count": np.int64(7), "ok": np.bool_(True)}
    with ring.producer() as out, ring.consumer(timeout=5) as inbox:
        out.write(b"x", meta=meta)
        assert inbox.read().meta == {"mean": 0.5, "count": 7, "ok": True}


cycle: list[Any] = []
cycle.append(cycle)
BAD = [
    (object(), "object"),
    (np.zeros(2), "ndarray"),
    (2**64, "int"),
    ("\ud800", "str"),
    (nested(17), "17 deep"),
    ([0] * 20 + [nested(16)] * 20, "17 deep"),
    (cycle, "list"),
]


@pytest.mark.parametrize(("value", "text"), BAD, ids=lambda v: repr(v)[:40])
def test_what_has_no_msgpack_is_refused(ring: goring.Ring, value: Any, text: str) -> None:
    with ring.producer() as out:
        with pytest.raises(goring.BadValue, match=text):
            out.write(b"x", meta=value)
        with pytest.raises(goring.BadValue, match=text), out.reserve() as slot:
            slot.meta = value
        assert ring.free == 4


def test_too_large_names_both_sizes(ring: goring.Ring) -> None:
    with ring.producer() as out, ring.consumer(timeout=5) as inbox:
        with pytest.raises(goring.TooLarge, match=r"129.* 128"):
            out.write(b"x", meta="m" * 127)
        assert ring.free == 4
        out.write(b"x", meta="m" * 126)
        assert inbox.read().meta == "m" * 126
    none = goring.create(None, max_bytes=8)
    with none, none.producer() as out, pytest.raises(goring.TooLarge, match=r"1 bytes.* 0 "):
        out.write(b"x", meta=1)


HOSTILE = {
    "array of 2**32": b"\xdd\xff\xff\xff\xff",
    "map of 2**32": b"\xdf\xff\xff\xff\xff",
    "string of 2**32": b"\xdb\xff\xff\xff\xff",
    "bytes of 2**32": b"\xc6\xff\xff\xff\xff",
    "17 deep": b"\x91" * 17 + b"\xc0",
    "128 deep": b"\x91" * 127 + b"\xc0",
    "never used": b"\xc1",
    "two values": b"\x01\x02",
    "cut off": b"\x92\x01",
    "cut off number": b"\xcf\0\0",
    "no utf-8": b"\xa2\xff\xfe",
    "map with a list for a key": b"\x81\x91\x80\x01",
    "bad time": b"\xc7\x0c\xff\xff\xff\xff\xff" + bytes(8),
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_hostile_bytes_are_an_error_and_the_message_is_there(ring: goring.Ring, raw: bytes) -> None:
    with ring.producer() as out, ring.consumer(timeout=5) as inbox:
        out.write(b"payload", meta="m" * 100)
        with open(ring.info.path, "r+b") as f:
            (header,) = struct.unpack_from("<Q", f.read(48), 40)
            f.seek(header + 12)
            f.write(struct.pack("<H", len(raw)))
            f.seek(header + 32)
            f.write(raw)
        with inbox.read() as message:
            with pytest.raises(goring.CorruptError, match="metadata"):
                _ = message.meta
            assert message.raw_meta == raw
            assert bytes(message.data) == b"payload"
    assert ring.free == 4
