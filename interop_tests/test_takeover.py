"""Successors: every implementation goes on in mid-lap where another one stopped.

The first participant of each role speaks one language, the next one the other.
"""

from __future__ import annotations

import pytest
from cases import BYTES, every_lang, every_pair
from model import FREE, READY, Message, Word
from stage import Stage, run_script

#: (producers, consumers), slots, script. L, l leave; K, k are killed.
ALONE = {
    "producer leaves": (3, "J j W W L J W W t t t r0 r1 r2 W W"),
    "producer leaves with a reservation": (3, "J j W R L J W t t t"),
    "producer is killed with a reservation": (3, "J j W R K J R C t t t"),
    "producer, after laps": (3, "J j W W W t t t r0 r1 r2 W W t r3 L J W W W t t t r4 r5 r6"),
    "producer, ring full": (2, "J j W W L J W t r0 W W t r1 t"),
    "producer, released out of order": (4, "J j W W W W t t t t r1 r3 K J W r0 W W r2 W W"),
    "consumer leaves with messages": (4, "J j W W W t t l j t t t r0 r1 r2 t"),
    "consumer is killed with messages": (4, "J j W W W t t k j t t t r0 r1 r2 t"),
    "consumer, released out of order": (4, "J j W W W W t t t t r2 r1 k j t t t r3 r0 W W t t"),
    "consumer, out of order over the wrap": (
        3,
        "J j W W W t t t r0 r1 W W t t r3 k j t t t r4 r2 W t",
    ),
    "consumer gave back": (4, "J j W W W t t q0 q1 l j t t t t"),
    "both are killed": (3, "J j W W t r0 W R K k J j R C t t t r1 r2 W W t"),
    "one after the other": (2, "J j W K J W k j t r0 L J W k j t t r1 r2 W"),
}
SHARED = {
    "producer leaves a hole": ((3, 1), 4, "J J j R W@2 L t J W W t t t"),
    "producer is killed in a hole": ((3, 1), 4, "J J j R R@2 C@2 t K t J t t R W@2 t C t"),
    "the hole lies in the lap before": ((3, 1), 3, "J J j W W@2 R t t r0 r1 W@2 K J t t t W@2 W"),
    "hole over the wrap": ((3, 1), 2, "J J j W t r0 R W@2 W@2 K t J t t r2 W@2 W t t"),
    "consumer leaves, messages return": ((1, 3), 4, "J j j W W W t t t@2 l t@2 t@2 t@2 j t r0@2 t"),
    "consumer is killed, messages return": (
        (1, 3),
        4,
        "J j j W W W t t t@2 k t@2 j t@2 t@2 r0@2 t t t",
    ),
    "killed consumer had given back": ((1, 3), 4, "J j j W W t t q1 k j t t@2 t t@2"),
    "killed holding over the wrap": (
        (1, 3),
        3,
        "J j j W W W t t@2 t r0@1 W t@2 k W j t t t@2 r3@2 W",
    ),
    "everybody is killed": (
        (3, 3),
        4,
        "J J j j R W@2 R@2 t C t t@2 K K@2 k k@2 J j t t t J j t@2 t W W@2 t",
    ),
    "dead for several laps": ((1, 3), 4, "J j j W W t k W W t@2 t@2 r1@2 r2@2 W W W t@2 j t t@2"),
    "reaper gives back, then leaves": ((1, 3), 3, "J j W W t t k j t l j t t t r0 r1 t"),
}


@every_pair
@pytest.mark.parametrize("title", ALONE)
def test_alone(crew, new_ring, writer, reader, title):
    slots, script = ALONE[title]
    ring = new_ring(BYTES, slots=slots, max_meta=16)
    run_script(crew, ring, ([writer, reader], [reader, writer]), title, script)


@every_pair
@pytest.mark.parametrize("title", SHARED)
def test_shared(crew, new_ring, writer, reader, title):
    (producers, consumers), slots, script = SHARED[title]
    ring = new_ring(BYTES, slots=slots, producers=producers, consumers=consumers, max_meta=16)
    run_script(crew, ring, ([writer, reader], [reader, writer]), title, script)


HIGH = 4 << 50  # a number in lap 2^50

#: Words that a dead peer of some other implementation may have left, F(REE) or R(EADY)
#: with their numbers, and the outcome of a script.
FORGED = {
    "published last to first": ((1, 1), "F0 R1 R2 R3", "J j W t r0 W t"),
    "published with a hole, later lap": ((1, 1), "F4 R1 R2 R7", "j J t t r1 r2 W t t"),
    "half a batch": ((1, 1), "R0 R1 F2 F3", "j t J W t t r0 r1 r2 W W W"),
    "high laps": ((1, 1), f"R{HIGH} F{HIGH + 1} R{HIGH - 2} R{HIGH - 1}", "j J t t t W t"),
    "high laps, shared": (
        (3, 3), f"F{HIGH} F{HIGH + 1} F{HIGH + 2} F{HIGH + 3}", f"J j W W t t r{HIGH} t"
    ),
}  # fmt: skip


@every_lang
@pytest.mark.parametrize("title", FORGED)
def test_forged(crew, new_ring, lang, title):
    (producers, consumers), words, script = FORGED[title]
    ring = new_ring(BYTES, slots=4, producers=producers, consumers=consumers, max_meta=0)
    stage = Stage(crew, ring, ([lang], [lang]))
    for index, word in enumerate(words.split()):
        number, state = int(word[1:]), {"F": FREE, "R": READY}[word[0]]
        assert number % 4 == index
        ring.put_word(number, {FREE: 0, READY: 2}[state])
        stage.model.words[index] = Word(number, state)
        if state == READY:
            stage.model.messages[number] = Message()
    stage.run(script)
