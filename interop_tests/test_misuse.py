"""Misuse by the caller: it is found, fails with an error, and changes no word."""

from __future__ import annotations

import pytest
from cases import BYTES, couple, every_lang, every_shape

#: The steps done, the step that must be refused, and the class of the refusal.
MISUSE = {
    "release twice": (["write aa", "tryread", "release 0"], "release 0", "misuse"),
    "requeue twice": (["write aa", "tryread", "requeue 0"], "requeue 0", "misuse"),
    "release after requeue": (["write aa", "tryread", "requeue 0"], "release 0", "misuse"),
    "requeue after release": (["write aa", "tryread", "release 0"], "requeue 0", "misuse"),
    "release in the next lap": (
        ["write aa", "tryread", "release 0", "write bb", "write cc"], "release 0", "misuse"
    ),
    "commit twice": (["reserve", "commit aa"], "commit bb", "misuse"),
    "commit after abort": (["reserve", "abort"], "commit bb", "misuse"),
    "abort after commit": (["reserve", "commit aa"], "abort", "misuse"),
    "abort twice": (["reserve", "abort"], "abort", "misuse"),
}  # fmt: skip
CONSUMERS = ("tryread", "release", "requeue")


@every_lang
@every_shape
@pytest.mark.parametrize("title", MISUSE)
def test_misuse(crew, new_ring, lang, shape, title):
    before, wrong, error = MISUSE[title]
    ring = new_ring(BYTES, slots=2, producers=shape[0], consumers=shape[1], max_meta=0)
    producer, consumer = couple(crew, ring, lang, lang)

    def ask(command: str):
        return (consumer if command.startswith(CONSUMERS) else producer).ask(command)

    for command in before:
        assert ask(command).error == "ok", command
    words = ring.words()
    assert ask(wrong).error == error
    assert ring.words() == words
    if "tryread" not in before:  # and the producer goes on
        assert ask("write dd").error == "ok"


@every_lang
@every_shape
def test_release_looks_at_the_word(crew, new_ring, lang, shape):
    """A word that moved on under its holder is not set back: a message would be lost."""
    ring = new_ring(BYTES, slots=2, producers=shape[0], consumers=shape[1], max_meta=0)
    producer, consumer = couple(crew, ring, lang, lang)
    producer.must("write aa")
    consumer.must("tryread")
    ring.put_word(2, 2)
    consumer.ask("release 0")
    assert ring.words()[0] == "READY(2)"


@every_lang
def test_closed(crew, new_ring, lang):
    ring = new_ring(BYTES, slots=2, max_meta=0)
    producer, consumer = couple(crew, ring, lang, lang)
    for peer in (producer, consumer):
        peer.must("leave")
        peer.must("leave")
        peer.must("close")
        peer.must("close")
