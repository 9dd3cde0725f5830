"""Broadcast and overwrite rings: every implementation writes, all of them read."""

from __future__ import annotations

import time

import numpy as np
import pytest
from cases import BYTES, LANGS, every_lang, every_pair, join, until
from stress import Run, Tally, words

BROADCAST, OVERWRITE = 2, 3

every_mode = pytest.mark.parametrize("mode", [BROADCAST, OVERWRITE], ids=["broadcast", "overwrite"])


@pytest.fixture
def stage(crew, new_ring):
    """stage(mode, slots, writer, *readers): the ring, its producer and its consumers."""

    def set_up(mode, slots, writer, *readers, consumers=32):
        ring = new_ring(BYTES, slots=slots, mode=mode, consumers=consumers, max_meta=0)
        peers = [
            join(crew, ring, lang, role)[0]
            for lang, role in [(writer, "producer"), *((x, "consumer") for x in readers)]
        ]
        return ring, peers[0], peers[1:]

    return set_up


def write(peer, first, last):
    for n in range(first, last):
        peer.must(f"write {n:02x}")


def read(peer, first, last):
    """Take and release the messages from first to last."""
    for n in range(first, last):
        reply = peer.must("tryread")
        assert (reply.seq, reply.data) == (n, bytes([n]))
        peer.must(f"release {n}")


def cursors(ring, count):
    return [ring.seat(2 + k).cursor for k in range(count)]


@every_lang
def test_each_consumer_gets_each_message(stage, lang):
    ring, writer, readers = stage(BROADCAST, 3, lang, *LANGS)
    for n in range(0, 9, 3):
        write(writer, n, n + 3)
        assert ring.words() == [f"READY({n + k})" for k in range(3)]
        assert ring.mutable("head") == n + 3
        assert writer.ask("write ff").error == "full"
        for k, reader in enumerate(readers):
            read(reader, n, n + 3)
            assert reader.ask("tryread").error == "empty"
            assert cursors(ring, 3) == [n + 3] * (k + 1) + [n] * (2 - k)


@every_pair
def test_the_slowest_gates_until_it_leaves(stage, writer, reader):
    _, out, (fast, slow) = stage(BROADCAST, 2, writer, reader, reader)
    write(out, 0, 2)
    read(fast, 0, 2)
    out.send("put 5000 02")
    time.sleep(0.02)
    read(slow, 0, 1)
    assert out.reply(2).error == "ok"
    assert out.ask("write 03").error == "full"
    out.send("put 5000 03")
    time.sleep(0.02)
    slow.must("leave")
    assert out.reply(2).error == "ok"
    read(fast, 2, 4)


@every_pair
def test_a_killed_consumer_holds_nobody_up(stage, crew, writer, reader):
    ring, out, (alive, dead) = stage(BROADCAST, 2, writer, "go", reader)
    write(out, 0, 2)
    dead.must("tryread")
    read(alive, 0, 2)
    dead.kill()
    begun = time.monotonic()
    assert out.ask("put 5000 02").error == "ok"
    assert time.monotonic() - begun < 1
    seat = ring.seat(3)
    assert (seat.state, seat.flags) == (0, 1)
    read(alive, 2, 3)


@every_pair
def test_joining_begins_with_the_next_message(stage, crew, writer, reader):
    ring, out, _ = stage(BROADCAST, 2, writer)
    write(out, 0, 5)
    late, _ = join(crew, ring, reader, "consumer")
    assert ring.seat(2).cursor == 5
    assert late.ask("tryread").error == "empty"
    write(out, 5, 7)
    assert out.ask("write 07").error == "full"
    read(late, 5, 7)
    late.must("leave")
    late.must("consumer again")
    write(out, 7, 9)
    read(late, 7, 9)


@every_pair
def test_out_of_order_releases(stage, writer, reader):
    ring, out, (inbox,) = stage(BROADCAST, 3, writer, reader)
    write(out, 0, 3)
    for _ in range(3):
        inbox.must("tryread")
    assert inbox.ask("tryread").error == "held"
    inbox.must("release 2")
    inbox.must("release 1")
    assert inbox.ask("release 1").error == "misuse"
    assert (cursors(ring, 1), out.ask("write 03").error) == ([0], "full")
    inbox.must("release 0")
    assert cursors(ring, 1) == [3]
    write(out, 3, 6)
    read(inbox, 3, 6)


@every_pair
def test_giving_back_concerns_nobody_else(stage, writer, reader):
    _, out, (mine, other) = stage(BROADCAST, 4, writer, reader, "go")
    write(out, 0, 2)
    mine.must("tryread")
    mine.must("requeue 0")
    read(mine, 0, 2)
    reply = other.must("tryread")
    assert (reply.seq, reply["again"]) == (0, "0")


@every_pair
def test_batches(stage, crew, new_ring, writer, reader):
    items = {"kind": "array", "dtype": "|u1", "shape": [64]}
    ring = new_ring(items, slots=64, mode=BROADCAST, consumers=4, placement="separate")
    out, _ = join(crew, ring, writer, "producer")
    inbox, _ = join(crew, ring, reader, "consumer")
    rows = [f"{n:02x}" * 64 for n in range(40)]
    for _ in range(5):  # over the wrap, too
        assert out.must("writebatch " + " ".join(rows))["n"] == "40"
        got = []
        while len(got) < 40:
            reply = inbox.must("readbatch 16")
            got += reply["data"].split(",")
            inbox.must("releasebatch")
        assert got == rows
    assert cursors(ring, 1) == [200]


@every_mode
@every_pair
def test_a_successor_writes_the_number_again(stage, crew, mode, writer, reader):
    ring, out, (inbox,) = stage(mode, 4, writer, reader)
    write(out, 0, 2)
    out.must("reserve")
    assert ring.words()[2] == ("FREE(2)" if mode == BROADCAST else "WRITING(1,2)")
    out.kill()
    ring.set_mutable("head", 1)  # as if it had died before it stored that
    successor, _ = join(crew, ring, reader, "producer")
    assert ring.mutable("head") == 2
    write(successor, 2, 4)
    read(inbox, 0, 4)


@every_lang
def test_one_consumer_too_many(stage, crew, lang):
    ring, _, _ = stage(BROADCAST, 2, "go", *["go"] * 3, consumers=3)
    _, reply = join(crew, ring, lang, "consumer")
    assert reply.error == "busy"


@every_mode
@every_pair
def test_latest(stage, mode, writer, reader):
    ring, out, (inbox,) = stage(mode, 4, writer, reader)
    write(out, 0, 3)
    assert inbox.must("latest 0").seq == 2
    inbox.must("release 2")
    assert inbox.ask("latest 10").error == "timeout"
    inbox.send("latest 5000")
    until(lambda: ring.mutable("data_waiting") == 1)
    write(out, 3, 4)
    assert inbox.reply(2).seq == 3
    inbox.must("release 3")
    assert inbox.must("lost")["lost"] == "0"
    write(out, 4, 8)
    read(inbox, 4, 8)


@every_pair
def test_latest_of_an_overwrite_ring_is_there_for_who_joins(stage, crew, writer, reader):
    ring, out, _ = stage(OVERWRITE, 4, writer)
    write(out, 0, 6)
    inbox, _ = join(crew, ring, reader, "consumer")
    assert inbox.must("latest 0").seq == 5


@pytest.mark.parametrize("distance", [0, 1, 3, 4, 5, 8, 30])
@every_pair
def test_lost_is_exact(stage, writer, reader, distance):
    """t' = max(t + 1, head - S + 1) when message t is gone."""
    ring, out, (inbox,) = stage(OVERWRITE, 4, writer, reader)
    write(out, 0, 1)
    read(inbox, 0, 1)
    write(out, 1, 1 + distance)
    head, lost = 1 + distance, 0
    if distance > 4:  # message 1 was overwritten
        lost = max(2, head - 3) - 1
    read(inbox, 1 + lost, head)
    assert inbox.must("lost")["lost"] == str(lost)
    seat = ring.seat(2)
    assert (seat.lost, seat.cursor) == (lost, head)


@every_pair
def test_overwritten_while_it_was_read(stage, writer, reader):
    ring, out, (inbox,) = stage(OVERWRITE, 2, writer, reader)
    write(out, 0, 2)
    inbox.must("tryread")
    out.must("reserve")
    assert ring.words() == ["WRITING(1,2)", "READY(1)"]
    assert inbox.ask("release 0").error == "lapped"
    out.must("abort")
    read(inbox, 1, 2)
    assert inbox.ask("tryread").error == "empty"
    write(out, 2, 3)
    read(inbox, 2, 3)


@every_mode
@every_pair
def test_the_end(stage, mode, writer, reader):
    _, out, (inbox,) = stage(mode, 4, writer, reader)
    write(out, 0, 2)
    out.must("shutdown")
    assert out.ask("write 02").error == "shutdown"
    read(inbox, 0, 2)
    assert inbox.ask("tryread").error == "end"
    assert inbox.ask("read 100").error == "end"


@pytest.mark.parametrize("cursor", [0, 2**63, 2**64 - 1, 107])
@every_lang
def test_a_hostile_cursor_harms_only_while_its_owner_lives(stage, lang, cursor):
    ring, out, (inbox, enemy) = stage(BROADCAST, 4, lang, "go", "c")
    for n in range(7):
        write(out, n, n + 1)
        read(inbox, n, n + 1)
        read(enemy, n, n + 1)
    ring.set_cursor(3, cursor)
    for n in range(7, 30):
        reply = out.ask(f"put 200 {n:02x}")
        if reply.error != "ok":
            enemy.kill()
            reply = out.ask(f"put 5000 {n:02x}")
        assert reply.error == "ok"
        read(inbox, n, n + 1)


# -- waiting participants reap the dead of queues


@every_pair
def test_a_waiter_gets_what_a_killed_consumer_held(crew, new_ring, writer, reader):
    ring = new_ring(BYTES, slots=4, consumers=2, max_meta=0)
    out, _ = join(crew, ring, writer, "producer")
    dead, _ = join(crew, ring, writer, "consumer")
    alive, _ = join(crew, ring, reader, "consumer")
    write(out, 0, 1)
    dead.must("tryread")
    alive.send("read 5000")
    time.sleep(0.02)
    dead.kill()
    begun = time.monotonic()
    reply = alive.reply(5)
    assert (reply.seq, reply["again"]) == (0, "1")
    assert time.monotonic() - begun < 1


@every_pair
def test_a_waiter_skips_what_a_killed_producer_was_writing(crew, new_ring, writer, reader):
    ring = new_ring(BYTES, slots=4, producers=2, max_meta=0)
    dead, _ = join(crew, ring, writer, "producer")
    out, _ = join(crew, ring, writer, "producer")
    inbox, _ = join(crew, ring, reader, "consumer")
    dead.must("reserve")
    out.must("write 01")
    inbox.send("read 5000")
    time.sleep(0.02)
    dead.kill()
    assert inbox.reply(5).seq == 1


# -- at full speed


@pytest.mark.stress
@pytest.mark.parametrize("count", [1, 4, 16, 32])
@pytest.mark.parametrize("slots", [2, 16, 256])
@every_lang
def test_all_messages_to_all(crew, new_ring, report, lang, slots, count):
    span = 40_000 // count
    schema = {"kind": "bytes", "max_bytes": 200}
    ring = new_ring(schema, slots=slots, mode=BROADCAST, consumers=32, max_meta=0)
    run = Run(crew, ring, {"ms": 400}, {"hold": 2, "requeue": 17}, span)
    readers = [run.join(LANGS[k % 3], "consumer") for k in range(count)]
    writer = run.join(lang, "producer")
    outs = [run.start_consumer(peer) for peer in readers]
    run.start_producer(writer, 0, span)
    sent = writer.reply(60).counts()["sent"]
    writer.must("shutdown")
    tally = Tally(messages=sent * count)
    for peer, out in zip(readers, outs, strict=True):
        reply = peer.reply(60)
        assert reply.error == "ok", reply
        n = reply.counts()
        seen = np.fromfile(out, np.uint8)
        out.unlink()
        tally.lost += int((seen[:sent] == 0).sum())
        tally.repeated += int((seen[:sent] > 1).sum())
        tally.add(Tally(torn=n["torn"], stray=n["stray"] + int(seen[sent:].sum())))
        tally.add(Tally(disorder=n["disorder"], requeued=n["requeued"]))
    crew.rest()
    report(f"{lang} to all", f"1 to {count}", tally)
    assert tally.faults == 0, tally
    assert sent > 4 * slots or sent == span, words({"sent": sent})
