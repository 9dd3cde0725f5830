"""The 14 defects of shm-ring-buffer 1.2.1, by number: none of them is here."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from goring.compat.shm_ring_buffer import (
    BytesRingBuffer,
    BytesShmRingBuffer,
    NumpyRingBuffer,
    NumpyShmRingBuffer,
)

import goring

NAMES = ("buf", "read-index", "write-index")


def numpy_pair(slots: int = 4, dtype: str = "i8", shape: tuple[int, ...] = (8,)):
    writer = NumpyShmRingBuffer(slots, *NAMES, create=True, dtype=dtype, shape=shape)
    reader = NumpyShmRingBuffer(slots, *NAMES, create=False, dtype=dtype, shape=shape)
    return writer, reader


READER = """
    import sys, numpy as np
    from goring.compat.shm_ring_buffer import NumpyShmRingBuffer
    ring = NumpyShmRingBuffer({slots}, "buf", "r", "w", create=False, dtype="i8", shape=(8,))
    print("ready", flush=True)
"""


def reader_process(body: str, slots: int = 4) -> subprocess.Popen[str]:
    code = textwrap.dedent(READER.format(slots=slots)) + textwrap.dedent(body)
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


@pytest.mark.parametrize("slots", [2, 3, 4, 64])
def test_01_02_no_item_is_lost_repeated_or_stale(slots: int) -> None:
    count = 200_000
    writer = NumpyShmRingBuffer(slots, *NAMES, create=True, dtype="i8", shape=(8,))
    child = reader_process(
        f"""
        for want in range({count}):
            while (item := ring.read()) is None:
                pass
            if not (item == want).all():
                sys.exit(f"wanted {{want}}, got {{item}}")
            ring.release()
        """,
        slots,
    )
    row = np.empty(8, "i8")
    try:
        for i in range(count):
            row[:] = i
            while not writer.write(row):
                assert child.poll() is None, "the reader gave up"
        assert child.wait(60) == 0
    finally:
        child.kill()
        child.communicate()
        writer.close()


def test_03_a_view_outlives_close() -> None:
    writer, reader = numpy_pair()
    writer.write(np.arange(8))
    view = reader.read()
    assert view is not None
    reader.close()
    writer.close()
    del reader, writer
    assert view.tolist() == list(range(8))


def test_04_the_readers_close_leaves_the_ring_alone(ring_folder: Path) -> None:
    writer, reader = numpy_pair()
    reader.close()
    assert [e.name for e in goring.list()] == ["buf"]
    assert writer.write(np.zeros(8, "i8"))
    writer.close()
    writer.close()
    assert list(ring_folder.iterdir()) == []


@pytest.mark.parametrize("end", ["pass", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"])
def test_05_a_reader_that_ends_does_not_destroy_the_ring(end: str) -> None:
    writer = NumpyShmRingBuffer(4, *NAMES, create=True, dtype="i8", shape=(8,))
    for _ in range(2):
        child = reader_process(f"ring.read()\n{end}")
        child.communicate(timeout=60)
    assert writer.write(np.zeros(8, "i8"))
    writer.close()


def test_06_a_killed_writer_can_be_told_from_a_slow_one() -> None:
    reader = NumpyShmRingBuffer(4, *NAMES, create=True, dtype="i8", shape=(8,))
    child = reader_process("ring.write(np.zeros(8, 'i8')); print('written', flush=True); input()")
    assert child.stdout is not None
    child.stdout.readline()
    ring = goring.open("buf")
    assert [p.alive for p in ring.stats().participants] == [True]
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert [p.alive for p in ring.stats().participants] == [False]
    assert reader.read() is not None  # its item is still there
    ring.close()
    reader.close()


def test_07_a_second_reader_is_refused_by_name() -> None:
    writer, reader = numpy_pair()
    writer.write(np.zeros(8, "i8"))
    assert reader.can_read()
    other = NumpyShmRingBuffer(4, *NAMES, create=False, dtype="i8", shape=(8,))
    with pytest.raises(goring.Busy, match="held by"):
        other.read()
    for ring in (other, reader, writer):
        ring.close()


def test_08_a_view_does_not_change_after_release_and_is_read_only() -> None:
    writer, reader = numpy_pair(slots=2)
    writer.write(np.full(8, 1))
    view = reader.read()
    assert view is not None
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 5
    reader.release()
    for i in range(2, 9):
        writer.write(np.full(8, i))
        reader.read()
        reader.release()
    assert view.tolist() == [1] * 8
    for ring in (reader, writer):
        ring.close()


@pytest.mark.parametrize(
    ("slots", "dtype", "shape"),
    [(7, "i8", (8,)), (4, "f8", (8,)), (4, "i8", (4,)), (4, "u1", (64,))],
)
def test_09_another_geometry_is_refused(slots: int, dtype: str, shape: tuple[int, ...]) -> None:
    writer = NumpyShmRingBuffer(4, *NAMES, create=True, dtype="i8", shape=(8,))
    with pytest.raises(goring.SchemaError, match="not"):
        NumpyShmRingBuffer(slots, *NAMES, create=False, dtype=dtype, shape=shape)
    writer.close()
    writer2 = BytesShmRingBuffer(4, 16, *NAMES, create=True)
    with pytest.raises(goring.SchemaError):
        BytesShmRingBuffer(4, 17, *NAMES, create=False)
    writer2.close()


def test_10_a_name_collision_leaves_nothing_behind(ring_folder: Path) -> None:
    first = BytesShmRingBuffer(4, 16, *NAMES, create=True)
    with pytest.raises(goring.Exists):
        BytesShmRingBuffer(4, 16, *NAMES, create=True)
    assert [p.name for p in ring_folder.iterdir()] == ["goring.buf"]
    first.close()


def test_11_nobody_sees_a_half_made_ring() -> None:
    code = """
        import goring, sys
        from goring.compat.shm_ring_buffer import BytesShmRingBuffer
        print("ready", flush=True)
        while True:
            try:
                BytesShmRingBuffer(4, 16, "buf", "r", "w", create=False).close()
            except goring.NotFound:
                continue
            except goring.Error as e:
                sys.exit(repr(e))
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    child.stdout.readline()
    for _ in range(300):
        BytesShmRingBuffer(4, 16, *NAMES, create=True).close()
    assert child.poll() is None, "an attach between create and close failed"
    child.kill()
    child.communicate()


@pytest.mark.parametrize(
    "data", [7, np.array([7]), np.zeros(8), [300.7] * 8, np.zeros((1, 8), "i8")]
)
def test_12_nothing_is_cast_or_repeated_silently(data: object) -> None:
    ring = NumpyRingBuffer(4, "i8", (8,))
    with pytest.raises(goring.SchemaError):
        ring.write(data)
    assert not ring.can_read()
    ring.close()


def test_13_corruption_is_an_error_and_the_ring_goes_on(ring_folder: Path) -> None:
    writer, reader = numpy_pair()
    writer.write(np.zeros(8, "i8"))
    path = ring_folder / "goring.buf"
    raw = path.read_bytes()
    header = int.from_bytes(raw[40:48], "little")
    with path.open("r+b") as f:
        f.seek(header + 8)
        f.write((2**32 - 1).to_bytes(4, "little"))  # an impossible length
    with pytest.raises(goring.CorruptError, match="4294967295"):
        reader.read()
    assert reader.release() is False
    writer.write(np.ones(8, "i8"))
    assert reader.read() is not None
    for ring in (reader, writer):
        ring.close()


def test_14_objects_restarts_and_pickles() -> None:
    with pytest.raises(goring.SchemaError, match="objects"):
        NumpyRingBuffer(4, object, (2,))
    writer, reader = numpy_pair()
    for i in range(3):
        writer.write(np.full(8, i))
    assert reader.read() is not None
    reader.release()
    reader.close()
    again = NumpyShmRingBuffer(4, *NAMES, create=False, dtype="i8", shape=(8,))
    view = again.read()
    assert view is not None
    assert view[0] == 1  # the released item does not come again, the next does
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(goring.open("buf"))
    for ring in (again, writer):
        ring.close()


def test_what_it_does_well_is_kept() -> None:
    ring = NumpyRingBuffer(3, "f4", (4, 2))
    assert ring.capacity == 3
    assert not ring.can_read()
    assert ring.read() is None
    assert ring.release() is False
    big = np.arange(16, dtype="f4").reshape(2, 8)
    assert ring.write(big.T[::2])  # transposed, strided
    assert ring.write(np.ones((4, 2), "f4"))
    assert ring.write(np.zeros((4, 2), "f4"))
    assert not ring.can_write()
    assert ring.write(np.zeros((4, 2), "f4")) is False
    view = ring.read()
    assert ring.read() is view
    assert view is not None
    assert (view == big.T[::2]).all()
    del view
    assert ring.release()
    assert ring.can_write()
    ring.close()


def test_bytes_items_have_exactly_the_size() -> None:
    ring = BytesRingBuffer(1, 4)
    assert ring.capacity == 1
    for bad in (b"123", b"12345"):
        with pytest.raises(goring.TooLarge, match=str(len(bad))):
            ring.write(bad)
    assert ring.write(b"abcd")
    assert not ring.can_write()
    view = ring.read()
    assert isinstance(view, memoryview)
    assert view.readonly
    assert bytes(view) == b"abcd"
    del view
    ring.release()
    assert ring.can_write()
    ring.close()
