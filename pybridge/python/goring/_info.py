"""Description of a ring: its geometry and its info block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from ._errors import CorruptError, SchemaError
from ._schema import NAMED, Shape, dtype_of, name_of, numpy_dtype, shape_of


@dataclass(frozen=True)
class Gpu:
    """Where the payloads of a ring on a GPU are.

    Attributes
    ----------
    memory : {"device", "host"}
        "device": in the device's memory; "host": pinned memory in the segment, which devices
        reach over the bus. The same words as ``create(gpu_memory=)`` takes.
    sync : {"timeline", "host"}
        "timeline": streams wait for each other; "host": the host waits for its stream before it
        hands a slot on. The same words as ``create(gpu_sync=)`` takes.
    device : str
        UUID of the creator's device, as nvidia-smi writes it. Its ordinal differs by process.
    """

    memory: str
    sync: str
    device: str


@dataclass(frozen=True)
class Info:
    """Description of a ring.

    Attributes
    ----------
    name, path : str
        The ring's name and file, "" for an anonymous ring.
    kind : {"bytes", "array", "struct", "tensor"}
        Type of the payloads.
    mode : {"queue", "broadcast", "overwrite"}
        How messages are shared out among the consumers; see `create`.
    dtype : numpy.dtype or None
        dtype of one element; None on bytes and tensor rings.
    shape : tuple of int or None
        Shape of one message; None on bytes and tensor rings.
    dtype_name : str
        The dtype as the layout writes it, "" unless kind is "array". It is "bfloat16"
        where ``dtype`` is a raw integer because ml_dtypes is not installed.
    slots : int
        Number of messages that the ring holds.
    slot_bytes, max_meta : int
        Room for the payload and the metadata of a message, bytes.
    producers, consumers : int
        Number of each that may join at once.
    timestamps : bool
        Whether producers note the time of every commit.
    placement : str
        "inline": payloads beside their headers; "separate": in an area of their own.
    creator, user : mapping
        The program that made the ring, and the facts that it noted.
    gpu : Gpu or None
        Where the payloads of a ring on a GPU are; None on other rings.
    """

    name: str
    path: str
    kind: str
    mode: str
    dtype: np.dtype[Any] | None
    shape: tuple[int, ...] | None
    dtype_name: str
    slots: int
    slot_bytes: int
    max_meta: int
    producers: int
    consumers: int
    timestamps: bool
    placement: str
    creator: Mapping[str, Any]
    user: Mapping[str, Any]
    gpu: Gpu | None = None


class Block(msgspec.Struct):
    """The info block, as it is in the segment."""

    kind: str
    name: str = ""
    dtype: str = ""
    shape: list[int] = []
    itemsize: int = 0
    fields: list[tuple[str, str, int, list[int]]] = []
    creator: dict[str, Any] = {}
    user: dict[str, Any] = {}

    def numpy_shape(self) -> tuple[int, ...] | None:
        """Return the shape of one message, None on bytes and tensor rings."""
        return tuple(self.shape) if self.kind in {"array", "struct"} else None

    def numpy_dtype(self) -> np.dtype[Any] | None:
        """Return the dtype of one element, None on bytes and tensor rings."""
        if self.kind == "array":
            return dtype_of(self.dtype)
        if self.kind != "struct":
            return None
        return np.dtype(
            {
                "names": [f[0] for f in self.fields],
                "formats": [(dtype_of(f[1]), tuple(f[3])) for f in self.fields],
                "offsets": [f[2] for f in self.fields],
                "itemsize": self.itemsize,
            }
        )


def read_block(raw: bytes) -> Block:
    """Return a decoded info block. Raises CorruptError when it is damaged."""
    try:
        return msgspec.msgpack.decode(raw, type=Block)
    except (ValueError, RecursionError) as e:
        raise CorruptError(f"the info block is damaged: {e}") from e


def expect(info: Info, dtype: npt.DTypeLike | None, shape: Shape | None) -> None:
    """Raise SchemaError, naming the difference, unless the ring carries such messages."""
    if dtype is not None and (text := _difference(info, dtype)):
        raise SchemaError(f"ring {info.name!r}: {text}")
    if shape is not None and info.shape != (want := shape_of(shape)):
        raise SchemaError(f"ring {info.name!r}: shape is {info.shape}, not {want}")


def _difference(info: Info, dtype: npt.DTypeLike) -> str:
    have, want = info.dtype, numpy_dtype(dtype)
    if have is None:
        return f"kind is {info.kind}, which has no dtype {want}"
    if (name := name_of(dtype) or name_of(want)) or info.dtype_name in NAMED:
        return "" if name == info.dtype_name else f"dtype is {info.dtype_name}, not {name or want}"
    if have == want:
        return ""
    if have.names is None or want.names is None:
        return f"dtype is {have}, not {want}"
    return _field_difference(have, want)


def _field_difference(have: np.dtype[Any], want: np.dtype[Any]) -> str:
    mine: Any = have.fields
    theirs: Any = want.fields
    for name in want.names or ():
        if name not in mine:
            return f"field {name!r} is missing"
        if mine[name][:2] != theirs[name][:2]:
            (got, at), (wanted, there) = mine[name][:2], theirs[name][:2]
            return f"field {name!r} is {got} at offset {at}, not {wanted} at offset {there}"
    if extra := [name for name in have.names or () if name not in theirs]:
        return f"field {extra[0]!r} was not expected"
    return f"records are {have.itemsize} bytes, not {want.itemsize}"
