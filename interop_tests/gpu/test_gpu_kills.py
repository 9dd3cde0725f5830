"""Any participant may be killed at any moment: no message is wrong, no other hangs."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest
from cells import Cells
from machine import HARDWARE, Machine, Peer, eventually
from test_gpu_exchange import LANGUAGES, verdict

#: No wait that a death causes may last longer, seconds. Nothing here is faster than the grace of
#: 100 ms after which a reaper completes claims that the dead one's device may still work on.
PATIENCE = 1.0
ROUNDS = 8
SLOW = {} if HARDWARE else {"FAKECUDA_DELAY_US": "20000"}  # so that device work is under way


@pytest.fixture
def cells(gpu: Machine) -> Iterator[Cells]:
    gpu.hold("frames", "--max-bytes", 8192, "--slots", 4)
    found = Cells(gpu.folder / "goring.frames")
    yield found
    found.close()


def progress(peer: Peer, timeout: float = 15) -> None:
    line = "at 0"
    while line == "at 0":  # it has joined
        line = peer.line(timeout)
    assert line.startswith("at "), "it made no progress"


def kill_in_the_middle(peer: Peer, cells: Cells, seat: int, dice: random.Random) -> int:
    """Kill it, most often while its device work is under way; how many claims it leaves open."""
    end = time.monotonic() + 1
    if dice.random() < 0.9:
        while not cells.owed_by(seat) and time.monotonic() < end:
            time.sleep(0.001)
    peer.kill()
    return cells.owed_by(seat)


@pytest.mark.parametrize("victim", ["produce", "consume"])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_dead_participant_holds_nobody_up(
    gpu: Machine, cells: Cells, lang: str, victim: str
) -> None:
    dice = random.Random(f"{lang} {victim}")
    seat, other = (1, "consume") if victim == "produce" else (2, "produce")
    survivor = gpu.start("go", other, "frames", 0, **SLOW)
    left_open = voided = 0
    for _ in range(ROUNDS):
        doomed = gpu.start(lang, victim, "frames", 0, **SLOW)
        progress(survivor if victim == "produce" else doomed)
        time.sleep(dice.random() * 0.1)
        left_open += bool(kill_in_the_middle(doomed, cells, seat, dice))
        eventually(lambda: cells.owed_by(seat) == 0, PATIENCE)
    voided = sum(c.voided != 0 for c in cells.all())
    assert HARDWARE or left_open > 0, "no claim was open at any death: this shows nothing"
    if victim == "produce":
        assert HARDWARE or voided > 0
        survivor.stop()
        n, wrong, void = verdict(survivor.last())
    else:
        last = gpu.start("go", "consume", "frames", 20, **SLOW)
        n, wrong, void = verdict(last.last())
        assert void == 0
    assert n > 0
    assert wrong == 0


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_dead_relay(gpu: Machine, cells: Cells, lang: str) -> None:
    """It is the consumer of one ring and the producer of another."""
    gpu.hold("out", "--max-bytes", 8192, "--slots", 4)
    behind = Cells(gpu.folder / "goring.out")
    dice = random.Random(lang)
    gpu.start("go", "produce", "frames", 0, **SLOW)
    consumer = gpu.start("go", "consume", "out", 0, **SLOW)
    for _ in range(ROUNDS):
        relay = gpu.start(lang, "relay", "frames", "out", 0, **SLOW)
        progress(consumer)
        kill_in_the_middle(relay, behind, 1, dice)
        eventually(lambda: cells.owed_by(2) + behind.owed_by(1) == 0, PATIENCE)
    consumer.stop()
    n, wrong, _ = verdict(consumer.last())
    assert n > 0
    assert wrong == 0
    behind.close()


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_owner_of_the_memory_dies(gpu: Machine, lang: str) -> None:
    """Published messages are drained, then all participants end, and none can join."""
    holder = gpu.hold("frames", "--max-bytes", 8192, "--slots", 4)
    producer = gpu.start(lang, "produce", "frames", 0)
    consumer = gpu.start(lang, "consume", "frames", 0)
    progress(consumer)
    holder.kill()
    start = time.monotonic()
    n, wrong, void = verdict(consumer.last(PATIENCE))
    assert producer.process.wait(PATIENCE) == 1
    assert time.monotonic() - start < PATIENCE
    assert n > 0
    assert (wrong, void) == (0, 0)
    assert producer.process.stderr
    assert b"own" in producer.process.stderr.read()
    late = gpu.start(lang, "consume", "frames", 1)
    assert late.process.wait(15) == 1
    assert late.process.stderr
    assert b"own" in late.process.stderr.read()


def test_device_memory_comes_back(gpu: Machine) -> None:
    """Killing all participants leaves nothing allocated on the device."""
    if HARDWARE:
        pytest.skip("others may use this device")
    gpu.environment["FAKECUDA_MEM_MB"] = "64"
    for _ in range(3):
        holder = gpu.hold("frames", "--max-bytes", 8 << 20, "--slots", 4)
        consumer = gpu.start("go", "consume", "frames", 0)
        producer = gpu.start("go", "produce", "frames", 0)
        progress(consumer)
        for peer in (holder, producer, consumer):
            peer.kill()
        (gpu.folder / "goring.frames").unlink()
    # most of the device's memory: that of the dead is free
    gpu.hold("large", "--max-bytes", 24 << 20, "--slots", 2)
