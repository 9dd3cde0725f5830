"""Functions that the tests of workers run in worker processes."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

import goring


def double(x: Any) -> Any:
    return x * 2


def size(x: memoryview, meta: Any) -> list[Any]:
    return [len(x), meta]


def fail(x: memoryview) -> None:
    raise LookupError(f"no {bytes(x).decode()}")


def pid(x: memoryview) -> int:
    return os.getpid()


def die(x: memoryview) -> int:
    if bytes(x) == b"kill":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(float(bytes(x)))
    return os.getpid()


@goring.worker(batch=4, wait=0.1, dtype="i4", shape=(2,))
def totals(rows: np.ndarray) -> list[list[int]]:
    return [[int(row.sum()), len(rows)] for row in rows]


async def nap(x: memoryview) -> str:
    await asyncio.sleep(float(bytes(x)))
    return "rested"


def numbered(requests: Iterator[memoryview]) -> Iterator[int]:
    yield from (n for n, _ in enumerate(requests))


def three(a: Any, b: Any, c: Any) -> None:
    pass
