"""The Python side of the tests of GPU rings; its parts are those of gpupeer/main.go.

gpupeer.py produce RING COUNT [-broken]
gpupeer.py relay RING TO COUNT [-broken]
gpupeer.py consume RING COUNT [-broken]
"""

from __future__ import annotations

import sys
import time

import numpy as np
from gpusabotage import Sabotage

import goring

PLACES: dict[int, np.ndarray] = {}


def pattern(size: int, tag: int) -> np.ndarray:
    """Return bytes with words that tell their message and their place in it."""
    words = size // 8
    if words not in PLACES:
        PLACES[words] = np.arange(words, dtype=np.uint64) * np.uint64(8)
    start = np.uint64(tag * 0x9E3779B97F4A7C15 % 2**64)
    return (PLACES[words] + start).view(np.uint8)


def endless(count: int):
    n = 0
    while count == 0 or n < count:
        yield n
        n += 1


def produce(ring: goring.Ring, count: int, sabotage: Sabotage) -> None:
    with ring.producer(on_peer_death="wait") as out:
        for _ in endless(count):
            with out.reserve() as slot:
                sabotage.forget(slot.seq)
                slot.tag = slot.seq + 1
                slot.copy_from(pattern(ring.info.slot_bytes, slot.tag))


def relay(ring: goring.Ring, to: goring.Ring, count: int, sabotage: Sabotage) -> None:
    with (
        ring.consumer(on_peer_death="wait") as frames,
        to.producer(on_peer_death="wait") as out,
    ):
        for _ in endless(count):
            with frames.read() as message:
                sabotage.forget(message.seq)
                with out.reserve() as slot:
                    slot.tag = message.tag
                    slot.copy_from(message.array)


def consume(ring: goring.Ring, count: int, sabotage: Sabotage) -> None:
    n = wrong = void = 0
    said = time.monotonic()
    got = np.empty(ring.info.slot_bytes, np.uint8)
    with ring.consumer(on_peer_death="wait") as frames:
        print("at 0", flush=True)  # it has joined
        try:
            for _ in endless(count):
                message = frames.read()
                sabotage.forget(message.seq)
                try:
                    message.array.copy_to_host(got)
                    wrong += not np.array_equal(got, pattern(got.nbytes, message.tag))
                    message.release()
                except goring.Voided:
                    void += 1
                n += 1
                if time.monotonic() - said > 0.05:
                    said = time.monotonic()
                    print("at", n, flush=True)
        except (goring.Ended, goring.ExporterGone, KeyboardInterrupt):
            pass
    print(n, "wrong", wrong, "void", void, flush=True)


def main(arguments: list[str]) -> None:
    broken = "-broken" in arguments
    part, name, *rest = (a for a in arguments if a != "-broken")
    with goring.open(name) as ring:
        sabotage = Sabotage(ring, broken)
        if part == "relay":
            with goring.open(rest[0]) as to:
                relay(ring, to, int(rest[1]), sabotage)
        else:
            {"produce": produce, "consume": consume}[part](ring, int(rest[0]), sabotage)


main(sys.argv[1:])
