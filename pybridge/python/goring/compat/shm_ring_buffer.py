"""The classes of the PyPI library ``shm-ring-buffer``, over goring's rings.

Change the import and keep the program: same constructor arguments, same methods, the
same two-line loop. The difference is that items are neither lost nor repeated.

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
and not used. Only the creator's ``close()`` removes the ring's name, not that of another
process, nor the end of any process.

Nothing blocks. A ``read`` that finds nothing and a ``write`` that finds no room let other
threads and processes run for some microseconds before they return, so that a polling loop does
not keep the processor from its peer.
"""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

import goring

from .._ring import Ring
from .._schema import Shape
from ._cupy import CupyRingBuffer
from ._ring_buffer import RingBuffer, attached, dims, physical

__all__ = [
    "BytesRingBuffer",
    "BytesShmRingBuffer",
    "CupyRingBuffer",
    "NumpyRingBuffer",
    "NumpyShmRingBuffer",
    "RingBuffer",
]


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
        Number of items that it holds, 1 or more.
    item_size : int
        Size of every item, in bytes.
    """

    def __init__(self, slots: int, item_size: int) -> None:
        ring = goring.create(None, slots=physical(slots), max_bytes=item_size)
        super().__init__(slots, item_size, ring, owner=True)


class BytesShmRingBuffer(_Bytes):
    """A ring of bytes between two processes.

    Parameters
    ----------
    slots : int
        Number of items that it holds, 1 or more.
    item_size : int
        Size of every item, in bytes.
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
        Number of items that it holds, 1 or more.
    dtype, shape
        dtype and shape of every item; without a shape an item is a scalar.
    """

    def __init__(self, slots: int, dtype: npt.DTypeLike, shape: Shape | None = None) -> None:
        ring = goring.create(None, slots=physical(slots), dtype=dtype, shape=dims(shape))
        super().__init__(slots, ring, owner=True)


class NumpyShmRingBuffer(_Numpy):
    """A ring of arrays between two processes.

    Parameters
    ----------
    slots : int
        Number of items that it holds, 1 or more.
    buf_shm_name : str
        The ring's name.
    read_idx_shm_name, write_idx_shm_name : str
        Not used.
    create : bool
        Make the ring, or attach to it.
    dtype, shape
        dtype and shape of every item; without a shape an item is a scalar.
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
