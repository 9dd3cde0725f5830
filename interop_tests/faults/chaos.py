"""Random SIGKILLs under load, with every single message accounted for.

    make producer=P out=FILE      messages P<<40 | 0, 1, .. until killed or shut down;
                                  word 0 of FILE counts the returned commits
    take out=FILE                 every message's id into FILE, all ones if it is not whole,
                                  and only then released

The peer maps FILE: words stored before a SIGKILL are in it afterwards. A producer's
messages are all delivered up to its count, and possibly one more, after which it was killed
before its commit returned. A message is repeated only when the consumer that noted it last was
killed before it could release it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from cases import name_of
from segment import Segment

TORN = (1 << 64) - 1
ROOM = 1 << 20  # ids that one consumer can note
PATIENCE = 10.0  # seconds without progress that are a wedge


class Zygote:
    """Starts and kills Python peers."""

    def __init__(self, folder: Path) -> None:
        env = {**os.environ, "GORING_DIR": str(folder)}
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("zygote.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=env,
            text=True,
        )

    def order(self, **order: object) -> int:
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def end(self) -> None:
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


@dataclass
class Life:
    """One participant's life, and its journal."""

    role: str
    out: Path
    number: int
    process: subprocess.Popen | int
    words: np.ndarray
    killed: bool = False

    @property
    def count(self) -> int:
        return int(self.words[0])

    @property
    def ids(self) -> np.ndarray:
        return self.words[1 : 1 + self.count]


@dataclass
class Verdict:
    kills: int = 0
    messages: int = 0
    lost: int = 0
    torn: int = 0
    stray: int = 0
    repeated: int = 0
    unexplained: int = 0
    disorder: int = 0
    restored: list[float] = field(default_factory=list)  # seconds from a kill to the next success

    @property
    def faults(self) -> int:
        return self.lost + self.torn + self.stray + self.unexplained + self.disorder


class Chaos:
    """One ring, its participants, and their deaths."""

    def __init__(
        self,
        ring: Segment,
        commands: dict[str, list[str]],
        zygote: Zygote,
        seed: int,
    ) -> None:
        self.ring, self.commands, self.zygote = ring, commands, zygote
        self.random = random.Random(seed)
        self.lives: list[Life] = []
        self.numbers = {"producer": itertools.count(), "consumer": itertools.count()}
        self.verdict = Verdict()

    # -- lives

    def start(self, role: str, lang: str) -> Life:
        number = next(self.numbers[role])
        out = self.ring.path.with_name(f"{self.ring.path.name}.{role}{number}")
        words = 1 if role == "producer" else 1 + ROOM
        with out.open("wb") as file:
            file.truncate(8 * words)  # sparse: unwritten pages take no memory
        journal = np.memmap(out, np.uint64, "r+", shape=words)
        verb = f"make producer={number}" if role == "producer" else "take"
        commands = [f"open {name_of(self.ring)}", f"{role} {lang}{number}", f"{verb} out={out}"]
        life = Life(role, out, number, self.spawn(lang, commands), journal)
        self.lives.append(life)
        return life

    def spawn(self, lang: str, commands: list[str]) -> subprocess.Popen | int:
        if lang == "py":
            return self.zygote.order(start=commands)
        env = {**os.environ, "GORING_DIR": str(self.ring.path.parent)}
        process = subprocess.Popen(
            self.commands[lang],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=env,
        )
        process.stdin.write(("\n".join(commands) + "\n").encode())
        process.stdin.flush()
        return process

    def kill(self, life: Life) -> None:
        if isinstance(life.process, int):
            self.zygote.order(kill=life.process)
        else:
            life.process.kill()
            life.process.wait()
            life.process.stdin.close()
        life.killed = True
        self.verdict.kills += 1

    def wait_for(self, life: Life) -> None:
        """Until it has done something."""
        start = time.monotonic()
        while not life.count:
            if time.monotonic() - start > PATIENCE:
                raise AssertionError(f"wedged: {life.role} {life.number}: {self.ring.words()}")
            time.sleep(0.0002)

    # -- the run

    def run(self, langs: dict[str, list[str]], victims: list[str], kills: int) -> Verdict:
        """langs: role -> language of each seat. Kills one of the victims' roles at a time."""
        seats = {role: [self.start(role, x) for x in names] for role, names in langs.items()}
        for life in [*seats["producer"], *seats["consumer"]]:
            self.wait_for(life)
        try:
            for _ in range(kills):
                time.sleep(self.random.random() * 0.002)
                role = self.random.choice(victims)
                k = self.random.randrange(len(seats[role]))
                self.kill(seats[role][k])
                begun = time.monotonic()
                seats[role][k] = self.start(role, langs[role][k])
                self.wait_for(seats[role][k])
                self.verdict.restored.append(time.monotonic() - begun)
            self.finish(seats)
        finally:
            for life in self.lives:
                if not life.killed:
                    with contextlib.suppress(OSError):
                        self.kill(life)
                life.out.unlink()
        return self.judge() if self.ring.sb["mode"] == 1 else self.judge_broadcast()

    def finish(self, seats: dict[str, list[Life]]) -> None:
        """End production; the consumers take the messages that are left."""
        for life in seats["producer"]:
            self.kill(life)
        self.verdict.kills -= len(seats["producer"])
        deadline = time.monotonic() + PATIENCE
        while self.left() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not self.left(), f"wedged: {self.ring.words()}"
        for life in seats["consumer"]:
            self.kill(life)
        self.verdict.kills -= len(seats["consumer"])

    def left(self) -> int:
        """Report messages that are not released, and consumers that have not read all."""
        if self.ring.sb["mode"] != 1:
            first = self.ring.sb["max_producers"] + 1
            seats = [self.ring.seat(first + k) for k in range(self.ring.sb["max_consumers"])]
            head = self.ring.mutable("head")
            return sum(seat.state == 1 and seat.cursor < head for seat in seats)
        return sum("READY(" in w or "TAKEN" in w for w in self.ring.words())

    def judge_broadcast(self) -> Verdict:
        """Every consumer has seen all there was from its first message to its last, in order."""
        v = self.verdict
        makers = {life.number: life.count for life in self.lives if life.role == "producer"}
        for life in self.lives:
            if life.role != "consumer":
                continue
            v.messages += life.count
            v.torn += int((life.ids == TORN).sum())
            ids = life.ids[life.ids != TORN].astype(np.int64)
            for at in np.flatnonzero(np.diff(ids) != 1):
                v.lost += not follows(int(ids[at]), int(ids[at + 1]), makers)
        return v

    def judge(self) -> Verdict:
        v = self.verdict
        takers = [life for life in self.lives if life.role == "consumer"]
        makers = {life.number: life.count for life in self.lives if life.role == "producer"}
        ids = np.concatenate([life.ids for life in takers])
        v.torn = int((ids == TORN).sum())
        distinct, times = np.unique(ids[ids != TORN], return_counts=True)
        v.messages = len(distinct)
        v.repeated = int((times - 1).sum())
        producers, numbers = distinct >> np.uint64(40), distinct & np.uint64((1 << 40) - 1)
        for number, count in makers.items():
            own = numbers[producers == number]
            v.lost += count - int((own < count).sum())
            v.stray += int((own > count).sum())  # number count itself: its commit did not return
        v.stray += int((~np.isin(producers, list(makers))).sum())
        excused = {int(life.ids[-1]): 0 for life in takers if life.killed and life.count}
        for life in takers:
            if life.killed and life.count:
                excused[int(life.ids[-1])] += 1
        for number, n in zip(distinct[times > 1], times[times > 1], strict=True):
            v.unexplained += max(0, int(n) - 1 - excused.get(int(number), 0))
        if self.ring.sb["max_producers"] == self.ring.sb["max_consumers"] == 1:
            v.disorder = sum(int((np.diff(x.ids.astype(np.int64)) <= 0).sum()) for x in takers)
        return v


def follows(a: int, b: int, makers: dict[int, int]) -> bool:
    """Whether b is a producer's first message and a the last one before it."""
    one, n, other, m = a >> 40, a & ((1 << 40) - 1), b >> 40, b & ((1 << 40) - 1)
    between = [makers[k] for k in range(one + 1, other)]
    return m == 0 and one < other and n >= makers[one] - 1 and not any(between)
