"""The classes of the PyPI library ``shm-ring-buffer``, over goring's rings.

Change the import and keep the program: same constructor arguments, same methods, the
same two-line loop. What is different is that items are neither lost nor repeated.

>>> from goring.compat.shm_ring_buffer import NumpyRingBuffer
>>> ring = NumpyRingBuffer(slots=2, dtype="u1", shape=(3,))
>>> ring.write([1, 2, 3])
Traceback (most recent call last):
    ...
goring._errors.SchemaError: array of dtype int64 and shape (3,), the ring carries uint8 and (3,) \
(cast=True converts the dtype)
>>> import numpy as np
>>> ring.write(np.array([1, 2, 3], "u1"))
True
>>> ring.read().tolist(), ring.release(), ring.read()
([1, 2, 3], True, None)

A ring has one name: the buffer's. The names of the read and write index are accepted
and not used. The creator's ``close()`` removes the ring's name, nobody else's does, and no
process's end does.

Nothing blocks. A ``read`` that finds nothing and a ``write`` that finds no room let other
threads and processes run for some microseconds before they say so: a polling loop does not
keep the processor from the one it waits for.
"""

from __future__ import annotations

import abc
import contextlib
import threading
from typing import Any, Generic, TypeVar

import numpy.typing as npt

import goring

from .. import _check
from .._ring import Ring
from .._schema import Shape, shape_of

_PATIENCE = 20e-6  # seconds

Item = TypeVar("Item")


class RingBuffer(abc.ABC, Generic[Item]):
    """A ring of fixed-size items for one writer and one reader.

    A process joins as the writer at its first ``write`` or ``can_write`` and as the
    reader at its first ``read`` or ``can_read``; `goring.Busy` names the holder when
    there is one already.
    """

    def __init__(self, slots: int, ring: Ring, owner: bool) -> None:
        self._slots = slots
        self._ring = ring
        self._owner = owner
        self._producer: goring.Producer | None = None
        self._consumer: goring.Consumer | None = None
        self._item: goring.Message | None = None
        self._lock = threading.Lock()

    @property
    def capacity(self) -> int:
        """How many items the ring holds."""
        return self._slots

    def can_write(self) -> bool:
        """Whether `write` would find room."""
        return self._writer().writable() and self._may_fill()

    def can_read(self) -> bool:
        """Whether `read` would return an item."""
        return self._peek() is not None

    def write(self, data: Any) -> bool:
        """Copy an item in; False when the ring is full.

        Raises
        ------
        SchemaError, TooLarge
            Another dtype, shape or size than the ring's: nothing is cast, cut or repeated.
        """
        if not self._may_fill():
            return False
        try:
            self._writer().write(data, _PATIENCE)
        except goring.Full:
            return False
        return True

    def read(self) -> Item | None:
        """The oldest item, in place and read-only, or None. The same one until `release`."""
        message = self._peek(_PATIENCE)
        return None if message is None else self._view(message)

    def release(self) -> bool:
        """Give the item of the last `read` back; False when there is none.

        Its slot is free once nobody holds the view any more, in the usual loop at the next
        ``read``: what one looks at never changes.
        """
        if self._item is None:
            return False
        self._item.release()
        self._item = None
        return True

    def close(self) -> None:
        """Detach. The creator also removes the ring's name; views stay valid."""
        if self._ring.closed:
            return
        self.release()
        for side in (self._producer, self._consumer):
            if side is not None:
                side.close()
        if self._owner and self._ring.name:
            with contextlib.suppress(goring.NotFound):  # the name is gone already
                self._ring.unlink()
        self._ring.close()

    @abc.abstractmethod
    def _view(self, message: goring.Message) -> Item: ...

    def _writer(self) -> goring.Producer:
        with self._lock:
            if self._producer is None:
                self._producer = self._ring.producer(on_peer_death="wait")
            return self._producer

    def _reader(self) -> goring.Consumer:
        with self._lock:
            if self._consumer is None:
                self._consumer = self._ring.consumer(on_peer_death="wait")
            return self._consumer

    def _peek(self, patience: float = 0) -> goring.Message | None:
        reader = self._reader()
        if self._item is None:
            # Held: the next item's slot is under a view that the caller kept.
            with contextlib.suppress(goring.Held):
                self._item = reader.try_read()
                if self._item is None and patience and reader.wait(patience):
                    self._item = reader.try_read()
        return self._item

    def _may_fill(self) -> bool:
        # A ring has at least two slots: a capacity of one leaves the other free.
        return self._slots > 1 or self._ring.free == self._ring.slots


class _Bytes(RingBuffer[memoryview]):
    def __init__(self, slots: int, item_size: int, ring: Ring, owner: bool) -> None:
        super().__init__(slots, ring, owner)
        self._item_size = item_size

    def write(self, data: Any) -> bool:
        size = memoryview(data).nbytes
        if size != self._item_size:
            raise goring.TooLarge(f"item of {size} bytes, the ring's have {self._item_size}")
        return super().write(data)

    def _view(self, message: goring.Message) -> memoryview:
        view: memoryview = message.data
        return view


class BytesRingBuffer(_Bytes):
    """A ring of bytes between the threads of one process.

    Parameters
    ----------
    slots : int
        How many items it holds, 1 or more.
    item_size : int
        Bytes of every item.
    """

    def __init__(self, slots: int, item_size: int) -> None:
        ring = goring.create(None, slots=physical(slots), max_bytes=item_size)
        super().__init__(slots, item_size, ring, owner=True)


class BytesShmRingBuffer(_Bytes):
    """A ring of bytes between two processes.

    Parameters
    ----------
    slots : int
        How many items it holds, 1 or more.
    item_size : int
        Bytes of every item.
    buf_shm_name : str
        The ring's name.
    read_idx_shm_name, write_idx_shm_name : str
        Not used.
    create : bool
        Make the ring, or attach to it.
    """

    def __init__(
        self,
        slots: int,
        item_size: int,
        buf_shm_name: str,
        read_idx_shm_name: str,
        write_idx_shm_name: str,
        create: bool,
    ) -> None:
        if create:
            ring = goring.create(buf_shm_name, slots=physical(slots), max_bytes=item_size)
        else:
            ring = attached(slots, goring.open(buf_shm_name))
            if ring.kind != "bytes" or ring.info.slot_bytes != item_size:
                ring.close()
                raise goring.SchemaError(
                    f"ring {buf_shm_name!r} has items of {ring.info.slot_bytes} bytes "
                    f"({ring.kind}), not {item_size} (bytes)"
                )
        super().__init__(slots, item_size, ring, owner=create)


class _Numpy(RingBuffer[npt.NDArray[Any]]):
    def _view(self, message: goring.Message) -> npt.NDArray[Any]:
        view: npt.NDArray[Any] = message.array
        return view


class NumpyRingBuffer(_Numpy):
    """A ring of arrays between the threads of one process.

    Parameters
    ----------
    slots : int
        How many items it holds, 1 or more.
    dtype, shape
        Of every item; without a shape an item is a scalar.
    """

    def __init__(self, slots: int, dtype: npt.DTypeLike, shape: Shape | None = None) -> None:
        ring = goring.create(None, slots=physical(slots), dtype=dtype, shape=dims(shape))
        super().__init__(slots, ring, owner=True)


class NumpyShmRingBuffer(_Numpy):
    """A ring of arrays between two processes.

    Parameters
    ----------
    slots : int
        How many items it holds, 1 or more.
    buf_shm_name : str
        The ring's name.
    read_idx_shm_name, write_idx_shm_name : str
        Not used.
    create : bool
        Make the ring, or attach to it.
    dtype, shape
        Of every item; without a shape an item is a scalar.
    """

    def __init__(
        self,
        slots: int,
        buf_shm_name: str,
        read_idx_shm_name: str,
        write_idx_shm_name: str,
        create: bool,
        dtype: npt.DTypeLike,
        shape: Shape | None = None,
    ) -> None:
        items = dims(shape)
        if create:
            ring = goring.create(buf_shm_name, slots=physical(slots), dtype=dtype, shape=items)
        else:
            ring = attached(slots, goring.open(buf_shm_name, dtype=dtype, shape=items))
        super().__init__(slots, ring, owner=create)


def physical(slots: int) -> int:
    """The slots of the ring under a buffer of so many."""
    if _check.integer("slots", slots) < 1:
        raise goring.BadValue(f"slots is {slots}, want 1 or more")
    return max(slots, 2)


def attached(slots: int, ring: Ring) -> Ring:
    """The ring, if a buffer of so many slots made it."""
    if ring.slots == physical(slots):
        return ring
    ring.close()
    raise goring.SchemaError(f"ring {ring.name!r} has {ring.slots} slots, not {slots}")


def dims(shape: Shape | None) -> tuple[int, ...]:
    """The shape of an item, which is a scalar without one."""
    return () if shape is None else shape_of(shape)


def __getattr__(name: str) -> Any:
    if name == "CupyRingBuffer":  # in a module of its own, which needs this one
        from ._cupy import CupyRingBuffer

        return CupyRingBuffer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
