"""Schemas: NumPy dtypes to the layout's schema and back."""

from __future__ import annotations

import importlib
import operator
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _check
from ._errors import SchemaError

NAMED = frozenset({"bfloat16", "float8_e4m3fn", "float8_e5m2"})
"""dtypes that NumPy lacks, carried by name."""

Shape = int | tuple[int, ...] | list[int]


def shape_of(shape: Shape) -> tuple[int, ...]:
    """Return a shape as a tuple. Raises SchemaError unless all dimensions are positive integers."""
    dims: Iterable[Any] = (shape,) if isinstance(shape, int) else shape
    try:
        given = tuple(dims)
        whole = tuple(map(operator.index, given))
    except TypeError:
        raise SchemaError(f"shape is {shape!r}, want integers") from None
    if any(isinstance(d, bool) for d in given) or any(d < 1 for d in whole):
        raise SchemaError(f"shape is {shape!r}, every dimension is an integer of at least 1")
    return whole


def name_of(dtype: npt.DTypeLike) -> str | None:
    """Return the name of a dtype that NumPy lacks, None for other dtypes."""
    name = dtype if isinstance(dtype, str) else getattr(dtype, "name", None)
    return name if name in NAMED else None


def dtype_of(name: str) -> np.dtype[Any]:
    """Return the NumPy dtype of a dtype string; named ones are raw integers without ml_dtypes."""
    if name not in NAMED:
        return np.dtype(name)
    try:
        ml_dtypes = importlib.import_module("ml_dtypes")
    except ImportError:
        return np.dtype("u2" if name == "bfloat16" else "u1")
    dtype: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
    return dtype


def numpy_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Return ``np.dtype(dtype)``, or a named dtype. Raises SchemaError for anything else."""
    if (name := name_of(dtype)) is not None:
        return dtype_of(name)
    try:
        return np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError) as e:
        raise SchemaError(f"dtype is {dtype!r}: {e}") from None


def schema_of(
    dtype: npt.DTypeLike | None, shape: Shape, max_bytes: int | None, kind: str | None
) -> dict[str, Any]:
    """Return the layout's schema of create()'s arguments. Raises SchemaError."""
    if kind is not None:
        _check.one_of("kind", kind, ("bytes", "array", "struct", "tensor"))
    if dtype is not None:
        if max_bytes is not None:
            raise SchemaError(f"max_bytes is {max_bytes!r}: items of a dtype have a fixed size")
        schema = _fixed(dtype, shape_of(shape))
        if kind not in {None, schema["kind"]}:
            raise SchemaError(f"kind is {kind!r}, but dtype {dtype!r} makes it {schema['kind']!r}")
        return schema
    if kind in {"array", "struct"} or max_bytes is None:
        raise SchemaError("say what the ring carries: dtype= (and shape=), or max_bytes=")
    if shape != ():
        raise SchemaError(f"shape is {shape!r}, but there is no dtype")
    return {"kind": kind or "bytes", "max_bytes": _check.integer("max_bytes", max_bytes)}


def _fixed(dtype: npt.DTypeLike, shape: tuple[int, ...]) -> dict[str, Any]:
    d = numpy_dtype(dtype)
    if d.subdtype is not None:
        d, inner = d.subdtype
        shape += inner
    if d.itemsize == 0:
        raise SchemaError(f"dtype is {dtype!r}, whose items have no bytes")
    schema = {"shape": shape, "itemsize": d.itemsize}
    if d.fields is not None:
        return schema | {"kind": "struct", "fields": [_field(d, name) for name in d.names or ()]}
    return schema | {"kind": "array", "dtype": name_of(dtype) or _scalar(d)}


def _field(dtype: np.dtype[Any], name: str) -> dict[str, Any]:
    fields: Any = dtype.fields  # NumPy's key type is not str
    sub, offset = fields[name][:2]
    base, shape = sub.subdtype or (sub, ())
    if base.fields is not None:
        raise SchemaError(f"field {name!r} is a record in a record: write its fields out")
    where = f" of field {name!r}"
    return {"name": name, "dtype": _scalar(base, where), "offset": offset, "shape": list(shape)}


def _scalar(dtype: np.dtype[Any], where: str = "") -> str:
    if name := name_of(dtype):
        return name
    if dtype.hasobject:
        raise SchemaError(
            f"dtype {dtype}{where} holds objects: pointers mean nothing in another process"
        )
    if dtype.str.startswith(">"):
        raise SchemaError(f"dtype {dtype.str!r}{where} is big-endian, rings are little-endian")
    if dtype.kind == "V" and dtype.type is not np.void:
        raise SchemaError(f"dtype {dtype}{where} is not one that a ring can carry")
    return dtype.str
