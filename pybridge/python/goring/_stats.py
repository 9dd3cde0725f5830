"""One look at a ring, and at a folder of rings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec


@dataclass(frozen=True)
class Participant:
    """One seat in use.

    Attributes
    ----------
    seat : int
        Its number, from 1.
    role : {"producer", "consumer"}
        Whether it writes or reads.
    name : str
        Its own name for itself.
    pid : int
        For people: a pid means nothing in another container.
    joined : datetime.datetime
        When it took the seat.
    alive : bool
        Whether its process lives, by the kernel; right across containers and zombies.
    quiet_ns : int
        Nanoseconds since it last joined, fell asleep or woke; 0 unknown. One that spins, or never
        has to wait, is quiet, too.
    holds : tuple of int
        Numbers of the messages it is writing or has taken, where the ring's words say so.
    cursor : int
        Consumers of broadcast and overwrite rings: the next message it will read.
    lag : int
        Consumers of broadcast and overwrite rings: messages published and not read by it.
    lost : int
        Consumers of overwrite rings: messages it was too slow for.
    """

    seat: int
    role: str
    name: str
    pid: int
    joined: datetime
    alive: bool
    quiet_ns: int = 0
    holds: tuple[int, ...] = ()
    cursor: int = 0
    lag: int = 0
    lost: int = 0

    @property
    def quiet(self) -> float:
        """`quiet_ns` in seconds."""
        return self.quiet_ns / 1e9


@dataclass(frozen=True)
class Stats:
    """One look at a ring while its peers run on: each count was right at some instant.

    Attributes
    ----------
    slots : int
        How many messages the ring holds.
    published : int
        Message numbers used up so far, aborted ones included.
    released : int
        Every message before this number is released, or overwritten.
    ready, taken, writing, free : int
        Slots by state; together they are ``slots``. On broadcast rings ready is what the
        slowest consumer has to read.
    shutdown : bool
        Whether the ring takes no more messages.
    participants : tuple of Participant
        The seats in use, producers first.
    """

    slots: int
    published: int
    released: int
    ready: int
    taken: int
    writing: int
    free: int
    shutdown: bool
    participants: tuple[Participant, ...]

    @property
    def depth(self) -> int:
        """Messages in the ring: those that wait and those that are looked at."""
        return self.ready + self.taken


@dataclass(frozen=True)
class Entry:
    """A ring's file in its folder.

    Attributes
    ----------
    name, path : str
        The ring's name and file.
    kind : str
        "bytes", "array", "struct" or "tensor".
    slots : int
        How many messages the ring holds.
    size : int
        Bytes of the segment.
    error : str
        Why the ring cannot be used; then kind, slots and size are not known. "" if it can.
    """

    name: str
    path: str
    kind: str
    slots: int
    size: int
    error: str


def read_stats(raw: dict[str, Any]) -> Stats:
    """Return stats as the control plane replies them; fields that only Go has are left out."""
    return msgspec.convert(raw, Stats)
