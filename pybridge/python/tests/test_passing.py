"""Rings for peers that are not trusted: sealed segments, and copies of their messages."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import numpy as np
import pytest

import goring

MAGIC = b"\x89GORING\n"
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    here, there = socket.socketpair()
    with here, there:
        yield here, there


def test_a_ring_through_a_socket(pair: Pair) -> None:
    with goring.create(None, slots=4, dtype="i4") as ring:
        ring.send(pair[0])
        with goring.receive(pair[1]) as other:
            with ring.producer() as outbox, other.consumer(name="there") as inbox:
                outbox.write(np.int32(7))
                assert inbox.read(timeout=5).array == 7
                with pytest.raises(goring.Busy, match="there"):
                    ring.consumer()
            for size in (0, 4096, 1 << 30):
                with pytest.raises(PermissionError):
                    os.ftruncate(other.fileno(), size)


def test_only_sealed_rings_are_passed(pair: Pair) -> None:
    with goring.create("named", slots=4, dtype="i4") as ring:
        with pytest.raises(goring.Unsafe, match="create\\(None"):
            ring.send(pair[0])
        with pytest.raises(goring.Unsafe, match="truncate"):
            goring.open(fd=ring.fileno(), sealed=True)
        socket.send_fds(
            pair[0], [MAGIC], [ring.fileno()]
        )  # a peer that pretends to pass a sealed one
        with pytest.raises(goring.Unsafe, match="truncate"):
            goring.receive(pair[1])
    with pytest.raises(goring.BadValue, match="fd="):
        goring.open("named", sealed=True)


@pytest.mark.parametrize(
    ("text", "count"), [(MAGIC, 0), (MAGIC, 2), (MAGIC[:4], 1), (b"GET / HTTP/1.1", 1), (MAGIC, 1)]
)
def test_what_is_no_ring_is_refused(pair: Pair, text: bytes, count: int) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with open("/dev/zero", "rb") as file:
        socket.send_fds(pair[0], [text], [file.fileno()] * count)
        with pytest.raises((goring.CorruptError, goring.Unsafe)):
            goring.receive(pair[1])
    assert len(os.listdir("/proc/self/fd")) == before


def test_nobody_is_there(pair: Pair) -> None:
    pair[0].close()
    with pytest.raises(goring.CorruptError, match="0 bytes and 0 descriptors"):
        goring.receive(pair[1])


KINDS = {
    "array": ({"dtype": "u1", "shape": 64}, np.arange(64, dtype="u1")),
    "separate": ({"dtype": "u1", "shape": 4096, "slots": 4}, np.ones(4096, "u1")),
    "bytes": ({"max_bytes": 64}, b"x" * 64),
    "tensor": ({"kind": "tensor", "max_bytes": 64}, np.arange(64, dtype="u1").reshape(8, 8)),
}


@pytest.mark.parametrize("mode", ["queue", "broadcast", "overwrite"])
@pytest.mark.parametrize("consumers", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_copies_do_not_change(kind: str, consumers: int, mode: str) -> None:
    options, value = KINDS[kind]
    options = {"slots": 4, "mode": mode, "consumers": consumers, **options}
    want = np.asarray(memoryview(value))
    with (
        goring.create(None, **options) as ring,
        ring.producer() as out,
        ring.consumer(copy=True) as inbox,
    ):
        for _ in range(4):
            out.write(value)
        frames = [next(inbox)]
        message = inbox.read(timeout=1)
        frames.append(message.array)
        message.release()
        frames += list(inbox.read_batch(2, timeout=1))
        for _ in range(4):  # a lap later, in the same slots
            out.write(np.zeros_like(value) if kind != "bytes" else bytes(64), timeout=1)
        assert len(frames) == 4
        for frame in frames:
            assert np.array_equal(np.asarray(frame), want)


def test_copies_are_the_callers_own() -> None:
    with goring.create(None, slots=2, dtype="u1", shape=4) as ring, ring.producer() as out:
        with ring.consumer(copy=True) as inbox:
            out.write(np.ones(4, "u1"))
            frame = next(inbox)
            frame[:] = 9
            assert frame.flags.owndata
            assert frame.tolist() == [9] * 4
        with ring.consumer() as inbox:  # the iterated message is released
            assert inbox.try_read() is None
