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
and not used. The creator's ``close()`` removes the ring's name, nobody else's does.
"""

from __future__ import annotations

import abc
import contextlib
import threading
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

import goring

from .._ring import Ring
from .._schema import Shape, shape_of

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
        return self._may_fill() and self._writer().try_write(data)

    def read(self) -> Item | None:
        """The oldest item, in place and read-only, or None. The same one until `release`."""
        message = self._peek()
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
                self._producer = self._ring.producer()
            return self._producer

    def _peek(self) -> goring.Message | None:
        with self._lock:
            if self._consumer is None:
                self._consumer = self._ring.consumer()
        if self._item is None:
            try:
                self._item = self._consumer.try_read()
            except goring.Held:
                return None  # the next item's slot is under a view that the caller kept
        return self._item

    def _may_fill(self) -> bool:
        # A ring has at least two slots: a capacity of one leaves the other free.
        return self._slots > 1 or self._ring.free == self._ring.slots


class _Bytes(RingBuffer[memoryview]):
    def __init__(self, slots: int, item_size: int, ring: Ring, owner: bool) -> None:
        if ring.info.slot_bytes != item_size or ring.slots != _physical(slots):
            found = ring.info
            ring.close()
            raise goring.SchemaError(
                f"ring {found.name!r} has {found.slots} slots of {found.slot_bytes} bytes, "
                f"not {slots} of {item_size}"
            )
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
    """A ring of bytes between the threads of one process."""

    def __init__(self, slots: int, item_size: int) -> None:
        ring = goring.create(None, slots=_physical(slots), max_bytes=item_size)
        super().__init__(slots, item_size, ring, owner=True)


class BytesShmRingBuffer(_Bytes):
    """A ring of bytes between two processes."""

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
            ring = goring.create(buf_shm_name, slots=_physical(slots), max_bytes=item_size)
        else:
            ring = goring.open(buf_shm_name)
        super().__init__(slots, item_size, ring, owner=create)


class _Numpy(RingBuffer[npt.NDArray[Any]]):
    def _view(self, message: goring.Message) -> npt.NDArray[Any]:
        view: npt.NDArray[Any] = message.array
        return view


class NumpyRingBuffer(_Numpy):
    """A ring of arrays between the threads of one process."""

    def __init__(self, slots: int, dtype: npt.DTypeLike, shape: Shape | None = None) -> None:
        ring = goring.create(None, slots=_physical(slots), dtype=dtype, shape=_shape(shape))
        super().__init__(slots, ring, owner=True)


class NumpyShmRingBuffer(_Numpy):
    """A ring of arrays between two processes."""

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
        dims = _shape(shape)
        if create:
            ring = goring.create(buf_shm_name, slots=_physical(slots), dtype=dtype, shape=dims)
        else:
            ring = goring.open(buf_shm_name, dtype=np.dtype(dtype), shape=dims)
            if ring.slots != _physical(slots):
                found = ring.slots
                ring.close()
                raise goring.SchemaError(f"ring {buf_shm_name!r} has {found} slots, not {slots}")
        super().__init__(slots, ring, owner=create)


def _physical(slots: int) -> int:
    if slots < 1:
        raise ValueError(f"slots is {slots!r}, want 1 or more")
    return max(slots, 2)


def _shape(shape: Shape | None) -> tuple[int, ...]:
    return () if shape is None else shape_of(shape)
