"""Stats as they cross the bridge."""

from __future__ import annotations

import datetime

from goring._stats import Participant, Stats, read_stats

import goring

SEAT = {
    "seat": 2,
    "role": "consumer",
    "name": "reader",
    "pid": 7,
    "joined": "2026-01-02T03:04:05.5Z",
    "alive": True,
    "quiet_ns": 1_500_000_000,
    "holds": [4, 5],
}
COUNTS = {
    "slots": 4, "published": 6, "released": 4, "ready": 0, "taken": 2, "writing": 0, "free": 2,
    "shutdown": False,
}  # fmt: skip


def test_fields_that_only_go_has_do_not_matter() -> None:
    known = read_stats({**COUNTS, "participants": [SEAT]})
    newer = read_stats(
        {**COUNTS, "oldest_ready": 3, "participants": [{**SEAT, "start_time": 9, "mood": "good"}]}
    )
    assert newer == known


def test_a_participant_of_a_reply() -> None:
    joined = datetime.datetime(2026, 1, 2, 3, 4, 5, 500_000, datetime.UTC)
    stats = read_stats({**COUNTS, "participants": [SEAT]})
    want = Participant(2, "consumer", "reader", 7, joined, True, 1_500_000_000, (4, 5))
    assert stats == Stats(**COUNTS, participants=(want,))
    assert (want.quiet, stats.depth) == (1.5, 2)


def test_the_stats_of_a_ring() -> None:
    with goring.create(None, slots=4, max_bytes=8, consumers=2) as ring:
        out, inbox = ring.producer(name="writer"), ring.consumer(name="reader")
        out.write(b"a")
        message = inbox.read()
        stats = ring.stats()
        assert (stats.published, stats.taken, stats.free) == (1, 1, 3)
        assert [(p.role, p.name, p.holds) for p in stats.participants] == [
            ("producer", "writer", ()),
            ("consumer", "reader", (0,)),
        ]
        assert all(0 <= p.quiet < 60 for p in stats.participants)
        message.release()
        out.close()
        inbox.close()
