"""Sleeping and waking, shutdown, and hints that are wrong, across implementations."""

from __future__ import annotations

import signal
import time

import pytest
from cases import BYTES, couple, every_lang, every_pair, every_shape, join, until


@every_pair
@every_shape
def test_a_sleeper_is_woken(crew, new_ring, writer, reader, shape):
    ring = new_ring(BYTES, slots=2, producers=shape[0], consumers=shape[1], max_meta=0)
    producer, consumer = couple(crew, ring, writer, reader)
    consumer.send("read 5000")
    until(lambda: ring.mutable("data_waiting") == 1)
    producer.must("write aa")
    assert consumer.reply(2).data == b"\xaa"
    assert ring.mutable("data_ev") > 0
    consumer.must("release 0")
    for _ in range(2):
        producer.must("write bb")
    producer.send("put 5000 cc")
    until(lambda: ring.mutable("room_waiting") == 1)
    consumer.must(f"release {consumer.must('tryread').seq}")
    assert producer.reply(2).error == "ok"
    assert "READY(3)" in ring.words()
    assert ring.mutable("room_ev") > 0


@every_pair
def test_nobody_asleep_nobody_woken(crew, new_ring, writer, reader):
    ring = new_ring(BYTES, slots=2, max_meta=0)
    producer, consumer = couple(crew, ring, writer, reader)
    for _ in range(5):
        producer.must("write aa")
        consumer.must(f"release {consumer.must('tryread').seq}")
    names = ("data_ev", "data_waiting", "room_ev", "room_waiting")
    assert [ring.mutable(n) for n in names] == [0, 0, 0, 0]


@every_lang
@every_shape
def test_a_peer_that_died_before_its_wake(crew, new_ring, lang, shape):
    """A word changes without a wake: the sleeper checks again within a slice."""
    ring = new_ring(BYTES, slots=2, producers=shape[0], consumers=shape[1], max_meta=0)
    producer, consumer = couple(crew, ring, lang, lang)
    consumer.send("read 5000")
    until(lambda: ring.mutable("data_waiting") == 1)
    ring.put_word(0, 2)
    assert consumer.reply(1).seq == 0
    ring.put_word(1, 2)
    ring.set_mutable("put_hint", 2)
    producer.must("leave")
    producer.must("producer p")
    producer.send("put 5000 aa")
    until(lambda: ring.mutable("room_waiting") == 1)
    ring.put_word(2, 0)
    assert producer.reply(1).error == "ok"
    assert ring.words() == ["READY(2)", "READY(1)"]


@every_lang
def test_timeouts(crew, new_ring, lang):
    ring = new_ring(BYTES, slots=2, max_meta=0)
    producer, consumer = couple(crew, ring, lang, lang)
    for command in ("read 150", "put 150 aa"):
        peer = consumer if command.startswith("read") else producer
        if peer is producer:
            producer.must("write 00")
            producer.must("write 00")
        start = time.monotonic()
        assert peer.ask(command).error == "timeout"
        assert 0.14 <= time.monotonic() - start < 1.0


@every_pair
@every_shape
def test_shutdown_wakes_everybody(crew, new_ring, writer, reader, shape):
    ring = new_ring(BYTES, slots=2, producers=shape[0], consumers=shape[1], max_meta=0)
    producer, consumer = couple(crew, ring, writer, reader)
    consumer.send("read 20000")
    until(lambda: ring.mutable("data_waiting") == 1)
    producer.must("shutdown")
    assert consumer.reply(1).error == "end"
    assert (ring.mutable("shutdown"), consumer.ask("read 1000").error) == (1, "end")
    full = new_ring(BYTES, slots=2, producers=shape[0], consumers=shape[1], max_meta=0)
    producer, consumer = couple(crew, full, reader, writer)
    producer.must("write aa")
    producer.must("write bb")
    producer.send("put 20000 cc")
    until(lambda: full.mutable("room_waiting") == 1)
    consumer.must("shutdown")
    assert producer.reply(1).error == "shutdown"
    assert [consumer.must("read 1000").data for _ in range(2)] == [b"\xaa", b"\xbb"]
    for seq in (0, 1):
        consumer.must(f"release {seq}")
    assert consumer.ask("read 1000").error == "end"


@every_lang
@pytest.mark.parametrize("hint", [0, 1 << 40, (1 << 64) - 1])
def test_wrong_hints_delay_but_do_not_harm(crew, new_ring, lang, hint):
    """Far too low and far too high. (One that names a free slot further on would leave a hole.)"""
    ring = new_ring(BYTES, slots=3, producers=2, consumers=2, max_meta=0)
    producer, consumer = couple(crew, ring, lang, lang)
    for number in range(7):
        ring.set_mutable("put_hint", hint)
        producer.must(f"put 5000 {number:02x}")
        assert f"READY({number})" in ring.words()
        ring.set_mutable("take_hint", hint)
        reply = consumer.must("read 5000")
        assert (reply.seq, reply.data) == (number, bytes([number]))
        consumer.must(f"release {number}")


@every_lang
def test_signals_do_not_end_a_wait(crew, new_ring, lang):
    """A futex wait is interrupted by signals that mean nothing."""
    ring = new_ring(BYTES, slots=2, max_meta=0)
    producer, consumer = couple(crew, ring, lang, lang)
    consumer.send("read 10000")
    until(lambda: ring.mutable("data_waiting") == 1)
    for _ in range(50):
        consumer.process.send_signal(signal.SIGSTOP)
        consumer.process.send_signal(signal.SIGCONT)
        time.sleep(0.002)
    producer.must("write ab")
    assert consumer.reply(2).data == b"\xab"


def test_a_worker_that_iterates_does_not_stop_the_ring(crew, new_ring):
    """While "for frame in consumer" waits, the loop variable still names the frame before.
    When the others have taken everything else, its slot is the one that the next message needs."""
    ring = new_ring(
        {"kind": "array", "dtype": "|u1", "shape": [64]}, slots=2, consumers=2, max_meta=0
    )
    producer, worker = couple(crew, ring, "go", "py")
    other, _ = join(crew, ring, "go", "consumer")
    producer.must("write " + "00" * 64)
    worker.send("iterate 2")
    until(lambda: ring.mutable("data_waiting") == 1)  # it has the first frame and waits
    worker.process.send_signal(signal.SIGSTOP)
    try:
        producer.must("write " + "01" * 64)
        other.must("release " + other.must("read 1000")["seq"])
    finally:
        worker.process.send_signal(signal.SIGCONT)
    assert producer.ask("put 3000 " + "02" * 64).error == "ok", ring.words()
    assert worker.reply(5)["n"] == "2"
