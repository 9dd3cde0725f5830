"""A run at full speed: producers, consumers, and the count of every single message.

    produce producer=P first=N count=N ms=T batch=B abort=K
        messages P<<40|first .. at full speed, for T ms at most; batches of B; every
        K-th reservation is spoilt and aborted. ok sent=.. aborted=..
    consume producers=P span=N batch=B hold=H requeue=K stop=N out=FILE
        until the ring ends, or N messages were counted: hold up to H of them while
        there are more to take and release them in any order, give one in K back once.
        FILE gets how often each message was counted, one byte each, producers x span.
        ok got=.. torn=.. stray=.. disorder=.. requeued=.. again=..

A message counts when it is released, after its checksum has been verified once more;
disorder is a message of a producer that came after a later one without ever having
been requeued. gopeer/load.go describes the messages.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from peers import Crew, Peer, Reply
from segment import Segment


@dataclass
class Tally:
    """The result of one run."""

    messages: int = 0
    lost: int = 0
    repeated: int = 0
    torn: int = 0
    stray: int = 0
    disorder: int = 0
    aborted: int = 0
    requeued: int = 0
    redelivered: int = 0

    def add(self, other: Tally) -> None:
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def faults(self) -> int:
        return self.lost + self.repeated + self.torn + self.stray + self.disorder


@dataclass
class Run:
    """One ring and its participants. Options are those of produce and consume."""

    crew: Crew
    ring: Segment
    produce: dict[str, int]
    consume: dict[str, int]
    span: int
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self.producers: int = self.ring.sb["max_producers"]
        self.sent = [0] * self.producers
        self.seen = np.zeros((self.producers, self.span), np.int64)
        self.outs = 0

    def join(self, lang: str, role: str) -> Peer:
        peer = self.crew.get(lang)
        peer.must(f"open {self.ring.path.name.removeprefix('goring.')}")
        peer.must(f"{role} {role}-{lang}")
        return peer

    def start_producer(self, peer: Peer, number: int, count: int) -> None:
        options = {"producer": number, "first": self.sent[number], "count": count, **self.produce}
        peer.send("produce " + words(options))

    def start_consumer(self, peer: Peer, stop: int = 0) -> Path:
        self.outs += 1
        out = self.ring.path.with_name(f"{self.ring.path.name}.seen{self.outs}")
        options = {"producers": self.producers, "span": self.span, "stop": stop, **self.consume}
        peer.send(f"consume {words(options)} out={out}")
        return out

    def produced(self, number: int, reply: Reply) -> None:
        assert reply.error == "ok", f"a producer failed: {reply}"
        self.sent[number] += reply.counts()["sent"]
        self.tally.aborted += reply.counts()["aborted"]

    def consumed(self, out: Path, reply: Reply) -> None:
        assert reply.error == "ok", f"a consumer failed: {reply}"
        n = reply.counts()
        self.tally.add(
            Tally(
                torn=n["torn"],
                stray=n["stray"],
                disorder=n["disorder"],
                requeued=n["requeued"],
                redelivered=n["again"],
            )
        )
        seen = np.fromfile(out, np.uint8)
        out.unlink()
        assert int(seen.sum()) == n["got"] or seen.max() == 255
        self.seen += seen.reshape(self.seen.shape)

    def finish(self) -> Tally:
        """Compare the counted messages with the sent ones."""
        for sent, seen in zip(self.sent, self.seen, strict=True):
            self.tally.messages += sent
            self.tally.lost += int((seen[:sent] == 0).sum())
            self.tally.repeated += int((seen[:sent] > 1).sum())
            self.tally.stray += int(seen[sent:].sum())
        return self.tally


def words(options: dict[str, int]) -> str:
    return " ".join(f"{k}={v}" for k, v in options.items())


def run_all(run: Run, writers: list[str], readers: list[str]) -> Tally:
    """Run all participants at once, to the end."""
    producers = [run.join(lang, "producer") for lang in writers]
    consumers = [run.join(lang, "consumer") for lang in readers]
    outs = [run.start_consumer(peer) for peer in consumers]
    for number, peer in enumerate(producers):
        run.start_producer(peer, number, run.span)
    for number, peer in enumerate(producers):
        run.produced(number, peer.reply(60))
    producers[0].must("shutdown")
    for peer, out in zip(consumers, outs, strict=True):
        run.consumed(out, peer.reply(60))
    return run.finish()


def run_successors(run: Run, langs: Callable[[], str], legs: int, stop: int) -> Tally:
    """Producers stop after span/legs messages and consumers after stop, with messages
    held; a participant of another language takes the seat and goes on."""
    producing: dict[Peer, int] = {}
    consuming: dict[Peer, Path] = {}

    def produce(number: int) -> None:
        peer = run.join(langs(), "producer")
        producing[peer] = number
        run.start_producer(peer, number, run.span // legs)

    def consume() -> None:
        peer = run.join(langs(), "consumer")
        consuming[peer] = run.start_consumer(peer, stop)

    for number in range(run.producers):
        produce(number)
    for _ in range(run.ring.sb["max_consumers"]):
        consume()
    shut = False
    while consuming:
        for peer in answered([*producing, *consuming]):
            reply = peer.reply()
            if peer in producing:
                number = producing.pop(peer)
                run.produced(number, reply)
                run.crew.give_back(peer)
                if run.sent[number] < run.span:
                    produce(number)
            else:
                run.consumed(consuming.pop(peer), reply)
                run.crew.give_back(peer)
                if reply.counts()["got"] >= stop:
                    consume()
        if not producing and not shut:
            shut = True
            closer = run.crew.get("go")
            closer.must(f"open {run.ring.path.name.removeprefix('goring.')}")
            closer.must("shutdown")
    return run.finish()


def answered(peers: list[Peer]) -> list[Peer]:
    """The peers that have something to say; waits for the first."""
    ready, _, _ = select.select([p.process.stdout for p in peers], [], [], 60)
    assert ready, "nobody makes progress"
    return [p for p in peers if p.process.stdout in ready]
