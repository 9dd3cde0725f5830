"""A ring, its peers and its model, stepped together.

Every step is done by a real peer and by the model; then the reply, the words, the
headers, the payloads, the hints, the seats and their locks are compared.
"""

from __future__ import annotations

import itertools

from model import Message, Model, ProducerSide
from peers import Crew, Peer, Reply, hexed
from segment import Segment

#: A script's letters; capitals are a producer's. See Stage.run.
LETTERS = {
    "J": "join", "R": "reserve", "C": "commit", "A": "abort", "W": "write", "B": "write_batch",
    "L": "leave", "K": "kill", "S": "shutdown",
    "j": "join", "t": "take", "r": "release", "q": "requeue", "l": "leave", "k": "kill",
    "b": "read_batch", "d": "release_batch",
}  # fmt: skip


class Stage:
    """langs are the languages of the producers and of the consumers in their order."""

    def __init__(self, crew: Crew, ring: Segment, langs: tuple[list[str], list[str]]) -> None:
        self.crew, self.ring = crew, ring
        self.name = ring.path.name.removeprefix("goring.")
        self.model = Model(ring.slots, ring.sb["max_producers"], ring.sb["max_consumers"])
        self.langs = {"producer": itertools.cycle(langs[0]), "consumer": itertools.cycle(langs[1])}
        self.peers: dict[int, Peer] = {}
        self.batches: dict[int, list[int]] = {}
        self.written = 0
        self.done: list[str] = []

    # -- scripts

    def run(self, script: str) -> None:
        """Do steps such as "J J j W W@2 t r0": letter, message, @ which one of its role."""
        for step in script.split():
            self.step(step)

    def step(self, step: str) -> Reply | None:
        body, _, which = step.partition("@")
        action = getattr(self, LETTERS[body[0]])
        role = "producer" if body[0].isupper() else "consumer"
        seat = int(which or 1) + (self.model.producers if role == "consumer" else 0)
        self.done.append(step)
        try:
            if body in "Jj":
                reply = self.join(role)
            else:
                reply = action(seat, *([int(body[1:])] if body[1:] else []))
            self.check()
        except AssertionError as error:
            raise AssertionError(f"after {' '.join(self.done[-60:])}: {error}") from error
        return reply

    # -- steps

    def join(self, role: str) -> Reply:
        """Another peer, in the next language of its role, takes the lowest free seat."""
        peer = self.crew.get(next(self.langs[role]))
        peer.must(f"open {self.name}")
        reply = peer.ask(f"{role} {role}-{peer.lang}")
        error, seat = self.model.join(role)
        assert reply.error == error, f"{peer} joins as {role}: {reply}, the model says {error}"
        if seat is not None:
            assert int(reply["seat"]) == seat
            self.peers[seat] = peer
        return reply

    def _expect(self, reply: Reply, expected: tuple[str, int | None]) -> Reply:
        got = (reply.error, reply.seq if "seq" in reply.fields else expected[1])
        assert got == expected, f"reply {got} ({reply.text[:200]}), the model says {expected}"
        return reply

    def reserve(self, seat: int) -> Reply:
        return self._expect(self.peers[seat].ask("reserve"), self.model.reserve(seat))

    def message(self) -> Message:
        """The next message to write: its bytes, tag and metadata follow from its count."""
        self.written += 1
        n, room = self.written, self.ring.sb["slot_bytes"]
        size = room if self.ring.sb["kind"] in (2, 3) else n * 7 % (room + 1)
        data = bytes((n * 31 + i * 7) & 0xFF for i in range(size))
        meta = (
            b"\xcd" + (n & 0x7FFF | 0x100).to_bytes(2, "big")
            if n % 3 == 0 and self.ring.sb["max_meta"]
            else b""
        )
        return Message(data, n * 0x9E3779B97F4A7C15 % 2**63 if n % 2 else 0, meta)

    @staticmethod
    def _words(m: Message) -> str:
        return f"{hexed(m.data)} tag={m.tag}" + (f" meta={m.meta.hex()}" if m.meta else "")

    def commit(self, seat: int) -> None:
        m = self.message()
        self.peers[seat].must(f"commit {self._words(m)}")
        self.model.commit(seat, m)

    def abort(self, seat: int) -> None:
        self.peers[seat].must("abort")
        self.model.abort(seat)

    def write(self, seat: int) -> Reply:
        m = self.message()
        reply = self.peers[seat].ask(f"write {self._words(m)}")
        expected = self.model.reserve(seat)
        if expected[0] == "ok":
            self.model.commit(seat, m)
        return self._expect(reply, expected)

    def write_batch(self, seat: int, count: int) -> None:
        batch = [self.message() for _ in range(count)]
        for m in batch:
            m.tag, m.meta = 0, b""
            assert self.model.reserve(seat)[0] == "ok", "a script's batch must fit"
            self.model.commit(seat, m)
        reply = self.peers[seat].must("writebatch " + " ".join(hexed(m.data) for m in batch))
        assert int(reply["n"]) == count

    def take(self, seat: int) -> Reply:
        reply, expected = self.peers[seat].ask("tryread"), self.model.take(seat)
        if expected[0] == "empty" and len(self.model.sides[seat].held) == self.ring.slots:
            assert reply.error in ("empty", "held")  # of several consumers the spec leaves it open
            return reply
        self._expect(reply, expected)
        if reply.error == "ok":
            m = self.model.messages[reply.seq]
            self._same(reply, "data", hexed(m.data))
            self._same(reply, "tag", str(m.tag))
            self._same(reply, "meta", hexed(m.meta))
            self._same(reply, "again", str(m.redelivered))
            assert (int(reply["ts"]) > 0) == bool(self.ring.sb["options"] & 1)
        return reply

    @staticmethod
    def _same(reply: Reply, key: str, want: str) -> None:
        assert reply[key] == want, f"message {reply.seq}: {key} is {reply[key]}, want {want}"

    def release(self, seat: int, number: int) -> None:
        self.peers[seat].must(f"release {number}")
        self.model.release(seat, number)

    def requeue(self, seat: int, number: int) -> None:
        self.peers[seat].must(f"requeue {number}")
        self.model.requeue(seat, number)

    def read_batch(self, seat: int, limit: int) -> None:
        want = self.model.take_run(seat, limit, self.ring.mirrored)
        reply = self.peers[seat].ask(f"readbatch {limit}")
        if not want:
            assert reply.error == "timeout", f"batch {reply.text}, the model says there is none"
            return
        first = reply.seq if "seq" in reply.fields else want[0]
        got = list(range(first, first + int(reply["n"])))
        assert got == want, f"batch of {got}, the model says {want}"
        assert reply["data"].split(",") == [hexed(self.model.messages[n].data) for n in want]
        self.batches[seat] = want

    def release_batch(self, seat: int) -> None:
        if seat in self.batches:
            self.peers[seat].must("releasebatch")
        for number in self.batches.pop(seat, ()):
            self.model.release(seat, number)

    def shutdown(self, seat: int) -> None:
        self.peers[seat].must("shutdown")
        self.model.shut = True

    def leave(self, seat: int) -> None:
        held = [
            *getattr(self.model.sides[seat], "held", ()),
            *getattr(self.model.sides[seat], "again", ()),
        ]
        self.peers[seat].must("leave")
        self.model.leave(seat)
        self._allow(held)

    def _allow(self, held: list[int]) -> None:
        """Allow the freedoms of leaving: a single participant may count the requeued messages, and
        the generation may grow by more than one, or without need."""
        for number in held if self.model.consumers == 1 else ():
            m, counted = (
                self.model.messages[number],
                self.ring.header(number % self.ring.slots).redelivered,
            )
            if counted == m.redelivered + 1:
                m.redelivered = counted
        generation = self.ring.mutable("requeue_gen")
        assert generation >= self.model.requeue_gen
        self.model.requeue_gen = generation

    def kill(self, seat: int) -> None:
        self.peers[seat].kill()
        self.model.kill(seat)

    # -- the comparison

    def check(self) -> None:
        got, want = self.ring.words(), [str(w) for w in self.model.words]
        assert got == want, f"words\n  are  {got}\n  want {want}"
        for w in self.model.words:
            if w.number in self.model.messages and str(w).startswith(("READY", "TAKEN")):
                self._check_message(w.number)
        for name, value in {
            **self._hints(),
            "requeue_gen": self.model.requeue_gen,
            "shutdown": int(self.model.shut),
            "head": 0,
        }.items():
            assert self.ring.mutable(name) == value, (
                f"{name} is {self.ring.mutable(name)}, want {value}"
            )
        for number in range(1, len(self.model.epochs)):
            self._check_seat(number)

    def _hints(self) -> dict[str, int]:
        """A side that is alone keeps its position to itself."""
        sides = {"put_hint": self.model.producers, "take_hint": self.model.consumers}
        return {k: self.model.hints[k] if n > 1 else 0 for k, n in sides.items()}

    def _check_message(self, number: int) -> None:
        m, index = self.model.messages[number], number % self.ring.slots
        h = self.ring.header(index)
        got = (h.len, h.meta_len, h.flags, h.redelivered, h.tag, h.timestamp_ns > 0)
        want = (
            len(m.data),
            len(m.meta),
            0,
            m.redelivered,
            m.tag,
            bool(self.ring.sb["options"] & 1),
        )
        assert got == want, (
            f"header of {number} (len, meta, flags, redelivered, tag, stamped): {got}, want {want}"
        )
        assert self.ring.payload(index, h.len) == m.data, f"payload of message {number}"
        assert self.ring.meta(index, h.meta_len) == m.meta, f"metadata of message {number}"

    def _check_seat(self, number: int) -> None:
        seat, alive = self.ring.seat(number), number in self.model.sides
        got = (seat.state, seat.epoch, seat.flags, self.ring.locked(number))
        want = (int(number in self.model.in_use), self.model.epochs[number], 0, alive)
        assert got == want, f"seat {number} (state, epoch, flags, locked) is {got}, want {want}"
        if alive:
            side = "producer" if isinstance(self.model.sides[number], ProducerSide) else "consumer"
            assert seat.pid == self.peers[number].process.pid
            assert seat.name == f"{side}-{self.peers[number].lang}"


def run_script(
    crew: Crew, ring: Segment, langs: tuple[list[str], list[str]], title: str, script: str
) -> None:
    try:
        Stage(crew, ring, langs).run(script)
    except AssertionError as error:
        raise AssertionError(f"{title}: {error}") from error
    finally:
        crew.rest()
