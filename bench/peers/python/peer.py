"""One side of a measurement, or both: see ../go/main.go for the tasks and the output.

    python peer.py LINK TASK BYTES MILLISECONDS near|far|both FOLDER

"both" starts the far side itself, as links of multiprocessing need.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from job import STOP, Job

Send = Callable[[Any], None]
Messages = Iterator[Any]


def ready() -> None:
    print("ready", flush=True)


def report(**figures: float) -> None:
    print(json.dumps(figures), flush=True)


def sources(size: int) -> list[np.ndarray]:
    """Return the messages to send in turn, each with equal first and last bytes."""
    return [np.full(size, k, "u1") for k in range(8)]


def ask(job: Job, send: Send, messages: Messages) -> None:
    """The near side."""
    if job.answered:
        trips(job, send, messages)
    else:
        flow(job, send)
    last = np.full(job.size, STOP, "u1")
    send(last[np.newaxis] if job.batch else last)


def flow(job: Job, send: Send) -> None:
    every = max(8, min(1024, (1 << 20) // job.size))  # messages between two readings of the clock
    src = sources(job.size) * (every // 8)
    if job.batch:  # as a program that makes them at a time would hold them
        src = [np.stack((sources(job.size) * 4)[: job.batch])] * max(1, every // job.batch)
    end = time.perf_counter() + job.seconds
    while time.perf_counter() < end:
        for message in src:
            send(message)


def trips(job: Job, send: Send, messages: Messages) -> None:
    src, took = sources(job.size), []
    now = time.perf_counter_ns
    send(src[0])  # some links take a second to find each other
    next(messages)
    last, n = now(), 0
    end = last + job.seconds * 1e9
    while last < end:
        message = src[n & 7]
        send(message)
        view = next(messages)
        if view[0] != view[-1] or view[0] != n & 7:
            raise AssertionError(f"answer {n} is not what was sent")
        n += 1
        at = now()
        took.append(at - last)
        last = at
    took = np.sort(took[len(took) // 10 :])  # the first are warm-up
    p50, p99, p999 = np.quantile(took, (0.5, 0.99, 0.999))
    report(count=len(took), p50=p50, p99=p99, p999=p999)


def answer(job: Job, send: Send, messages: Messages) -> None:
    """The far side."""
    if job.answered:
        for view in messages:
            if view[0] == STOP:
                break
            send(view)
        return
    if job.batch:
        take_batches(messages)
        return
    message = next(messages)
    first = time.perf_counter()
    take = take_arrays if isinstance(message, np.ndarray) else take_bytes
    over = message[0] == STOP
    del message  # a view that is kept keeps its slot
    count = 0 if over else 1 + take(messages)
    report(count=count, seconds=time.perf_counter() - first)


def take_arrays(messages: Messages) -> int:
    """Check both ends of each: item() is the quickest way to a byte as an int."""
    count = 0
    for view in messages:
        head = view.item(0)
        if head != view.item(-1):
            raise AssertionError(f"message {count} begins with {head}, ends with {view[-1]}")
        if head == STOP:
            break
        count += 1
    return count


def take_bytes(messages: Messages) -> int:
    """The same for bytes."""
    count = 0
    for data in messages:
        head = data[0]
        if head != data[-1]:
            raise AssertionError(f"message {count} begins with {head}, ends with {data[-1]}")
        if head == STOP:
            break
        count += 1
    return count


def take_batches(batches: Iterator[Any]) -> None:
    """Take arrays with a row for each message, or lists of messages."""
    count, first = 0, 0.0
    for batch in batches:
        if isinstance(batch, np.ndarray):
            whole, stop = (batch[:, 0] == batch[:, -1]).all(), batch[-1, 0] == STOP
        else:
            whole, stop = all(m[0] == m[-1] for m in batch), batch[-1][0] == STOP
        if not whole:
            raise AssertionError(f"a message among {count}..{count + len(batch)} is torn")
        first = first or time.perf_counter()
        count += len(batch)
        if stop:
            break
    report(count=count - 1, seconds=time.perf_counter() - first)


def far(job: Job, there: Any, back: Any, up: Any) -> None:
    """The far process of "both"."""
    os.sched_setaffinity(0, {int(os.environ["BENCH_FAR"])})
    messages = there.receiver()
    up.set()
    answer(job, back.sender() if job.answered else lambda _: None, messages)
    there.detach()
    back.detach()


def both(job: Job, kind: type) -> None:
    """Run the near side here and the far one in a child."""
    spawn = multiprocessing.get_context("spawn")
    there, back, up = kind(job, "t", spawn), kind(job, "b", spawn), spawn.Event()
    child = spawn.Process(target=far, args=(job, there, back, up))
    child.start()
    try:
        os.sched_setaffinity(0, {int(os.environ["BENCH_NEAR"])})
        if not up.wait(30):
            raise TimeoutError("the far side did not come up")
        answers = back.receiver() if job.answered else iter(())
        send = there.sender()
        ask(job, send, answers)
        for _ in range(100):
            child.join(0.2)
            if child.exitcode is not None:
                break
            if kind.loses:
                send(np.full(job.size, STOP, "u1"))
        if child.exitcode != 0:
            raise RuntimeError(f"the far side ended with {child.exitcode}")
    finally:
        child.kill()
        child.join()
        there.detach()
        back.detach()
        there.destroy()
        back.destroy()


def main(link: str, task: str, size: str, milliseconds: str, role: str, folder: str) -> None:
    task, _, wait = task.partition("+")
    job = Job(task, int(size), int(milliseconds) / 1000, folder, wait)
    module, _, name = link.partition(".")
    kind = getattr(importlib.import_module(f"links_{module}"), name)
    if role == "both":
        both(job, kind)
    elif role == "far":
        kind(job).far(answer, ready)
    else:
        kind(job).near(ask)


if __name__ == "__main__":
    main(*sys.argv[1:])
