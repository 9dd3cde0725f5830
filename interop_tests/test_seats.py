"""Seats: kernel locks, entries, refusals, and the reaping of the dead."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import time

import pytest
from cases import BYTES, every_lang, every_pair, join
from peers import ARM64, MACHINE
from segment import FLOCK, LOCK_BASE, SEAT

PAIR = {"slots": 4, "producers": 2, "consumers": 2, "max_meta": 0}


def start_time(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as f:
        return int(f.read().rpartition(")")[2].split()[19])


def start_times(lang: str, pid: int) -> set[int] | range:
    """Return the start times that a peer may report. C reports none; the emulator tells Go when it
    was ready to run it."""
    started = start_time(pid)
    if lang == "go" and MACHINE is ARM64:
        now = time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK")
        return range(started, int(now) + 1)
    return {started, 0} if lang == "c" else {started}


@every_lang
def test_entry(crew, new_ring, lang):
    ring = new_ring(BYTES, **PAIR)
    before = time.time_ns()
    for seat, (role, as_name) in enumerate(
        [("producer", "camera"), ("producer", "é" * 32), ("consumer", "x" * 64)], start=1
    ):
        peer, reply = join(crew, ring, lang, role, as_name)
        assert reply["seat"] == str(seat)
        entry = ring.seat(seat)
        assert (entry.state, entry.epoch, entry.flags, entry.reserved) == (1, 1, 0, bytes(8))
        assert entry.pid == peer.process.pid
        assert entry.start_time in start_times(lang, peer.process.pid)
        assert before <= entry.joined_ns <= time.time_ns()
        assert entry.name == as_name
        assert [ring.locked(n) for n in range(1, 5)] == [n <= seat for n in range(1, 5)]


@every_lang
def test_leaving_frees_the_seat(crew, new_ring, lang):
    ring = new_ring(BYTES, **PAIR)
    for lap in range(1, 4):
        for seat, role in ((1, "producer"), (3, "consumer")):
            peer, reply = join(crew, ring, lang, role, "x")
            assert (int(reply["seat"]), ring.seat(seat).state, ring.locked(seat)) == (seat, 1, True)
            peer.must("leave")
            assert (ring.seat(seat).state, ring.seat(seat).epoch, ring.locked(seat)) == (
                0,
                lap,
                False,
            )


@every_pair
@pytest.mark.parametrize("role", ["producer", "consumer"])
def test_refusal_names_the_holders(crew, new_ring, writer, reader, role):
    ring = new_ring(BYTES, **PAIR)
    holders = [join(crew, ring, writer, role, f"holder-{n}")[0] for n in range(2)]
    _, reply = join(crew, ring, reader, role, "late")
    assert reply.error == "busy", reply
    if reader == "c":  # its caller words the refusal
        return
    for n, holder in enumerate(holders):
        assert f"holder-{n}" in reply.text
        assert str(holder.process.pid) in reply.text


@every_lang
def test_a_foreign_lock_is_respected(crew, new_ring, lang):
    """The lock alone is the sign of life: a free entry under a lock is taken."""
    ring = new_ring(BYTES, **PAIR)
    fd = os.open(ring.path, os.O_RDWR)
    fcntl.fcntl(
        fd, fcntl.F_OFD_SETLK, struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, LOCK_BASE + 1, 1, 0)
    )
    assert join(crew, ring, lang, "producer", "a")[1]["seat"] == "2"
    assert join(crew, ring, lang, "producer", "b")[1].error == "busy"
    os.close(fd)
    assert join(crew, ring, lang, "producer", "c")[1]["seat"] == "1"


@every_pair
def test_a_stopped_holder_is_not_dead(crew, new_ring, writer, reader):
    ring = new_ring(BYTES, slots=4, max_meta=0)
    holder, _ = join(crew, ring, writer, "producer", "sleepy")
    holder.process.send_signal(signal.SIGSTOP)
    try:
        assert join(crew, ring, reader, "producer", "late")[1].error == "busy"
        assert (ring.seat(1).state, ring.seat(1).epoch) == (1, 1)
    finally:
        holder.process.send_signal(signal.SIGCONT)
    holder.must("write 00")


#: The leftovers of a reaper that died half-way through a dead consumer (seat 3) and
#: a dead producer (seat 1): words of a ring of 4, by number, state and owner.
HALF = {
    "untouched": [(0, 3, 3), (1, 3, 3), (2, 1, 1), (3, 0, 0)],
    "some words repaired": [(0, 2, 0), (1, 3, 3), (2, 2, 1), (3, 0, 0)],
    "all words repaired": [(0, 2, 0), (1, 2, 0), (2, 2, 1), (3, 0, 0)],
}


@every_lang
@pytest.mark.parametrize("title", HALF)
def test_reaping_is_done_again(crew, new_ring, lang, title):
    ring = new_ring(BYTES, **PAIR)
    for number, state, owner in HALF[title]:
        ring.put_word(number, state, owner)
    for seat in (1, 3):
        forge_seat(ring, seat, epoch=7)
    for seat, role in ((1, "producer"), (3, "consumer")):
        generation = ring.mutable("requeue_gen")
        assert join(crew, ring, lang, role, "heir")[1]["seat"] == str(seat)
        assert (ring.seat(seat).state, ring.seat(seat).epoch, ring.seat(seat).name) == (
            1,
            8,
            "heir",
        )
        assert ring.mutable("requeue_gen") == generation + 1, "always, even when no word changed"
    assert ring.words() == ["READY(0)", "READY(1)", "Aborted(1,2)", "FREE(3)"]
    given_back = [ring.header(i).redelivered for i in range(3)]
    assert given_back == [int(state == 3) for _, state, _ in HALF[title]][:3]


def forge_seat(ring, seat: int, epoch: int) -> None:
    raw = SEAT.pack(1, epoch, 0, 0, 0, 2**22 - 1, 0, 0, 0, bytes(8), b"the dead one")
    os.pwrite(ring.fd, raw, ring.sb["participants_off"] + (seat - 1) * 128)


@every_lang
def test_redelivered_saturates(crew, new_ring, lang):
    ring = new_ring(BYTES, **PAIR)
    ring.put_word(0, 3, 3)
    os.pwrite(ring.fd, b"\xff", ring.header_at(0) + 15)
    forge_seat(ring, 3, epoch=1)
    peer, _ = join(crew, ring, lang, "consumer", "heir")
    assert ring.header(0).redelivered == 255
    assert peer.must("tryread")["again"] == "255"
    peer.must("requeue 0")
    assert ring.header(0).redelivered == 255
