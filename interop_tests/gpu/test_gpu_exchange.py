"""Messages through device memory, between processes and languages."""

from __future__ import annotations

import pytest
from machine import HARDWARE, Machine

LANGUAGES = ("go", "py")
PAIRS = [(a, b) for a in LANGUAGES for b in LANGUAGES]


def verdict(line: str) -> tuple[int, int, int]:
    """How many messages came, how many were wrong, how many void."""
    n, _, wrong, _, void = line.split()
    return int(n), int(wrong), int(void)


def exchange(gpu: Machine, parts: tuple[str, str], count: int, *ring: object) -> tuple[int, int]:
    gpu.hold("frames", *ring)
    there, here = parts
    consumer = gpu.start(here, "consume", "frames", count)
    producer = gpu.start(there, "produce", "frames", count)
    producer.last()
    n, wrong, void = verdict(consumer.last())
    assert void == 0
    return n, wrong


@pytest.mark.parametrize("sync", ["timeline", "host"])
@pytest.mark.parametrize("parts", PAIRS, ids="-".join)
def test_messages_arrive_whole(gpu: Machine, parts, sync: str) -> None:
    count = 2500  # of each of the four pairs: 10,000
    ring = ("--max-bytes", 4096, "--slots", 8, "--sync", sync)
    assert exchange(gpu, parts, count, *ring) == (count, 0)


@pytest.mark.parametrize("mode", ["broadcast", "overwrite"])
@pytest.mark.parametrize("parts", PAIRS, ids="-".join)
def test_every_mode(gpu: Machine, parts, mode: str) -> None:
    """The overwrite ring is never full here: losses are tested elsewhere."""
    slots = 512 if mode == "overwrite" else 8
    gpu.hold("frames", "--max-bytes", 1024, "--slots", slots, "--mode", mode)
    there, here = parts
    consumer = gpu.start(here, "consume", "frames", 200)
    assert consumer.line(30) == "at 0"
    gpu.start(there, "produce", "frames", 400 if mode == "overwrite" else 300)
    assert verdict(consumer.last()) == (200, 0, 0)


@pytest.mark.parametrize("broken", [None, "first", "second"])
@pytest.mark.parametrize("parts", PAIRS, ids="-".join)
def test_relays_wait_for_device_work(gpu: Machine, parts, broken: str | None) -> None:
    """Two relays copy from device to device and wait for nothing on the host. With the waiting
    left out it must go wrong: else this test would see nothing."""
    if HARDWARE and broken:
        pytest.skip("whether a race is lost on hardware is a matter of luck")
    gpu.sabotaged = bool(broken)
    count, size = 300, 1 << 16
    for name in ("one", "two"):
        gpu.hold(name, "--max-bytes", size, "--slots", 4)
    gpu.hold("kept", "--max-bytes", size, "--slots", count)
    relay1 = (parts[0], "relay", "one", "two", count, *["-broken"] * (broken == "first"))
    relay2 = (parts[1], "relay", "two", "kept", count, *["-broken"] * (broken == "second"))
    slow = {"FAKECUDA_DELAY_US": "500"}
    running = [gpu.start(*relay1, **slow), gpu.start(*relay2, **slow)]
    gpu.start("go", "produce", "one", count, **slow).last()
    for relay in running:
        relay.last()
    n, wrong, void = verdict(gpu.start("go", "consume", "kept", count).last())
    assert (n, void) == (count, 0)
    assert (wrong > 0) == bool(broken), f"{wrong} of {count} are wrong"


def test_several_consumers_share_a_queue(gpu: Machine) -> None:
    gpu.hold("frames", "--max-bytes", 2048, "--slots", 8, "--consumers", 4, "--producers", 2)
    consumers = [gpu.start(lang, "consume", "frames", 250) for lang in ("go", "py", "go", "py")]
    producers = [gpu.start(lang, "produce", "frames", 500) for lang in LANGUAGES]
    for producer in producers:
        producer.last()
    assert [verdict(c.last()) for c in consumers] == [(250, 0, 0)] * 4


@pytest.mark.skipif(HARDWARE, reason="only the emulated driver counts")
@pytest.mark.parametrize("parts", PAIRS, ids="-".join)
def test_payload_never_touches_the_host(gpu: Machine, parts) -> None:
    count, size = 100, 1 << 15
    for name in ("one", "two", "three"):
        gpu.hold(name, "--max-bytes", size, "--slots", 4)
    relays = [
        gpu.start(parts[0], "relay", "one", "two", count),
        gpu.start(parts[1], "relay", "two", "three", count),
    ]
    consumer = gpu.start("go", "consume", "three", count)
    gpu.start("go", "produce", "one", count).last()
    assert verdict(consumer.last()) == (count, 0, 0)
    for relay in relays:
        relay.last()
        copied = {k: v for k, v in gpu.counters(relay).items() if k.startswith("bytes")}
        assert copied.pop("bytes DtoD") == count * size
        assert not any(copied.values()), copied
