"""async for, in the event loop and out of it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator

import numpy as np
import pytest

import goring


@pytest.fixture
def ring() -> Iterator[goring.Ring]:
    with goring.create(None, slots=4, dtype="i8") as ring:
        yield ring


def write(ring: goring.Ring, numbers: range, pause: float = 0) -> threading.Thread:
    """Write from a thread, then shut the ring down."""

    def body() -> None:
        with ring.producer() as out:
            for n in numbers:
                out.write(np.int64(n), timeout=30)
                time.sleep(pause)
        ring.shutdown()

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    return thread


async def take(inbox: goring.Consumer, count: int) -> list[int]:
    got: list[int] = []
    while len(got) < count:
        got.append(int(await anext(inbox)))
    return got


def waiters() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("goring-wait")]


@pytest.mark.parametrize(("count", "pause"), [(3000, 0), (10, 0.02)])
def test_it_drains_until_the_ring_is_shut_down_and_empty(
    ring: goring.Ring, count: int, pause: float
) -> None:
    async def main() -> list[int]:
        with ring.consumer() as inbox:
            return [int(frame) async for frame in inbox]

    writer = write(ring, range(count), pause)
    assert asyncio.run(main()) == list(range(count))
    writer.join(30)
    assert waiters() == []
    assert ring.free == 4


def test_what_is_there_is_had_without_leaving_the_loop(ring: goring.Ring) -> None:
    async def main() -> None:
        with ring.producer() as out, ring.consumer() as inbox:
            for n in range(3):
                out.write(np.int64(n))
            others = 0

            async def other() -> None:
                nonlocal others
                others += 1

            task = asyncio.create_task(other())
            assert await take(inbox, 3) == [0, 1, 2]
            assert others == 0
            assert waiters() == []
            await task

    asyncio.run(main())


def test_a_ring_that_is_never_empty_does_not_starve_the_loop(ring: goring.Ring) -> None:
    async def main() -> int:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        with ring.producer() as out, ring.consumer() as inbox:
            for n in range(2000):
                out.write(np.int64(n))
                assert await anext(inbox) == n
        task.cancel()
        return turns

    assert asyncio.run(main()) > 3


def test_the_loop_runs_while_one_waits(ring: goring.Ring) -> None:
    async def main() -> list[int]:
        with ring.consumer() as inbox, ring.producer() as out:

            async def later() -> None:
                for n in range(5):
                    await asyncio.sleep(0.01)
                    out.write(np.int64(n))

            task = asyncio.create_task(later())
            got = await take(inbox, 5)
            await task
            return got

    assert asyncio.run(main()) == [0, 1, 2, 3, 4]


def test_two_rings_in_one_loop(ring: goring.Ring) -> None:
    async def echo(source: goring.Ring, to: goring.Producer, count: int) -> None:
        with source.consumer() as inbox:
            for n in await take(inbox, count):
                to.write(np.int64(n + 1), timeout=30)

    async def main() -> list[int]:
        back = goring.create(None, slots=4, dtype="i8")
        with back, back.producer() as answers, ring.producer() as out, back.consumer() as inbox:
            task = asyncio.create_task(echo(ring, answers, 3))
            for n in (10, 20, 30):
                out.write(np.int64(n))
            got = await take(inbox, 3)
            await task
            return got

    assert asyncio.run(main()) == [11, 21, 31]


def test_a_cancelled_wait_loses_nothing_and_leaves_nothing_behind(ring: goring.Ring) -> None:
    async def main() -> None:
        with ring.producer() as out, ring.consumer() as inbox:
            for n in range(5):
                start = time.monotonic()
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(anext(inbox), 0.01)
                assert time.monotonic() - start < 5
                out.write(np.int64(n))
                assert inbox.read(0).array == n  # no thread is in the consumer any more
            assert len(waiters()) == 1
        assert waiters() == []
        assert ring.stats().participants == ()

    asyncio.run(main())


def test_a_wait_that_is_cancelled_twice(ring: goring.Ring) -> None:
    async def main() -> None:
        with ring.consumer() as inbox:
            task = asyncio.create_task(anext(inbox))
            await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert inbox.try_read() is None

    asyncio.run(main())


def test_a_consumer_that_is_dropped_while_it_has_a_thread(ring: goring.Ring) -> None:
    async def main() -> None:
        inbox = ring.consumer()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(inbox), 0.01)

    asyncio.run(main())
    end = time.monotonic() + 10
    while waiters() or ring.stats().participants:
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("wait", [lambda i: anext(i), lambda i: take(i, 1)])
def test_a_closed_consumer_says_so(
    ring: goring.Ring, wait: Callable[[goring.Consumer], Awaitable[object]]
) -> None:
    async def main() -> None:
        inbox = ring.consumer()
        inbox.close()
        with pytest.raises(goring.Closed, match="consumer is closed"):
            await wait(inbox)

    asyncio.run(main())


def test_one_task_at_a_time(ring: goring.Ring) -> None:
    async def main() -> None:
        with ring.consumer() as inbox:
            task = asyncio.create_task(anext(inbox))
            await asyncio.sleep(0.02)
            with pytest.raises(goring.Error, match="waiting in another thread"):
                await anext(inbox)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())


def test_views_kept_past_the_loop(ring: goring.Ring) -> None:
    async def main() -> None:
        with ring.producer() as out, ring.consumer() as inbox:
            for n in range(3):
                out.write(np.int64(n))
            kept = [await anext(inbox) for _ in range(3)]
            assert ring.free == 1
        assert [int(k) for k in kept] == [0, 1, 2]
        del kept
        assert ring.free == 4

    asyncio.run(main())
