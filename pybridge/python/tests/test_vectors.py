"""The golden segments: written by Python from the spec alone, read by the package."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from golden import put, reference

import goring
from goring import _open

VECTORS = reference.index()
REFUSALS = {
    "version": goring.VersionError,
    "feature": goring.VersionError,
    "checksum": goring.CorruptError,
    "geometry": goring.CorruptError,
}
GOOD = [n for n, v in VECTORS.items() if "refused" not in v]


@pytest.mark.parametrize("name", VECTORS)
def test_the_spec_alone_gives_the_golden_bytes(name: str) -> None:
    assert reference.segment(VECTORS[name]) == reference.golden(name)


@pytest.mark.parametrize("name", [n for n, v in VECTORS.items() if "refused" in v])
def test_what_must_be_refused_is(ring_folder: Path, name: str) -> None:
    put(ring_folder, name, reference.golden(name))
    with pytest.raises(REFUSALS[VECTORS[name]["refused"]]):
        goring.open(name)


def ready(vector: dict[str, Any]) -> list[dict[str, Any]]:
    """The slots that a consumer gets, in order: READY and not aborted."""
    slots = [s for s in vector.get("slots", []) if s["state"] == "READY" and not s.get("owner")]
    return sorted(slots, key=lambda s: s["lap"] * vector["ring"]["slots"] + s["index"])


@pytest.mark.parametrize("name", [n for n in GOOD if "gpu" not in VECTORS[n]])
def test_the_golden_messages_are_read(ring_folder: Path, name: str) -> None:
    vector = VECTORS[name]
    put(ring_folder, name, reference.golden(name))
    with goring.open(name) as ring, ring.consumer(on_peer_death="wait") as inbox:
        for want in ready(vector):
            with inbox.read(timeout=1) as got:
                check(ring, want, got)
        if "shutdown" in vector.get("words", {}):
            with pytest.raises(goring.Ended):
                inbox.try_read()
        else:
            assert inbox.try_read() is None


@pytest.mark.parametrize("name", [n for n in GOOD if "gpu" in VECTORS[n]])
def test_a_gpu_ring_is_looked_at_without_a_driver(ring_folder: Path, name: str) -> None:
    put(ring_folder, name, reference.golden(name))
    with goring.open(name) as ring:
        assert ring.slots == VECTORS[name]["ring"]["slots"]
        assert ring.info.slot_bytes == reference.geometry(VECTORS[name]["ring"])["slot_bytes"]
        gpu = ring.info.gpu
        assert gpu is not None
        options = _open._gpu(0, gpu.memory, gpu.sync)  # the words of the info are those of create
        assert (options["memory"], options["sync"]) == (gpu.memory, gpu.sync)


def check(ring: goring.Ring, want: dict[str, Any], got: goring.Message) -> None:
    payload = bytes.fromhex(want.get("payload", ""))
    if "fill" in want:
        payload = bytes.fromhex(want["fill"]) * (ring.info.slot_bytes // 4)
    assert bytes(memoryview(got.data)) == payload
    assert got.tag == want.get("tag", 0)
    assert got.timestamp_ns == want.get("timestamp_ns", 0)
    assert got.redelivered == want.get("redelivered", 0)
    meta = bytes.fromhex(want.get("meta", ""))
    assert got.meta == (msgspec.msgpack.decode(meta) if meta else None)
    if "tensor" in want:
        assert list(got.array.shape) == want["tensor"]["shape"]
    elif ring.shape is not None:
        assert got.array.shape == ring.shape
        assert got.array.nbytes == math.prod(ring.shape) * ring.dtype.itemsize


def test_the_struct_is_a_structured_dtype(ring_folder: Path) -> None:
    put(ring_folder, "struct", reference.golden("struct"))
    with goring.open("struct") as ring, ring.consumer(on_peer_death="wait") as inbox:
        assert ring.dtype == np.dtype(
            [("time", "<i8"), ("flags", "u1", (3,)), ("price", "<f8")], align=True
        )
        with inbox.read(timeout=1) as m:
            record = m.array[()]
            assert record["time"] == 1
            assert record["flags"].tolist() == [1, 2, 3]
            assert record["price"] == -2.5
        assert ring.info.user == {"venue": "X"}
