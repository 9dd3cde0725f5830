"""Do each operation of the Python side a few times between two marks, for count.c, and print
the names of the operations of one round, a line each."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import numpy as np

import goring

ROUNDS, TIMES = 2, 16
ROW, ROWS = np.ones(64, "u1"), np.ones((TIMES, 64), "u1")


def operations() -> Iterator[tuple[str, Callable[[], None]]]:
    ring = goring.create(None, slots=2 * TIMES, dtype="u1", shape=(64,), placement="separate")
    p, c = ring.producer(), ring.consumer()

    def write() -> None:
        for _ in range(TIMES):
            p.write(ROW)

    def write_tagged() -> None:
        for _ in range(TIMES):
            p.write(ROW, tag=1)

    def iterate() -> None:
        for _ in range(TIMES):
            next(c)

    def read() -> None:
        for _ in range(TIMES):
            with c.read():
                pass

    def reserve() -> None:
        for _ in range(TIMES):
            with p.reserve():
                pass

    def write_batch() -> None:
        p.write_batch(ROWS)

    def read_batch() -> None:
        assert len(c.read_batch(TIMES)) == TIMES

    yield "write", write
    yield "for", iterate
    yield "write with a tag", write_tagged
    yield "read, release", read
    yield "reserve, commit", reserve
    yield "for, what was reserved", iterate
    yield "write_batch 16", write_batch
    yield "read_batch 16", read_batch


def main() -> None:
    ops: list[tuple[str, Callable[[], object]]] = [("nothing", dict), *operations()]
    print("\n".join(name for name, _ in ops), flush=True)
    for _ in range(ROUNDS):
        for _, run in ops:
            signal.raise_signal(signal.SIGWINCH)
            run()
    signal.raise_signal(signal.SIGWINCH)
    os._exit(0)  # the rest would be traced, too


if __name__ == "__main__":
    main()
