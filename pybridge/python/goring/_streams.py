"""CUDA streams, in the forms of the libraries that make them."""

from __future__ import annotations

import operator
from typing import Any, Protocol, cast

from ._errors import BadValue

LEGACY_DEFAULT = 1
"""The stream on which CUDA libraries work by default."""


class _CudaStream(Protocol):
    def __cuda_stream__(self) -> tuple[int, int]: ...


class _PointerStream(Protocol):
    @property
    def ptr(self) -> int: ...


class _TorchStream(Protocol):
    @property
    def cuda_stream(self) -> int: ...


class _HandleStream(Protocol):
    @property
    def handle(self) -> Any: ...


Stream = int | _CudaStream | _PointerStream | _TorchStream | _HandleStream
"""A stream: its handle (``CUstream``) as an int, or an object of cuda.core
(``__cuda_stream__``), CuPy (``ptr``), PyTorch (``cuda_stream``) or numba (``handle``)."""


def handle(stream: Any) -> int:
    """Return the handle of a stream; 1 for the legacy default stream, which is also called 0."""
    found = _handle_of(stream)
    if not 0 <= found < 2**64:
        raise BadValue(f"stream is {stream!r}, with the handle {found}, want that of a CUDA stream")
    return found or LEGACY_DEFAULT


def _handle_of(stream: Any) -> int:
    if isinstance(stream, bool):
        raise BadValue(f"stream is {stream!r}, want a CUDA stream")
    if hasattr(stream, "__cuda_stream__"):
        version, raw = _protocol(stream)
        if version != 0:
            raise BadValue(f"stream {stream!r} has version {version} of __cuda_stream__, want 0")
        return _number(stream, raw)
    for name in ("ptr", "cuda_stream", "handle"):
        if hasattr(stream, name):
            return _number(stream, getattr(stream, name))
    return _number(stream, stream)


def _protocol(stream: Any) -> tuple[Any, Any]:
    # The protocol defines a method; some libraries have a property.
    found: Any = getattr(stream, "__cuda_stream__", None)
    version, raw = cast(Any, found() if callable(found) else found)
    return version, raw


def _number(stream: Any, raw: Any) -> int:
    raw = getattr(raw, "value", raw)  # numba's handles are ctypes pointers; a null one has None
    if raw is None:
        return 0
    number: Any = raw
    try:
        return operator.index(number)
    except TypeError:
        pass
    try:
        return int(number)  # cuda.bindings' CUstream
    except (TypeError, ValueError):
        raise BadValue(
            f"stream is {stream!r}, want the handle of a CUDA stream as an int, or an object with "
            "__cuda_stream__ (cuda.core), ptr (CuPy), cuda_stream (PyTorch) or handle (numba)"
        ) from None
