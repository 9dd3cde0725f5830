"""Metadata of a message: one msgpack value."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from ._errors import BadValue, CorruptError
from ._layout import MAX_DEPTH


def _scalar(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is nothing that msgpack can carry")


_encoder = msgspec.msgpack.Encoder(enc_hook=_scalar)

# The bytes that cannot begin a list or a map.
_PLAIN = bytes(b for b in range(256) if not (0x80 <= b <= 0x9F or 0xDC <= b <= 0xDF))


def encode(value: Any) -> bytes:
    """Return a value as msgpack. Raises BadValue unless every reader can decode it."""
    try:
        raw = _encoder.encode(value)
        _bound(raw)
    except (TypeError, ValueError, OverflowError, RecursionError) as e:
        raise BadValue(f"metadata of type {type(value).__name__}: {e}") from e
    return raw


def decode(raw: bytes) -> Any:
    """Return the decoded value. Raises CorruptError unless it is one, nested at most 16 deep.

    raw must be a private copy. msgspec checks every length against its bytes and bounds its own
    recursion, so hostile bytes end in an exception.
    """
    try:
        _bound(raw)
        return msgspec.msgpack.decode(raw)
    except (ValueError, RecursionError) as e:
        raise CorruptError(f"metadata that is not one msgpack value: {e}") from e


def _bound(raw: bytes) -> None:
    """Raise ValueError when raw is nested deeper than the layout allows."""
    # Nearly every message has fewer bytes that begin a container than the limit is deep.
    if len(raw.translate(None, _PLAIN)) <= MAX_DEPTH:
        return
    level, depth = [msgspec.msgpack.decode(raw)], -1
    while level:
        level = [child for value in level for child in _children(value)]
        depth += 1
    if depth > MAX_DEPTH:
        raise ValueError(f"nested {depth} deep, at most {MAX_DEPTH}")


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    return [*value] if isinstance(value, list | tuple) else []
