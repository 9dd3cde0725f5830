"""Random walks through the protocol, the model beside them.

A walk takes steps that are possible at that moment, from every kind there is, with
participants of all languages on one ring: joining, leaving, being killed, holding,
giving back, aborting. The seed says everything; a failure prints the last steps.
"""

from __future__ import annotations

import random

import pytest
from cases import BYTES, LANGS
from model import ProducerSide
from stage import Stage

#: (producers, consumers, slots)
RINGS = [
    (1, 1, 2),
    (1, 1, 3),
    (1, 1, 7),
    (1, 3, 2),
    (1, 3, 5),
    (3, 1, 2),
    (3, 1, 5),
    (3, 3, 3),
    (3, 3, 10),
]

#: Steps by weight. Killing is rare: every death costs a process.
WEIGHTS = {
    "J": 6, "R": 10, "C": 12, "A": 3, "W": 30, "L": 1, "K": 0.15,
    "j": 6, "t": 40, "r": 30, "q": 6, "l": 1, "k": 0.15,
}  # fmt: skip


def possible(stage: Stage) -> list[tuple[str, str]]:
    """(letter, step) of everything that can be done now."""
    model, steps = stage.model, []
    free = [s for s in range(1, len(model.epochs)) if s not in model.sides]
    if any(s <= model.producers for s in free):
        steps.append(("J", "J"))
    if any(s > model.producers for s in free):
        steps.append(("j", "j"))
    for seat, side in model.sides.items():
        if isinstance(side, ProducerSide):
            letters = "RWLK" if side.open is None else "CALK"
            steps += [(x, f"{x}@{seat}") for x in letters]
            continue
        who = f"@{seat - model.producers}"
        steps += [(x, x + who) for x in "tlk"]
        steps += [(x, f"{x}{number}{who}") for x in "rq" for number in side.held]
    return steps


def next_step(stage: Stage, chance: random.Random) -> str:
    steps = possible(stage)
    letters = sorted({letter for letter, _ in steps})
    letter = chance.choices(letters, [WEIGHTS[x] for x in letters])[0]
    return chance.choice([step for x, step in steps if x == letter])


@pytest.mark.parametrize("ring", RINGS, ids=lambda r: "{}to{}-{}slots".format(*r))
@pytest.mark.parametrize("seed", range(4))
def test_walk(crew, new_ring, ring, seed):
    producers, consumers, slots = ring
    chance = random.Random(f"{ring} {seed}")
    langs = list(LANGS), list(LANGS)
    for side in langs:
        chance.shuffle(side)
    segment = new_ring(BYTES, slots=slots, producers=producers, consumers=consumers, max_meta=16)
    stage = Stage(crew, segment, langs)
    for _ in range(400):
        stage.step(next_step(stage, chance))
