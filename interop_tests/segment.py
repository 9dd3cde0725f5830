"""A segment read and forged byte by byte, from spec/LAYOUT.md alone.

The tests read a ring through this module only, never through a library under test: they
compare a peer's replies with the bytes of the file.
"""

from __future__ import annotations

import fcntl
import os
import struct
from dataclasses import dataclass
from pathlib import Path

FREE, WRITING, READY, TAKEN = range(4)
STATES = ("FREE", "WRITING", "READY", "TAKEN")
LOCK_BASE = 1 << 62
FLOCK = "hhxxxxqqixxxx"  # struct flock of 64-bit Linux: type, whence, start, len, pid

#: Immutable part of the superblock: field -> (offset, struct format). Section 2.
SUPERBLOCK = {
    "magic": (0, "8s"), "major": (8, "H"), "minor": (10, "H"), "superblock_size": (12, "I"),
    "incompat": (16, "I"), "ro_compat": (20, "I"), "compat": (24, "I"), "kind": (28, "B"),
    "mode": (29, "B"), "max_meta": (30, "H"), "slots": (32, "Q"), "header_off": (40, "Q"),
    "header_stride": (48, "Q"), "data_off": (56, "Q"), "data_stride": (64, "Q"),
    "slot_bytes": (72, "Q"), "total_size": (80, "Q"), "participants_off": (88, "Q"),
    "participant_stride": (96, "I"), "max_producers": (100, "H"), "max_consumers": (102, "H"),
    "info_off": (104, "Q"), "info_len": (112, "I"), "info_crc": (116, "I"),
    "created_ns": (120, "q"), "uuid": (128, "16s"), "gpu_off": (144, "Q"), "gpu_size": (152, "Q"),
    "options": (160, "I"), "crc": (252, "I"),
}  # fmt: skip

#: Mutable words of the superblock.
MUTABLE = {
    "data_ev": (256, "I"), "data_waiting": (384, "I"), "room_ev": (512, "I"),
    "room_waiting": (640, "I"), "put_hint": (768, "Q"), "take_hint": (896, "Q"),
    "requeue_gen": (1024, "Q"), "head": (1152, "Q"), "shutdown": (1280, "I"),
}  # fmt: skip

SEAT = struct.Struct("<IIQQqIIQq8s64s")
HEADER = struct.Struct("<QIHBBqQ")
TENSOR = struct.Struct("<HBBIQ8Q")


def _crc32c_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _crc32c_table()


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli) of data."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


@dataclass(frozen=True)
class Header:
    """The 32 bytes at the start of a slot."""

    word: int
    len: int
    meta_len: int
    flags: int
    redelivered: int
    timestamp_ns: int
    tag: int


@dataclass(frozen=True)
class Seat:
    """A participant's entry."""

    state: int
    epoch: int
    cursor: int
    lost: int
    progress_ns: int
    pid: int
    flags: int
    start_time: int
    joined_ns: int
    reserved: bytes
    name: str


class Segment:
    """One ring's file, opened on a description that holds no lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self.sb = {k: self._get(*v) for k, v in SUPERBLOCK.items()}
        self.slots: int = self.sb["slots"]
        self.meta_off = 112 if self.sb["kind"] == 4 else 32
        inline = self.sb["data_off"] < self.sb["header_off"] + self.sb["header_stride"]
        #: whether the payload is mapped twice in a row, so that no run splits
        self.mirrored = not inline and self.slots * self.sb["data_stride"] % 4096 == 0

    def close(self) -> None:
        os.close(self.fd)

    def _get(self, off: int, fmt: str):
        return struct.unpack("<" + fmt, os.pread(self.fd, struct.calcsize("<" + fmt), off))[0]

    # -- superblock and seats

    def mutable(self, name: str) -> int:
        return self._get(*MUTABLE[name])

    def set_mutable(self, name: str, value: int) -> None:
        off, fmt = MUTABLE[name]
        os.pwrite(self.fd, struct.pack("<" + fmt, value), off)

    def info_block(self) -> bytes:
        return os.pread(self.fd, self.sb["info_len"], self.sb["info_off"])

    def seat(self, number: int) -> Seat:
        raw = os.pread(self.fd, SEAT.size, self.sb["participants_off"] + (number - 1) * 128)
        *fields, name = SEAT.unpack(raw)
        return Seat(*fields, name.rstrip(b"\0").decode())

    def set_cursor(self, number: int, value: int) -> None:
        at = self.sb["participants_off"] + (number - 1) * 128 + 8
        os.pwrite(self.fd, struct.pack("<Q", value), at)

    def locked(self, number: int) -> bool:
        """Whether any process holds the seat's liveness lock."""
        ask = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, LOCK_BASE + number, 1, 0)
        answer = fcntl.fcntl(self.fd, fcntl.F_OFD_GETLK, ask)
        return struct.unpack(FLOCK, answer)[0] != fcntl.F_UNLCK

    # -- slots

    def header_at(self, index: int) -> int:
        return self.sb["header_off"] + index * self.sb["header_stride"]

    def header(self, index: int) -> Header:
        return Header(*HEADER.unpack(os.pread(self.fd, HEADER.size, self.header_at(index))))

    def payload(self, index: int, size: int) -> bytes:
        return os.pread(self.fd, size, self.sb["data_off"] + index * self.sb["data_stride"])

    def meta(self, index: int, size: int) -> bytes:
        return os.pread(self.fd, size, self.header_at(index) + self.meta_off)

    def tensor(self, index: int) -> tuple[int, ...]:
        """The descriptor: dtype code, ndim, two reserved, reserved u64, shape of 8."""
        return TENSOR.unpack(os.pread(self.fd, TENSOR.size, self.header_at(index) + 32))

    def words(self) -> list[str]:
        """Every slot word in the notation of the specification, such as TAKEN(4,7)."""
        return [self.show(i, self._get(self.header_at(i), "Q")) for i in range(self.slots)]

    def show(self, index: int, word: int) -> str:
        number, owner, state = (word >> 8) * self.slots + index, word >> 2 & 63, word & 3
        if state == READY and owner:
            return f"Aborted({owner},{number})"
        return f"{STATES[state]}({owner},{number})" if owner else f"{STATES[state]}({number})"

    # -- forging

    def put_word(self, number: int, state: int, owner: int = 0) -> None:
        """Store the word of message number as a peer would that did."""
        lap, index = divmod(number, self.slots)
        os.pwrite(self.fd, struct.pack("<Q", lap << 8 | owner << 2 | state), self.header_at(index))

    def put_sizes(self, index: int, length: int, meta_len: int = 0, flags: int = 0) -> None:
        os.pwrite(self.fd, struct.pack("<IHB", length, meta_len, flags), self.header_at(index) + 8)

    def put_tensor(self, index: int, code: int, ndim: int, shape: list[int]) -> None:
        raw = TENSOR.pack(code, ndim, 0, 0, 0, *(shape + [0] * 8)[:8])
        os.pwrite(self.fd, raw, self.header_at(index) + 32)


def reseal(head: bytearray) -> None:
    """Make the checksum of an altered superblock right again."""
    struct.pack_into("<I", head, 252, crc32c(bytes(head[:252])))


def set_field(head: bytearray, field: str, value: int) -> None:
    """Alter one field of a superblock and make its checksum right."""
    off, fmt = SUPERBLOCK[field]
    struct.pack_into("<" + fmt, head, off, value)
    reseal(head)
