"""Rows 5, 6 and 11: a participant is killed after every single store to the segment.

stepper.c runs one operation of a Go or C participant instruction by instruction and kills
it after the k-th store, for k = 0, 1, .. until the operation has no more. A participant of the
other language then takes its place. One ring serves all k of an operation, so that each
death meets the leftovers of the one before.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from cases import BYTES, name_of
from peers import ARM64, MACHINE, Peer, hexed
from segment import Segment

pytestmark = pytest.mark.skipif(
    MACHINE is ARM64, reason="a step of an emulated process is one of the emulator"
)

OTHER = {"go": "c", "c": "go"}
#: Go: no signals of the runtime's own while it is stepped.
QUIET = {"GODEBUG": "asyncpreemptoff=1", "GOGC": "off"}
KILLED, FINISHED = 0, 1


@pytest.fixture(scope="session")
def stepper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("stepper") / "stepper"
    source = Path(__file__).with_name("stepper.c")
    subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, source], check=True)
    return program


@dataclass
class Stage:
    """A ring, its participants, and the victim's language."""

    crew: object
    ring: Segment
    lang: str
    stepper: Path
    numbers: int = 0
    deaths: int = 0

    def victim(self, k: int, op: str, before: str, start: str = "mark") -> int:
        """Run before, then op up to its k-th store; KILLED or FINISHED."""
        commands = f"open {name_of(self.ring)}\n{before}\nstep {op} marked\n"
        argv = [self.stepper, self.ring.path, str(k), start, *self.crew.commands[self.lang]]
        env = {**os.environ, **QUIET, "GORING_DIR": str(self.ring.path.parent)}
        done = subprocess.run(
            argv, input=commands.encode(), capture_output=True, env=env, timeout=60, check=False
        )
        assert done.returncode in (KILLED, FINISHED), (op, k, done)
        if done.returncode == FINISHED:
            assert b"err" not in done.stdout, done.stdout
        return done.returncode

    def join(self, role: str) -> Peer:
        """Let a participant of the other language take a seat."""
        peer = self.crew.get(OTHER[self.lang])
        peer.must(f"open {name_of(self.ring)}")
        peer.must(f"{role} {role}")
        return peer

    def leave(self, peer: Peer) -> None:
        peer.must("leave")
        self.crew.give_back(peer)

    def write(self, producer: Peer) -> bytes:
        """A message unlike all others."""
        self.numbers += 1
        data = b"#" + self.numbers.to_bytes(4, "little")
        producer.must(f"put 1000 {hexed(data)}")
        return data

    def drain(self, consumer: Peer, last: bytes) -> list[bytes]:
        """Take all messages up to last, and those requeued after it."""
        got: list[bytes] = []
        while last not in got:
            message = consumer.must("read 1000")
            got.append(message.data)
            consumer.must(f"release {message.seq}")
        while (message := consumer.ask("tryread")).error == "ok":
            got.append(message.data)
            consumer.must(f"release {message.seq}")
        return got


@pytest.fixture
def new_stage(crew, new_ring, stepper, figure):
    stages: list[Stage] = []

    def make(lang: str, mode: int, seats: int) -> Stage:
        producers = seats if mode == 1 else 1
        ring = new_ring(BYTES, slots=3, mode=mode, producers=producers, consumers=seats, max_meta=0)
        stages.append(Stage(crew, ring, lang, stepper))
        return stages[-1]

    yield make
    for stage in stages:
        figure("5, 11", "killed behind every store of an operation", deaths=stage.deaths)


#: mode, seats of each role that may be several
RINGS = {"alone": (1, 1), "shared": (1, 2), "broadcast": (2, 2), "overwrite": (3, 2)}
every_ring = pytest.mark.parametrize("ring", RINGS)
every_native = pytest.mark.parametrize("lang", ["go", "c"])


def each_death(stage: Stage, op: str, before: str = "", start: str = "mark"):
    """Kill the victim after its first store, its second one, .., and once not at all."""
    for k in range(60):
        finished = stage.victim(k, op, before, start) == FINISHED
        stage.deaths += not finished
        yield finished
        if finished:
            return
    raise AssertionError(f"{op} never ends")


#: the steps before the operation; its first instruction
PRODUCER_OPS = {
    "producer": ("producer w\nleave", "lock"),
    "write": ("producer w", "mark"),
    "abort": ("producer w\nreserve", "mark"),
    "leave": ("producer w\nreserve", "mark"),
}


@every_native
@every_ring
@pytest.mark.parametrize("op", PRODUCER_OPS)
def test_row_05_a_producer(new_stage, lang, ring, op):
    stage = new_stage(lang, *RINGS[ring])
    consumer = stage.join("consumer")
    seen = False
    for finished in each_death(stage, op, *PRODUCER_OPS[op]):
        successor = stage.join("producer")
        got = stage.drain(consumer, last := stage.write(successor))
        stage.leave(successor)
        if op == "write" and (seen or finished or len(got) > 1):
            seen = True  # committed once, it stays so at all later stores
            assert got == [b"\xaa", last]
        else:
            assert got == [last]
    assert seen or op != "write"


CONSUMER_OPS = {
    "consumer": ("consumer r\nleave", "lock"),
    "take": ("consumer r", "mark"),
    "release": ("consumer r\nstep take", "mark"),
    "requeue": ("consumer r\nstep take", "mark"),
    "leave": ("consumer r\nstep take", "mark"),
}


@every_native
@pytest.mark.parametrize("ring", ["alone", "shared"])
@pytest.mark.parametrize("op", CONSUMER_OPS)
def test_row_05_a_consumer(new_stage, lang, ring, op):
    stage = new_stage(lang, *RINGS[ring])
    producer = stage.join("producer")
    released = False
    first, second = stage.write(producer), stage.write(producer)
    for finished in each_death(stage, op, *CONSUMER_OPS[op]):
        successor = stage.join("consumer")
        got = stage.drain(successor, last := stage.write(producer))
        stage.leave(successor)
        if op == "release" and (released or finished or first not in got):
            released = True  # and stays so
            assert sorted(got) == [second, last]
        else:
            assert sorted(got) == [first, second, last]
        first, second = stage.write(producer), stage.write(producer)
    assert released or op != "release"


@every_native
@pytest.mark.parametrize("op", ["consumer", "leave"])
def test_row_05_a_broadcast_consumer(new_stage, lang, op):
    """The others get everything, and the producer is not held up."""
    stage = new_stage(lang, *RINGS["broadcast"])
    producer, other = stage.join("producer"), stage.join("consumer")
    before, start = ("consumer r", "mark") if op == "leave" else CONSUMER_OPS[op]
    for _ in each_death(stage, op, before, start):
        other.must("reap")
        for _ in range(2 * stage.ring.slots):
            data = stage.write(producer)
            assert stage.drain(other, data) == [data]


@every_native
@pytest.mark.parametrize("role", ["producer", "consumer"])
def test_row_11_a_reaper(new_stage, lang, role):
    """A participant dies while it holds a slot; its reaper is killed after every store, too."""
    stage = new_stage(lang, *RINGS["shared"])
    writer, reader = stage.join("producer"), stage.join("consumer")

    def leave_a_corpse() -> list[bytes]:
        dead = stage.join(role)
        if role == "producer":
            dead.must("reserve")
            in_hand = []
        else:
            in_hand = [stage.write(writer)]
            assert dead.must("read 1000").data == in_hand[0]
        dead.kill()
        return in_hand

    in_hand = leave_a_corpse()
    for _ in each_death(stage, "reap", start="lock"):
        reader.must("reap")
        got = stage.drain(reader, last := stage.write(writer))
        assert sorted(got) == [*in_hand, last]
        in_hand = leave_a_corpse()
