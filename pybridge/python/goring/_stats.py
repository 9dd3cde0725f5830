"""Statistics of a ring, and the entries of a folder of rings."""

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
        The name under which it joined.
    pid : int
        Its pid as it saw it; a pid means nothing in another container.
    joined : datetime.datetime
        When it took the seat.
    alive : bool
        Whether its process lives, by the kernel; right across containers and zombies.
    quiet_ns : int
        Nanoseconds since it last joined, fell asleep or woke; 0 unknown. One that spins, or never
        has to wait, is quiet, too.
    holds : tuple of int
        Numbers of the messages that it is writing or has taken, where the ring's words show them.
    cursor : int
        Consumers of broadcast and overwrite rings: number of the next message to read.
    lag : int
        Consumers of broadcast and overwrite rings: messages published and not read.
    lost : int
        Consumers of overwrite rings: messages that were overwritten before it read them.
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
    """Statistics of a ring. Its peers run on meanwhile: each count was right at some instant.

    Attributes
    ----------
    slots : int
        Number of messages that the ring holds.
    published : int
        Message numbers used up so far, aborted ones included.
    released : int
        Every message before this number is released, or overwritten.
    ready, taken, writing, free : int
        Slots by state; on queues and broadcast rings they add up to ``slots``. On broadcast rings
        ready is the number of messages that the slowest consumer has not read. On overwrite rings
        ready is the number of messages that are still there, and every slot is free.
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
        """Messages in the ring: those that wait and those that consumers hold."""
        return self.ready + self.taken


@dataclass(frozen=True)
class Entry:
    """A ring's file in its folder.

    Attributes
    ----------
    name, path : str
        The ring's name and file.
    kind : {"bytes", "array", "struct", "tensor"}
        Type of the payloads.
    slots : int
        Number of messages that the ring holds.
    size : int
        Bytes of the segment.
    error : str
        The reason why the ring cannot be used; kind, slots and size are not known then. ""
        for a ring that can be used.
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
