"""The ring that people write by hand over C atomics, in the loop that only counts.

    python byhand.py [DIVISOR]

Measures peers/python/links_rings.py as pybench.py measures goring, and prints "hand value unit".
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "peers" / "python"))
from job import Job
from links_rings import AtomicShm

COUNT = 1_000_000
spawn = multiprocessing.get_context("spawn")


class Wide(Job):
    """As many slots as pybench.py has."""

    slots = 4096


def take(ring: AtomicShm, count: int, up: Any) -> None:
    """The far process."""
    os.sched_setaffinity(0, {int(os.environ.get("BENCH_FAR", 1))})
    messages = ring.receiver()
    up.set()
    n = 0
    for _ in islice(messages, count):
        n += 1  # noqa: SIM113 - the loop that pybench.py has
    leave(0)


def leave(status: int) -> None:
    """End without a word about the views that are still out: they go with the process."""
    sys.stdout.flush()
    os._exit(status)


def measure(ring: AtomicShm, count: int) -> float:
    """Messages a second."""
    up = spawn.Event()
    try:
        child = spawn.Process(target=take, args=(ring, count, up))
        child.start()
        os.sched_setaffinity(0, {int(os.environ.get("BENCH_NEAR", 0))})
        up.wait(30)
        send, row = ring.sender(), np.ones(64, "u1")
        start = time.perf_counter()
        for _ in range(count):
            send(row)
        child.join(60)
        took = time.perf_counter() - start
        if child.exitcode != 0:
            raise RuntimeError(f"the far side ended with {child.exitcode}")
        return count / took
    finally:
        ring.destroy()


if __name__ == "__main__":
    count = COUNT // (int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    ring = AtomicShm(Wide("flow", 64, 0, f"byhand-{os.getpid()}", ""), "t", spawn)
    print(f"hand\t{measure(ring, count) / 1e6:.3f}\tMmsg/s")
    leave(0)
