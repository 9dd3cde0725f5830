"""Files that are no usable ring: each a distinct clear error, never a crash."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import pytest
from golden import put, reference

import goring

RING = {"kind": "bytes", "max_bytes": 100, "slots": 4}
GOOD = bytes(reference.segment({"ring": RING}))
CRC = 252


def sealed(segment: bytearray) -> bytes:
    """The segment with the checksum of its superblock made right again."""
    struct.pack_into("<I", segment, CRC, reference.crc32c(bytes(segment[:CRC])))
    return bytes(segment)


def test_every_immutable_bit(ring_folder: Path) -> None:
    path = put(ring_folder, "r", GOOD)
    goring.open("r").close()
    texts = set()
    with path.open("r+b", buffering=0) as file:
        for bit in range(256 * 8):
            at, mask = divmod(bit, 8)
            file.seek(at)
            file.write(bytes([GOOD[at] ^ 1 << mask]))
            with pytest.raises(goring.CorruptError if at < 8 or at >= 10 else goring.Error) as e:
                goring.open("r")
            assert isinstance(e.value, goring.CorruptError | goring.VersionError)
            texts.add(type(e.value))
            file.seek(at)
            file.write(GOOD[at : at + 1])
    assert texts == {goring.CorruptError, goring.VersionError}
    goring.open("r").close()


@pytest.mark.parametrize("major", [0, 2, 65535])
def test_older_and_newer(ring_folder: Path, major: int) -> None:
    old = reference.segment({"ring": RING, "superblock": {"major": major}})
    put(ring_folder, "r", old)
    with pytest.raises(goring.VersionError, match=rf"{major}\b.*\b1\b|\b1\b.*\b{major}\b"):
        goring.open("r")


def test_the_other_byte_order(ring_folder: Path) -> None:
    put(ring_folder, "r", GOOD[7::-1] + GOOD[8:])
    with pytest.raises(goring.VersionError, match="byte order"):
        goring.open("r")


def test_a_feature_that_must_be_known(ring_folder: Path) -> None:
    put(ring_folder, "r", reference.segment({"ring": RING, "superblock": {"incompat": 1 << 31}}))
    with pytest.raises(goring.VersionError, match="0x80000000"):
        goring.open("r")


@pytest.mark.parametrize("size", [0, 1, 255, 256, 4095, 4096, 8192, len(GOOD) - 1])
def test_truncated(ring_folder: Path, size: int) -> None:
    put(ring_folder, "r", GOOD[:size])
    with pytest.raises(goring.CorruptError, match="truncated"):
        goring.open("r")


def test_grown(ring_folder: Path) -> None:
    put(ring_folder, "r", GOOD + bytes(4096))
    with pytest.raises(goring.CorruptError):
        goring.open("r")


@pytest.mark.parametrize("byte", [b"\0", b"x", b"\xff"])
def test_foreign_and_half_made(ring_folder: Path, byte: bytes) -> None:
    put(ring_folder, "r", byte * 16384)
    with pytest.raises(goring.CorruptError, match="not a goring segment"):
        goring.open("r")


@pytest.mark.parametrize(
    ("at", "code", "value"),
    [(32, "<Q", 1), (40, "<Q", 2**63), (56, "<Q", 2**64 - 1), (72, "<Q", 0), (104, "<Q", 2**40)],
)
def test_impossible_geometry_with_a_right_checksum(
    ring_folder: Path, at: int, code: str, value: int
) -> None:
    segment = bytearray(GOOD)
    struct.pack_into(code, segment, at, value)
    put(ring_folder, "r", sealed(segment))
    with pytest.raises(goring.CorruptError):
        goring.open("r")


HOSTILE_INFO = [
    b"\xdd\xff\xff\xff\xff",  # four thousand million elements
    b"\xdf\xff\xff\xff\xff",
    b"\x91" * 60_000,
    b"\xc1",
    b"\x80\x80",
    b"\x81\xa4kind\xdb\xff\xff\xff\xff",
    b"\xa5hello",
]


@pytest.mark.parametrize("info", HOSTILE_INFO, ids=lambda b: b[:8].hex())
def test_a_hostile_info_block(ring_folder: Path, info: bytes) -> None:
    segment = bytearray(GOOD)
    (where,) = struct.unpack_from("<Q", segment, 104)
    room = struct.unpack_from("<Q", segment, 40)[0] - where
    info = info[:room]
    segment[where : where + len(info)] = info
    struct.pack_into("<II", segment, 112, len(info), reference.crc32c(info))
    put(ring_folder, "r", sealed(segment))
    with pytest.raises(goring.CorruptError, match="info block"):
        goring.open("r")
    assert "info block" in goring.list()[0].error


@pytest.mark.parametrize("dtype", ["|O", ">f8", "<f16", "<f4,<f4", ""])
def test_an_info_block_with_a_dtype_that_no_ring_has(ring_folder: Path, dtype: str) -> None:
    ring: dict[str, Any] = {"kind": "array", "dtype": dtype, "itemsize": 8, "slots": 4}
    put(ring_folder, "r", reference.segment({"ring": ring}))
    with pytest.raises(goring.CorruptError, match="info block"):
        goring.open("r")


def make_link(path: Path) -> None:
    put(path.parent, "real", GOOD)
    path.symlink_to(path.parent / "goring.real")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (make_link, "symbolic link"),
        (lambda path: os.mkfifo(path, 0o600), "FIFO"),
        (lambda path: path.mkdir(), "folder"),
    ],
    ids=["link", "fifo", "folder"],
)
def test_what_is_no_regular_file(ring_folder: Path, make: Any, text: str) -> None:
    make(ring_folder / "goring.r")
    with pytest.raises(goring.Unsafe, match=text):
        goring.open("r")


@pytest.mark.parametrize("mode", [0o602, 0o622, 0o666, 0o660])
def test_writable_for_others(ring_folder: Path, mode: int) -> None:
    put(ring_folder, "r", GOOD).chmod(mode)
    with pytest.raises(goring.Unsafe, match=oct(mode)[2:]):
        goring.open("r")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_somebody_elses(ring_folder: Path) -> None:
    os.chown(put(ring_folder, "r", GOOD), 12345, 12345)
    with pytest.raises(goring.Unsafe, match="12345"):
        goring.open("r")
    goring.open("r", allow_group=True).close()
