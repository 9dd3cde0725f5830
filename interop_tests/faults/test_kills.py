"""Rows 1 to 4: random SIGKILLs of producers and consumers in every pairing, nothing lost."""

from __future__ import annotations

import pytest
from chaos import Chaos, Zygote

BYTES = {"kind": "bytes", "max_bytes": 200}
PAIRINGS = [("go", "go"), ("go", "py"), ("py", "go"), ("py", "py"), ("c", "go"), ("go", "c")]
ROLES = {"1": ["producer"], "2": ["consumer"], "3": ["producer", "consumer"]}


@pytest.fixture(scope="module")
def zygote(folder):
    zygote = Zygote(folder)
    yield zygote
    zygote.end()


@pytest.fixture
def wreak(new_ring, commands, zygote, figure, soak):
    """wreak(row, what, seats, langs, victims, kills): a run on a ring of its own."""

    def run(row, what, seats, langs, victims, kills, mode=1):
        for seed in range(round(soak)):
            options = {"producers": seats[0], "consumers": seats[1], "mode": mode, "max_meta": 0}
            ring = new_ring(BYTES, slots=64, **options)
            verdict = Chaos(ring, commands, zygote, seed).run(langs, victims, kills)
            figure(
                row,
                what,
                kills=verdict.kills,
                messages=verdict.messages,
                lost=verdict.lost,
                torn=verdict.torn,
                stray=verdict.stray,
                out_of_order=verdict.disorder,
                redelivered=verdict.repeated,
                of_them_unexplained=verdict.unexplained,
                ms_to_recover=[1000 * s for s in verdict.restored],
            )
            assert verdict.faults == 0, (seed, verdict)
            assert verdict.repeated <= verdict.kills

    return run


@pytest.mark.timeout(0)
@pytest.mark.parametrize("pairing", PAIRINGS, ids="-".join)
@pytest.mark.parametrize("row", ROLES)
def test_rows_01_to_04_alone(wreak, row, pairing):
    langs = {"producer": [pairing[0]], "consumer": [pairing[1]]}
    what = f"kills of {' and '.join(ROLES[row])}, {pairing[0]} to {pairing[1]}"
    wreak(row, what, (1, 1), langs, ROLES[row], kills=40)


@pytest.mark.timeout(0)
def test_row_04_everybody_at_once(wreak):
    langs = {"producer": ["go", "c", "py"], "consumer": ["py", "go", "c"]}
    wreak("4", "kills of anybody, 3 to 3 of mixed languages", (3, 3), langs, ROLES["3"], kills=120)


@pytest.mark.timeout(0)
@pytest.mark.parametrize("lang", ["go", "c", "py"])
def test_row_12_broadcast(wreak, lang):
    """Deaths and joins at full speed: every consumer that stays gets all messages, in order."""
    langs = {"producer": [lang], "consumer": ["py", "go", "c"]}
    what = f"broadcast, kills of anybody, {lang} to 3 of mixed languages"
    wreak("12", what, (1, 3), langs, ROLES["3"], kills=60, mode=2)
