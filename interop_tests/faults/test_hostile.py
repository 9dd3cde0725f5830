"""Row 24: a peer rewrites every word and length it can reach, all the time.

It has not joined and follows no rule, as any process may that can open the ring. The
others may get errors and wrong messages; they may not read outside the ring, end, or hang.
The checks of a segment that does not change meanwhile, bit by bit and fuzzed, are elsewhere
(test_attach.py, layout's and goring's fuzz tests, fuzz/).
"""

from __future__ import annotations

import mmap
import random
import struct
import threading
import time

import pytest
from cases import every_lang, name_of
from peers import Peer
from segment import Segment

KINDS = {
    "bytes": {"kind": "bytes", "max_bytes": 100},
    "array": {"kind": "array", "dtype": "<u2", "shape": [8]},
    "tensor": {"kind": "tensor", "max_bytes": 64},
}
EDGES = [0, 1, 2, 3, 255, 256, 2**16 - 1, 2**31, 2**32 - 1, 2**32, 2**63, 2**64 - 1]
#: cases without a check in a C peer, because a program in C calls the steps itself
ITEM = {"bytes": "aabb", "array": "00" * 16, "tensor": "00" * 8 + " tensor=3:8"}


class Vandal(threading.Thread):
    """Writes nonsense and plausible nonsense after the immutable part until stopped."""

    def __init__(self, ring: Segment, seed: int) -> None:
        super().__init__(daemon=True)
        self.ring, self.random, self.stop, self.writes = ring, random.Random(seed), False, 0
        self.map = mmap.mmap(ring.fd, ring.sb["total_size"])

    def run(self) -> None:
        while not self.stop:
            for _ in range(100):
                self.strike()
            time.sleep(0)

    def strike(self) -> None:
        """Make one write, to a word that a participant's steps read."""
        ring, pick = self.ring, self.random.choice
        index = self.random.randrange(ring.slots)
        header = ring.header_at(index)
        lap, state, owner = self.random.randrange(8), self.random.randrange(4), pick([0, 1, 2, 9])
        word = pick([lap << 8 | owner << 2 | state, self.random.getrandbits(64), *EDGES[:4]])
        sizes = pick([self.random.getrandbits(64), *EDGES, 16, 100])
        seat = ring.sb["participants_off"] + 128 * self.random.randrange(2)
        at, value = pick(
            [
                (header, word),
                (header, word),
                (header + 8, sizes),
                (header + 32, self.random.getrandbits(64)),
                (pick([256, 512, 768, 896, 1024, 1152]), pick(EDGES)),
                (seat + pick([8, 16, 24, 32]), pick(EDGES)),
            ]
        )
        self.map[at : at + 8] = struct.pack("<Q", value)
        self.writes += 1


def provoke(peer: Peer, role: str, kind: str) -> int:
    """One call; a reply of any kind is right, as long as there is one."""
    if role == "producer":
        replies = [peer.ask(f"write {ITEM[kind]}")]
    else:
        replies = [peer.ask("tryread")]
        if replies[0].error == "ok":
            replies.append(peer.ask(f"{random.choice(['release', 'requeue'])} {replies[0].seq}"))
        replies.append(peer.ask("read 1"))
        if replies[-1].error == "ok":
            replies.append(peer.ask(f"release {replies[-1].seq}"))
    return len(replies)


@pytest.mark.timeout(0)
@every_lang
@pytest.mark.parametrize("seats", [1, 2])
@pytest.mark.parametrize("mode", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_row_24_a_hostile_peer(crew, new_ring, figure, soak, kind, mode, seats, lang):
    producers = seats if mode == 1 else 1
    ring = new_ring(KINDS[kind], slots=4, mode=mode, producers=producers, consumers=seats)
    peers = {}
    for role in ("producer", "consumer"):
        peers[role] = crew.get(lang)
        peers[role].must(f"open {name_of(ring)}")
        peers[role].must(f"{role} x")
    vandal, calls = Vandal(ring, seed=1), 0
    vandal.start()
    deadline = time.monotonic() + 0.15 * soak
    try:
        while time.monotonic() < deadline:
            for role, peer in peers.items():
                calls += provoke(peer, role, kind)
    finally:
        vandal.stop = True
        vandal.join()
        vandal.map.close()
    assert all(peer.alive for peer in peers.values())
    figure("24", "calls beside a vandal", calls=calls, writes_of_the_vandal=vandal.writes, deaths=0)
