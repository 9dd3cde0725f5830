"""The Python peer's make and take: full speed until killed, see faults/chaos.py."""

from __future__ import annotations

import mmap
from typing import Any

import pystress

import goring

TORN = (1 << 64) - 1


def journal(path: str) -> memoryview:
    """A file of words that outlives this process, however it ends; word 0 counts the others."""
    with open(path, "r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")


def make(ring: goring.Ring, out: goring.Producer, options: Any) -> str:
    """Messages until killed, or until the ring is shut down."""
    made, room = journal(options["out"]), ring.info.slot_bytes
    first, n = options.number("producer") << 40, 0
    while True:
        number = first | n
        try:
            out.write(pystress.make_bytes(number, room), tag=pystress.mix(number))
        except goring.Ended:
            return f"sent={n}"
        made[0] = n = n + 1


def take(ring: goring.Ring, source: goring.Consumer, options: Any) -> str:
    """Note every message's id before its release, all ones when it is not whole."""
    seen, room = journal(options["out"]), ring.info.slot_bytes
    for n, message in enumerate(source.messages()):
        data = message.data
        number = int.from_bytes(data[:8], "little")
        good = message.tag == pystress.mix(number) and pystress.good_bytes(data, number, room)
        del data  # a view keeps the slot
        seen[n + 1] = number if good else TORN
        seen[0] = n + 1
    return f"got={seen[0]}"
