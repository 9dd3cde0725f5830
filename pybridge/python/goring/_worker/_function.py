"""Functions of workers: how they are decorated, found and classified."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar, overload

import numpy.typing as npt

from .. import _check
from .._errors import BadValue
from .._schema import Shape

_MARK = "__goring_worker__"

_F = TypeVar("_F", bound=Callable[..., Any])


class _Mark(Protocol):
    def __call__(self, function: _F, /) -> _F: ...


@dataclass(frozen=True)
class Spec:
    """Arguments of the decorator; see `worker`."""

    batch: int = 0
    wait: float = 0.0
    dtype: npt.DTypeLike | None = None
    shape: Shape | None = None
    kind: str | None = None
    concurrency: int = 16


@overload
def worker(function: _F, /) -> _F: ...
@overload
def worker(
    *,
    batch: int = ...,
    wait: float = ...,
    dtype: npt.DTypeLike | None = ...,
    shape: Shape | None = ...,
    kind: str | None = ...,
    concurrency: int = ...,
) -> _Mark: ...
def worker(
    function: Callable[..., Any] | None = None,
    /,
    *,
    batch: int = 0,
    wait: float = 0.0,
    dtype: npt.DTypeLike | None = None,
    shape: Shape | None = None,
    kind: str | None = None,
    concurrency: int = 16,
) -> Any:
    """Declare how a function answers a pool's requests. The function itself stays unchanged.

    A worker is a function of one request, or of a request and its metadata, and returns
    the answer: an ndarray, bytes, or anything that msgpack carries. An exception of it becomes
    the caller's error. Requests come as read-only views in place: an ndarray, or a
    memoryview on rings of bytes. A plain function needs no decorator.

    Parameters
    ----------
    batch : int, optional
        Answer up to so many requests in one call: the function gets an array of shape
        ``(n, *shape)``, on rings of bytes and tensors a list of views (and a list of
        metadata), and returns a sequence of n answers. When a call raises, its requests
        are run one by one, so that a bad one fails alone.
    wait : float
        Seconds that a batch that is not full waits for more.
    dtype, shape, kind : optional
        dtype, shape and kind of the requests; checked against the pool's ring at the start.
    concurrency : int
        For an ``async def``: number of requests that it works on at once.

    Returns
    -------
    callable
        The function, or without one a decorator for it.

    Raises
    ------
    BadValue
        An argument is impossible; its value is in the text.

    Notes
    -----
    A generator function gets an iterator of requests and yields one answer for each, in
    order: the code before its loop runs once, at the start. An exception of it is the answer
    to the requests that it has taken and not answered, and it is started anew.

    Examples
    --------
    >>> import goring
    >>> @goring.worker(batch=32, wait=200e-6, dtype="f4", shape=(3,))
    ... def norms(rows):
    ...     return (rows**2).sum(axis=1)
    """
    _check.not_negative("batch", batch)
    if _check.integer("concurrency", concurrency) < 1:
        raise BadValue(f"concurrency is {concurrency}, want 1 or more")
    if not wait >= 0:
        raise BadValue(f"wait is {wait!r}, want seconds >= 0")
    spec = Spec(batch, float(wait), dtype, shape, kind, concurrency)

    def mark(f: Callable[..., Any]) -> Callable[..., Any]:
        setattr(f, _MARK, spec)
        return f

    return mark if function is None else mark(function)


@dataclass(frozen=True)
class Function:
    """A function that is classified."""

    name: str
    call: Callable[..., Any]
    spec: Spec
    style: str  # "plain", "batch", "async" or "generator"
    wants_meta: bool

    def tuned(self, batch: int, wait: float) -> Function:
        """Return the function with the pool's batch and wait; 0 keeps the decorator's."""
        if batch > 1 and self.style != "batch":
            raise TypeError(
                f"the pool asks for batches of {batch}, but {self.name} takes one request at a "
                "time: decorate it with @goring.worker(batch=...)"
            )
        spec = replace(self.spec, batch=batch or self.spec.batch, wait=wait or self.spec.wait)
        return replace(self, spec=spec)


def load(target: str) -> Function:
    """Return the function ``module:function``. Modules of the working folder come first."""
    module_name, _, path = target.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    found: Any = importlib.import_module(module_name)
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise AttributeError(f"module {module_name!r} has no function {path!r}") from None
    return understand(found, target)


def understand(function: Any, name: str) -> Function:
    """Return a function with its style and its arguments.

    Raises
    ------
    TypeError
        The function cannot be called with one request, or with a request and its metadata.
    """
    if not callable(function):
        raise TypeError(f"{name} is a {type(function).__name__}, not a function")
    spec = getattr(function, _MARK, Spec())
    style = "batch" if spec.batch else "plain"
    if inspect.iscoroutinefunction(function):
        style = "async"
    elif inspect.isgeneratorfunction(function):
        style = "generator"
    if spec.batch and style != "batch":
        raise TypeError(f"{name} cannot both be {style} and take batches")
    return Function(name, function, spec, style, _wants_meta(function, name, style))


def _wants_meta(function: Callable[..., Any], name: str, style: str) -> bool:
    try:
        signature = inspect.signature(function)
    except ValueError:  # a builtin has none: it must take one argument
        return False
    for wants_meta, arguments in ((True, (None, None)), (False, (None,))):
        try:
            bound = signature.bind(*arguments)
        except TypeError:
            continue
        if wants_meta and not _takes_meta(bound):
            continue
        if wants_meta and style == "generator":
            break
        return wants_meta
    want = "an iterator of requests" if style == "generator" else "(request) or (request, meta)"
    raise TypeError(f"{name}{signature} must take {want}")


def _takes_meta(bound: inspect.BoundArguments) -> bool:
    """Report whether the second argument is metadata: it is required, or called meta."""
    parameters = list(bound.signature.parameters.values())
    if len(parameters) < 2:
        return False
    second = parameters[1]
    return (second.default is second.empty and second.kind is not second.VAR_POSITIONAL) or (
        second.name == "meta"
    )
