"""create, open, list, unlink, and the description of a ring."""

from __future__ import annotations

import copy
import dataclasses
import os
import pickle
import stat
from pathlib import Path

import numpy as np
import pytest

import goring


def test_a_ring_describes_itself(ring_folder: Path) -> None:
    with goring.create(
        "frames",
        slots=10,
        dtype="f4",
        shape=(4, 3),
        producers=2,
        consumers=3,
        max_meta=33,
        timestamps=True,
        placement="inline",
        user={"camera": "left", "gain": 1.5, "raw": b"\x00"},
    ) as made:
        with goring.open("frames") as found:
            for ring in (made, found):
                assert (ring.name, ring.slots, ring.kind, ring.mode) == (
                    "frames", 10, "array", "queue",
                )  # fmt: skip
                assert ring.dtype == np.dtype("<f4")
                assert ring.shape == (4, 3)
                assert ring.info.dtype_name == "<f4"
                assert ring.info.slot_bytes == 48
                assert ring.info.max_meta == 48  # rounded up to 16
                assert (ring.info.producers, ring.info.consumers) == (2, 3)
                assert ring.info.timestamps is True
                assert ring.info.placement == "inline"
                assert ring.info.path == str(ring_folder / "goring.frames")
                assert ring.info.user == {"camera": "left", "gain": 1.5, "raw": b"\x00"}
                assert ring.info.creator["lang"] == "python"
                assert ring.info.creator["pid"] == os.getpid()
                assert ring.free == 10
        assert found.closed
        assert not made.closed


@pytest.mark.parametrize(
    ("arguments", "kind", "shape", "size"),
    [
        ({"max_bytes": 7}, "bytes", None, 7),
        ({"max_bytes": 7, "kind": "bytes"}, "bytes", None, 7),
        ({"max_bytes": 4096, "kind": "tensor"}, "tensor", None, 4096),
        ({"dtype": float}, "array", (), 8),
        ({"dtype": "u1", "shape": 5}, "array", (5,), 5),
        ({"dtype": "u1", "shape": [5, 2]}, "array", (5, 2), 10),
        ({"dtype": ("u1", (5, 2)), "shape": 3}, "array", (3, 5, 2), 30),
        ({"dtype": np.float32, "shape": (np.int64(2),)}, "array", (2,), 8),
        ({"dtype": [("a", "u1"), ("b", "f8")]}, "struct", (), 9),
        ({"dtype": [("a", "u1")], "shape": 3, "kind": "struct"}, "struct", (3,), 3),
    ],
)
def test_what_is_carried_follows_from_the_arguments(
    arguments: dict[str, object], kind: str, shape: tuple[int, ...] | None, size: int
) -> None:
    with goring.create(None, slots=2, **arguments) as ring:
        assert (ring.kind, ring.shape, ring.info.slot_bytes) == (kind, shape, size)
        assert (ring.dtype is None) == (shape is None)


def test_small_payloads_lie_inline_and_big_ones_are_stamped() -> None:
    with goring.create(None, max_bytes=100) as small, goring.create(None, max_bytes=4096) as big:
        assert (small.info.placement, small.info.timestamps, small.info.max_meta) == (
            "inline", False, 0,
        )  # fmt: skip
        assert (big.info.placement, big.info.timestamps, big.info.max_meta) == (
            "separate", True, 256,
        )  # fmt: skip


def test_the_file_is_private_unless_widened_to_a_group(ring_folder: Path) -> None:
    old = os.umask(0o777)  # the mode is the ring's, not the umask's
    try:
        goring.create("mine", max_bytes=8).close()
        goring.create("ours", max_bytes=8, group=-1).close()
    finally:
        os.umask(old)
    assert stat.S_IMODE((ring_folder / "goring.mine").stat().st_mode) == 0o600
    assert stat.S_IMODE((ring_folder / "goring.ours").stat().st_mode) == 0o660
    with pytest.raises(goring.Unsafe, match="0660"):
        goring.open("ours")
    goring.open("ours", allow_group=True).close()


def test_a_name_is_taken_once_and_free_after_unlink(ring_folder: Path) -> None:
    first = goring.create("one", max_bytes=8)
    with pytest.raises(goring.Exists, match="one"):
        goring.create("one", max_bytes=8)
    first.unlink()
    with goring.create("one", max_bytes=16) as second:
        with pytest.raises(goring.NotFound):
            first.unlink()  # the name means another ring now
        assert goring.open("one").info.slot_bytes == 16
        goring.unlink("one")
        assert second.stats().slots == 64  # an attached process goes on
    assert list(ring_folder.iterdir()) == []
    with pytest.raises(goring.NotFound, match="one"):
        goring.open("one")
    with pytest.raises(goring.NotFound, match="one"):
        goring.unlink("one")


def test_list_names_the_rings_and_what_is_wrong_with_others(ring_folder: Path) -> None:
    assert goring.list() == []
    goring.create("good", slots=3, max_bytes=100).close()
    (ring_folder / "goring.bad").write_bytes(b"no ring" * 1000)
    (ring_folder / "other").write_bytes(b"not ours")
    bad, good = sorted(goring.list(), key=lambda e: e.name)
    size = (ring_folder / "goring.good").stat().st_size
    assert good == goring.Entry("good", str(ring_folder / "goring.good"), "bytes", 3, size, "")
    assert bad.name == "bad"
    assert bad.error
    with pytest.raises(goring.CorruptError):
        goring.unlink("bad")  # no ring: left alone
    assert (ring_folder / "goring.bad").exists()


def test_dir_wins_over_the_environment(tmp_path: Path, ring_folder: Path) -> None:
    goring.create("here", max_bytes=8, dir=tmp_path).close()
    assert [e.name for e in goring.list(dir=tmp_path)] == ["here"]
    assert goring.list() == []
    with pytest.raises(goring.NotFound, match=str(ring_folder)):
        goring.open("here")
    goring.open("here", dir=str(tmp_path)).close()
    goring.unlink("here", dir=os.fsencode(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_an_anonymous_ring_is_reached_by_its_descriptor(ring_folder: Path) -> None:
    with goring.create(None, slots=2, max_bytes=8) as ring:
        assert ring.name == ring.info.path == ""
        fd = os.dup(ring.fileno())
        with goring.open(fd=fd) as again, ring.producer() as out, again.consumer() as inbox:
            out.write(b"hello")
            with inbox.read(timeout=5) as message:
                assert bytes(message.data) == b"hello"
        os.close(fd)  # it stayed the caller's
    assert list(ring_folder.iterdir()) == []


def test_an_anonymous_ring_cannot_be_truncated() -> None:
    with goring.create(None, max_bytes=8) as ring, pytest.raises(PermissionError):
        os.ftruncate(ring.fileno(), 0)


def test_close_is_final_and_may_be_repeated() -> None:
    ring = goring.create("r", max_bytes=8)
    ring.close()
    ring.close()
    calls = [ring.stats, ring.producer, ring.consumer, ring.shutdown, ring.fileno]
    for use in calls:
        with pytest.raises(goring.Closed, match="closed"):
            use()
    assert "closed" in repr(ring)


def test_a_dropped_ring_detaches() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        goring.create(None, max_bytes=8)
    assert len(os.listdir("/proc/self/fd")) <= before + 1


def test_repr_shows_kind_dtype_and_fill() -> None:
    with goring.create("frames", slots=4, dtype="u1", shape=(2, 3)) as ring:
        with ring.producer() as out:
            assert repr(out) == "<goring.Producer: seat 1>"
            out.write(np.zeros((2, 3), "u1"))
        assert repr(out) == "<goring.Producer: closed>"
        assert repr(ring) == "<goring.Ring 'frames': array uint8 (2, 3), 1 of 4 slots in use>"
    with goring.create(None, slots=4, max_bytes=8) as ring:
        assert repr(ring) == "<goring.Ring '': bytes, 0 of 4 slots in use>"


@pytest.mark.parametrize("name", [None, "named"])
def test_nothing_pickles_and_the_text_says_what_to_do(name: str | None) -> None:
    with goring.create(name, max_bytes=8) as ring, ring.producer() as out, ring.consumer() as inbox:
        with pytest.raises(TypeError, match=r"goring\.open"):
            pickle.dumps(ring)
        for thing in (out, inbox):
            with pytest.raises(TypeError, match="open the ring in the other process"):
                pickle.dumps(thing)
            with pytest.raises(TypeError):
                copy.copy(thing)


def test_info_stats_and_entries_are_frozen() -> None:
    with goring.create("r", max_bytes=8) as ring:
        for record in (ring.info, ring.stats(), goring.list()[0]):
            field = dataclasses.fields(record)[0].name
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(record, field, 0)


def test_expectations_name_what_differs() -> None:
    record = np.dtype([("time", "i8"), ("price", "f8")])
    goring.create("ticks", dtype=record, shape=4).close()
    goring.create("blobs", max_bytes=8).close()
    goring.open("ticks", dtype=record, shape=4).close()
    for expected, text in [
        ({"shape": 5}, r"shape is \(4,\), not \(5,\)"),
        ({"dtype": "f8"}, "dtype is"),
        ({"dtype": [("time", "i8"), ("price", "f4")]}, "'price' is float64 at offset 8, not"),
        ({"dtype": [("time", "i8"), ("cost", "f8")]}, "'cost' is missing"),
        ({"dtype": [("time", "i8")]}, "'price' was not expected"),
        ({"dtype": [("time", "i8"), ("price", "f8"), ("n", "u1")]}, "'n' is missing"),
        ({"dtype": "nonsense"}, "nonsense"),
        ({"shape": (0,)}, "at least 1"),
    ]:
        with pytest.raises(goring.SchemaError, match=text):
            goring.open("ticks", **expected)
    with pytest.raises(goring.SchemaError, match="kind is bytes"):
        goring.open("blobs", dtype="u1")
    with pytest.raises(goring.SchemaError, match=r"shape is None, not \(3,\)"):
        goring.open("blobs", shape=3)
    wider = np.dtype({"names": ["time", "price"], "formats": ["i8", "f8"], "itemsize": 24})
    with pytest.raises(goring.SchemaError, match="records are 16 bytes, not 24"):
        goring.open("ticks", dtype=wider)
