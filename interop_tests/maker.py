"""Segments made from spec/LAYOUT.md alone, with every choice that a test may want.

The golden segments of spec/vectors/ have a writer of their own; test_golden.py holds
the two together.
"""

from __future__ import annotations

import math
import struct

import msgspec
from segment import SUPERBLOCK, crc32c, reseal

KINDS = {"bytes": 1, "array": 2, "struct": 3, "tensor": 4}
NOBODY = {"lang": "spec", "version": "1.0", "program": "maker", "host": "-", "pid": 1}
ITEM_SIZES = {"bfloat16": 2, "float8_e4m3fn": 1, "float8_e5m2": 1}


def align(n: int, to: int) -> int:
    return -(-n // to) * to


def item_size(dtype: str) -> int:
    """Bytes of one element of a dtype string."""
    if dtype in ITEM_SIZES:
        return ITEM_SIZES[dtype]
    if dtype[1] in "mM":
        return 8
    return int(dtype[2:]) * (4 if dtype[1] == "U" else 1)


def info_of(schema: dict) -> tuple[dict, int]:
    """The info block's keys for the kind, and the largest payload in bytes."""
    kind = schema["kind"]
    if kind in ("bytes", "tensor"):
        return {"max_bytes": schema["max_bytes"]}, schema["max_bytes"]
    shape = list(schema.get("shape", []))
    size = schema.get("itemsize") or item_size(schema["dtype"])
    keys = {"shape": shape, "itemsize": size}
    keys |= {"dtype": schema["dtype"]} if kind == "array" else {"fields": schema["fields"]}
    return keys, size * math.prod(shape)


def segment(
    name: str,
    schema: dict,
    *,
    slots: int,
    mode: int = 1,
    producers: int = 1,
    consumers: int = 1,
    max_meta: int | None = None,
    placement: str | None = None,
    timestamps: bool | None = None,
    user: dict | None = None,
) -> bytearray:
    """The bytes of a new, empty ring.

    schema is {"kind", "max_bytes" | "dtype", "shape" | "fields", "itemsize", "shape"} with
    fields as in the info block. None is decided by size: metadata and timestamps from
    4 KiB on, payloads inline up to 1 KiB (bytes) or 128 bytes (others).
    """
    keys, size = info_of(schema)
    info = {"v": 1, "name": name, "kind": schema["kind"], "creator": NOBODY, **keys}
    block = msgspec.msgpack.encode(info | ({"user": user} if user else {}), order="sorted")
    if placement is None:
        inline = size <= (1024 if schema["kind"] == "bytes" else 128)
    else:
        inline = placement == "inline"
    geometry = {
        "slots": slots, "slot_bytes": size, "max_producers": producers, "max_consumers": consumers,
        "kind": KINDS[schema["kind"]], "info_len": len(block), "info_crc": crc32c(block),
        "max_meta": align((256 if size >= 4096 else 0) if max_meta is None else max_meta, 16),
        "options": int(size >= 4096 if timestamps is None else timestamps),
    }  # fmt: skip
    place(geometry, inline, exact=schema["kind"] in ("array", "struct"))
    fixed = {"magic": b"\x89GORING\n", "major": 1, "superblock_size": 4096, "mode": mode}
    fixed |= {"participants_off": 4096, "participant_stride": 128, "uuid": b"made by maker.py"}
    out = bytearray(geometry["total_size"])
    for field, value in (geometry | fixed).items():
        off, fmt = SUPERBLOCK[field]
        struct.pack_into("<" + fmt, out, off, value)
    reseal(out)
    out[geometry["info_off"] : geometry["info_off"] + len(block)] = block
    return out


def place(g: dict, inline: bool, exact: bool) -> None:
    """The four numbers that place every slot, and the total."""
    g["info_off"] = 4096 + 128 * (g["max_producers"] + g["max_consumers"])
    g["header_off"] = align(g["info_off"] + g["info_len"], 4096)
    head = (112 if g["kind"] == KINDS["tensor"] else 32) + g["max_meta"]
    if inline:
        g["header_stride"] = g["data_stride"] = align(head + g["slot_bytes"], 64)
        g["data_off"] = g["header_off"] + head
        g["total_size"] = align(g["header_off"] + g["slots"] * g["header_stride"], 4096)
        return
    g["header_stride"] = align(head, 64)
    g["data_stride"] = g["slot_bytes"] if exact else align(g["slot_bytes"], 64)
    g["data_off"] = align(g["header_off"] + g["slots"] * g["header_stride"], 65536)
    g["total_size"] = align(g["data_off"] + g["slots"] * g["data_stride"], 65536)
