"""Several consumers, each in the most natural loop: together they never come to a stop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import goring


def frames(inbox: goring.Consumer, got: list[int]) -> None:
    for frame in inbox:
        got.append(bytes(memoryview(frame))[0])


def numbered(inbox: goring.Consumer, got: list[int]) -> None:
    for _, frame in enumerate(inbox):
        got.append(bytes(memoryview(frame))[0])


def messages(inbox: goring.Consumer, got: list[int]) -> None:
    for message in inbox.messages():
        got.append(bytes(memoryview(message.data))[0])


def in_a_loop(inbox: goring.Consumer, got: list[int]) -> None:
    async def main() -> None:
        async for frame in inbox:
            got.append(bytes(memoryview(frame))[0])

    asyncio.run(main())


LOOPS = [frames, numbered, messages, in_a_loop]
KINDS: dict[str, dict[str, Any]] = {
    "array": {"dtype": "u1", "shape": 4},
    "struct": {"dtype": [("a", "u1"), ("b", "u1", (3,))]},
    "bytes": {"max_bytes": 4},
    "tensor": {"kind": "tensor", "max_bytes": 4},
}


def item(kind: str, n: int) -> Any:
    raw = bytes([n, 1, 2, 3])
    if kind == "struct":
        return np.frombuffer(raw, KINDS["struct"]["dtype"])[0]
    return raw if kind == "bytes" else np.frombuffer(raw, "u1")


@pytest.fixture(params=KINDS)
def ring(request: pytest.FixtureRequest) -> Iterator[goring.Ring]:
    with goring.create(None, slots=2, consumers=2, **KINDS[request.param]) as ring:
        yield ring


@pytest.mark.parametrize("loop", LOOPS)
def test_a_waiting_consumer_does_not_keep_the_slot_that_the_producer_needs(
    ring: goring.Ring, loop: Callable[[goring.Consumer, list[int]], None]
) -> None:
    got: list[list[int]] = [[], []]
    with ThreadPoolExecutor(2) as pool, ring.producer() as out:
        running = [pool.submit(loop, ring.consumer(), part) for part in got]
        for n in range(100):
            out.write(item(ring.kind, n), timeout=20)
        ring.shutdown()
        for worker in running:
            worker.result(20)
    assert sorted(got[0] + got[1]) == list(range(100))
    assert ring.free == 2


def test_what_a_killed_iteration_had_is_not_lost(ring: goring.Ring) -> None:
    """The message stays taken until the next is asked for, although a copy was handed out."""
    first, second = ring.consumer(timeout=0), ring.consumer(timeout=0)
    with ring.producer() as out:
        out.write(item(ring.kind, 7), timeout=5)
        frame = next(first)
        assert bytes(memoryview(frame))[0] == 7
        assert (ring.stats().taken, ring.free) == (1, 1)
        with pytest.raises(goring.Empty):
            next(first)
        assert ring.free == 2
        assert bytes(memoryview(frame))[0] == 7  # a copy
        out.write(item(ring.kind, 8), timeout=5)
        kept = next(second)
        second.close()
        assert ring.free == 2
        assert memoryview(kept).readonly
    first.close()


@pytest.mark.parametrize("use", ["read", "try_read", "try_next", "wait", "read_batch"])
def test_asking_in_any_way_lets_the_iterated_message_go(ring: goring.Ring, use: str) -> None:
    with ring.producer() as out, ring.consumer(timeout=0) as inbox:
        out.write(item(ring.kind, 7), timeout=5)
        frame = inbox.try_next()
        assert bytes(memoryview(frame))[0] == 7
        arguments = {"read_batch": (1,), "wait": (0,)}.get(use, ())
        with contextlib.suppress(goring.Empty):
            assert not getattr(inbox, use)(*arguments)
        assert ring.free == 2


def test_alone_iteration_lends_in_place() -> None:
    ring = goring.create(None, slots=4, dtype="u1", shape=4)
    with ring, ring.producer() as out, ring.consumer(timeout=5) as inbox:
        for n in (1, 2):
            out.write(np.full(4, n, "u1"))
        one, two = next(inbox), inbox.try_next()
        assert inbox.try_next() is None
        assert ring.free == 2
        assert one.base is not None
        assert [one[0], two[0]] == [1, 2]
        del one, two
        assert inbox.try_next() is None
        assert ring.free == 4


def test_alone_a_loop_needs_no_more_than_two_slots() -> None:
    with goring.create(None, slots=2, dtype="i8") as ring, ring.producer() as out:
        got: list[int] = []

        def loop() -> None:
            with ring.consumer() as inbox:
                for frame in inbox:
                    got.append(int(frame))

        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        for n in range(1000):
            out.write(np.int64(n), timeout=20)
        ring.shutdown()
        thread.join(20)
        assert got == list(range(1000))
