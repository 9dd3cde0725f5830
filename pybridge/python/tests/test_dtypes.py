"""Every dtype that a ring can carry, by every way in and out."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import pytest

import goring
from goring import _layout

PLAIN = "|b1 |i1 |u1 <i2 <u2 <i4 <u4 <i8 <u8 <f2 <f4 <f8 <c8 <c16".split()
TIMES = [f"<{k}8[{u}]" for k in "Mm" for u in "Y M W D h m s ms us ns ps fs as".split()]
SIZED = ["|S1", "|S65535", "<U1", "<U16383", "|V1", "|V7", "|V65535"]
DTYPES = [np.dtype(name) for name in PLAIN + TIMES + SIZED]

aligned = np.dtype([("flag", "u1"), ("price", "f8"), ("side", "S1")], align=True)
holes = np.dtype(
    {"names": ["b", "a"], "formats": ["<u2", ("<f4", (2, 3))], "offsets": [40, 8], "itemsize": 64}
)
STRUCTS = [
    np.dtype([("x", "<f4"), ("y", "<f4")]),
    aligned,
    holes,
    np.dtype([("id", "<i8"), ("image", "u1", (4, 4)), ("name", "U5"), ("when", "M8[ns]")]),
    np.dtype([(f"field {i} µ", "V3") for i in range(20)]),
]


def sample(dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Return varied valid values of dtype, without NaT and half surrogates."""
    count = int(np.prod(shape, dtype=int))
    if dtype.kind == "U":
        return np.full(shape, "ж€"[: dtype.itemsize // 4] or "ж", dtype)
    if dtype.names is not None:
        out = np.zeros(shape, dtype)
        for name in dtype.names:
            part = out[name]
            part[...] = sample(part.dtype, part.shape)
        return out
    if dtype.kind == "b":
        return np.resize(np.array([True, False, True]), shape)
    if dtype.kind in "fc":
        return (np.arange(1, count + 1) / 4).astype(dtype).reshape(shape)
    raw = bytes(1 + i % 120 for i in range(count * dtype.itemsize))
    return np.frombuffer(raw, dtype).reshape(shape)


def same(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    if a.dtype.names is not None:
        return all(same(a[name], b[name]) for name in a.dtype.names)
    return a.tobytes() == b.tobytes()


@pytest.mark.parametrize("placement", ["inline", "separate"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)], ids=str)
@pytest.mark.parametrize("dtype", [*DTYPES, *STRUCTS], ids=lambda d: "record" if d.names else d.str)
def test_there_and_back(dtype: np.dtype[Any], shape: tuple[int, ...], placement: str) -> None:
    item = sample(dtype, shape)
    batch = np.empty((3, *shape), dtype)
    batch[...] = item
    made = goring.create("r", slots=4, dtype=dtype, shape=shape, placement=placement)
    ring = goring.open("r", dtype=dtype, shape=shape)
    assert ring.dtype == dtype
    assert ring.dtype is not None
    assert ring.dtype.fields == dtype.fields
    with made, ring, made.producer() as out, ring.consumer(timeout=5) as inbox:
        out.write(item)
        with out.reserve() as slot:
            assert slot.array.dtype == dtype
            slot.array[...] = item
        for view in (inbox.read().array, next(inbox)):
            assert view.dtype == dtype
            assert view.shape == shape
            assert same(view, item)
            assert not view.flags.writeable
        del view
        assert out.write_batch(batch, timeout=5) == 3
        rows = inbox.read_batch(3)
        assert rows.dtype == dtype
        assert rows.shape[1:] == shape
        assert 1 <= len(rows) <= 3
        assert same(rows, batch[: len(rows)])


@pytest.mark.parametrize("code", range(1, 15))
@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 0, 3), (1,) * 8], ids=str)
def test_tensors_bring_their_own(code: int, shape: tuple[int, ...]) -> None:
    dtype = np.dtype(_layout.DTYPES[code][0])
    item = sample(dtype, shape)
    ring = goring.create(None, slots=4, kind="tensor", max_bytes=256)
    with ring, ring.producer() as out, ring.consumer(timeout=5) as inbox:
        out.write(item)
        with out.reserve(dtype=dtype, shape=shape) as slot:
            slot.array[...] = item
        for view in (inbox.read().array, next(inbox)):
            assert (view.dtype, view.shape) == (dtype, shape)
            assert same(view, item)


def test_tensors_of_what_has_no_code_are_refused() -> None:
    with goring.create(None, slots=4, kind="tensor", max_bytes=256) as ring:
        with ring.producer() as out:
            for item in (np.array("x"), np.array(b"x"), np.zeros(2, "M8[s]"), np.zeros(2, aligned)):
                with pytest.raises(goring.SchemaError, match="cannot carry"):
                    out.write(item)
            with pytest.raises(goring.SchemaError, match="cannot carry"):
                out.write(np.array([object()]))
            with pytest.raises(goring.SchemaError, match="cannot carry"):
                out.reserve(dtype="M8[s]", shape=2)
            with pytest.raises(goring.SchemaError, match="needs dtype= and shape="):
                out.reserve()
            with pytest.raises(goring.TooLarge, match=r"264.*256"):
                out.write(np.zeros(33))
            with pytest.raises(goring.TooLarge, match="256"):
                out.reserve(dtype="f8", shape=(2**40, 2**40))
        assert ring.free == 4


NAMED = [("bfloat16", "u2"), ("float8_e4m3fn", "u1"), ("float8_e5m2", "u1")]


@pytest.mark.parametrize(("name", "raw"), NAMED)
def test_named_dtypes_are_raw_integers_without_ml_dtypes(
    monkeypatch: pytest.MonkeyPatch, name: str, raw: str
) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)  # as if it were not installed
    with goring.create("r", slots=2, dtype=name, shape=3) as ring:
        assert ring.dtype == np.dtype(raw)
        assert ring.info.dtype_name == name
        with ring.producer() as out, ring.consumer(timeout=5) as inbox:
            out.write(np.array([1, 2, 3], raw))
            assert next(inbox).tolist() == [1, 2, 3]
    goring.open("r", dtype=name).close()
    for other in ("u1", "u2", *(n for n, _ in NAMED if n != name)):
        with pytest.raises(goring.SchemaError, match=name):
            goring.open("r", dtype=other)


@pytest.mark.parametrize(("name", "raw"), NAMED)
def test_named_dtypes_with_ml_dtypes(name: str, raw: str) -> None:
    ml_dtypes: types.ModuleType = pytest.importorskip("ml_dtypes")
    scalar = getattr(ml_dtypes, name)
    for given in (name, scalar, np.dtype(scalar)):
        with goring.create(None, slots=2, dtype=given, shape=3) as ring:
            assert ring.dtype == np.dtype(scalar)
            assert ring.info.dtype_name == name
            with ring.producer() as out, ring.consumer(timeout=5) as inbox:
                out.write(np.array([1, 2, 3], scalar))
                view = next(inbox)
                assert view.dtype == np.dtype(scalar)
                assert view.astype("f4").tolist() == [1, 2, 3]
                with pytest.raises(goring.SchemaError):
                    out.write(np.array([1, 2, 3], raw))
    ring = goring.create(None, slots=2, kind="tensor", max_bytes=64)
    with ring, ring.producer() as out, ring.consumer(timeout=5) as inbox:
        out.write(np.array([[1, 2]], scalar))
        assert next(inbox).dtype == np.dtype(scalar)
    with pytest.raises(goring.SchemaError, match="not one that a ring can carry"):
        goring.create(None, dtype=ml_dtypes.int4)
