"""Waits after the death of the last peer, in every pair of languages (spec section 3)."""

from __future__ import annotations

import pytest
from cases import BYTES, every_lang, every_pair, until
from cases import join as joined


def join(crew, ring, lang: str, role: str, how: str = ""):
    """A participant that goes on waiting when its last peer has died."""
    peer, reply = joined(crew, ring, lang, role, how)
    assert reply.error == "ok", reply
    return peer


def sit(crew, ring, lang: str, role: str):
    """One with waits that fail then."""
    return join(crew, ring, lang, role, "death=raise")


@every_pair
def test_a_consumer_learns_that_its_producer_was_killed(crew, new_ring, writer, reader):
    ring = new_ring(BYTES, slots=4)
    producer, consumer = join(crew, ring, writer, "producer"), sit(crew, ring, reader, "consumer")
    producer.must("write aa")
    producer.kill()
    assert consumer.must("read 5000").data == b"\xaa"  # committed messages come first
    for _ in range(2):
        answer = consumer.ask("read 5000")
        assert answer.error == "peerdead", answer
    join(crew, ring, writer, "producer").must("write bb")
    assert consumer.must("read 5000").data == b"\xbb"
    assert consumer.ask("read 200").error == "timeout"


@every_pair
def test_a_producer_learns_that_its_consumer_was_killed(crew, new_ring, writer, reader):
    ring = new_ring(BYTES, slots=2)
    producer, consumer = sit(crew, ring, writer, "producer"), join(crew, ring, reader, "consumer")
    producer.must("write aa")
    consumer.must("tryread")
    producer.must("write bb")
    consumer.kill()
    assert producer.ask("put 5000 cc").error == "peerdead"
    successor = join(crew, ring, reader, "consumer")
    assert [successor.must("read 100").data for _ in range(2)] == [b"\xaa", b"\xbb"]


@every_pair
def test_a_sleeper_learns_it_while_it_sleeps(crew, new_ring, writer, reader):
    ring = new_ring(BYTES, slots=2)
    producer, consumer = join(crew, ring, writer, "producer"), sit(crew, ring, reader, "consumer")
    consumer.send("read 5000")
    until(lambda: ring.mutable("data_waiting") == 1)
    producer.kill()
    assert consumer.reply(2).error == "peerdead"


@every_lang
@pytest.mark.parametrize("mode", [1, 2, 3])
def test_one_that_lives_is_enough(crew, new_ring, lang, mode):
    """A peer that never came, or has left, is waited for, too."""
    many = {"producers": 2} if mode == 1 else {}
    ring = new_ring(BYTES, slots=4, mode=mode, **many)
    consumer = sit(crew, ring, lang, "consumer")
    assert consumer.ask("read 150").error == "timeout"
    join(crew, ring, lang, "producer").must("leave")
    assert consumer.ask("read 150").error == "timeout"
    dead = join(crew, ring, lang, "producer")
    if mode == 1:
        join(crew, ring, lang, "producer")
        dead.kill()
        assert consumer.ask("read 150").error == "timeout"
    else:
        dead.kill()
        assert consumer.ask("read 5000").error == "peerdead"


@every_lang
def test_a_death_before_one_joined_is_waited_out(crew, new_ring, lang):
    ring = new_ring(BYTES, slots=4)
    join(crew, ring, lang, "producer").kill()
    consumer = sit(crew, ring, lang, "consumer")
    assert consumer.ask("read 150").error == "timeout"
    join(crew, ring, lang, "producer").kill()
    assert consumer.ask("read 5000").error == "peerdead"


@every_pair
def test_awaiting_a_successor(crew, new_ring, writer, reader):
    ring = new_ring(BYTES, slots=4)
    producer, consumer = join(crew, ring, writer, "producer"), join(crew, ring, reader, "consumer")
    producer.kill()
    assert consumer.ask("read 150").error == "timeout"
    consumer.send("read 5000")
    join(crew, ring, writer, "producer").must("write cc")
    assert consumer.reply(2).data == b"\xcc"


@every_lang
def test_who_sleeps_says_when(crew, new_ring, lang):
    ring = new_ring(BYTES, slots=4)
    consumer = join(crew, ring, lang, "consumer")
    before = ring.seat(2).progress_ns
    assert consumer.ask("read 20").error == "timeout"
    assert 0 < before < ring.seat(2).progress_ns
