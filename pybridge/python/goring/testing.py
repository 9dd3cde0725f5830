"""Trying workers without a Go program.

`call` runs a worker's function here, as a pool's worker would; `run` starts real worker
processes on real rings.

>>> import goring.testing
>>> goring.testing.call(lambda x: {"sum": x.sum()}, [1, 2, 3])
{'sum': 6}
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import IO, Any, Self

import msgspec
import numpy as np
import numpy.typing as npt

from . import _errors, _layout, _meta, _open
from ._schema import Shape
from ._worker._function import understand

__all__ = ["Pool", "StartError", "WorkerError", "call", "run"]

_STARTING = 60.0  # seconds


class WorkerError(_errors.Error):
    """An exception that the function raised in the worker.

    Attributes
    ----------
    type, message, traceback : str
        The exception's class, text and traceback as the worker saw them.
    """

    def __init__(self, type: str, message: str, traceback: str = "") -> None:
        super().__init__(f"{type}: {message}")
        self.type, self.message, self.traceback = type, message, traceback


class StartError(WorkerError):
    """The exception that kept a worker from starting."""


def call(function: Callable[..., Any], payload: Any, meta: Any = None) -> Any:
    """Answer one request with a worker's function, in this process.

    The function is checked as at a worker's start and gets the arguments that a worker would
    pass (a read-only view; a batch of one). Its answer is encoded and decoded as on its way to
    the caller.

    Parameters
    ----------
    function : callable
        Plain, batch, async or a generator function; see `goring.worker`.
    payload : bytes or array_like
        The request.
    meta : object, optional
        Its metadata.

    Returns
    -------
    object
        An ndarray, bytes, or the value after encoding and decoding.

    Raises
    ------
    TypeError
        The function cannot be a worker's, or its answer cannot be encoded.
    """
    worker = understand(function, getattr(function, "__qualname__", repr(function)))
    view = _view(payload)
    extra = (_meta.decode(_meta.encode(meta)) if meta is not None else None,)
    arguments = (view, *extra) if worker.wants_meta else (view,)
    if worker.style == "batch":
        views = [view] if isinstance(view, memoryview) else view[np.newaxis]
        (value,) = function(views, [extra[0]]) if worker.wants_meta else function(views)
    elif worker.style == "generator":
        value = next(function(iter([view])))
    else:
        value = function(*arguments)
        value = asyncio.run(value) if inspect.iscoroutine(value) else value
    if isinstance(value, np.ndarray):
        return np.array(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    value = value.item() if isinstance(value, np.generic) else value
    return msgspec.msgpack.decode(msgspec.msgpack.encode(_plain(value)))


def _plain(value: Any) -> Any:
    """Return a value with NumPy's scalars inside containers as numbers."""
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def _view(payload: Any) -> Any:
    if isinstance(payload, (bytes, bytearray, memoryview)):
        return memoryview(bytes(payload))
    array = np.array(payload)
    array.flags.writeable = False
    return array


def run(
    function: str | Callable[..., Any],
    *,
    dtype: npt.DTypeLike | None = None,
    shape: Shape = (),
    max_bytes: int | None = None,
    kind: str | None = None,
    workers: int = 1,
    slots: int = 64,
    result_bytes: int = 1 << 20,
    batch: int = 0,
    wait: float = 0.0,
    max_attempts: int = 3,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
) -> Pool:
    """Start worker processes for a function, as a Go pool would.

    Parameters
    ----------
    function : str or callable
        "module:function", or a function that can be imported by its name.
    dtype, shape, max_bytes, kind
        Schema of the requests, as for `goring.create`.
    workers, slots, result_bytes, batch, wait, max_attempts
        As the fields of pool.Config in Go.
    env, cwd
        Environment, added to this process's, and working folder of the processes.

    Returns
    -------
    Pool
        A context manager; leaving it ends the processes.

    Raises
    ------
    StartError
        A worker cannot start; it carries the exception raised there.
    BadValue, SchemaError
        An argument is impossible; its value is in the text.
    """
    requests = {"dtype": dtype, "shape": shape, "max_bytes": max_bytes, "kind": kind}
    options = {"batch": batch, "batch_wait": wait, "max_attempts": max_attempts}
    environment = {**os.environ, **(env or {})}
    pool = Pool(requests, slots, result_bytes, max(workers, 1))
    try:
        for index in range(workers):
            pool._start(_target(function), {"index": index, **options}, environment, cwd)
    except BaseException:
        pool.close()
        raise
    return pool


def _target(function: str | Callable[..., Any]) -> str:
    if isinstance(function, str):
        return function
    name = f"{function.__module__}:{function.__qualname__}"
    if "<" in name or function.__module__ == "__main__":
        raise _errors.BadValue(f"{name} cannot be imported in another process")
    return name


class Pool:
    """Worker processes and their rings; made by `run`. For one thread at a time."""

    def __init__(self, schema: dict[str, Any], slots: int, room: int, workers: int) -> None:
        self._requests = _open.create(
            None, slots=slots, consumers=max(workers, 2), max_meta=256, **schema
        )
        self._results = _open.create(
            None, slots=slots, max_bytes=room, kind="tensor", producers=workers, max_meta=64
        )
        self._out = self._requests.producer(name="testing", on_peer_death="wait")
        self._in = self._results.consumer(name="testing", on_peer_death="wait")
        self._processes: list[subprocess.Popen[bytes]] = []
        self._tags = itertools.count(1)
        self._answers: dict[int, Any] = {}

    @property
    def pids(self) -> list[int]:
        """Pids of the running processes."""
        return [p.pid for p in self._processes if p.poll() is None]

    def call(self, payload: Any, meta: Any = None, timeout: float = 10.0) -> Any:
        """Send a request and wait for its answer.

        Raises
        ------
        WorkerError
            The function raised; or of type "Poison": workers died of the request.
        TimeoutError
            No answer came in time.
        SchemaError, TooLarge
            The payload is none that the ring carries.
        """
        return self._wait(self._send(payload, meta, timeout), timeout)

    def map(self, payloads: Iterable[Any], timeout: float = 10.0) -> list[Any]:
        """Send requests at once and return all answers, in their order. Raises as `call` does."""
        tags = [self._send(payload, None, timeout) for payload in payloads]
        return [self._wait(tag, timeout) for tag in tags]

    def _send(self, payload: Any, meta: Any, timeout: float) -> int:
        tag = next(self._tags)
        self._out.write(payload, timeout, meta=meta, tag=tag)
        return tag

    def _wait(self, tag: int, timeout: float) -> Any:
        limit = time.monotonic() + timeout
        while tag not in self._answers:
            left = limit - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no answer within {timeout} s; running: {self.pids}")
            try:
                message = self._in.read(min(left, 0.1))
            except _errors.Empty:
                continue
            with message:
                self._answers.setdefault(message.tag, _answer(message.array, message.meta))
        answer = self._answers.pop(tag)
        if isinstance(answer, WorkerError):
            raise answer
        return answer

    def _start(
        self,
        target: str,
        options: dict[str, Any],
        env: Mapping[str, str],
        cwd: str | os.PathLike[str] | None,
    ) -> None:
        readable, writable = os.pipe()
        fds = {"requests": self._requests.fileno(), "results": self._results.fileno()}
        options = {"name": f"w{options['index']}", **options, **fds, "status": writable}
        argv = [sys.executable, "-m", "goring.worker", target, "--pool"]
        with open(readable, "rb") as pipe:
            try:
                process = subprocess.Popen(
                    [*argv, msgspec.json.encode(options).decode()],
                    stdin=subprocess.PIPE,
                    pass_fds=(*fds.values(), writable),
                    env=env,
                    cwd=cwd,
                )
            finally:
                os.close(writable)
            self._processes.append(process)
            _ready(process, pipe)

    def close(self) -> None:
        """End the processes and free the memory."""
        self._requests.shutdown()
        for process in self._processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()
        for handle in (self._out, self._in, self._requests, self._results):
            handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _ready(process: subprocess.Popen[bytes], pipe: IO[bytes]) -> None:
    """Wait for a worker's status line, or for the end of its process, which closes the pipe."""
    line = pipe.read()
    status = msgspec.json.decode(line) if line.strip() else {}
    if "ready" in status:
        return
    code = process.wait(_STARTING)
    error = status.get("error") or {"type": "Exit", "message": f"exit status {code}"}
    raise StartError(**error)


def _answer(array: Any, meta: tuple[int, int, int]) -> Any:
    kind = meta[0]
    if kind == _layout.RESULT_ARRAY:
        return np.array(array)
    data = array.tobytes()
    if kind == _layout.RESULT_BYTES:
        return data
    value = msgspec.msgpack.decode(data)
    if kind == _layout.RESULT_ERROR:
        return WorkerError(**value)
    if kind == _layout.RESULT_POISON:
        return WorkerError("Poison", value["message"])
    return value
