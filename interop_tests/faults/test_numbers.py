"""Row 30: message numbers near the limits of their fields."""

from __future__ import annotations

import pytest
from cases import BYTES, couple, every_pair

RINGS = {"1 to 1": (1, 1, 1), "2 to 2": (1, 2, 2), "broadcast": (2, 1, 2), "overwrite": (3, 1, 2)}
SLOTS = 7
#: a word's lap has 56 bits
LIMITS = [2**31, 2**32, 2**40, 2**53, 2**56 * SLOTS - 3 * SLOTS]


@every_pair
@pytest.mark.parametrize("limit", LIMITS, ids=lambda n: f"2^{n.bit_length() - 1}")
@pytest.mark.parametrize("name", RINGS)
def test_row_30_numbers(crew, new_ring, figure, writer, reader, name, limit):
    mode, producers, consumers = RINGS[name]
    ring = new_ring(BYTES, slots=SLOTS, mode=mode, producers=producers, consumers=consumers)
    first = limit - SLOTS - 2
    for n in range(first, first + SLOTS):
        if mode == 1:
            ring.put_word(n, 0)
        else:
            ring.put_word(n - SLOTS, 2)
    for word in ("head",) if mode != 1 else ("put_hint", "take_hint"):
        ring.set_mutable(word, first)
    producer, consumer = couple(crew, ring, writer, reader)
    for n in range(first, first + 2 * SLOTS):
        producer.must(f"write {n % 256:02x}")
        message = consumer.must("read 1000")
        assert (message.seq, message.data) == (n, bytes([n % 256]))
        consumer.must(f"release {n}")
    figure("30", "message numbers at 2^31, 2^32, 2^40, 2^53 and near 2^56 laps", rings=1)
