"""The slot words after every step, for every pair of implementations."""

from __future__ import annotations

import pytest
from cases import BYTES, LANGS, every_pair, every_shape
from stage import run_script

ARRAY = {"kind": "array", "dtype": "|u1", "shape": [16]}

#: Scripts for one producer and one consumer, which any shape of ring allows.
#: Letters are in stage.py; the model gives each expected reply.
PAIRS = {
    "write, read, release": (4, "J j W t r0 W t r1 t W W t t r2 r3"),
    "fill and drain": (3, "J j t W W W W t t t t r0 W W r1 r2 W W W t t t r3 r4 r5 t"),
    "two slots, many laps": (2, "J j " + " ".join(f"W t r{n}" for n in range(9))),
    "release out of order": (
        4,
        "J j W W W W t t t t r2 r1 W r3 W r0 W W W W W t t t t r7 r4 r6 r5 t",
    ),
    "reserve and commit": (3, "J j R t C t r0 R C R C R C R t t t r3 r1 r2 R C t r4"),
    "abort": (3, "J j R A W t R A R A W t t"),
    "abort with a full ring": (2, "J j W W R t R R t"),
    "requeue": (4, "J j W W W t t t q1 q0 t t r2 W W W t"),
    "requeue while others wait": (4, "J j W W t t q0 W W t t t r1"),
    "requeue twice": (3, "J j W t q0 t q0 t r0 t"),
    "consumer first": (3, "j t J t W t r0"),
    "join late": (3, "J W W W W j t t r1 W t r0 W W t"),
    "every seat taken": (3, "J j J j"),
    "shutdown, drain, end": (4, "J j W W S W R t t r0 r1 t"),
    "shutdown of an empty ring": (2, "J j S t W"),
    "join after shutdown": (3, "J j W W S l L j J t r0 t r1 t W"),
}

#: Scripts for rings with several on a side.
SEVERAL = {
    "two producers, interleaved": (
        (3, 1), 4, "J J j R R@2 t C@2 t C t t r0 r1 W@2 W W@2 W W@2 t t t t t"
    ),
    "producers abort beside each other": ((3, 1), 4, "J J j R R@2 t A@2 t C t t t t W W@2"),
    "an aborted slot at the wrap": ((3, 1), 3, "J J j W W t t r0 r1 R A R@2 A@2 W@2 t W t t"),
    "only aborted slots": ((3, 1), 2, "J j R A R A R t R A W t t W W"),
    "three consumers share": (
        (1, 3), 5, "J j j j W W W W W t t@2 t@3 t@2 t@3 t r1@2 r0 W W t t@3 r4@3 t@2"
    ),
    "given back to another": ((1, 3), 4, "J j j W W t t@2 q0 t@2 t q1@2 t t@2 r0@2 W t@2"),
    "given back out of order": (
        (1, 3), 4, "J j j W W W W t t t t q2 q0 q3 t@2 t@2 t@2 t@2 r1 W t@2 W t@2"
    ),
    "fresh before given back": ((1, 3), 4, "J j j W W t t q0 W t@2 t@2 W t t"),
    "a late consumer finds what was given back": ((1, 3), 4, "J j W W t t q0 q1 j t@2 t@2 t@2"),
    "given back twice is counted": ((1, 3), 3, "J j j W t q0 t@2 q0@2 t q0 t r0"),
    "a slow producer is waited for": ((3, 3), 4, "J J j R R@2 C@2 t t C t t j t@2"),
    "everything shared": (
        (3, 3), 4,
        "J J J j j j W W@2 W@3 R t t@2 R@2 t@3 C t@3 q1@2 t t@2 r0 R@2 W@3 r2@3 A@2 W@3 t@2 t@3 W",
    ),
    "seats of each role": ((2, 3), 4, "J J J j j j j"),
}  # fmt: skip

#: Scripts with batches: rings of fixed items with a separate payload area.
BATCHES = {
    "one batch": (8, "J j B3 b8 d t"),
    "batches and single ones": (8, "J j W B3 W t b8 r0 d B4 t b2 d r5 b8 d"),
    "wrap": (4, "J j B3 b3 d B4 b4 d b4 d B4 b2 d b4 d b4 d"),
    "batches of one": (2, "J j B1 b1 d B1 b1 d B1 b4 d"),
    "limit": (8, "J j B8 b1 d b3 d b8 d"),
}


def others(first: str, second: str) -> list[str]:
    """A side's languages, its first one leading: the other one and the third follow."""
    return [first, *[x for x in dict.fromkeys([second, *LANGS]) if x != first]]


@every_pair
@every_shape
def test_pairs(crew, new_ring, writer, reader, shape):
    for title, (slots, script) in PAIRS.items():
        ring = new_ring(
            BYTES, slots=slots, producers=shape[0], consumers=shape[1], max_meta=16, timestamps=True
        )
        run_script(crew, ring, ([writer], [reader]), title, script)


@every_pair
@pytest.mark.parametrize("title", SEVERAL)
def test_several(crew, new_ring, writer, reader, title):
    (producers, consumers), slots, script = SEVERAL[title]
    ring = new_ring(BYTES, slots=slots, producers=producers, consumers=consumers, max_meta=32)
    run_script(crew, ring, (others(writer, reader), others(reader, writer)), title, script)


@every_pair
@every_shape
@pytest.mark.parametrize("size", [16, 4096], ids=["small", "mirrored"])
def test_batches(crew, new_ring, writer, reader, shape, size):
    for title, (slots, script) in BATCHES.items():
        ring = new_ring(
            {**ARRAY, "shape": [size]}, slots=slots, producers=shape[0], consumers=shape[1],
            max_meta=0, placement="separate", timestamps=False,
        )  # fmt: skip
        run_script(crew, ring, ([writer], [reader]), title, script)
