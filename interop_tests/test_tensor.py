"""Tensor rings: the descriptor byte for byte, and descriptors that cannot be."""

from __future__ import annotations

import importlib.util
import math
import os

import pytest
from cases import couple, every_lang, every_pair
from peers import hexed
from segment import TENSOR

TENSORS = {"kind": "tensor", "max_bytes": 4096}

#: code -> (dtype string, item size), section 8
CODES = {
    1: ("|b1", 1), 2: ("|i1", 1), 3: ("|u1", 1), 4: ("<i2", 2), 5: ("<u2", 2), 6: ("<i4", 4),
    7: ("<u4", 4), 8: ("<i8", 8), 9: ("<u8", 8), 10: ("<f2", 2), 11: ("<f4", 4), 12: ("<f8", 8),
    13: ("<c8", 8), 14: ("<c16", 16), 15: ("bfloat16", 2), 16: ("float8_e4m3fn", 1),
    17: ("float8_e5m2", 1),
}  # fmt: skip

#: Without ml_dtypes, Python has the codes from 15 on as raw integers: other codes.
PLAIN = [code for code in CODES if code < 15 or importlib.util.find_spec("ml_dtypes")]

SHAPES = [(), (1,), (3,), (2, 3), (4, 1, 5), (1,) * 8, (2, 1, 2, 1, 2, 1, 2, 1), (0,), (3, 0, 2)]


def written(code: int, shape: tuple[int, ...]) -> str:
    return f"{code}:{'x'.join(map(str, shape))}"


@every_pair
@pytest.mark.parametrize("place", ["inline", "separate"])
def test_descriptor(crew, new_ring, writer, reader, place):
    ring = new_ring(TENSORS, slots=3, max_meta=16, placement=place)
    producer, consumer = couple(crew, ring, writer, reader)
    codes = PLAIN if "py" in (writer, reader) else CODES
    cases = [(code, shape) for code in codes for shape in SHAPES]
    for number, (code, shape) in enumerate(cases):
        index = number % 3
        data = bytes(k * 7 & 1 for k in range(CODES[code][1] * math.prod(shape)))
        os.pwrite(ring.fd, b"\xee" * TENSOR.size, ring.header_at(index) + 32)
        reply = producer.ask(
            f"write {hexed(data)} tensor={written(code, shape)} tag={number} meta=0a"
        )
        assert reply.error == "ok", f"{written(code, shape)}: {reply}"
        assert ring.tensor(index) == (code, len(shape), 0, 0, 0, *(shape + (0,) * 8)[:8]), written(
            code, shape
        )
        assert ring.header(index).len == len(data)
        reply = consumer.must("read 1000")
        want = {
            "data": hexed(data),
            "tensor": written(code, shape),
            "tag": str(number),
            "meta": "0a",
        }
        assert {k: reply[k] for k in want} == want
        consumer.must(f"release {number}")


#: code, ndim, shape, len
CORRUPT = {
    "code 0": (0, 1, [4], 16), "unknown code": (18, 1, [4], 16), "code 65535": (65535, 1, [4], 16),
    "nine dimensions": (6, 9, [1] * 8, 4), "255 dimensions": (6, 255, [1] * 8, 4),
    "product too small": (6, 1, [3], 16), "product too large": (6, 1, [5], 16),
    "product over slot": (6, 2, [2**20, 2**20], 16), "product wraps to len": (6, 2, [2**63, 2], 0),
    "item size wraps": (6, 1, [2**62], 0), "wraps to 16": (6, 3, [2**32, 2**32, 4], 16),
    "scalar of 16": (6, 0, [], 16), "len over slot": (3, 1, [4097], 4097),
}  # fmt: skip


@every_lang
@pytest.mark.parametrize("title", CORRUPT)
def test_corrupt_descriptor(crew, new_ring, lang, title):
    code, ndim, shape, length = CORRUPT[title]
    ring = new_ring(TENSORS, slots=2, max_meta=0)
    producer, consumer = couple(crew, ring, lang, lang)
    producer.must(f"write {'aa' * 16} tensor=6:4")
    ring.put_tensor(0, code, ndim, shape)
    ring.put_sizes(0, length)
    assert consumer.ask("read 1000").error == "corrupt"
    producer.must(f"write {'bb' * 16} tensor=6:2x2")
    reply = consumer.must("read 1000")
    assert (reply.seq, reply["tensor"]) == (1, "6:2x2")


@every_lang
def test_dimensions_beyond_ndim_are_not_read(crew, new_ring, lang):
    ring = new_ring(TENSORS, slots=2, max_meta=0)
    producer, consumer = couple(crew, ring, lang, lang)
    producer.must(f"write {'aa' * 16} tensor=6:4")
    ring.put_tensor(0, 6, 1, [4, 99, 2**63])
    assert consumer.must("read 1000")["tensor"] == "6:4"


@every_lang
def test_a_tensor_too_large(crew, new_ring, lang):
    ring = new_ring(TENSORS, slots=2, max_meta=0)
    producer, _ = couple(crew, ring, lang, lang)
    reply = producer.ask(f"write {'aa' * 8192} tensor=3:8192")
    assert reply.error == "toolarge", reply
    if lang != "c":
        assert all(size in reply.text for size in ("8192", "4096")), reply.text


def test_corrupt_descriptor_inside_a_batch(crew, new_ring):
    """Only Python reads tensors in batches: good ones come, corrupt ones are reported."""
    ring = new_ring(TENSORS, slots=4, max_meta=0)
    producer, consumer = couple(crew, ring, "py", "py")
    for n in range(4):
        producer.must(f"write {f'{n:02x}' * 4} tensor=3:4")
    ring.put_tensor(2, 3, 1, [5])
    outcome = []
    for _ in range(3):
        reply = consumer.ask("readbatch 4")
        outcome += reply["data"].split(",") if reply.error == "ok" else [reply.error]
        if reply.error == "ok":
            consumer.must("releasebatch")
    assert outcome == ["00000000", "01010101", "corrupt", "03030303"]
