"""Seats: joining, refusals that name the holders, and the view of other processes."""

from __future__ import annotations

import datetime
import os
import signal

import pytest
from children import Start

import goring


def test_a_second_one_is_refused_by_name_and_seated_when_the_first_leaves() -> None:
    with goring.create("r", max_bytes=8) as ring, goring.open("r") as other:
        for join, again in [(ring.producer, other.producer), (ring.consumer, other.consumer)]:
            first = join(name="the first")
            with first, pytest.raises(goring.Busy, match=f'"the first".*{os.getpid()}'):
                again()
            again().close()


def test_stats_name_the_seats() -> None:
    with goring.create("r", slots=4, max_bytes=8, producers=2, consumers=2) as ring:
        assert ring.stats() == goring.Stats(4, 0, 0, 0, 0, 0, 4, False, ())
        before = datetime.datetime.now(datetime.UTC)
        with ring.producer(name="p µ") as out, ring.consumer(name="c" * 100) as inbox:
            for _ in range(3):
                out.write(b"x")
            message = inbox.read()
            slot = out.reserve()
            s = ring.stats()
            assert (s.published, s.released, s.depth) == (4, 0, 3)
            assert (s.ready, s.taken, s.writing, s.free) == (2, 1, 1, 0)
            p, c = s.participants
            assert (p.seat, p.role, p.name, p.alive) == (1, "producer", "p µ", True)
            assert p.pid == os.getpid()
            assert (c.seat, c.role, c.name, c.alive) == (3, "consumer", "c" * 64, True)
            after = datetime.datetime.now(datetime.UTC)
            assert before <= p.joined <= c.joined <= after
            message.release()
            slot.abort()
        assert ring.stats().participants == ()


def test_each_message_goes_to_one_of_several_consumers() -> None:
    with goring.create(None, slots=8, max_bytes=8, producers=2, consumers=3) as ring:
        inboxes = [ring.consumer(timeout=5) for _ in range(3)]
        outs = [ring.producer() for _ in range(2)]
        with pytest.raises(goring.Busy):
            ring.consumer()
        for i in range(6):
            outs[i % 2].write(bytes([i]))
        got = [bytes(inbox.read().data)[0] for _ in range(2) for inbox in inboxes]
        assert got == [0, 1, 2, 3, 4, 5]
        for part in (*inboxes, *outs):
            part.close()


def test_a_name_that_is_no_text_takes_no_seat() -> None:
    with goring.create(None, max_bytes=8) as ring:
        for name in (5, b"x", "\ud800", "a\0b"):
            with pytest.raises((TypeError, ValueError)):
                ring.producer(name=name)
        ring.producer(name="").close()


def test_the_seat_of_a_killed_process_is_free_and_its_messages_come_again(start: Start) -> None:
    with goring.create("r", slots=4, max_bytes=8, consumers=2) as ring, ring.producer() as out:
        out.write(b"one")
        out.write(b"two")
        child = start(
            """
            import goring
            inbox = goring.open("r").consumer(name="the child")
            held = inbox.read(timeout=30)
            print("ready", flush=True)
            input()
            """
        )
        assert [p.name for p in ring.stats().participants if p.role == "consumer"] == ["the child"]
        child.send_signal(signal.SIGKILL)
        child.wait(30)
        assert [p.alive for p in ring.stats().participants] == [True, False]
        with ring.consumer(timeout=5) as inbox:
            got = [inbox.read(), inbox.read()]
            assert sorted((bytes(m.data), m.redelivered) for m in got) == [(b"one", 1), (b"two", 0)]
