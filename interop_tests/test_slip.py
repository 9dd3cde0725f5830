"""Temporal slipping (spec/PACING.md): C follows the spec, and the examples are the spec's.

Go is held to the same examples by internal/proto/slip_test.go.
"""

from __future__ import annotations

from slip import EXAMPLES, Slip, examples


def test_the_examples_are_those_of_the_spec():
    want = [example.text for example in examples()]
    assert EXAMPLES.read_text().splitlines() == want, "run python interop_tests/slip.py > slip.txt"


def test_c_pauses_as_often_as_the_spec_says(crew):
    peer = crew.get("c")
    for example in examples():
        numbers = " ".join(map(str, example.numbers))
        reply = peer.must(f"slip {example.slots} {example.max_pauses} {numbers}")
        want = "".join(f"{p}," for p in example.pauses)
        assert reply["pauses"] == want, example.text


def test_questions_and_answers_are_hardly_delayed():
    slip = Slip(1024, 100)
    stays = [slip.before(n) for n in range(100_000)]
    assert sum(map(bool, stays)) < 100_000 / 4096 + 13  # doubling up to 4096 takes 12 trials


def test_a_stream_is_followed_at_a_distance():
    """As fast as the peer is with 20 ns a message, and a pause takes 12 ns."""
    slip, n = Slip(1024, 166), 0
    for _ in range(50):
        n += max(1, slip.before(n) * 12 // 20)
    assert 30 <= slip.pauses * 12 // 20 <= 128
