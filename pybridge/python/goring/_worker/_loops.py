"""Taking requests and answering them, in the four styles of functions."""

from __future__ import annotations

import asyncio
import collections
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic, perf_counter_ns
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _meta
from .._errors import Empty, Ended
from ._answer import Answers
from ._function import Function

if TYPE_CHECKING:
    from .._participants import Message
    from .._ring import Ring

_SLICE = 0.1  # seconds after which an idle worker checks whether it must leave
_MEMORY_EVERY = 0.1  # seconds between two checks of the memory used
_PAGE = os.sysconf("SC_PAGESIZE")


@dataclass
class Limits:
    """Limits after which a worker leaves; 0: none."""

    attempts: int
    requests: int = 0
    memory: int = 0


class Session:
    """The work of one worker, until its ring ends or it must leave."""

    def __init__(
        self, function: Function, ring: Ring, name: str, answers: Answers, limits: Limits
    ) -> None:
        self.function = function
        self.ring = ring
        self.requests = ring.consumer(name=name, on_peer_death="wait")
        self.answers = answers
        self.limits = limits
        self.leaving = False
        self._ended = False  # generators: the iterator of requests has ended
        self._checked = monotonic()

    def run(self) -> None:
        """Answer requests until the ring ends or the worker must leave."""
        loops: dict[str, Callable[[], None]] = {
            "plain": self._plain,
            "batch": self._batches,
            "async": lambda: asyncio.run(self._async()),
            "generator": self._generator,
        }
        loops[self.function.style]()

    # -- common to all styles

    def _next(self) -> Message | None:
        """Return the next request to run; None when the worker must leave.

        A signal handler must not interrupt this: a message taken and not answered would be
        lost. So `leaving` is checked between short waits.
        """
        while not self._done():
            try:
                message = self.requests.read(_SLICE)
            except Empty:
                continue
            except Ended:
                return None
            if message.redelivered < self.limits.attempts:
                return message
            with message:
                self.answers.poison(message.tag, message.redelivered)
        return None

    def _done(self) -> bool:
        limits = self.limits
        if limits.requests and self.answers.count >= limits.requests:
            return True
        if limits.memory and monotonic() - self._checked > _MEMORY_EVERY:
            self._checked = monotonic()
            self.leaving = self.leaving or resident() > limits.memory
        return self.leaving

    def _arguments(self, payload: Any, meta: Any) -> tuple[Any, ...]:
        return (payload, meta) if self.function.wants_meta else (payload,)

    def _raised(self, tags: list[int], error: BaseException, started: int) -> None:
        for tag in tags:
            self.answers.error(tag, error, started)
        if not isinstance(error, Exception):  # SystemExit, KeyboardInterrupt
            self.leaving = True

    # -- one request at a time

    def _plain(self) -> None:
        call, answers, wants_meta = self.function.call, self.answers, self.function.wants_meta
        while (message := self._next()) is not None:
            with message:
                tag, started = message.tag, perf_counter_ns()
                try:
                    payload = message.array
                    value = call(payload, message.meta) if wants_meta else call(payload)
                except BaseException as error:
                    self._raised([tag], error, started)
                else:
                    answers.value(tag, value, started)
                payload = value = None  # a view keeps its slot

    # -- batches

    def _batches(self) -> None:
        size = self.function.spec.batch
        while not self._done():
            try:
                run = _Run(*self.requests.read_batch(size, _SLICE, headers=True))
            except Empty:
                continue
            except Ended:
                return
            self._answer_batch(self._gathered(run, size))

    def _gathered(self, run: _Run, size: int) -> list[_Run]:
        """Return the run, and those that come within the function's wait."""
        runs, limit = [run], monotonic() + self.function.spec.wait
        count = len(run.headers)
        while count < size and not self.leaving:
            try:
                more = self.requests.read_batch(
                    size - count, max(limit - monotonic(), 0), headers=True
                )
            except (Empty, Ended):
                break
            runs.append(_Run(*more))
            count += len(runs[-1].headers)
        return runs

    def _answer_batch(self, runs: list[_Run]) -> None:
        """Run the fresh requests in one call, and each one that a worker died of alone."""
        headers = [h for run in runs for h in run.headers]
        payloads = _joined(runs)
        runs.clear()
        fresh = [i for i, (_, redelivered, _) in enumerate(headers) if not redelivered]
        if len(fresh) == len(headers):
            self._run_batch(payloads, headers)
        elif fresh:
            self._run_batch([payloads[i] for i in fresh], [headers[i] for i in fresh])
        for i, header in enumerate(headers):
            if header[1]:
                self._run_alone(payloads[i : i + 1], header)

    def _run_alone(self, payloads: Any, header: _Header) -> None:
        if header[1] >= self.limits.attempts:
            self.answers.poison(header[0], header[1])
        else:
            self._run_batch(payloads, [header])

    def _run_batch(self, payloads: Any, headers: list[_Header]) -> None:
        started = perf_counter_ns()
        if isinstance(payloads, list) and payloads and isinstance(payloads[0], np.ndarray):
            payloads = np.stack(payloads) if self.ring.shape is not None else payloads
        try:
            metas = [_decoded(raw) for _, _, raw in headers] if self.function.wants_meta else None
            values = self.function.call(*self._arguments(payloads, metas))
            if len(values) != len(headers):
                name, n = self.function.name, len(headers)
                raise ValueError(f"{name} returned {len(values)} answers to {n} requests")
        except BaseException as error:
            if len(headers) == 1 or not isinstance(error, Exception):
                self._raised([tag for tag, _, _ in headers], error, started)
                return
        else:
            for (tag, _, _), value in zip(headers, values, strict=True):
                self.answers.value(tag, value, started)
            return
        for i, header in enumerate(headers):  # a bad request fails alone
            self._run_batch(payloads[i : i + 1], [header])

    # -- async

    async def _async(self) -> None:
        room = max(min(self.function.spec.concurrency, self.ring.slots // 2), 1)
        tasks: set[asyncio.Task[None]] = set()
        loop = asyncio.get_running_loop()
        while not self._done():
            while len(tasks) >= room:
                _, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            try:
                message = self.requests.try_read()
                if message is None:
                    await loop.run_in_executor(None, self.requests.wait, _SLICE)
                    continue
            except Ended:
                break
            task = loop.create_task(self._answer_async(message))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        if tasks:
            await asyncio.wait(tasks)

    async def _answer_async(self, message: Message) -> None:
        with message:
            tag, started = message.tag, perf_counter_ns()
            if message.redelivered >= self.limits.attempts:
                self.answers.poison(tag, message.redelivered)
                return
            try:
                arguments = self._arguments(
                    message.array, message.meta if self.function.wants_meta else None
                )
                value = await self.function.call(*arguments)
            except BaseException as error:
                self._raised([tag], error, started)
            else:
                self.answers.value(tag, value, started)

    # -- generators

    def _generator(self) -> None:
        while not self._done():
            taken: collections.deque[tuple[Message, int]] = collections.deque()
            begun = self.answers.count
            try:
                for value in self.function.call(self._payloads(taken)):
                    if not taken:
                        raise RuntimeError(f"{self.function.name} yielded an answer to no request")
                    message, started = taken.popleft()
                    with message:
                        self.answers.value(message.tag, value, started)
                if taken:
                    raise RuntimeError(f"{self.function.name} ended without an answer")
                if self._ended:
                    return
                if self.answers.count == begun:
                    raise RuntimeError(f"{self.function.name} ended without taking a request")
            except BaseException as error:
                if not taken and isinstance(error, Exception):
                    raise  # no request to answer with it; the pool sees the process end
                while taken:
                    message, started = taken.popleft()
                    with message:
                        self._raised([message.tag], error, started)

    def _payloads(self, taken: collections.deque[tuple[Message, int]]) -> Iterator[Any]:
        while (message := self._next()) is not None:
            taken.append((message, perf_counter_ns()))
            yield message.array
        self._ended = True


_Header = tuple[int, int, bytes]  # tag, redelivered, metadata as msgpack


@dataclass
class _Run:
    """Requests that were taken together."""

    payloads: Any  # rows of an array, or a list of views
    headers: list[_Header]


def _joined(runs: list[_Run]) -> Any:
    if len(runs) == 1:
        return runs[0].payloads
    if isinstance(runs[0].payloads, list):
        return [payload for run in runs for payload in run.payloads]
    return np.concatenate([run.payloads for run in runs])


def _decoded(raw: bytes) -> Any:
    return _meta.decode(raw) if raw else None


def resident() -> int:
    """Return the resident memory of this process, in bytes."""
    with open("/proc/self/statm", "rb") as f:
        return int(f.read().split()[1]) * _PAGE
