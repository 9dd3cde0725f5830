"""The rule of temporal slipping (spec/PACING.md), from the spec alone.

    python interop_tests/slip.py > interop_tests/slip.txt

writes the examples that Go and C are held to.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

EXAMPLES = Path(__file__).with_suffix(".txt")
WAITS = 40


@dataclass
class Slip:
    """The state of one participant."""

    slots: int
    max_pauses: int
    last: int = field(default=0, init=False)
    pauses: int = field(default=0, init=False)
    skip: int = field(default=0, init=False)
    backoff: int = field(default=0, init=False)

    def before(self, number: int) -> int:
        """Return how many pauses to make before the wait for the message of that number."""
        passed, self.last = number - self.last, number
        target = min(128, self.slots // 4)
        if target < 4:
            return 0
        if self.pauses == 0:
            self.skip -= 1
            if self.skip < 0:
                self.skip, self.pauses = 0, self.max_pauses // 2
        elif passed < 4:
            self.backoff = min(2 * self.backoff + 1, 4095)
            self.pauses, self.skip = 0, self.backoff
        else:
            self.backoff = 0
            if passed > target:
                self.pauses -= self.pauses // 4
            elif passed < target // 2:
                self.pauses = min(2 * self.pauses, self.max_pauses)
        return self.pauses


@dataclass(frozen=True)
class Example:
    """The numbers that a participant waits for, and its pauses before each."""

    slots: int
    max_pauses: int
    numbers: tuple[int, ...]
    pauses: tuple[int, ...]

    @property
    def text(self) -> str:
        """A line of slip.txt: slots, max_pauses, then pairs of number and pauses."""
        pairs = (f"{n}:{p}" for n, p in zip(self.numbers, self.pauses, strict=True))
        return " ".join((str(self.slots), str(self.max_pauses), *pairs))


def examples() -> Iterator[Example]:
    """Questions and answers, streams of several paces, some of each, rings of all sizes."""
    rng = random.Random(1)
    paces: tuple[Callable[[], int], ...] = (
        lambda: 1,
        lambda: 5,
        lambda: 40,
        lambda: 90,
        lambda: 500,
        lambda: rng.choice((1, 2, 3, 4, 5, 30, 64, 65, 128, 129, 1000)),
    )
    for slots in (15, 16, 64, 100, 1024):
        for max_pauses in (1, 7, 166):
            for pace in paces:
                slip, numbers, pauses, n = Slip(slots, max_pauses), [], [], rng.randrange(3)
                for _ in range(WAITS):
                    numbers.append(n)
                    pauses.append(slip.before(n))
                    n += pace()
                yield Example(slots, max_pauses, tuple(numbers), tuple(pauses))


if __name__ == "__main__":
    for example in examples():
        print(example.text)
