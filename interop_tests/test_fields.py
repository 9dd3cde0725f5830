"""Every field of a slot, byte for byte, from every writer to every reader; and a reader's
errors for impossible fields."""

from __future__ import annotations

import os
import time

import pytest
from cases import couple, every_full_lang, every_lang, every_pair, every_shape
from peers import hexed

BYTES = {"kind": "bytes", "max_bytes": 100}
PLACES = ["inline", "separate"]
META = bytes.fromhex("83a16101a162c2a163a3616263")  # {"a": 1, "b": false, "c": "abc"}

#: payload, tag, metadata
MESSAGES = [
    (b"", 0, b""),
    (b"x", 1, b""),
    (b"\x00" * 100, 2**64 - 1, b"\x00"),
    (bytes(range(100)), 2**63, META),
    (b"\xff" * 99, 0x0123456789ABCDEF, b"\xd9\x2e" + b"m" * 46),  # 48 bytes of metadata
    (b"short", 7, b""),
]


@every_pair
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("stamps", [False, True], ids=["plain", "stamped"])
def test_message(crew, new_ring, writer, reader, place, stamps):
    ring = new_ring(BYTES, slots=3, max_meta=48, placement=place, timestamps=stamps)
    producer, consumer = couple(crew, ring, writer, reader)
    for number, (data, tag, meta) in enumerate(MESSAGES):
        index = number % 3
        os.pwrite(ring.fd, b"\xee" * 24, ring.header_at(index) + 8)  # an old message's header
        before = time.time_ns()
        producer.must(f"write {hexed(data)} tag={tag}" + (f" meta={meta.hex()}" if meta else ""))
        h = ring.header(index)
        assert (h.len, h.meta_len, h.flags, h.redelivered, h.tag) == (
            len(data),
            len(meta),
            0,
            0,
            tag,
        )
        assert before <= h.timestamp_ns <= time.time_ns() if stamps else h.timestamp_ns == 0
        assert (ring.payload(index, len(data)), ring.meta(index, len(meta))) == (data, meta)
        reply = consumer.must("read 1000")
        want = {
            "data": hexed(data),
            "tag": str(tag),
            "meta": hexed(meta),
            "again": "0",
            "ts": str(h.timestamp_ns),
        }
        assert {k: reply[k] for k in want} == want
        consumer.must(f"release {number}")


@every_lang
@every_shape
def test_unknown_flags_are_ignored(crew, new_ring, lang, shape):
    ring = new_ring(BYTES, slots=2, producers=shape[0], consumers=shape[1], max_meta=0)
    producer, consumer = couple(crew, ring, lang, lang)
    producer.must("write abcd")
    ring.put_sizes(0, 2, flags=0xFF)
    assert consumer.must("read 1000").data == b"\xab\xcd"


#: len and meta_len of rings with slots of 100 and 48 bytes.
CORRUPT = [(101, 0), (2**32 - 1, 0), (2**31, 0), (0, 49), (4, 65535), (2**32 - 1, 65535)]


@every_lang
@every_shape
def test_corrupt_sizes(crew, new_ring, lang, shape):
    """An error, never an access; the message is dropped and the ring goes on."""
    ring = new_ring(BYTES, slots=3, producers=shape[0], consumers=shape[1], max_meta=48)
    producer, consumer = couple(crew, ring, lang, lang)
    for number, (length, meta_len) in enumerate(CORRUPT):
        producer.must("write 6261642121")
        ring.put_sizes(2 * number % 3, length, meta_len)
        refused = consumer.ask("read 1000")
        assert refused.error == "corrupt", refused
        if lang != "c":
            wrong = meta_len if length <= 100 else length
            assert str(wrong) in refused.text, f"the value {wrong} is not in {refused.text!r}"
        producer.must("write 676f6f64")
        reply = consumer.must("read 1000")
        assert (reply.seq, reply.data) == (2 * number + 1, b"good")
        consumer.must(f"release {reply.seq}")


@every_lang
@pytest.mark.parametrize("length", [0, 15, 17, 2**32 - 1])
@pytest.mark.parametrize("command", ["read 1000", "readbatch 4"])
def test_corrupt_sizes_of_fixed_items(crew, new_ring, lang, length, command):
    schema = {"kind": "array", "dtype": "<u4", "shape": [4]}
    ring = new_ring(schema, slots=4, max_meta=0, placement="separate")
    producer, consumer = couple(crew, ring, lang, lang)
    producer.must("write " + "aa" * 16)
    ring.put_sizes(0, length)
    assert consumer.ask(command).error == "corrupt"
    producer.must("write " + "bb" * 16)
    assert consumer.must(command)["data"] == "bb" * 16


@every_lang
def test_corrupt_sizes_inside_a_batch(crew, new_ring, lang):
    """The good ones before and after it come; the corrupt one is reported, not lost in silence."""
    schema = {"kind": "array", "dtype": "<u4", "shape": [4]}
    ring = new_ring(schema, slots=4, max_meta=0, placement="separate")
    producer, consumer = couple(crew, ring, lang, lang)
    producer.must("writebatch " + " ".join(f"{n}{n}" * 16 for n in range(4)))
    ring.put_sizes(1, 17)
    outcome = []
    for _ in range(4):
        reply = consumer.ask("readbatch 4")
        outcome += reply["data"].split(",") if reply.error == "ok" else [reply.error]
        if reply.error == "ok":
            consumer.must("releasebatch")
    assert outcome == ["00" * 16, "corrupt", "22" * 16, "33" * 16, "timeout"][: len(outcome)]
    assert "33" * 16 in outcome


#: Hostile metadata: it declares more than there is, nests too deep, is not one value.
HOSTILE = {
    "array of 4 G": "ddffffffff", "map of 4 G": "dfffffffff", "bin of 4 G": "c6ffffffff",
    "ext of 4 G": "c9ffffffff01", "cut string": "d9ff61", "never used": "c1", "two values": "0102",
    "too deep": "91" * 40 + "c0", "just too deep": "91" * 17 + "c0",
    "cut map": "81a161", "string not UTF-8": "a2fffe",
}  # fmt: skip


@every_full_lang
@pytest.mark.parametrize("title", HOSTILE)
def test_hostile_metadata(crew, new_ring, lang, title):
    """The payload can be had; the metadata is an error; the ring goes on."""
    raw = bytes.fromhex(HOSTILE[title])
    ring = new_ring(BYTES, slots=2, max_meta=48)
    producer, consumer = couple(crew, ring, lang, lang)
    producer.must("write 6f6b meta=c0")
    os.pwrite(ring.fd, raw, ring.header_at(0) + ring.meta_off)
    ring.put_sizes(0, 2, len(raw))
    reply = consumer.must("read 1000")
    assert (reply.data, reply["meta"]) == (
        b"ok",
        "!" if title != "string not UTF-8" else reply["meta"],
    )
    consumer.must("release 0")
    producer.must("write aa meta=07")
    assert consumer.must("read 1000")["meta"] == "07"


@every_full_lang
def test_metadata_16_deep_is_legal(crew, new_ring, lang):
    ring = new_ring(BYTES, slots=2, max_meta=48)
    producer, consumer = couple(crew, ring, lang, lang)
    producer.must(f"write 6f6b meta={'91' * 16 + 'c0'}")
    assert consumer.must("read 1000")["meta"] == "91" * 16 + "c0"


@every_lang
def test_too_large_names_both_sizes(crew, new_ring, lang):
    ring = new_ring(BYTES, slots=2, max_meta=16)
    producer, consumer = couple(crew, ring, lang, lang)
    for command, sizes in (
        ("write " + "00" * 101, ("101", "100")),
        ("write 00 meta=b1" + "61" * 17, ("18", "16")),
    ):
        reply = producer.ask(command)
        assert reply.error == "toolarge", reply
        if lang != "c":
            assert all(n in reply.text for n in sizes), reply.text
    assert ring.words() == ["FREE(0)", "FREE(1)"]
    producer.must("write 01")
    assert consumer.must("tryread").data == b"\x01"
