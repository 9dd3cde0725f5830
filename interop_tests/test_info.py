"""Info blocks that cannot be: section 10, check 13, and section 8."""

from __future__ import annotations

import struct

import maker
import msgspec
from cases import every_full_lang
from segment import SUPERBLOCK, crc32c, set_field

BYTES = {"kind": "bytes", "max_bytes": 100}
ARRAY = {"kind": "array", "dtype": "<f4", "shape": [3, 5]}
FIELDS = [["a", "<i4", 0, []], ["b", "<i8", 4, []]]
RECORD = {"kind": "struct", "fields": FIELDS, "itemsize": 12, "shape": []}


def with_info(segment: bytearray, block: bytes) -> bytes:
    """The segment with another info block, which must fit in the room of the old one."""
    off, end = (
        struct.unpack_from("<Q", segment, SUPERBLOCK[f][0])[0] for f in ("info_off", "header_off")
    )
    assert len(block) <= end - off
    segment[off : off + len(block)] = block
    set_field(segment, "info_len", len(block))
    set_field(segment, "info_crc", crc32c(block))
    return bytes(segment)


#: Info blocks, encoded from these values or given as bytes.
INFO = {
    "damaged": None,
    "another version": {"v": 2, "kind": "bytes", "max_bytes": 100, "name": ""},
    "no version": {"kind": "bytes", "max_bytes": 100, "name": ""},
    "another kind": {"v": 1, "kind": "tensor", "max_bytes": 100, "name": ""},
    "an unknown kind": {"v": 1, "kind": "blob", "max_bytes": 100, "name": ""},
    "another size": {"v": 1, "kind": "bytes", "max_bytes": 101, "name": ""},
    "no size": {"v": 1, "kind": "bytes", "name": ""},
    "no map": [1, 2, 3],
    "array of 4 G": b"\xdd\xff\xff\xff\xff",
    "map of 4 G": b"\xdf\xff\xff\xff\xff",
    "too deep": b"\x81\xa1v" + b"\x91" * 600 + b"\x01",
    "two values": b"\x01\x02",
    "cut off": b"\x85\xa1v\x01",
    "never used": b"\xc1",
    "wrong type": {"v": 1, "kind": "bytes", "max_bytes": "100", "name": ""},
    "a negative size": {"v": 1, "kind": "bytes", "max_bytes": -100, "name": ""},
    "a huge size": {"v": 1, "kind": "bytes", "max_bytes": 2**63, "name": ""},
    "a float size": {"v": 1, "kind": "bytes", "max_bytes": 100.5, "name": ""},
}
ARRAY_INFO = {
    "objects": {"dtype": "|O", "shape": [60]},
    "big-endian": {"dtype": ">f4", "shape": [3, 5]},
    "no such dtype": {"dtype": "<f5", "shape": [3, 5]},
    "code for eval": {"dtype": "__import__('os')", "shape": [3, 5]},
    "comma string": {"dtype": "<f4,<f4", "shape": [3, 5]},
    "another itemsize": {"dtype": "<f4", "shape": [3, 5], "itemsize": 8},
    "another product": {"dtype": "<f4", "shape": [3, 4]},
    "a dimension of 0": {"dtype": "<f4", "shape": [3, 0]},
    "a negative dimension": {"dtype": "<f4", "shape": [-3, -5]},
    "nine dimensions": {"dtype": "<f4", "shape": [3, 5, 1, 1, 1, 1, 1, 1, 1]},
    "wraps to 60": {"dtype": "<f4", "shape": [2**32, 2**32, 15]},
    "no shape": {"dtype": "<f4"},
    "no dtype": {"shape": [3, 5]},
}
STRUCT_INFO = {
    "overlap": [["a", "<i4", 0, []], ["b", "<i4", 2, []]],
    "outside": [["a", "<i4", 0, []], ["b", "<i8", 8, []]],
    "same name": [["a", "<i4", 0, []], ["a", "<i4", 4, []]],
    "no fields": [],
    "object": [["a", "|O", 0, []]],
    "negative offset": [["a", "<i4", -4, []]],
    "subarray too large": [["a", "<i4", 0, [4]]],
    "wraps": [["a", "<i4", 0, [2**62]]],
    "no shape": [["a", "<i4", 0]],
    "empty name": [["", "<i4", 0, []]],
}


def info_cases():
    yield from ((f"bytes: {t}", BYTES, v) for t, v in INFO.items())
    base = {"v": 1, "kind": "array", "name": "", "itemsize": 4}
    yield from ((f"array: {t}", ARRAY, {**base, **v}) for t, v in ARRAY_INFO.items())
    base = {"v": 1, "kind": "struct", "name": "", "itemsize": 12, "shape": []}
    yield from ((f"struct: {t}", RECORD, {**base, "fields": v}) for t, v in STRUCT_INFO.items())


@every_full_lang
def test_info_block(attach, lang):
    """The C data plane leaves the info block to its caller; only its checksum is its own."""
    wrong = []
    for title, schema, value in info_cases():
        segment = maker.segment("info", schema, slots=4, user={"room": "x" * 1000})
        if value is None:
            segment[struct.unpack_from("<Q", segment, 104)[0]] ^= 1
        else:
            with_info(
                segment,
                value
                if isinstance(value, bytes)
                else msgspec.msgpack.encode(value, order="sorted"),
            )
        reply = attach(lang, bytes(segment))
        if reply.error != "info":
            wrong.append((title, reply.error, reply.text))
    assert not wrong
