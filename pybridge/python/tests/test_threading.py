"""Threads over an anonymous ring."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import goring


def produce(out: goring.Producer, number: int, count: int) -> None:
    for i in range(count):
        out.write(np.array([number, i], "i8"), timeout=60)


def consume(inbox: goring.Consumer) -> list[tuple[int, int]]:
    return [(int(number), int(i)) for number, i in inbox]


@pytest.mark.parametrize("slots", [2, 3, 64])
@pytest.mark.parametrize(("producers", "consumers"), [(1, 1), (1, 3), (3, 1), (3, 3)])
def test_every_item_arrives_once(slots: int, producers: int, consumers: int) -> None:
    count = 2000
    seats = {"producers": producers, "consumers": consumers}
    with (
        goring.create(None, slots=slots, dtype="i8", shape=2, **seats) as ring,
        ThreadPoolExecutor(producers + consumers) as pool,
    ):
        readers = [pool.submit(consume, ring.consumer(timeout=60)) for _ in range(consumers)]
        writers = [pool.submit(produce, ring.producer(), w, count) for w in range(producers)]
        for writer in writers:
            writer.result(60)
        ring.shutdown()
        got = [reader.result(60) for reader in readers]
    everything = sorted(item for part in got for item in part)
    assert everything == [(w, i) for w in range(producers) for i in range(count)]
    for part in got:  # each consumer sees each producer's items in order
        for w in range(producers):
            numbers = [i for number, i in part if number == w]
            assert numbers == sorted(numbers)


def test_waiting_lets_other_threads_run() -> None:
    with goring.create(None, slots=2, max_bytes=8) as ring, ring.consumer() as inbox:
        got: list[bytes] = []
        reader = threading.Thread(target=lambda: got.append(bytes(inbox.read(30).data)))
        reader.start()
        time.sleep(0.05)
        with ring.producer() as out:
            out.write(b"x")
        reader.join(30)
        assert got == [b"x"]


def ends(start: Callable[[], Any]) -> Callable[[], BaseException | None]:
    """Run start in a thread; the returned function waits for its exception and returns it."""
    raised: list[BaseException] = []

    def body() -> None:
        try:
            start()
        except goring.Error as e:
            raised.append(e)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()

    def result() -> BaseException | None:
        thread.join(30)
        assert not thread.is_alive()
        return raised[0] if raised else None

    return result


def test_one_participant_is_for_one_thread_at_a_time() -> None:
    with goring.create(None, slots=2, max_bytes=8) as ring:
        inbox = ring.consumer()
        waiting = ends(lambda: inbox.read(1))
        time.sleep(0.2)
        for use in (inbox.read, inbox.try_read, inbox.close, lambda: next(inbox)):
            with pytest.raises(goring.Error, match="waiting in another thread"):
                use()
        assert isinstance(waiting(), goring.Empty)
        inbox.close()


def test_shutdown_wakes_who_waits() -> None:
    with goring.create(None, slots=2, max_bytes=8, consumers=2) as ring:
        out = ring.producer()
        full = [out.write(b"x") for _ in range(2)]
        writer = ends(lambda: out.write(b"x"))
        time.sleep(0.1)
        start = time.monotonic()
        ring.shutdown()
        assert isinstance(writer(), goring.Ended)
        assert len(full) == 2
        inbox = ring.consumer()
        assert [bytes(b) for b in inbox] == [b"x", b"x"]
        assert time.monotonic() - start < 10


def test_closing_the_ring_leaves_its_participants_at_work() -> None:
    ring = goring.create(None, slots=2, max_bytes=8)
    out, inbox = ring.producer(), ring.consumer()
    waiting = ends(lambda: inbox.read(30))
    time.sleep(0.05)
    ring.close()
    out.write(b"x")
    assert waiting() is None
    out.close()
    inbox.close()


def test_a_big_copy_lets_other_threads_run() -> None:
    ring = goring.create(None, slots=2, max_bytes=1 << 24)
    with (
        ring,
        ring.producer() as out,
        ring.consumer(timeout=60) as inbox,
        ThreadPoolExecutor(1) as pool,
    ):
        data = bytes(range(256)) * (1 << 16)
        writer = pool.submit(lambda: [out.write(data, timeout=60) for _ in range(20)])
        for _ in range(20):
            with inbox.read() as message:
                assert message.data == data
        writer.result(60)
