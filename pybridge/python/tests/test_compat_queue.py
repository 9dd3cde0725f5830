"""goring.compat.queue beside the queue it stands in for."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from goring.compat.queue import Empty, Full, Queue

import goring

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def queue() -> Iterator[Queue]:
    made = Queue(8, max_bytes=1 << 16)
    yield made
    made.close()


@pytest.fixture(params=["goring", "multiprocessing"])
def either(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Both queues, for behaviour that must be the same."""
    made = Queue(3) if request.param == "goring" else SPAWN.Queue(3)
    yield made
    made.close()
    made.join_thread()


def await_items(queue: Any, items: int) -> None:
    """Wait until the queue has so many items; the other queue's feeder thread is slow."""
    limit = time.monotonic() + 5
    while queue.qsize() < items or queue.empty():
        assert time.monotonic() < limit
        time.sleep(0.001)


class Unpicklable:
    def __reduce__(self) -> Any:
        raise RuntimeError("cannot be pickled")


class TestAsMultiprocessing:
    def test_in_order(self, either: Any) -> None:
        for item in (1, "two", None):
            either.put(item)
        await_items(either, 3)
        assert either.full()
        assert [either.get() for _ in range(3)] == [1, "two", None]
        assert (either.qsize(), either.empty(), either.full()) == (0, True, False)

    def test_full(self, either: Any) -> None:
        for item in range(3):
            either.put(item, timeout=1)
        for put in (
            lambda: either.put_nowait(4),
            lambda: either.put(4, False),
            lambda: either.put(4, False, 9),
            lambda: either.put(4, True, 0.02),
            lambda: either.put(4, timeout=-1),
        ):
            with pytest.raises(Full):
                put()
        await_items(either, 3)
        either.get()
        either.put_nowait(4)
        await_items(either, 3)
        assert [either.get() for _ in range(3)] == [1, 2, 4]

    def test_empty(self, either: Any) -> None:
        for get in (
            either.get_nowait,
            lambda: either.get(False),
            lambda: either.get(False, 9),
            lambda: either.get(True, 0.02),
            lambda: either.get(timeout=-1),
        ):
            with pytest.raises(Empty):
                get()

    def test_closed(self, either: Any) -> None:
        either.close()
        either.close()
        for use in (lambda: either.put(1), either.get, either.get_nowait):
            with pytest.raises(ValueError, match="is closed"):
                use()

    def test_pickles_only_to_children(self, either: Any) -> None:
        with pytest.raises(RuntimeError, match="inheritance"):
            pickle.dumps(either)

    def test_a_getter_is_woken(self, either: Any) -> None:
        got: list[Any] = []
        thread = threading.Thread(target=lambda: got.append(either.get(timeout=5)))
        thread.start()
        time.sleep(0.05)
        either.put("late")
        thread.join(5)
        assert got == ["late"]


def test_join_thread_wants_a_closed_queue(queue: Queue) -> None:
    with pytest.raises(AssertionError, match="not closed"):
        queue.join_thread()


def test_what_cannot_be_pickled_raises_at_once(queue: Queue) -> None:
    with pytest.raises(RuntimeError, match="cannot be pickled"):
        queue.put(Unpicklable())
    queue.put("next")
    assert queue.get(timeout=1) == "next"


@pytest.mark.parametrize("item", [b"x" * 70_000, np.zeros(9000), [np.zeros(5000)] * 2], ids=type)
def test_too_large(queue: Queue, item: Any) -> None:
    items = [item[0], item[0].copy()] if isinstance(item, list) else item
    with pytest.raises(goring.TooLarge, match=r"65536.*max_bytes"):
        queue.put(items)
    queue.put("next")
    assert queue.get(timeout=1) == "next"


ARRAYS = {
    "plain": np.arange(12.0).reshape(3, 4),
    "fortran": np.asfortranarray(np.arange(12).reshape(3, 4)),
    "strided": np.arange(20)[::2],
    "scalar": np.array(3.5),
    "empty": np.empty((0, 3)),
    "records": np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
    "objects": np.array(["a", None, 3], dtype=object),
    "text": np.array(["ä", "bcd"]),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(queue: Queue, name: str) -> None:
    array = ARRAYS[name]
    queue.put(array)
    got = queue.get(timeout=1)
    np.testing.assert_array_equal(got, array)
    assert got.dtype == array.dtype
    assert got.flags.f_contiguous == (array.copy("K").flags.f_contiguous)
    got[...] = got  # it is a private, writable copy
    assert got.flags.writeable


def test_several_buffers_and_read_only_ones(queue: Queue) -> None:
    frozen = np.arange(5)
    frozen.flags.writeable = False
    queue.put({"a": [np.arange(3), frozen], "b": np.ones((2, 2))})
    got = queue.get(timeout=1)
    assert got["a"][1].tolist() == [0, 1, 2, 3, 4]
    assert got["b"].sum() == 4
    assert queue.qsize() == 0


def test_a_received_array_does_not_change(queue: Queue) -> None:
    queue.put(np.full(100, 1))
    first = queue.get(timeout=1)
    for n in range(20):
        queue.put(np.full(100, n))
        queue.get(timeout=1)
    assert (first == 1).all()


def test_a_hostile_item_is_an_error(queue: Queue) -> None:
    for message in (b"", b"\xff" * 8, b"\xff" * 64, (1).to_bytes(8, "little") + b"\xff" * 8):
        with queue._ring.producer() as out:
            out.write(message)
        with pytest.raises(goring.CorruptError):
            queue.get(timeout=1)
    queue.put(1)
    assert queue.get(timeout=1) == 1


def test_nonsense_is_refused() -> None:
    with pytest.raises((goring.BadValue, TypeError), match="maxsize"):
        Queue("many")  # type: ignore[arg-type]
    with pytest.raises(goring.Error, match="max_bytes"):
        Queue(2, max_bytes=0)


def test_several_threads(queue: Queue) -> None:
    got: list[int] = []

    def take() -> None:
        while (item := queue.get(timeout=10)) is not None:
            got.append(item)

    def give(first: int) -> None:
        for item in range(first, first + 500):
            queue.put(item)

    takers = [threading.Thread(target=take) for _ in range(3)]
    givers = [threading.Thread(target=give, args=(n * 500,)) for n in range(3)]
    for thread in takers + givers:
        thread.start()
    for thread in givers:
        thread.join()
    for _ in takers:
        queue.put(None)
    for thread in takers:
        thread.join()
    assert sorted(got) == list(range(1500))


# -- processes


def squares(source: Queue, sink: Queue) -> None:
    while (item := source.get(timeout=30)) is not None:
        sink.put((os.getpid(), item, item * item))


def numbers(sink: Queue, first: int, count: int) -> None:
    for n in range(first, first + count):
        sink.put(n)


def test_children_give_and_take() -> None:
    source, sink = Queue(16), Queue(16)
    takers = [SPAWN.Process(target=squares, args=(source, sink)) for _ in range(2)]
    givers = [SPAWN.Process(target=numbers, args=(source, n * 1000, 1000)) for n in range(2)]
    for process in takers + givers:
        process.start()
    got = [sink.get(timeout=30) for _ in range(2000)]
    for _ in takers:
        source.put(None)
    for process in takers + givers:
        process.join(30)
        assert process.exitcode == 0
    assert sorted(n for _, n, _ in got) == list(range(2000))
    assert all(n * n == square for _, n, square in got)
    for q in (source, sink):
        q.close()


def forever(sink: Queue, first: int) -> None:
    for n in range(first, first + 10**9):
        sink.put((first, n, np.full(64, n)))


def hold(source: Queue) -> None:
    """Take without end: the test kills this process inside or outside of get."""
    while True:
        source.get(timeout=30)


def test_killed_users_harm_nobody() -> None:
    """The items of a survivor arrive once and in order while other processes are killed."""
    queue = Queue(4)
    seen: Counter[tuple[int, int]] = Counter()
    last: dict[int, int] = {}
    for round_ in range(6):
        victims = [
            SPAWN.Process(target=forever, args=(queue, (round_ + 1) * 10**10)),
            SPAWN.Process(target=hold, args=(queue,)),
        ]
        for process in victims:
            process.start()
        limit, kill_at = time.monotonic() + 30, time.monotonic() + 0.5 + 0.03 * round_
        got, ours = 0, []
        while victims or got < 3:
            assert time.monotonic() < limit, "the queue is stuck"
            if victims and time.monotonic() > kill_at:
                for process in victims:
                    os.kill(process.pid or 0, signal.SIGKILL)
                    process.join()
                victims, ours = [], list(range(3))
            if ours:
                with contextlib.suppress(Full):  # full, since the readers died: read here, too
                    queue.put((round_, ours[0], np.full(64, ours[0])), timeout=0.05)
                    del ours[0]
            try:
                first, n, array = queue.get(timeout=0.05)
            except Empty:
                continue
            assert (array == n).all()
            assert n > last.get(first, -1)
            last[first] = n
            seen[first, n] += 1
            got += first == round_
    assert max(seen.values()) == 1
    assert queue.empty()
    queue.close()


def test_nothing_is_left_behind() -> None:
    before = len(os.listdir("/proc/self/fd")), set(os.listdir("/dev/shm"))
    for _ in range(3):
        made = Queue(2)
        made.put(1)
        made.get()
        made.close()
    assert (len(os.listdir("/proc/self/fd")), set(os.listdir("/dev/shm"))) == before
