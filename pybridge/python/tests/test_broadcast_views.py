"""Broadcast and overwrite rings from Python: views, iteration, copies, the newest."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from children import Start

import goring


def ring_of(mode: str, **options: Any) -> goring.Ring:
    return goring.create(None, mode=mode, **({"slots": 4, "dtype": "i8", "shape": 2} | options))


@pytest.fixture
def broadcast() -> Iterator[goring.Ring]:
    with ring_of("broadcast") as ring:
        yield ring


@pytest.fixture
def overwrite() -> Iterator[goring.Ring]:
    with ring_of("overwrite") as ring:
        yield ring


def write(out: goring.Producer, first: int, last: int) -> None:
    for n in range(first, last):
        out.write(np.full(2, n), timeout=5)


def test_what_a_ring_says(broadcast: goring.Ring, overwrite: goring.Ring) -> None:
    assert (broadcast.mode, broadcast.info.producers, broadcast.info.consumers) == (
        "broadcast",
        1,
        32,
    )
    assert overwrite.mode == "overwrite"
    assert (broadcast.free, overwrite.free) == (4, 4)
    with broadcast.producer() as out, broadcast.consumer(name="slow"):
        write(out, 0, 3)
        assert broadcast.free == 1
        stats = broadcast.stats()
        assert (stats.ready, stats.free, stats.published) == (3, 1, 3)
        assert [(p.name, p.lag, p.cursor) for p in stats.participants[1:]] == [("slow", 3, 0)]


def test_iteration_is_in_place_and_does_not_stop_the_producer(broadcast: goring.Ring) -> None:
    with broadcast.producer() as out, broadcast.consumer() as a, broadcast.consumer() as b:
        for n in range(50):
            write(out, n, n + 1)
            for inbox in (a, b):
                frame = next(inbox)
                assert frame[0] == n
                assert frame.base is not None
                assert not frame.flags.writeable


def test_a_kept_view_holds_the_producer_up_until_it_is_dropped(broadcast: goring.Ring) -> None:
    with broadcast.producer() as out, broadcast.consumer() as inbox:
        write(out, 0, 1)
        kept = next(inbox)[1:]
        for n in range(1, 4):
            write(out, n, n + 1)
            next(inbox)
        with pytest.raises(goring.Full):
            out.write(np.zeros(2, "i8"), timeout=0.02)
        assert kept[0] == 0
        del kept
        gc.collect()
        write(out, 4, 5)


def test_views_outlive_their_consumer(broadcast: goring.Ring) -> None:
    with broadcast.producer() as out:
        inbox = broadcast.consumer()
        write(out, 0, 2)
        kept = inbox.read().array
        inbox.close()
        write(out, 2, 4)
        with pytest.raises(goring.Full):
            write_now(out)
        assert kept[0] == 0
        del kept
        write(out, 4, 9)


def write_now(out: goring.Producer) -> None:
    out.write(np.zeros(2, "i8"), timeout=0)


def test_batches_and_held_rings(broadcast: goring.Ring) -> None:
    with broadcast.producer() as out, broadcast.consumer() as inbox:
        assert out.write_batch(np.arange(8).reshape(4, 2), timeout=1) == 4
        rows = inbox.read_batch(9)
        assert rows[:, 0].tolist() == [0, 2, 4, 6]
        with pytest.raises(goring.Held):
            inbox.read(timeout=1)
        del rows
        write(out, 4, 5)


def test_headers_of_a_batch() -> None:
    with goring.create(None, slots=8, dtype="i4", max_meta=32) as ring:  # noqa: SIM117
        with ring.producer() as out, ring.consumer() as inbox:
            for n in range(3):
                out.write(np.int32(n), tag=n * 10, meta={"n": n} if n else None)
            rows, headers = inbox.read_batch(9, headers=True)
            assert rows.tolist() == [0, 1, 2]
            assert headers == [(0, 0, b""), (10, 0, b"\x81\xa1n\x01"), (20, 0, b"\x81\xa1n\x02")]
    with goring.create(None, slots=8, max_bytes=9) as ring:  # noqa: SIM117
        with ring.producer() as out, ring.consumer() as inbox:
            for n in range(3):
                out.write(b"x" * n, tag=n)
            views, headers = inbox.read_batch(2, headers=True)
            assert [bytes(v) for v in views] == [b"", b"x"]
            assert headers == [(0, 0, b""), (1, 0, b"")]


def overwrite_and_fail(out: goring.Producer) -> None:
    write(out, 6, 7)
    raise goring.TooLarge


def test_an_overwritten_message_says_so(overwrite: goring.Ring) -> None:
    with overwrite.producer() as out, overwrite.consumer() as inbox:
        write(out, 0, 4)
        message = inbox.read()
        assert message.valid
        write(out, 4, 5)
        assert not message.valid
        with pytest.raises(goring.Lapped, match="message 0 was overwritten"):
            message.release()
        with pytest.raises(goring.Lapped), inbox.read() as message:
            write(out, 5, 6)
        with (
            pytest.raises(goring.TooLarge),
            inbox.read() as message,
        ):  # the block's exception comes first
            overwrite_and_fail(out)


def test_iteration_of_an_overwrite_ring_hands_out_copies(overwrite: goring.Ring) -> None:
    with overwrite.producer() as out, overwrite.consumer() as inbox:
        write(out, 0, 3)
        first = next(inbox)
        write(out, 3, 10)
        assert first.tolist() == [0, 0]
        assert next(inbox).tolist() == [7, 7]  # 1 to 6 are gone or about to be
        assert inbox.lost == 6
        assert inbox.read_batch(9).tolist() == [[8, 8], [9, 9]]
        assert overwrite.stats().participants[1].lost == 6


def test_latest(overwrite: goring.Ring, broadcast: goring.Ring) -> None:
    for ring in (overwrite, broadcast):
        with ring.producer() as out, ring.consumer() as inbox:
            write(out, 0, 3)
            with inbox.latest() as newest:
                assert newest.array[0] == 2
            with pytest.raises(goring.Empty):
                inbox.latest(timeout=0.01)
            assert inbox.lost == 0
            write(out, 3, 5)
            assert next(inbox)[0] == 3
    with ring_of("queue") as ring, ring.consumer() as inbox:  # noqa: SIM117
        with pytest.raises(goring.Error, match="a queue skips nothing"):
            inbox.latest()


@pytest.mark.parametrize("kind", ["bytes", "tensor", "array"])
def test_no_torn_copy_is_ever_handed_out(start: Start, kind: str) -> None:
    """A child writes without a pause; each message read is intact, in order, and counted."""
    schema = "dtype='u8', shape=512" if kind == "array" else f"max_bytes=4096, kind='{kind}'"
    messages = 100_000
    child = start(
        f"""
        import sys, numpy as np, goring
        ring = goring.create("fast", mode="overwrite", slots=3, {schema})
        print("ready", flush=True)
        sys.stdin.readline()
        with ring.producer() as out:
            data = np.zeros(512, "u8")
            for n in range({messages}):
                data[:] = n
                out.write(data.view("u1") if "{kind}" == "bytes" else data)
        ring.shutdown()
        ring.unlink()
        """
    )
    with goring.open("fast") as ring, ring.consumer() as inbox:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
        last, got = -1, 0
        for frame in inbox:
            numbers = np.frombuffer(frame, "u8")
            assert (numbers == numbers[0]).all()
            assert int(numbers[0]) > last
            last = int(numbers[0])
            got += 1
        assert last == messages - 1
        assert got + inbox.lost == messages
        assert inbox.lost > 0


def test_a_dead_consumer_is_reaped_on_request(start: Start) -> None:
    with goring.create("shared", slots=2, max_bytes=8, consumers=2) as ring:
        with ring.producer() as out:
            out.write(b"once")
            child = start(
                """
                import time, goring
                inbox = goring.open("shared").consumer()
                message = inbox.read()
                print("ready", flush=True)
                time.sleep(60)
                """
            )
            assert ring.reap() == 0
            child.kill()
            child.wait()
            assert ring.reap() == 1
            with ring.consumer() as inbox, inbox.read(timeout=0) as message:
                assert (bytes(message.data), message.redelivered) == (b"once", 1)
        ring.unlink()


def test_readers_that_come_and_go(broadcast: goring.Ring) -> None:
    """Each consumer gets every message from its first to its last, once."""
    stop = threading.Event()
    wrong: list[Any] = []

    def reader() -> None:
        while not stop.is_set():
            with broadcast.consumer() as inbox:
                seen = [int(inbox.read(timeout=5).array[0]) for _ in range(20)]
            if seen != list(range(seen[0], seen[0] + 20)):
                wrong.append(seen)

    threads = [threading.Thread(target=reader) for _ in range(4)]
    for thread in threads:
        thread.start()
    with broadcast.producer() as out:
        n = 0
        while n < 4000 or any(thread.is_alive() for thread in threads):
            if n == 4000:
                stop.set()
            write(out, n, n + 1)
            n += 1
    assert not wrong
