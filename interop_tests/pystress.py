"""The Python peer at full speed; what produce and consume do is in stress.py.

Messages are those of gopeer/load.go. On rings of fixed items whole batches are made
and verified by NumPy.
"""

from __future__ import annotations

import struct
import time
import zlib
from typing import Any

import numpy as np

import goring

PATIENCE = 30.0  # seconds a run may last before a hang is reported
HEAD = struct.Struct("<QI")
MASK = (1 << 64) - 1
LOW = (1 << 40) - 1


def mix(x: int) -> int:
    x = x * 0x9E3779B97F4A7C15 & MASK
    x ^= x >> 29
    x = x * 0xBF58476D1CE4E5B9 & MASK
    return x ^ x >> 32


def mix_all(x: Any) -> Any:
    x = x * np.uint64(0x9E3779B97F4A7C15)
    x ^= x >> np.uint64(29)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(32)
    return x


PATTERN = mix_all(np.arange(1 << 14, dtype=np.uint64)).tobytes()


def make_bytes(number: int, room: int) -> bytes:
    """Message number of a ring with slots of room bytes."""
    h = mix(number)
    at = h >> 32 & 0xFFFF
    body = PATTERN[at : at + (h & 0xFFFFFFFF) % (room - HEAD.size + 1)]
    return HEAD.pack(number, zlib.crc32(body, zlib.crc32(number.to_bytes(8, "little")))) + body


def good_bytes(data: memoryview, number: int, room: int) -> bool:
    if len(data) != HEAD.size + (mix(number) & 0xFFFFFFFF) % (room - HEAD.size + 1):
        return False
    return HEAD.unpack_from(data)[1] == zlib.crc32(data[HEAD.size :], zlib.crc32(data[:8]))


class Items:
    """Items of words u64 words each."""

    def __init__(self, words: int) -> None:
        self.steps = np.arange(1, words - 1, dtype=np.uint64)
        self.weights = np.arange(1, 2 * words - 2, 2, dtype=np.uint64)  # 1, 3, 5, .. one per word

    def make(self, ids: Any) -> Any:
        rows = np.empty((len(ids), len(self.steps) + 2), np.uint64)
        rows[:, 0] = ids
        rows[:, 1:-1] = mix_all(ids[:, None] + self.steps)
        rows[:, -1] = self.sums(rows)
        return rows

    def sums(self, rows: Any) -> Any:
        return (rows[:, :-1] * self.weights).sum(axis=1, dtype=np.uint64)

    def good(self, rows: Any) -> Any:
        """Which rows are whole: every word and the checksum over those that are there."""
        right = (rows[:, 1:-1] == mix_all(rows[:, :1] + self.steps)).all(axis=1)
        return right & (self.sums(rows) == rows[:, -1])


# -- produce


def produce(ring: goring.Ring, out: goring.Producer, options: Any) -> str:
    first = options.number("producer") << 40 | options.number("first")
    count, batch, spoil = (
        options.number("count"),
        options.number("batch", 1),
        options.number("abort"),
    )
    ms = options.number("ms")
    end = time.monotonic() + ms / 1000 if ms else float("inf")
    room = ring.info.slot_bytes
    items = Items(room // 8) if ring.kind == "array" else None
    n = aborted = 0
    while n < count and time.monotonic() < end:
        for _ in range(16):
            if n == count:
                break
            if items is not None:
                size = min(batch, count - n)
                ids = np.arange(first + n, first + n + size, dtype=np.uint64)
                rows = items.make(ids).view("u1")
                if batch > 1:
                    n += out.write_batch(rows, timeout=PATIENCE)
                else:
                    out.write(rows[0], PATIENCE)
                    n += 1
            elif spoil and (n + aborted) % spoil == spoil - 1:
                slot = out.reserve(PATIENCE)
                slot.data[:64] = b"\xee" * len(slot.data[:64])
                slot.abort()
                aborted += 1
            else:
                number = first + n
                out.write(make_bytes(number, room), PATIENCE, tag=mix(number))
                n += 1
    return f"sent={n} aborted={aborted}"


# -- consume


class Consumption:
    """What has been seen, and how often."""

    def __init__(self, ring: goring.Ring, options: Any) -> None:
        self.producers, self.span = options.number("producers"), options.number("span")
        self.batch, self.hold = options.number("batch", 1), options.number("hold")
        self.requeue, self.stop = options.number("requeue"), options.number("stop")
        self.room = ring.info.slot_bytes
        self.items = Items(self.room // 8) if ring.kind == "array" else None
        self.seen = np.zeros(self.producers * self.span, np.uint8)
        self.last = [-1] * self.producers
        self.held: list[goring.Message] = []
        self.mine: set[int] = set()
        self.got = self.torn = self.stray = self.disorder = self.requeued = self.again = 0

    def reply(self) -> str:
        names = "got torn stray disorder requeued again".split()
        return " ".join(f"{n}={getattr(self, n)}" for n in names)

    def count_rows(self, rows: Any) -> None:
        """Verify, order and count a batch; rows is (n, words), u64."""
        good = self.items.good(rows)
        ids = rows[:, 0][good]
        self.torn += len(rows) - len(ids)
        producers, numbers = (
            (ids >> np.uint64(40)).astype(np.intp),
            (ids & np.uint64(LOW)).astype(np.intp),
        )
        known = (producers < self.producers) & (numbers < self.span)
        self.stray += int((~known).sum())
        producers, numbers = producers[known], numbers[known]
        for p in range(self.producers):
            own = numbers[producers == p]
            if len(own):
                self.disorder += int((np.diff(own, prepend=self.last[p]) <= 0).sum())
                self.last[p] = int(own[-1])
        np.add.at(self.seen, producers * self.span + numbers, 1)
        self.got += len(numbers)

    def order(self, number: int, redelivered: int) -> None:
        p, n = number >> 40, number & LOW
        if redelivered or number in self.mine or p >= self.producers:
            return
        self.disorder += n <= self.last[p]
        self.last[p] = n

    def settle(self, k: int) -> None:
        """Count and release held message k; nobody may have touched it meanwhile."""
        m = self.held.pop(k)
        data = m.data
        number = int.from_bytes(data[:8], "little")
        if m.tag != mix(number) or not good_bytes(data, number, self.room):
            self.torn += 1
        elif number >> 40 >= self.producers or number & LOW >= self.span:
            self.stray += 1
        else:
            self.got += 1
            self.again += m.redelivered
            self.seen[(number >> 40) * self.span + (number & LOW)] += 1
        del data
        m.release()

    def settle_all(self) -> None:
        while self.held:
            self.settle(0)


def consume(ring: goring.Ring, source: goring.Consumer, options: Any) -> tuple[str, dict[int, Any]]:
    """The reply, and what is still held: leaving gives that back."""
    c = Consumption(ring, options)
    try:
        if c.items is None:
            one_by_one(c, source)
        elif c.batch == 1 and ring.info.consumers == 1:
            by_iteration(c, source)
        else:
            by_batches(c, source)
    except goring.Ended:
        c.settle_all()
    c.seen.tofile(options["out"])
    return c.reply(), {m.seq: m for m in c.held}


def by_batches(c: Consumption, source: goring.Consumer) -> None:
    while True:
        rows = source.read_batch(c.batch, timeout=PATIENCE)
        c.count_rows(rows.reshape(len(rows), -1).view(np.uint64))
        del rows  # releases the slots


def by_iteration(c: Consumption, source: goring.Consumer) -> None:
    for frame in source:
        c.count_rows(frame.view(np.uint64)[None, :])


def one_by_one(c: Consumption, source: goring.Consumer) -> None:
    while not c.stop or c.got < c.stop:
        try:
            m = source.try_read()
        except goring.Held:
            m = None
        if m is None:
            c.settle_all()  # the others may wait for a message that this consumer holds
            m = source.read(PATIENCE)
        number = int.from_bytes(m.data[:8], "little")
        c.order(number, m.redelivered)
        if c.requeue and number not in c.mine and mix(number) % c.requeue == 0:
            c.mine.add(number)
            c.requeued += 1
            m.requeue()
            continue
        c.held.append(m)
        del m
        if len(c.held) > c.hold:
            c.settle(c.got * 7 % len(c.held))
