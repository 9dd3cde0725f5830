"""Answers: a function's result or exception as a message of the result ring."""

from __future__ import annotations

import traceback
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from .. import _layout
from .._errors import SchemaError, TooLarge

if TYPE_CHECKING:
    from .._participants import Producer

_encode = msgspec.msgpack.Encoder().encode


class Answers:
    """Writes results. A result carries its request's tag, and as metadata its kind, the
    worker's index and the microseconds spent in the function."""

    def __init__(self, results: Producer, room: int, index: int, name: str) -> None:
        self._write = results.write
        self._room = room
        self._index = index
        self._name = name
        self.count = 0

    def value(self, tag: int, value: Any, started_ns: int) -> None:
        """Answer with the value that the function returned."""
        micros = (perf_counter_ns() - started_ns) // 1000
        self.count += 1
        try:
            kind, data = self._converted(value)
        except Exception as problem:  # an encoder may raise anything; the caller must get it
            self._refuse(tag, value, problem, micros)
            return
        try:
            self._write(data, meta=(kind, self._index, micros), tag=tag)
        except (TooLarge, SchemaError) as problem:
            self._refuse(tag, value, problem, micros)

    def error(self, tag: int, error: BaseException, started_ns: int) -> None:
        """Answer with the exception that the function raised."""
        micros = (perf_counter_ns() - started_ns) // 1000
        self.count += 1
        text = "".join(traceback.format_exception(error))
        self._fail(tag, type(error).__name__, str(error), text, micros)

    def poison(self, tag: int, redelivered: int) -> None:
        """Answer a request that other workers died of, without running it."""
        text = f"{redelivered} workers died or hung with this request"
        self._write(
            _bytes(_encode({"message": text})),
            meta=(_layout.RESULT_POISON, self._index, 0),
            tag=tag,
        )

    def _converted(self, value: Any) -> tuple[int, Any]:
        if isinstance(value, np.ndarray):
            native = value.dtype.isnative
            if not native:
                value = value.astype(value.dtype.newbyteorder("="))
            return _layout.RESULT_ARRAY, value
        if isinstance(value, (bytes, bytearray, memoryview)):
            return _layout.RESULT_BYTES, _bytes(value)
        if isinstance(value, np.generic):
            value = value.item()
        return _layout.RESULT_VALUE, _bytes(_encode(value))

    def _refuse(self, tag: int, value: Any, problem: Exception, micros: int) -> None:
        if isinstance(problem, TooLarge):
            size = getattr(value, "nbytes", None) or len(self._converted(value)[1])
            message = (
                f"{self._name} returned {size} bytes, a result holds {self._room} "
                "(see Config.ResultBytes)"
            )
            self._fail(tag, "TooLarge", message, "", micros)
            return
        returned = type(value).__name__
        if isinstance(value, np.ndarray):
            returned = f"an array of dtype {value.dtype} and shape {value.shape}"
        message = f"{self._name} returned {returned}, which a result cannot carry: {problem}"
        self._fail(tag, "TypeError", message, "", micros)

    def _fail(self, tag: int, kind: str, message: str, text: str, micros: int) -> None:
        data = _error(kind, message, text, self._room)
        self._write(_bytes(data), meta=(_layout.RESULT_ERROR, self._index, micros), tag=tag)


def _bytes(data: bytes | bytearray | memoryview) -> Any:
    """Return the bytes as an array, since the result ring carries arrays."""
    return np.frombuffer(data, np.uint8) if len(data) else np.empty(0, np.uint8)


def _sendable(text: str) -> str:
    """Return the text without characters that UTF-8 lacks, such as half a surrogate pair."""
    return text.encode("utf-8", "replace").decode()


def _error(kind: str, message: str, text: str, room: int) -> bytes:
    """Return an error as msgpack in at most room bytes.

    A traceback that is too long keeps its end, a message its beginning.
    """
    message, text = _sendable(message), _sendable(text)
    for keep in (len(text), room // 2, 0):
        short = text[max(len(text) - keep, 0) :]
        data = _encode({"type": kind, "message": message, "traceback": short})
        if len(data) <= room:
            return data
    short = message.encode()[: max(room - 100, 0)].decode(errors="ignore")
    return _encode({"type": kind[:32], "message": short, "traceback": ""})
