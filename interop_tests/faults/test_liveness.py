"""Rows 6, 7, 13 to 16, 27: signs of life, and how soon a death is noticed."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from cases import BYTES, every_lang, every_pair, name_of, until
from peers import Peer

SLICE = 0.1  # seconds after which every waiting participant has reaped the dead
SLACK = 1.0  # seconds that a busy machine may add


def sit(crew, ring, lang: str, role: str, how: str = "") -> Peer:
    peer = crew.get(lang)
    peer.must(f"open {name_of(ring)}")
    peer.must(f"{role} x {how}")
    return peer


def milliseconds_of(action) -> float:
    start = time.monotonic()
    action()
    return 1000 * (time.monotonic() - start)


@every_pair
def test_row_06_killed_between_commit_and_wake(crew, new_ring, figure, writer, reader):
    """A word is stored without a wake: the sleeper checks again within a slice."""
    ring = new_ring(BYTES, slots=4)
    consumer = sit(crew, ring, reader, "consumer")
    producer = sit(crew, ring, writer, "producer")
    consumer.send("read 5000")
    until(lambda: ring.mutable("data_waiting") == 1)
    producer.kill()
    ring.put_word(0, 2)
    took = milliseconds_of(lambda: consumer.reply(5))
    figure("6", "killed between commit and wake", trials=1, max_ms_until_seen=took)
    assert took < 1000 * (SLICE + SLACK)


@pytest.mark.timeout(0)
@every_pair
def test_row_07_a_death_is_noticed(crew, new_ring, figure, soak, writer, reader):
    """A consumer waits, its producer is killed at any moment of its slice."""
    ring, took = new_ring(BYTES, slots=4), []
    for _ in range(round(8 * soak)):
        producer = sit(crew, ring, writer, "producer")
        consumer = sit(crew, ring, reader, "consumer", "death=raise")
        consumer.send("read 5000")
        until(lambda: ring.mutable("data_waiting") == 1)
        time.sleep(random.random() * 2 * SLICE)
        producer.process.kill()
        start = time.monotonic()
        assert consumer.reply(5).error == "peerdead"
        took.append(1000 * (time.monotonic() - start))
        producer.end()
        crew.rest()
    what = "death of a producer noticed while blocked"
    figure("7", what, trials=len(took), ms=took)
    assert np.percentile(took, 99) < 1000 * (SLICE + SLACK)


@every_pair
@pytest.mark.parametrize("seats", [1, 2])
def test_row_07_killed_with_a_full_ring_in_hand(crew, new_ring, figure, writer, reader, seats):
    ring = new_ring(BYTES, slots=3, consumers=seats)
    producer = sit(crew, ring, writer, "producer")
    holder = sit(crew, ring, reader, "consumer")
    sent = []
    for n in range(3):
        producer.must(f"write 0{n}")
        sent.append(holder.must("read 1000").data)
    producer.send("put 5000 03")
    until(lambda: ring.mutable("room_waiting") == 1)
    holder.kill()
    start = time.monotonic()
    successor = sit(crew, ring, reader, "consumer")
    first = successor.must("read 1000")
    successor.must(f"release {first.seq}")
    assert producer.reply(5).error == "ok"
    took = 1000 * (time.monotonic() - start)
    figure("7", "killed with a full ring in hand; producer goes on", trials=1, max_ms=took)
    got = [first.data] + [successor.must("read 1000").data for _ in range(3)]
    assert sorted(got) == [*sent, b"\x03"]
    assert seats > 1 or got == [*sent, b"\x03"]


@every_lang
def test_row_13_stopped_is_not_dead(crew, new_ring, figure, soak, lang):
    """SIGSTOP: its slot is not taken, and it goes on where it was."""
    seconds = min(0.3 * soak, 10.0)
    ring = new_ring(BYTES, slots=3, producers=2, consumers=2)
    producer, consumer = sit(crew, ring, "go", "producer"), sit(crew, ring, lang, "consumer")
    other = sit(crew, ring, "c", "consumer", "death=raise")
    producer.must("write aa")
    taken = consumer.must("read 1000")
    os.kill(consumer.process.pid, signal.SIGSTOP)
    try:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert other.ask("read 100").error == "timeout"
            other.must("reap")
    finally:
        os.kill(consumer.process.pid, signal.SIGCONT)
    consumer.must(f"release {taken.seq}")
    producer.must("write bb")
    assert other.must("read 1000").data == b"\xbb"
    figure("13", "SIGSTOP of a consumer with a message in hand", seconds=seconds, false_deaths=0)


def namespaced(crew, lang: str) -> Peer:
    """A peer in a PID namespace of its own, where it is not the only process with its pid."""
    argv = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return Peer(lang, [*argv, *crew.commands[lang]], crew.folder)


def kill_inside(peer: Peer) -> None:
    """Kill the process in the namespace; unshare is only its parent."""
    pid = peer.process.pid
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        os.kill(int(children.read()), signal.SIGKILL)


def can_unshare() -> bool:
    argv = ["unshare", "--pid", "--fork", "--mount-proc", "true"]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


@every_pair
def test_row_14_pid_namespaces(crew, new_ring, figure, writer, reader):
    """Each sees the other alive, and its death, although pids mean nothing here."""
    if not can_unshare():
        pytest.skip("needs the right to make PID namespaces (root)")
    ring = new_ring(BYTES, slots=3)
    with contextlib.ExitStack() as stack:
        producer, consumer = namespaced(crew, writer), namespaced(crew, reader)
        stack.callback(producer.end)
        stack.callback(consumer.end)
        for peer, role in ((producer, "producer"), (consumer, "consumer")):
            peer.must(f"open {name_of(ring)}")
            peer.must(f"{role} x death=raise")
        pids = [ring.seat(n).pid for n in (1, 2)]
        assert max(pids) < 10, f"not pids of new namespaces: {pids}"
        assert consumer.ask("read 200").error == "timeout"
        producer.must("write aa")
        assert consumer.must("read 1000").data == b"\xaa"
        kill_inside(producer)
        assert consumer.ask("read 5000").error == "peerdead"
        successor = sit(crew, ring, writer, "producer")
        successor.must("write bb")
        assert consumer.must("read 1000").data == b"\xbb"
    figure("14", "separate PID namespaces", trials=1, false_deaths=0)


@every_pair
def test_row_15_a_zombie(crew, new_ring, figure, writer, reader):
    """Killed and not waited for: kill(pid, 0) calls it alive, its lock is free."""
    ring = new_ring(BYTES, slots=3)
    producer = sit(crew, ring, writer, "producer")
    consumer = sit(crew, ring, reader, "consumer", "death=raise")
    os.kill(producer.process.pid, signal.SIGKILL)
    took = milliseconds_of(lambda: consumer.ask("read 5000"))
    os.kill(producer.process.pid, 0)  # still there
    with open(f"/proc/{producer.process.pid}/stat") as stat:
        assert ") Z " in stat.read()
    assert consumer.ask("read 5000").error == "peerdead"
    sit(crew, ring, writer, "producer").must("write aa")
    assert consumer.must("read 1000").data == b"\xaa"
    figure("15", "a zombie's seat", trials=1, max_ms_until_noticed=took)
    producer.end()


FORKING = """
import os, sys, time, goring
ring = goring.open(sys.argv[1])
producer = ring.producer(name="parent")
if not os.fork():
    try:
        producer.write(b"x")
    except goring.ForkError:
        print("refused", flush=True)
    time.sleep(60)
    os._exit(0)
time.sleep(60)
"""


@every_lang
def test_row_16_fork(crew, folder, new_ring, figure, lang):
    """The child of a killed Python parent lives on, and does not keep its seat."""
    ring = new_ring(BYTES, slots=3)
    consumer = sit(crew, ring, lang, "consumer", "death=raise")
    parent = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", FORKING, name_of(ring)],
        stdout=subprocess.PIPE,
        env={**os.environ, "GORING_DIR": str(folder)},
        text=True,
        start_new_session=True,
    )
    try:
        assert parent.stdout.readline() == "refused\n"
        parent.kill()
        parent.wait()
        took = milliseconds_of(lambda: consumer.ask("read 5000"))
        assert consumer.ask("read 5000").error == "peerdead"
        assert not ring.locked(1)
        os.killpg(parent.pid, 0)  # the child lives
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)
        parent.wait()
        parent.stdout.close()
    figure("16", "fork in Python, the parent killed", trials=1, max_ms_until_noticed=took)


@every_lang
def test_row_27_signals_while_waiting(crew, new_ring, figure, lang):
    """SIGURG, which Go's scheduler sends itself, and others that do not end a process."""
    ring = new_ring(BYTES, slots=3)
    producer, consumer = sit(crew, ring, "c", "producer"), sit(crew, ring, lang, "consumer")
    sent = 0
    for n in range(10):
        consumer.send("read 5000")
        until(lambda: ring.mutable("data_waiting") == 1)
        for _ in range(50):
            for number in (signal.SIGURG, signal.SIGCHLD, signal.SIGWINCH):
                os.kill(consumer.process.pid, number)
                sent += 1
        assert not consumer.buffer, "it returned early"
        producer.must(f"write 0{n}")
        message = consumer.reply(5)
        assert message.data == bytes([n])
        consumer.must(f"release {message.seq}")
    figure("27", "signals to a waiter", signals=sent, early_returns=0)
