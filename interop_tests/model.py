"""The demands of spec/LAYOUT.md on the words, step by step.

The tables of section 6 written as a machine that is stepped by one caller at a
time, so that every outcome is determined. A test does each step with a real peer
and compares the reply and the words in the file with this model.
"""

from __future__ import annotations

from dataclasses import dataclass, field

FREE, WRITING, READY, TAKEN = "FREE", "WRITING", "READY", "TAKEN"


@dataclass
class Word:
    number: int
    state: str = FREE
    owner: int = 0

    def __str__(self) -> str:
        name = "Aborted" if self.state == READY and self.owner else self.state
        return f"{name}({self.owner},{self.number})" if self.owner else f"{name}({self.number})"


@dataclass
class Message:
    """The header and payload that a slot must have while it is READY or TAKEN."""

    data: bytes = b""
    tag: int = 0
    meta: bytes = b""
    redelivered: int = 0


@dataclass
class ProducerSide:
    position: int
    open: int | None = None  # the reserved number


@dataclass
class ConsumerSide:
    position: int
    generation: int = -1  # of the last complete scan that took nothing; -1 is unequal
    held: list[int] = field(default_factory=list)
    again: list[int] = field(default_factory=list)  # alone: its private list


class Model:
    """A queue ring of S slots. Replies are ("ok", number) or (error, None)."""

    def __init__(self, slots: int, producers: int, consumers: int) -> None:
        self.slots, self.producers, self.consumers = slots, producers, consumers
        self.words = [Word(i) for i in range(slots)]
        self.messages: dict[int, Message] = {}
        self.hints = {"put_hint": 0, "take_hint": 0}
        self.requeue_gen = 0
        self.shut = False
        self.epochs = [0] * (producers + consumers + 1)
        self.in_use: set[int] = set()
        self.sides: dict[int, ProducerSide | ConsumerSide] = {}

    def word(self, number: int) -> Word:
        return self.words[number % self.slots]

    def set(self, number: int, state: str, owner: int = 0) -> None:
        self.words[number % self.slots] = Word(number, state, owner)

    # -- seats, section 3

    def join(self, role: str) -> tuple[str, int | None]:
        first = 1 if role == "producer" else self.producers + 1
        count = self.producers if role == "producer" else self.consumers
        seat = next((s for s in range(first, first + count) if s not in self.sides), None)
        if seat is None:
            return "busy", None
        if seat in self.in_use:
            self.reap(seat)
        self.in_use.add(seat)
        self.epochs[seat] += 1
        self.sides[seat] = self._producer() if role == "producer" else self._consumer()
        return "ok", seat

    def _producer(self) -> ProducerSide:
        start = min(w.number if w.state == FREE else w.number + self.slots for w in self.words)
        if self.producers == self.consumers == 1:
            for number in range(start + self.slots - 1, start, -1):
                if self.word(number) == Word(number, READY):
                    self.set(number, FREE)
        return ProducerSide(start)

    def _consumer(self) -> ConsumerSide:
        return ConsumerSide(min(w.number for w in self.words))

    def reap(self, seat: int) -> None:
        for w in list(self.words):
            if w.owner != seat:
                continue
            if w.state == WRITING:
                self.set(w.number, READY, seat)
            elif w.state == TAKEN:
                self._give_back(w.number)
        self.requeue_gen += 1
        self.in_use.discard(seat)

    def kill(self, seat: int) -> None:
        """The process dies: words and entry stay as they are."""
        del self.sides[seat]

    def leave(self, seat: int) -> None:
        side = self.sides.pop(seat)
        self.in_use.discard(seat)
        if isinstance(side, ProducerSide):
            if side.open is not None and self.producers > 1:
                self.set(side.open, READY, seat)
        elif self.consumers > 1 and side.held:
            for number in side.held:
                self._give_back(number)
            self.requeue_gen += 1

    def _give_back(self, number: int) -> None:
        self.messages[number].redelivered = min(self.messages[number].redelivered + 1, 255)
        self.set(number, READY)

    # -- producers, section 6

    def reserve(self, seat: int) -> tuple[str, int | None]:
        side = self.sides[seat]
        if self.shut:
            return "shutdown", None
        if self.producers > 1:
            side.position = max(side.position, self.hints["put_hint"])
            while self.word(side.position) != Word(side.position):
                if self.word(side.position).number < side.position:
                    return "full", None
                side.position += 1
            self.set(side.position, WRITING, seat)
            self.hints["put_hint"] = side.position + 1
        elif self.word(side.position) != Word(side.position):
            return "full", None
        side.open = side.position
        return "ok", side.open

    def commit(self, seat: int, message: Message) -> None:
        side = self.sides[seat]
        self.set(side.open, READY)
        self.messages[side.open] = message
        side.position, side.open = side.open + 1, None

    def abort(self, seat: int) -> None:
        side = self.sides[seat]
        if self.producers > 1:
            self.set(side.open, READY, seat)
            side.position = side.open + 1
        side.open = None

    # -- consumers, section 6

    def take(self, seat: int) -> tuple[str, int | None]:
        side = self.sides[seat]
        number = self._take_shared(seat, side) if self.consumers > 1 else self._take_alone(side)
        if isinstance(number, int):
            side.held.append(number)
            return "ok", number
        return ("end" if self.shut and number == "empty" else number), None

    def _take_alone(self, side: ConsumerSide) -> int | str:
        if side.again:
            return side.again.pop(0)
        while True:
            t, w = side.position, self.word(side.position)
            if w.number < t:
                return "held"
            if w.number == t and w.state in (FREE, WRITING):
                return "empty"
            side.position += 1
            if w == Word(t, READY):
                return t
            if w.number == t:
                self.set(t + self.slots, FREE)  # aborted

    def _take_shared(self, seat: int, side: ConsumerSide) -> int | str:
        side.position = max(side.position, self.hints["take_hint"])
        while True:
            x, w = side.position, self.word(side.position)
            if w.number < x or (w.number == x and w.state in (FREE, WRITING)):
                break
            side.position += 1
            if w == Word(x, READY):
                self.set(x, TAKEN, seat)
                self.hints["take_hint"] = x + 1
                return x
            if w.number == x and w.state == READY:
                self.set(x + self.slots, FREE)  # aborted
        if side.generation == self.requeue_gen:
            return "empty"
        ready = [w.number for w in self.words if w.state == READY and not w.owner and w.number < x]
        if not ready:
            side.generation = self.requeue_gen
            return "empty"
        self.set(min(ready), TAKEN, seat)
        return min(ready)

    def take_run(self, seat: int, limit: int, mirrored: bool) -> list[int]:
        """Take a batch: the READY messages from the first one on, to the wrap without a mirror."""
        error, number = self.take(seat)
        run = [] if error != "ok" else [number]
        while run and len(run) < min(limit, self.slots):
            following = run[-1] + 1
            if self.word(following) != Word(following, READY) or self.sides[seat].again:
                break
            if following % self.slots == 0 and not mirrored:
                break
            run.append(self.take(seat)[1])
        return run

    def release(self, seat: int, number: int) -> None:
        self.sides[seat].held.remove(number)
        self.set(number + self.slots, FREE)

    def requeue(self, seat: int, number: int) -> None:
        side = self.sides[seat]
        side.held.remove(number)
        if self.consumers > 1:
            self._give_back(number)
            self.requeue_gen += 1
        else:
            self.messages[number].redelivered = min(self.messages[number].redelivered + 1, 255)
            side.again = sorted([*side.again, number])
