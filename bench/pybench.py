"""Measure goring's Python side between two processes through its public API.

    python pybench.py NAME [DIVISOR]

Prints "name value unit". The process starts itself again as the peer, on the core BENCH_FAR, or 1.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

import goring

ROW = np.ones(64, "u1")
ROWS = np.ones((256, 64), "u1")


def put(out: goring.Producer, count: int) -> None:
    for _ in range(count):
        out.write(ROW)


def put_batch(out: goring.Producer, count: int) -> None:
    for _ in range(count // 256):
        out.write_batch(ROWS)


def count_frames(inbox: goring.Consumer, count: int) -> None:
    n = 0
    for _ in inbox:
        n += 1
    assert n == count, (n, count)


def touch_frames(inbox: goring.Consumer, count: int) -> None:
    n = 0
    for frame in inbox:
        frame[0]
        n += 1
    assert n == count, (n, count)


def sum_frames(inbox: goring.Consumer, count: int) -> None:
    total = 0
    for frame in inbox:
        total += int(frame[0])
    assert total == count, (total, count)


def take_batch(inbox: goring.Consumer, count: int) -> None:
    n = 0
    try:
        while True:
            n += len(inbox.read_batch(256))
    except goring.Ended:
        assert n == count, (n, count)


def answer(inbox: goring.Consumer, out: goring.Producer, count: int) -> None:
    for _ in range(count):
        with inbox.read() as m:
            out.write(m.array)


def ask(inbox: goring.Consumer, out: goring.Producer, count: int) -> None:
    for _ in range(count):
        out.write(ROW)
        with inbox.read():
            pass


ONE_WAY: dict[str, tuple[int, Callable[..., None], Callable[..., None], str]] = {
    "py_count": (3_000_000, put, count_frames, "inline"),
    "py_touch": (3_000_000, put, touch_frames, "inline"),
    "py_sum": (2_000_000, put, sum_frames, "inline"),
    "py_batch": (20_000_000, put_batch, take_batch, "separate"),
}


def call(count: int) -> float:
    """Calls of a C function that does nothing, in the loop that the others have: a second's."""
    nothing = ROW.__len__
    start = time.perf_counter()
    for _ in range(count):
        nothing()
    return count / (time.perf_counter() - start)


ROUND_TRIP = {
    "py_rtt": (200_000, "adaptive"),
    "py_shared": (50_000, "adaptive"),  # one core for both
    "py_parked": (10_000, "park"),
}


def pin(name: str, core: int) -> None:
    os.sched_setaffinity(0, {int(os.environ.get(name, core))})


def peer(name: str, count: int, ring: str) -> None:
    pin("BENCH_FAR", 1)
    if name in ONE_WAY:
        with goring.open(ring) as there, there.consumer() as inbox:
            ONE_WAY[name][2](inbox, count)
        return
    wait = ROUND_TRIP[name][1]
    with (
        goring.open(ring) as there,
        goring.open(ring + "-back") as back,
        there.consumer(wait=wait) as inbox,
        back.producer(wait=wait) as out,
    ):
        answer(inbox, out, count)


def measure(name: str, divisor: int) -> tuple[float, str]:
    count = (ONE_WAY.get(name) or ROUND_TRIP[name])[0] // divisor // 256 * 256 or 256
    ring = f"pybench-{os.getpid()}"
    if name == "py_shared":
        os.environ["BENCH_FAR"] = os.environ.get("BENCH_NEAR", "0")
    pin("BENCH_NEAR", 0)
    placement = ONE_WAY[name][3] if name in ONE_WAY else "inline"
    make = {"slots": 4096, "dtype": "u1", "shape": (64,), "placement": placement}
    with goring.create(ring, **make) as there, goring.create(ring + "-back", **make) as back:
        child = subprocess.Popen([sys.executable, __file__, name, str(count), ring])
        try:
            while not any(p.role == "consumer" for p in there.stats().participants):
                assert child.poll() is None, "the peer ended early"
                time.sleep(0.01)
            if name in ONE_WAY:
                took = one_way(there, name, count, child)
                return count / took / 1e6, "Mmsg/s"
            took = round_trip(there, back, name, count)
            return took / count * 1e6, "us"
        finally:
            child.wait(60)
            there.unlink()
            back.unlink()


def one_way(there: goring.Ring, name: str, count: int, child: subprocess.Popen[bytes]) -> float:
    with there.producer() as out:
        start = time.perf_counter()
        ONE_WAY[name][1](out, count)
        there.shutdown()
        assert child.wait(60) == 0
        return time.perf_counter() - start


def round_trip(there: goring.Ring, back: goring.Ring, name: str, count: int) -> float:
    wait = ROUND_TRIP[name][1]
    with there.producer(wait=wait) as out, back.consumer(wait=wait) as inbox:
        start = time.perf_counter()
        ask(inbox, out, count)
        return time.perf_counter() - start


if __name__ == "__main__":
    if len(sys.argv) > 3:
        peer(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    else:
        divisor = int(sys.argv[2]) if len(sys.argv) > 2 else 1
        if sys.argv[1] == "py_call":
            value, unit = call(5_000_000 // divisor) / 1e6, "Mmsg/s"
        else:
            value, unit = measure(sys.argv[1], divisor)
        print(f"{sys.argv[1]}\t{value:.3f}\t{unit}")
