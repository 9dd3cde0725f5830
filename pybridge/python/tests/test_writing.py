"""Arguments that write, reserve and write_batch take, and those that they refuse."""

from __future__ import annotations

import array
import ctypes
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import goring


@pytest.fixture
def ring() -> Iterator[goring.Ring]:
    """Rows of three floats."""
    with goring.create(None, slots=4, dtype="f4", shape=3) as ring:
        yield ring


@pytest.fixture
def blobs() -> Iterator[goring.Ring]:
    with goring.create(None, slots=4, max_bytes=8) as ring:
        yield ring


def first(ring: goring.Ring) -> Any:
    with ring.consumer(timeout=5) as inbox:
        return next(inbox)


row = np.array([1, 2, 3], "f4")


@pytest.mark.parametrize(
    "given",
    [
        np.arange(1, 8, dtype="f4")[:6:2] * 0 + row,
        np.repeat(row, 2)[::2],
        row[::-1][::-1],
        np.array([[1, 9], [2, 9], [3, 9]], "f4")[:, 0],
        np.broadcast_to(row, (5, 3))[4],
    ],
)
def test_non_contiguous_input_is_copied_right(ring: goring.Ring, given: np.ndarray) -> None:
    with ring.producer() as out:
        out.write(given)
        assert out.write_batch(np.stack([given, given])[::-1]) == 2
    assert ring.stats().ready == 3
    assert first(ring).tolist() == [1, 2, 3]


def test_transposed_and_strided_images() -> None:
    with goring.create(None, slots=2, dtype="u1", shape=(40, 30)) as ring, ring.producer() as out:
        image = np.arange(2400, dtype="u2").astype("u1").reshape(30, 80)
        out.write(image.T[::2])
        assert (first(ring) == image.T[::2]).all()


WRONG = [
    ([1, 2, 3], "int64"),
    ([1.0, 2.0, 3.0], "float64"),
    (np.array([1, 2, 3], "f8"), "float64"),
    (np.array([1, 2, 3], ">f4"), ">f4"),
    (np.array([1, 2, 3], "i4"), "int32"),
    (np.array([True, False, True]), "bool"),
    (np.array(["1", "2", "3"]), "<U1"),
]


@pytest.mark.parametrize(("given", "name"), WRONG, ids=repr)
def test_another_dtype_needs_cast(ring: goring.Ring, given: Any, name: str) -> None:
    with ring.producer() as out:
        for write in (out.write, out.try_write):
            with pytest.raises(goring.SchemaError, match=f"{name}.*float32.*cast=True"):
                write(given)
        with pytest.raises(goring.SchemaError, match="float32"):
            out.write_batch(np.asarray(given)[None])
        assert ring.free == 4  # nothing was written
        out.write(given, cast=True)
        assert out.try_write(given, cast=True)
    assert first(ring).tolist() == np.asarray(given).astype("f4").tolist()


@pytest.mark.parametrize(
    "given",
    [7, np.float32(7), row[:2], row[None], np.zeros((3, 3), "f4"), np.zeros(0, "f4")],
    ids=repr,
)
@pytest.mark.parametrize("cast", [False, True])
def test_another_shape_is_never_taken(ring: goring.Ring, given: Any, cast: bool) -> None:
    with ring.producer() as out, pytest.raises(goring.SchemaError, match=r"shape .*\(3,\)"):
        out.write(given, cast=cast)
    assert ring.free == 4


@pytest.mark.parametrize("given", [None, object(), [1, "a", None], np.array([1, 2, 3], object), {}])
def test_objects_are_never_taken(ring: goring.Ring, given: Any) -> None:
    with ring.producer() as out:
        for cast in (False, True):
            with pytest.raises((goring.SchemaError, ValueError)):
                out.write(given, cast=cast)
    assert ring.free == 4


def test_a_failed_cast_writes_nothing(ring: goring.Ring) -> None:
    with ring.producer() as out:
        with pytest.raises(ValueError, match="could not convert"):
            out.write(np.array(["a", "b", "c"]), cast=True)
        assert ring.free == 4
        out.write(row)
    assert first(ring).tolist() == [1, 2, 3]


def test_records_must_have_the_rings_fields() -> None:
    record = np.dtype([("a", "i4"), ("b", "f8")])
    with goring.create(None, slots=4, dtype=record) as ring, ring.producer() as out:
        out.write(np.array((1, 2.5), record))
        out.write(np.zeros((), record)[()])  # a scalar of it
        for other in (
            np.zeros((), [("a", "i4"), ("c", "f8")]),
            np.zeros((), [("b", "f8"), ("a", "i4")]),
            np.zeros((), [("a", "i4")]),
            np.zeros((), "V12"),
        ):
            with pytest.raises(goring.SchemaError):
                out.write(other)
        with out.reserve() as slot:
            slot.array["a"], slot.array["b"] = 7, 8
        assert ring.stats().ready == 3


@pytest.mark.parametrize(
    "given",
    [
        b"abcd",
        bytearray(b"abcd"),
        memoryview(b"xabcd")[1:],
        memoryview(b"a.b.c.d.")[::2],
        np.frombuffer(b"abcd", "u1"),
        np.frombuffer(b"abcd", "<u2"),
        np.frombuffer(b"a.b.c.d.", "u1")[::2],
        array.array("B", b"abcd"),
        (ctypes.c_char * 4)(*b"abcd"),
    ],
    ids=lambda g: type(g).__name__,
)
def test_bytes_rings_take_any_buffer(blobs: goring.Ring, given: Any) -> None:
    with blobs.producer() as out:
        out.write(given)
    assert bytes(first(blobs)) == b"abcd"


def test_bytes_rings_take_nothing_else(blobs: goring.Ring) -> None:
    with blobs.producer() as out:
        for given in ("text", 5, None, [1, 2]):
            with pytest.raises(goring.SchemaError, match=type(given).__name__):
                out.write(given)
        with pytest.raises(goring.SchemaError, match="one by one"):
            out.write_batch([b"a"])
        out.write(b"")
    assert bytes(first(blobs)) == b""


def test_too_large_names_both_sizes(blobs: goring.Ring) -> None:
    with blobs.producer() as out:
        for write in (out.write, out.try_write):
            with pytest.raises(goring.TooLarge, match=r"9 bytes.* 8") as caught:
                write(b"123456789")
        assert isinstance(caught.value, ValueError)
        out.write(b"12345678")
    assert bytes(first(blobs)) == b"12345678"


def test_a_full_ring(blobs: goring.Ring) -> None:
    with blobs.producer() as out:
        for _ in range(4):
            assert out.try_write(b"x")
        assert not out.writable()
        assert out.try_write(b"x") is False
        for use in (lambda t: out.write(b"x", t), out.reserve):
            start = time.monotonic()
            with pytest.raises(goring.Full, match="all 4 slots") as caught:
                use(0.05)
            assert 0.04 < time.monotonic() - start < 5
            assert isinstance(caught.value, TimeoutError)
        with pytest.raises(goring.Full):
            out.write(b"x", timeout=0)


def test_a_batch_that_runs_out_of_time_says_how_far_it_came(ring: goring.Ring) -> None:
    rows = np.arange(30, dtype="f4").reshape(10, 3)
    with ring.producer() as out:
        assert out.write_batch(rows[:0]) == 0
        assert out.write_batch(rows, timeout=0.05) == 4
        with pytest.raises(goring.Full):
            out.write_batch(rows, timeout=0.05)
        with ring.consumer(timeout=5) as inbox:
            assert inbox.read_batch(10).tolist() == rows[:4].tolist()
    assert ring.free == 4


def test_reserve_commits_or_aborts(ring: goring.Ring) -> None:
    with ring.producer() as out, ring.consumer(timeout=5) as inbox:
        with out.reserve() as slot:
            slot.array[:] = row
            slot.tag = 2**64 - 1
            assert slot.seq == 0
        with pytest.raises(ZeroDivisionError), out.reserve() as slot:
            slot.array[:] = 1 / 0
        slot = out.reserve()
        with pytest.raises(goring.Error, match="still open"):
            out.write(row)
        slot.abort()
        with pytest.raises(goring.Closed, match="already"):
            slot.commit()
        with out.reserve() as slot:
            slot.array[:] = 2 * row
            slot.commit()
        assert [m.array[0] for m in (inbox.read(), inbox.read())] == [1, 2]
        assert inbox.try_read() is None


def test_a_committed_slot_is_out_of_reach(ring: goring.Ring) -> None:
    with ring.producer() as out:
        with out.reserve() as slot:
            kept = slot.array
        with pytest.raises(ValueError, match="read-only"):
            kept[0] = 1
        with pytest.raises(goring.Closed):
            _ = slot.array
        for name in ("tag", "meta"):
            with pytest.raises(goring.Closed):
                setattr(slot, name, 1)


def test_a_blob_of_any_length_in_place(blobs: goring.Ring) -> None:
    with blobs.producer() as out, blobs.consumer(timeout=5) as inbox:
        slot = out.reserve()
        assert len(slot.data) == 8
        slot.data[:3] = b"abc"
        with pytest.raises(goring.TooLarge, match=r"9.* 8"):
            slot.commit(9)
        slot.commit(3)
        assert bytes(inbox.read().data) == b"abc"


def test_a_dropped_reservation_gives_its_slot_back(ring: goring.Ring) -> None:
    with ring.producer() as out:
        out.reserve()
        out.write(row)
    assert first(ring).tolist() == [1, 2, 3]


@pytest.mark.parametrize("tag", [-1, 2**64, "x", 1.5, None])
def test_tags_are_64_bits(blobs: goring.Ring, tag: Any) -> None:
    with blobs.producer() as out:
        with pytest.raises((TypeError, OverflowError)):
            out.write(b"x", tag=tag)
        assert blobs.free == 4
        for good in (0, 1, 2**64 - 1):
            out.write(b"x", tag=good)
    with blobs.consumer(timeout=5) as inbox:
        assert [inbox.read().tag for _ in range(3)] == [0, 1, 2**64 - 1]


def test_bad_calls(blobs: goring.Ring) -> None:
    with blobs.producer() as out:
        for arguments, keywords in [((), {}), ((b"x", 1, 2), {}), ((b"x",), {"tags": 1})]:
            with pytest.raises(TypeError):
                out.write(*arguments, **keywords)
        for timeout in (-1, float("nan"), "soon"):
            with pytest.raises((ValueError, TypeError)):
                out.write(b"x", timeout)
    assert blobs.free == 4


def test_a_closed_producer(ring: goring.Ring) -> None:
    out = ring.producer()
    assert (out.seat, out.closed) == (1, False)
    out.close()
    out.close()
    assert (out.seat, out.closed) == (None, True)
    for use in (lambda: out.write(row), lambda: out.try_write(row), out.reserve, out.writable):
        with pytest.raises(goring.Closed, match="producer is closed") as closed:
            use()
        assert not isinstance(closed.value, goring.Ended)


def test_a_ring_that_is_shut_down_takes_no_more(ring: goring.Ring) -> None:
    with ring.producer() as out:
        out.write(row)
        slot = out.reserve()
        ring.shutdown()
        slot.abort()
        for use in (lambda: out.write(row), lambda: out.try_write(row), out.reserve):
            with pytest.raises(goring.Ended, match="takes no more"):
                use()
