"""A queue between processes with the interface of `multiprocessing.Queue`.

It survives the death of its users: a process that is killed with ``kill -9``, at any moment,
loses no other process's items and leaves no lock held. There is no feeder thread: an item is
in the queue when `Queue.put` returns, which raises when the item cannot be pickled.

>>> from goring.compat.queue import Queue
>>> queue = Queue(maxsize=8)
>>> queue.put({"answer": 42})
>>> queue.get(timeout=1)
{'answer': 42}
>>> queue.close()
"""

from __future__ import annotations

import io
import os
import pickle
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from multiprocessing import reduction
from multiprocessing.context import assert_spawning
from queue import Empty, Full
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from .. import _check, _errors, _open, _words

if TYPE_CHECKING:
    from .._participants import Consumer, Producer
    from .._ring import Ring

__all__ = ["Empty", "Full", "Queue"]

_SEATS = 31  # processes that put, and as many that get
_SLOTS = 64  # slots of a queue without maxsize
_ALIGN = 64  # alignment of each buffer, so that NumPy computes on it at full speed


class Queue:
    """A queue for any number of producing and consuming threads of up to 31 processes each.

    Parameters
    ----------
    maxsize : int
        Number of items that it holds; a queue of 1 holds 2. 0 or less: 64, and `put` then waits,
        too, since shared memory is allocated when the queue is made.
    max_bytes : int
        Size of the largest item, pickled. The queue takes up to ``maxsize * max_bytes`` of
        memory.
    ctx : optional
        Accepted for the sake of `multiprocessing.Queue`, and not used.

    Raises
    ------
    goring.BadValue, goring.NoSpace
        As `goring.create` does.

    Notes
    -----
    Items are pickled with protocol 5: the memory of arrays goes straight into the queue,
    and `get` copies it once, into private memory.

    A queue is passed to a process as an argument when that is started, with the "spawn" or
    the "forkserver" method; in a forked child of a process that has used goring its use
    raises `goring.ForkError`. A process that dies between `get` and the end of its work
    takes that item with it, as with any queue; one that dies inside `get` does not.
    """

    def __init__(self, maxsize: int = 0, *, max_bytes: int = 1 << 20, ctx: object = None) -> None:
        slots = _check.integer("maxsize", maxsize)
        self._attach(
            _open.create(
                None,
                slots=max(slots, 2) if slots > 0 else _SLOTS,
                max_bytes=_check.integer("max_bytes", max_bytes),
                producers=_SEATS,
                consumers=_SEATS,
                max_meta=0,
                timestamps=False,
                user={"queue": 1},
            )
        )

    def _attach(self, ring: Ring) -> None:
        self._ring = ring
        self._producer: Producer | None = None
        self._consumer: Consumer | None = None
        self._putting = threading.Lock()
        self._getting = threading.Lock()
        self._closed = False

    def put(self, obj: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put an item into the queue.

        Raises
        ------
        queue.Full
            There was no room, at once or within timeout seconds.
        goring.TooLarge
            The pickled item has more than max_bytes; the queue can still be used.
        goring.Busy
            31 other processes put.
        ValueError
            The queue is closed.
        """
        self._check_open()
        stream, buffers = _pickled(obj)
        wait = _Deadline(block, timeout)
        with _Turn(self._putting, wait, Full):
            producer = self._producer = self._producer or self._ring.producer(on_peer_death="wait")
            try:
                if buffers:
                    self._put_buffers(producer, stream, buffers, wait)
                else:
                    producer.write(_head([len(stream)]) + stream, wait.left())
            except _errors.Full:
                raise Full from None
            except _errors.TooLarge as error:
                raise _errors.TooLarge(f"{error}; make the queue with a larger max_bytes") from None

    def _put_buffers(
        self, producer: Producer, stream: bytes, buffers: list[memoryview], wait: _Deadline
    ) -> None:
        parts = [memoryview(stream), *buffers]
        head = _head([part.nbytes for part in parts])
        starts, total = _places(len(head), [part.nbytes for part in parts])
        room = self._ring.info.slot_bytes
        if total > room:
            raise _errors.TooLarge(f"an item of {total} bytes does not fit slots of {room}")
        with producer.reserve(wait.left()) as slot:
            data = slot.data
            data[: len(head)] = head
            for start, part in zip(starts, parts, strict=True):
                data[start : start + part.nbytes] = part
            slot.commit(total)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take the next item out of the queue.

        Raises
        ------
        queue.Empty
            There was none, at once or within timeout seconds.
        goring.Busy
            31 other processes get.
        goring.CorruptError
            A peer wrote an impossible item, which is skipped.
        ValueError
            The queue is closed.
        """
        self._check_open()
        wait = _Deadline(block, timeout)
        with _Turn(self._getting, wait, Empty):
            consumer = self._consumer = self._consumer or self._ring.consumer(on_peer_death="wait")
            try:
                message = consumer.read(wait.left())
            except _errors.Empty:
                raise Empty from None
            with message:
                data: memoryview = message.data
                stream, buffers = _taken_apart(data)
                data.release()
        return pickle.loads(stream, buffers=buffers)

    def put_nowait(self, obj: Any) -> None:
        """Put an item if there is room now, else raise `queue.Full`. Raises as `put` does."""
        self.put(obj, block=False)

    def get_nowait(self) -> Any:
        """Take an item if there is one now, else raise `queue.Empty`. Raises as `get` does."""
        return self.get(block=False)

    def qsize(self) -> int:
        """Return the number of items that wait. Raises ValueError when the queue is closed."""
        self._check_open()
        return sum(map(_words.is_ready, self._ring._mapped.words()))

    def empty(self) -> bool:
        """Report whether no item waits now. Raises as `qsize` does."""
        return self.qsize() == 0

    def full(self) -> bool:
        """Report whether there is no room for an item now. Raises as `qsize` does."""
        self._check_open()
        return bool(self._ring.free == 0)

    def close(self) -> None:
        """Stop using the queue in this process. Its items stay in it for others."""
        if self._closed:
            return
        self._closed = True
        with self._putting, self._getting:
            for participant in (self._producer, self._consumer):
                if participant is not None:
                    participant.close()
            self._ring.close()

    def join_thread(self) -> None:
        """Do nothing: there is no thread to wait for.

        Raises
        ------
        AssertionError
            The queue is not closed.
        """
        if not self._closed:
            raise AssertionError(f"{self!r} is not closed")

    def cancel_join_thread(self) -> None:
        """Do nothing: there is no thread."""

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError(f"{self!r} is closed")

    def __repr__(self) -> str:
        return f"<goring.compat.queue.Queue at {id(self):#x}>"

    def __getstate__(self) -> Any:
        assert_spawning(self)
        self._check_open()
        return reduction.DupFd(self._ring.fileno())

    def __setstate__(self, state: Any) -> None:
        fd = state.detach()
        try:
            self._attach(_open.open(fd=fd))
        finally:
            os.close(fd)


class _Deadline:
    """The time that a call may still wait, across its steps."""

    def __init__(self, block: bool, timeout: float | None) -> None:
        self._forever = block and timeout is None
        self._limit = time.monotonic() + (max(timeout or 0.0, 0.0) if block else 0.0)

    def left(self) -> float | None:
        """Return the seconds left; None: no limit."""
        return None if self._forever else max(self._limit - time.monotonic(), 0.0)


class _Turn(AbstractContextManager["_Turn"]):
    """Holds a lock of the process; raises late() when it is not free in time."""

    def __init__(
        self, lock: threading.Lock, wait: _Deadline, late: Callable[[], Exception]
    ) -> None:
        left = wait.left()
        if not lock.acquire(timeout=-1 if left is None else left):
            raise late()
        self._lock = lock

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.release()


def _pickled(obj: Any) -> tuple[bytes, list[memoryview]]:
    """Return the pickle stream and the buffers that are not in it."""
    buffers: list[pickle.PickleBuffer] = []
    stream = io.BytesIO()
    # ForkingPickler also carries sockets, connections and other queues' parts.
    reduction.ForkingPickler(stream, 5, True, buffers.append).dump(obj)
    return stream.getvalue(), [buffer.raw() for buffer in buffers]


def _head(lengths: Sequence[int]) -> bytes:
    """Return an item's head: number and sizes of its parts; the pickle stream is the first."""
    return struct.pack(f"<{1 + len(lengths)}Q", len(lengths), *lengths)


def _places(start: int, lengths: Sequence[int]) -> tuple[list[int], int]:
    """Return the offset of each part, and the end of the last. The stream follows the head."""
    starts = []
    for k, length in enumerate(lengths):
        start += -start % _ALIGN if k else 0
        starts.append(start)
        start += length
    return starts, start


def _taken_apart(data: memoryview) -> tuple[bytes, list[bytearray]]:
    """Return copies of an item's parts. Its numbers come from a peer, so each is checked."""
    try:
        (count,) = struct.unpack_from("<Q", data)
        if not 1 <= count <= data.nbytes // 8:
            raise ValueError(f"an item of {count} parts")
        lengths = struct.unpack_from(f"<{count}Q", data, 8)
        starts, total = _places(8 * (1 + count), lengths)
        if total > data.nbytes:
            raise ValueError(f"an item of {total} bytes")
    except (struct.error, ValueError) as error:
        raise _errors.CorruptError(f"in a message of {data.nbytes} bytes: {error}") from None
    parts = [data[s : s + n] for s, n in zip(starts, lengths, strict=True)]
    return bytes(parts[0]), [bytearray(part) for part in parts[1:]]
