"""Waits after the last peer was killed."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from children import Start

import goring

PRODUCER = """
import sys, goring
ring = goring.open("r")
producer = ring.producer(name="camera")
producer.write([1, 2], cast=True)
print("ready", flush=True)
sys.stdin.read()
"""
CONSUMER = """
import sys, goring
ring = goring.open("r")
consumer = ring.consumer(name="model")
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def ring() -> Iterator[goring.Ring]:
    with goring.create("r", slots=2, dtype="u1", shape=2) as ring:
        yield ring


def kill(child: subprocess.Popen[str]) -> None:
    os.kill(child.pid, signal.SIGKILL)
    child.wait()


def by_async_for(consumer: Any) -> None:
    async def loop() -> None:
        async for _frame in consumer:
            pass

    asyncio.run(loop())


WAITS: dict[str, Callable[[Any], object]] = {
    "for": lambda consumer: [frame.sum() for frame in consumer],
    "read": lambda consumer: consumer.read(timeout=5),
    "read_batch": lambda consumer: consumer.read_batch(4, timeout=5),
    "messages": lambda consumer: list(consumer.messages()),
    "wait": lambda consumer: consumer.wait(timeout=5),
    "async for": by_async_for,
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
@pytest.mark.parametrize("strategy", ["adaptive", "spin", "park"])
def test_consumers_learn_it(
    ring: goring.Ring, start: Start, wait: Callable[[Any], object], strategy: str
) -> None:
    child = start(PRODUCER)
    with ring.consumer(wait=strategy) as consumer:
        kill(child)
        assert next(iter(consumer)).tolist() == [1, 2]  # its committed messages come first
        with pytest.raises(goring.PeerDead, match="camera") as caught:
            wait(consumer)
    dead = caught.value
    assert (dead.role, dead.seat, dead.name, dead.pid) == ("producer", 1, "camera", child.pid)
    assert dead.quiet is not None
    assert 0 < dead.quiet < 60


def test_producers_learn_it(ring: goring.Ring, start: Start) -> None:
    child = start(CONSUMER)
    with ring.producer() as producer:
        kill(child)
        for _ in range(2):
            producer.write([1, 2], cast=True)
        for write in (producer.write, producer.write_batch):
            with pytest.raises(goring.PeerDead, match="model") as caught:
                write(np.zeros((1, 2) if write == producer.write_batch else 2, "u1"), timeout=5)
            assert (caught.value.role, caught.value.seat) == ("consumer", 2)
        with pytest.raises(goring.PeerDead):
            producer.reserve(timeout=5)
        assert producer.try_write([1, 2], cast=True) is False  # it did not wait


def test_waiting_for_a_successor(ring: goring.Ring, start: Start) -> None:
    child = start(PRODUCER)
    with ring.consumer(on_peer_death="wait", timeout=5) as consumer:
        kill(child)
        assert next(iter(consumer)).tolist() == [1, 2]
        with pytest.raises(goring.Empty):
            consumer.read(timeout=0.15)
        start(PRODUCER)
        assert consumer.read().array.tolist() == [1, 2]


def test_nonsense_is_refused(ring: goring.Ring) -> None:
    with pytest.raises(goring.BadValue, match="on_peer_death is 'ignore'"):
        ring.consumer(on_peer_death="ignore")
    assert ring.stats().participants == ()


@pytest.mark.parametrize("quiet", [None, 1.5])
def test_the_exception_crosses_processes(quiet: float | None) -> None:
    error = goring.PeerDead("producer", 1, "camera", 4711, quiet)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.name, again.quiet) == (str(error), "camera", quiet)
    assert ("last seen 1.5 s ago" in str(error)) == (quiet is not None)
