"""The refusals of an attacher, each with its own error: section 10, checks 6 to 13."""

from __future__ import annotations

import random
import struct

import maker
import pytest
from cases import LANGS, every_full_lang, every_lang
from segment import SUPERBLOCK, reseal, set_field

BYTES = {"kind": "bytes", "max_bytes": 100}
ARRAY = {"kind": "array", "dtype": "<f4", "shape": [3, 5]}
BIG = [2**31, 2**32 - 1, 2**32, 2**62, 2**63, 2**64 - 4096, 2**64 - 1]


@every_lang
def test_every_bit(crew, folder, attach, lang):
    """All 2048 immutable bits, one at a time: refused, and for the right reason."""
    good = bytes(maker.segment("bits", BYTES, slots=4))
    assert attach(lang, good).error == "ok"
    wrong = []
    for bit in range(2048):
        segment = bytearray(good)
        segment[bit // 8] ^= 1 << bit % 8
        want = "foreign" if bit < 64 else "version" if bit < 80 else "checksum"
        reply = attach(lang, bytes(segment))
        if reply.error != want:
            wrong.append((bit, reply.error, want))
    assert not wrong


#: field, values, the attacher's refusal of each. The checksum is made right again.
FIELDS = [
    ("major", [0, 2, 256, 65535], "version"),
    ("minor", [1, 65535], "ok"),
    ("incompat", [2, 1 << 31, 2**32 - 1], "feature"),
    ("incompat", [1], "geometry"),  # a GPU ring, but without a GPU block
    ("compat", [1, 2**32 - 1], "ok"),
    ("superblock_size", [0, 4095, 8192, 2**32 - 1], "geometry"),
    ("kind", [0, 5, 255], "geometry"),
    ("mode", [0, 4, 255], "geometry"),
    ("mode", [2, 3], "ok"),
    ("max_meta", [8, 1, 65535, 65520, 512], "geometry"),
    ("slots", [0, 1, 2**31 + 1, *BIG], "geometry"),
    ("header_off", [0, 4096, 8200, 1 << 20, *BIG], "geometry"),
    ("header_stride", [0, 32, 100, 1 << 20, *BIG], "geometry"),
    ("data_off", [0, 8, 1 << 16, *BIG], "geometry"),
    ("data_stride", [0, 64, 128, 1 << 20, *BIG], "geometry"),
    ("slot_bytes", [0, 1000, 2**32, 2**63, 2**64 - 1], "geometry"),
    ("total_size", [0, 1, 4096, 12289, 2**62, 2**63, 2**64 - 1], "geometry"),
    ("participants_off", [0, 256, 4097, 1 << 20, *BIG], "geometry"),
    ("participant_stride", [0, 64, 256, 2**32 - 1], "geometry"),
    ("max_producers", [0, 63, 65535], "geometry"),
    ("max_consumers", [0, 63, 65535], "geometry"),
    ("info_off", [0, 4096, 4097, 1 << 20, *BIG], "geometry"),
    ("info_len", [0, 65537, 2**32 - 1], "geometry"),
    ("gpu_off", [4096, 8192, 2**63], "geometry"),
    ("gpu_size", [512, 2**63], "geometry"),
]


#: Areas that end at 2^64 and a little more.
WRAPS = {
    "headers": {
        "header_off": 2**38,
        "header_stride": 2**33 - 64,
        "data_off": 2**39,
        "data_stride": 128,
    },
    "payload": {"header_stride": 64, "data_off": 2**38, "data_stride": 2**33 - 64},
}  # fmt: skip


def altered(field: str, value: int) -> bytearray:
    segment = maker.segment("altered", BYTES, slots=4)
    set_field(segment, field, value)
    return segment


@every_lang
def test_every_field(attach, lang):
    wrong = []
    for field, values, want in FIELDS:
        for value in values:
            reply = attach(lang, bytes(altered(field, value)))
            if reply.error != want:
                wrong.append((field, value, reply.error, reply.text, want))
    assert not wrong


@every_lang
@pytest.mark.parametrize("area", WRAPS)
def test_areas_that_wrap(attach, lang, area):
    segment = maker.segment("wraps", BYTES, slots=4)
    for field, value in {"slots": 2**31, "total_size": 2**40, **WRAPS[area]}.items():
        set_field(segment, field, value)
    assert attach(lang, bytes(segment)).error == "geometry"


@every_lang
def test_the_version_is_looked_at_before_the_checksum(attach, lang):
    segment = altered("major", 2)
    segment[200] ^= 1
    assert attach(lang, bytes(segment)).error == "version"


@every_full_lang
@pytest.mark.parametrize(("field", "value"), [("major", 2), ("incompat", 2), ("slots", 1)])
def test_errors_carry_the_values(attach, lang, field, value):
    text = attach(lang, bytes(altered(field, value))).text
    assert str(value) in text or hex(value) in text, text
    named = ["2.", "1."] if field == "major" else [field] if field == "slots" else []
    assert all(word in text for word in named), text


@every_lang
@pytest.mark.parametrize(
    "schema", [BYTES, ARRAY, {"kind": "tensor", "max_bytes": 64}], ids=lambda s: s["kind"]
)
@pytest.mark.parametrize("place", ["inline", "separate"])
def test_sizes_of_the_file(attach, lang, schema, place):
    good = bytes(maker.segment("sizes", schema, slots=4, placement=place))
    for size in (
        0,
        1,
        255,
        256,
        4095,
        4096,
        4097,
        8192,
        len(good) // 2,
        len(good) - 4096,
        len(good) - 1,
    ):
        if size < len(good):
            reply = attach(lang, good[:size])
            assert reply.error == "truncated", f"{size} of {len(good)} bytes: {reply}"
    assert attach(lang, good + bytes(4096)).error == "truncated"
    assert attach(lang, good).error == "ok"


@every_lang
def test_no_ring_at_all(attach, lang):
    good = bytes(maker.segment("foreign", BYTES, slots=4))
    assert attach(lang, bytes(len(good))).error == "foreign", "half-made: nothing written yet"
    assert attach(lang, b"\x7fELF" + bytes(8192)).error == "foreign"
    assert attach(lang, random.Random(7).randbytes(8192)).error == "foreign"
    assert attach(lang, bytes(reversed(good[:8])) + good[8:]).error == "byteorder"
    half = good[:128] + bytes(len(good) - 128)
    assert attach(lang, half).error == "checksum", "half-made: torn superblock"


@every_lang
def test_ro_compat_may_look_but_not_join(attach, crew, lang):
    segment = maker.segment("look", BYTES, slots=4)
    set_field(segment, "ro_compat", 4)
    reply = attach(lang, bytes(segment))
    if reply.error == "ok":
        reply = next(p for p in crew.busy if p.lang == lang).ask("producer x")
    assert reply.error == "feature", reply


def test_all_agree_on_random_geometry(attach):
    """Any number anywhere, checksum right: the attachers say the same."""
    chance = random.Random(20)
    fields = [
        f
        for f in SUPERBLOCK
        if f not in ("magic", "crc", "uuid", "info_crc", "created_ns", "ro_compat", "mode")
    ]
    schemas = [BYTES, ARRAY, {"kind": "tensor", "max_bytes": 64}]
    for _ in range(1500):
        schema, place = chance.choice(schemas), chance.choice(["inline", "separate"])
        segment = maker.segment(
            "random",
            schema,
            slots=chance.randint(2, 9),
            placement=place,
            max_meta=chance.choice([0, 32]),
        )
        changed = {}
        for field in chance.sample(fields, chance.choice([1, 1, 2])):
            off, fmt = SUPERBLOCK[field]
            top = 2 ** (8 * struct.calcsize("<" + fmt)) - 1
            old = struct.unpack_from("<" + fmt, segment, off)[0]
            value = chance.choice(
                [
                    old + 1,
                    old - 1,
                    old * 2,
                    old + 64,
                    old + 4096,
                    old + 65536,
                    old // 2,
                    chance.randint(0, top),
                    top,
                ]
            )
            changed[field] = value & top
            struct.pack_into("<" + fmt, segment, off, changed[field])
        reseal(segment)
        said = {lang: attach(lang, bytes(segment)).error for lang in LANGS}
        if said["go"] == "info" and said["c"] == "ok":
            said["c"] = "info"  # which C does not read
        assert len(set(said.values())) == 1, f"{schema} {place} {changed}: {said}"
