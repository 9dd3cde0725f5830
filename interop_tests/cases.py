"""The parameters of the tests, and small helpers that they share."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from peers import Crew, Peer, Reply
from segment import Segment

LANGS = ("go", "c", "py")

#: (producers, consumers): each side alone or shared.
SHAPES = [(1, 1), (1, 3), (3, 1), (3, 3)]

BYTES = {"kind": "bytes", "max_bytes": 40}


def shape_name(shape: tuple[int, int]) -> str:
    return f"{shape[0]}to{shape[1]}"


every_lang = pytest.mark.parametrize("lang", LANGS)
#: C is the data plane alone: it reads no msgpack and words no refusals.
every_full_lang = pytest.mark.parametrize("lang", [x for x in LANGS if x != "c"])
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=shape_name)


def every_pair(test: Callable) -> Callable:
    """The test for each implementation as writer with each one as reader."""
    return pytest.mark.parametrize("reader", LANGS)(pytest.mark.parametrize("writer", LANGS)(test))


def name_of(ring: Segment) -> str:
    return ring.path.name.removeprefix("goring.")


def join(crew: Crew, ring: Segment, lang: str, role: str, as_name: str = "x") -> tuple[Peer, Reply]:
    """A peer that has opened the ring, and the reply to its joining."""
    peer = crew.get(lang)
    peer.must(f"open {name_of(ring)}")
    return peer, peer.ask(f"{role} {as_name}")


def couple(crew: Crew, ring: Segment, writer: str, reader: str) -> tuple[Peer, Peer]:
    """A producer and a consumer."""
    pair = join(crew, ring, writer, "producer"), join(crew, ring, reader, "consumer")
    for _, reply in pair:
        assert reply.error == "ok", reply
    return pair[0][0], pair[1][0]


def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.001)
