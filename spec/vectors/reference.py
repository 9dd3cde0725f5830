"""Golden segments written from spec/LAYOUT.md alone, in plain Python.

This is the third implementation the spec speaks of, in its smallest form: it knows
the bytes of a segment and nothing of goring's code. ``python reference.py NAME`` draws
a golden segment; the tests compare its segments with those of Go.
"""

from __future__ import annotations

import gzip
import json
import math
import struct
import sys
from pathlib import Path
from typing import Any

import msgspec

HERE = Path(__file__).parent
KINDS = {"bytes": 1, "array": 2, "struct": 3, "tensor": 4}
STATES = {"FREE": 0, "WRITING": 1, "READY": 2, "TAKEN": 3}
MODES = {"queue": 1, "broadcast": 2, "overwrite": 3}
MEMORIES = {"device": 1, "pinned": 3}  # of GPU rings, section 11
SYNCS = {"host": 0, "timeline": 1}
WORDS = {
    "put_hint": 768, "take_hint": 896, "requeue_gen": 1024, "head": 1152, "shutdown": 1280,
}  # fmt: skip
CREATED_NS = 1_700_000_000_000_000_000
UUID = b"goring-golden-v1"
CREATOR = {"lang": "spec", "version": "1.0", "program": "golden", "host": "-", "pid": 1}


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def align(n: int, to: int) -> int:
    return -(-n // to) * to


def info_block(ring: dict[str, Any]) -> tuple[bytes, int]:
    """The info block and the size of the largest payload (section 8)."""
    info: dict[str, Any] = {"v": 1, "name": "golden", "kind": ring["kind"], "creator": CREATOR}
    if ring["kind"] in {"bytes", "tensor"}:
        size = info["max_bytes"] = ring["max_bytes"]
    else:
        shape = info["shape"] = ring.get("shape", [])
        item = ring.get("itemsize") or int(ring["dtype"][2:])
        info["itemsize"] = item
        size = item * math.prod(shape)
        if ring["kind"] == "array":
            info["dtype"] = ring["dtype"]
        else:
            info["fields"] = [
                [f["name"], f["dtype"], f["offset"], f.get("shape", [])] for f in ring["fields"]
            ]
    if "user" in ring:
        info["user"] = ring["user"]
    return msgspec.msgpack.encode(info, order="deterministic"), size


def done_cells(ring: dict[str, Any]) -> int:
    """How many cells the consumers of a GPU ring write (section 11)."""
    mode = ring.get("mode", "queue")
    done: int = {"queue": ring["slots"], "broadcast": ring.get("consumers", 1), "overwrite": 0}[
        mode
    ]
    return done


def geometry(ring: dict[str, Any]) -> dict[str, Any]:
    """The numbers of the superblock (section 2) and the info block."""
    info, size = info_block(ring)
    seats = ring.get("producers", 1) + ring.get("consumers", 1)
    meta_off = 112 if ring["kind"] == "tensor" else 32
    max_meta = align(ring.get("max_meta", 256 if size >= 4096 else 0), 16)
    head = meta_off + max_meta
    info_off = 4096 + 128 * seats
    header_off = align(info_off + len(info), 4096)
    slots = ring["slots"]
    gpu_off = gpu_size = 0
    if "memory" in ring:
        gpu_off, gpu_size = header_off, 640 + 64 * (slots + done_cells(ring))
        header_off = align(gpu_off + gpu_size, 4096)
        header_stride = align(head, 64)
        data_stride = align(size, 512)
        data_off, total = 0, align(header_off + slots * header_stride, 4096)
        if ring["memory"] == "pinned":
            data_off = align(header_off + slots * header_stride, 65536)
            total = align(data_off + slots * data_stride, 65536)
    elif size <= (1024 if ring["kind"] == "bytes" else 128):
        header_stride = data_stride = align(head + size, 64)
        data_off = header_off + head
        total = align(header_off + slots * header_stride, 4096)
    else:
        header_stride = align(head, 64)
        data_stride = align(size, 64) if ring["kind"] in {"bytes", "tensor"} else size
        data_off = align(header_off + slots * header_stride, 65536)
        total = align(data_off + slots * data_stride, 65536)
    return {
        "info": info, "slot_bytes": size, "meta_off": meta_off, "max_meta": max_meta,
        "info_off": info_off, "header_off": header_off, "header_stride": header_stride,
        "data_off": data_off, "data_stride": data_stride, "total_size": total,
        "gpu_off": gpu_off, "gpu_size": gpu_size,
        "options": int(ring.get("timestamps", size >= 4096)),
    }  # fmt: skip


def superblock(ring: dict[str, Any], g: dict[str, Any], patch: dict[str, int]) -> bytes:
    head = b"\x89GORING\n" + struct.pack(
        "<HHIIIIBBH8QIHHQIIq16sQQI88x",
        patch.get("major", 1), patch.get("minor", 0), 4096,
        patch.get("incompat", int("memory" in ring)), 0, patch.get("compat", 0),
        KINDS[ring["kind"]], MODES[ring.get("mode", "queue")], g["max_meta"],
        ring["slots"], g["header_off"], g["header_stride"], g["data_off"], g["data_stride"],
        g["slot_bytes"], g["total_size"], 4096,
        128, ring.get("producers", 1), ring.get("consumers", 1),
        g["info_off"], len(g["info"]), crc32c(g["info"]), CREATED_NS, UUID,
        g["gpu_off"], g["gpu_size"], g["options"],
    )  # fmt: skip
    return head + struct.pack("<I", crc32c(head))


def gpu_block(ring: dict[str, Any], gpu: dict[str, Any]) -> bytes:
    """The block of a GPU ring (section 11), with the wrong values that gpu["block"] asks for."""
    wrong = gpu.get("block", {})
    block = struct.pack(
        "<IHHII16s16sQII64s108s272x",
        wrong.get("magic", int.from_bytes(b"GPUS", "little")), wrong.get("version", 1), 512,
        wrong.get("memory", MEMORIES[ring["memory"]]), SYNCS[gpu["sync"]],
        bytes.fromhex(gpu["device"]), bytes.fromhex(gpu["boot"]),
        wrong.get("allocation", gpu.get("allocation", 0)), gpu.get("driver", 0),
        gpu.get("exporter_pid", 0), bytes.fromhex(gpu.get("handle", "")), b"",
    )  # fmt: skip
    return block + struct.pack("<I", wrong.get("crc", crc32c(block)))


def put_gpu(segment: bytearray, g: dict[str, Any], vector: dict[str, Any]) -> None:
    """Block, state and cells of a GPU ring."""
    ring, gpu = vector["ring"], vector["gpu"]
    segment[g["gpu_off"] : g["gpu_off"] + 512] = gpu_block(ring, gpu)
    struct.pack_into("<I", segment, g["gpu_off"] + 512, gpu.get("state", 0))
    for cell in gpu.get("cells", []):
        index = cell["ready"] if "ready" in cell else ring["slots"] + cell["done"]
        struct.pack_into(
            "<QQQI", segment, g["gpu_off"] + 640 + 64 * index,
            cell["value"], cell["claimed"], cell.get("voided", 0), cell["seat"],
        )  # fmt: skip


def put_seat(segment: bytearray, seat: dict[str, Any]) -> None:
    struct.pack_into(
        "<IIQQqIIQq8x64s", segment, 4096 + 128 * (seat["seat"] - 1),
        1, seat["epoch"], 0, 0, 0, seat["pid"], 0, seat.get("start_time", 0),
        seat.get("joined_ns", 0), seat["name"].encode(),
    )  # fmt: skip


def put_slot(segment: bytearray, g: dict[str, Any], slot: dict[str, Any]) -> None:
    at = g["header_off"] + slot["index"] * g["header_stride"]
    payload = bytes.fromhex(slot.get("payload", ""))
    if "fill" in slot:
        payload = bytes.fromhex(slot["fill"]) * (g["slot_bytes"] // 4)
    meta = bytes.fromhex(slot.get("meta", ""))
    word = slot["lap"] << 8 | slot.get("owner", 0) << 2 | STATES[slot["state"]]
    struct.pack_into(
        "<QIHBBqQ", segment, at,
        word, slot.get("len", len(payload)), len(meta), 0, slot.get("redelivered", 0),
        slot.get("timestamp_ns", 0), slot.get("tag", 0),
    )  # fmt: skip
    if "tensor" in slot:
        shape = slot["tensor"]["shape"]
        dims = shape + [0] * (8 - len(shape))
        struct.pack_into("<HB13x8Q", segment, at + 32, slot["tensor"]["dtype"], len(shape), *dims)
    segment[at + g["meta_off"] : at + g["meta_off"] + len(meta)] = meta
    if g["data_off"] == 0:
        return  # the payload is in device memory
    start = g["data_off"] + slot["index"] * g["data_stride"]
    segment[start : start + len(payload)] = payload


def segment(vector: dict[str, Any]) -> bytearray:
    """The bytes of one entry of index.json."""
    ring = vector["ring"]
    g = geometry(ring)
    out = bytearray(g["total_size"])
    out[:256] = superblock(ring, g, vector.get("superblock", {}))
    out[g["info_off"] : g["info_off"] + len(g["info"])] = g["info"]
    for word, value in vector.get("words", {}).items():
        struct.pack_into("<Q", out, WORDS[word], value)
    if "gpu" in vector:
        put_gpu(out, g, vector)
    for seat in vector.get("seats", []):
        put_seat(out, seat)
    for slot in vector.get("slots", []):
        put_slot(out, g, slot)
    return out


def index() -> dict[str, dict[str, Any]]:
    """The entries of index.json by name."""
    return {v["name"]: v for v in json.loads((HERE / "index.json").read_text("utf-8"))}


def golden(name: str) -> bytes:
    """The golden segment of that name."""
    return gzip.decompress((HERE / f"{name}.bin.gz").read_bytes())


def draw(name: str) -> None:
    vector = index()[name]
    g = geometry(vector["ring"])
    raw = golden(name)
    print(f"{name}: {vector['about']}\n{len(raw)} bytes, {vector['ring']}")
    for i in range(vector["ring"]["slots"]):
        at = g["header_off"] + i * g["header_stride"]
        word, size, meta, _, again, when, tag = struct.unpack_from("<QIHBBqQ", raw, at)
        state = list(STATES)[word & 3]
        print(
            f"slot {i} at {at}: lap {word >> 8} owner {word >> 2 & 63} {state:7} "
            f"len {size} meta {meta} redelivered {again} time {when} tag {tag}"
        )


if __name__ == "__main__":
    for wanted in sys.argv[1:] or index():
        draw(wanted)
