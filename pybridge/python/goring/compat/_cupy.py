"""A ring in GPU memory, with the interface of the classes of ``shm-ring-buffer``."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from typing import Any

import numpy.typing as npt

import goring

from .._schema import Shape
from ._ring_buffer import RingBuffer, attached, dims, physical


class CupyRingBuffer(RingBuffer[Any]):
    """A ring of arrays in the memory of a CUDA device, between two processes.

    ``read`` gives a CuPy array in place where CuPy is installed, else a
    `goring.DeviceArray`; ``write`` takes arrays of the host or of the device. The creator owns
    the device memory: it must outlive the other process.

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
    device : str or int
        With create: the CUDA device, "cuda:0" or an ordinal.

    Raises
    ------
    SchemaError
        With create false: the ring carries something else, or is not on a GPU.
    Error
        As `goring.create` and `goring.open` do.
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
        device: str | int = "cuda:0",
    ) -> None:
        items = dims(shape)
        if create:
            ring = goring.create(
                buf_shm_name, slots=physical(slots), dtype=dtype, shape=items, device=device
            )
        else:
            ring = attached(slots, goring.open(buf_shm_name, dtype=dtype, shape=items))
            if ring.info.gpu is None:
                ring.close()
                raise goring.SchemaError(f"ring {buf_shm_name!r} is in host memory, not on a GPU")
        super().__init__(slots, ring, owner=create)

    def _view(self, message: goring.Message) -> Any:
        cupy = _cupy()
        return message.array if cupy is None else cupy.asarray(message.array)


@functools.cache
def _cupy() -> Any | None:
    return importlib.import_module("cupy") if importlib.util.find_spec("cupy") else None
