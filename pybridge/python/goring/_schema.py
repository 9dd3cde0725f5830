"""What a ring carries: NumPy dtypes to the layout's schema, and the info block back."""

from __future__ import annotations

import importlib
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from ._errors import CorruptError, SchemaError

NAMED = frozenset({"bfloat16", "float8_e4m3fn", "float8_e5m2"})
"""dtypes that NumPy has not, carried by name."""

Shape = int | tuple[int, ...] | list[int]


def shape_of(shape: Shape) -> tuple[int, ...]:
    """A shape as a tuple; SchemaError for dimensions that are no positive integers."""
    try:
        dims = tuple(map(operator.index, (shape,) if isinstance(shape, int) else shape))
    except TypeError:
        raise SchemaError(f"shape is {shape!r}, want integers") from None
    if any(d < 1 for d in dims):
        raise SchemaError(f"shape is {shape!r}, every dimension is at least 1")
    return dims


def _named(dtype: npt.DTypeLike) -> str | None:
    name = dtype if isinstance(dtype, str) else getattr(dtype, "name", None)
    return name if name in NAMED else None


def dtype_of(name: str) -> np.dtype[Any]:
    """The NumPy dtype of a dtype string; without ml_dtypes, named ones are raw integers."""
    if name not in NAMED:
        return np.dtype(name)
    try:
        ml_dtypes = importlib.import_module("ml_dtypes")
    except ImportError:
        return np.dtype("u2" if name == "bfloat16" else "u1")
    dtype: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
    return dtype


def _scalar(dtype: np.dtype[Any], where: str = "") -> str:
    if name := _named(dtype):
        return name
    if dtype.hasobject:
        raise SchemaError(
            f"dtype {dtype}{where} holds objects: pointers mean nothing in another process"
        )
    if dtype.str.startswith(">"):
        raise SchemaError(f"dtype {dtype.str!r}{where} is big-endian, rings are little-endian")
    return dtype.str


def _field(dtype: np.dtype[Any], name: str) -> dict[str, Any]:
    fields: Any = dtype.fields  # NumPy's key type is not str
    sub, offset = fields[name][:2]
    base, shape = sub.subdtype or (sub, ())
    if base.fields is not None:
        raise SchemaError(f"field {name!r} is a record in a record: write its fields out")
    return {
        "name": name,
        "dtype": _scalar(base, f" of field {name!r}"),
        "offset": offset,
        "shape": list(shape),
    }


def schema_of(
    dtype: npt.DTypeLike | None, shape: Shape, max_bytes: int | None, kind: str | None
) -> dict[str, Any]:
    """The layout's schema of create()'s arguments; SchemaError for what cannot be."""
    if kind not in {None, "bytes", "array", "struct", "tensor"}:
        raise SchemaError(f"kind is {kind!r}, want 'bytes', 'array', 'struct' or 'tensor'")
    if dtype is None:
        if kind in {"array", "struct"} or max_bytes is None:
            raise SchemaError("say what the ring carries: dtype= (and shape=), or max_bytes=")
        if shape != ():
            raise SchemaError(f"shape is {shape!r}, but there is no dtype")
        return {"kind": kind or "bytes", "max_bytes": operator.index(max_bytes)}
    if max_bytes is not None:
        raise SchemaError(
            f"max_bytes is {max_bytes!r}: a ring with a dtype has items of fixed size"
        )
    return _fixed(dtype, shape_of(shape), kind)


def _fixed(dtype: npt.DTypeLike, shape: tuple[int, ...], kind: str | None) -> dict[str, Any]:
    if name := _named(dtype):
        size = dtype_of(name).itemsize
        return {"kind": "array", "dtype": name, "shape": shape, "itemsize": size}
    try:
        d = np.dtype(dtype)
    except TypeError as e:
        raise SchemaError(f"dtype is {dtype!r}: {e}") from None
    if d.subdtype is not None:
        d, inner = d.subdtype
        shape += inner
    natural = "array" if d.fields is None else "struct"
    if kind not in {None, natural}:
        raise SchemaError(f"kind is {kind!r}, but a ring of dtype {d} is of kind {natural!r}")
    out = {"kind": natural, "shape": shape, "itemsize": d.itemsize}
    if d.fields is None:
        return out | {"dtype": _scalar(d)}
    return out | {"fields": [_field(d, name) for name in d.names or ()]}


@dataclass(frozen=True)
class Info:
    """What a ring says of itself.

    Attributes
    ----------
    kind : str
        "bytes", "array", "struct" or "tensor".
    dtype : numpy.dtype or None
        Of one element; None on bytes and tensor rings.
    shape : tuple of int or None
        Of one message; None on bytes and tensor rings.
    slot_bytes, max_meta : int
        Room for the payload and the metadata of a message, bytes.
    creator, user : mapping
        Who made the ring, and what they noted.
    """

    name: str
    kind: str
    dtype: np.dtype[Any] | None
    shape: tuple[int, ...] | None
    dtype_name: str
    slots: int
    slot_bytes: int
    max_meta: int
    producers: int
    consumers: int
    timestamps: bool
    creator: Mapping[str, Any]
    user: Mapping[str, Any]


class _Creator(msgspec.Struct):
    lang: str = ""
    version: str = ""
    program: str = ""
    host: str = ""
    pid: int = 0


class Block(msgspec.Struct):
    """The info block, as it stands in the segment."""

    v: int
    kind: str
    name: str = ""
    dtype: str = ""
    shape: list[int] = []
    itemsize: int = 0
    max_bytes: int = 0
    fields: list[tuple[str, str, int, list[int]]] = []
    creator: _Creator = msgspec.field(default_factory=_Creator)
    user: dict[str, Any] = {}

    def numpy_dtype(self) -> np.dtype[Any] | None:
        """The dtype of one element, None on bytes and tensor rings."""
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
    """Decode an info block; CorruptError when it is damaged."""
    try:
        return msgspec.msgpack.decode(raw, type=Block)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as e:
        raise CorruptError(f"the info block is damaged: {e}") from e


def expect(info: Info, dtype: npt.DTypeLike | None, shape: Shape | None) -> None:
    """SchemaError unless the ring carries what the caller expects."""
    if dtype is not None:
        want = dtype_of(name) if (name := _named(dtype)) else np.dtype(dtype)
        if info.dtype is None or not _same(info, name, want):
            raise SchemaError(f"ring {info.name!r} has dtype {info.dtype}, not {want}")
    if shape is not None and info.shape != shape_of(shape):
        raise SchemaError(f"ring {info.name!r} has shape {info.shape}, not {shape_of(shape)}")


def _same(info: Info, name: str | None, want: np.dtype[Any]) -> bool:
    if (name or info.dtype_name) in NAMED:
        return name == info.dtype_name
    return info.dtype == want
