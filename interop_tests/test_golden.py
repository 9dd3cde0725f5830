"""The golden segments of spec/vectors/, read by every implementation."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import maker
import pytest
from cases import every_full_lang, every_lang
from peers import hexed

VECTORS = Path(__file__).parent.parent / "spec" / "vectors"
INDEX = {v["name"]: v for v in json.loads((VECTORS / "index.json").read_text("utf-8"))}
GOOD = [n for n, v in INDEX.items() if "refused" not in v]
#: A GPU ring may be inspected without a driver, but not be joined.
JOINED = [n for n in GOOD if "gpu" not in INDEX[n]]


def verdict(lang: str, vector: str) -> str:
    """Return an implementation's verdict on a golden segment; C's knows nothing of CUDA."""
    if lang == "c" and "gpu" in INDEX[vector]:
        return "feature"
    return INDEX[vector].get("refused", "ok")


def reference():
    spec = importlib.util.spec_from_file_location("goring_reference", VECTORS / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def opened(crew, folder, new_name):
    """opened(lang, vector) -> a peer, and its reply to opening the golden segment."""
    path = folder / f"goring.{new_name()}"

    def ask(lang: str, vector: str):
        path.write_bytes(reference().golden(vector))
        path.chmod(0o600)
        peer = crew.get(lang)
        return peer, peer.ask(f"open {path.name.removeprefix('goring.')}")

    yield ask
    path.unlink()


def test_all_are_here():
    assert set(INDEX) == {p.name.removesuffix(".bin.gz") for p in VECTORS.glob("*.bin.gz")}


@every_lang
@pytest.mark.parametrize("vector", INDEX)
def test_opened_or_refused(opened, lang, vector):
    _, reply = opened(lang, vector)
    assert reply.error == verdict(lang, vector), reply


@every_full_lang
@pytest.mark.parametrize("vector", GOOD)
def test_schema(opened, lang, vector):
    ring = INDEX[vector]["ring"]
    peer, _ = opened(lang, vector)
    said = json.loads(peer.must("describe").text)
    want = {"kind": ring["kind"], "user": ring.get("user", {})}
    if ring["kind"] in ("bytes", "tensor"):
        want["max_bytes"] = ring["max_bytes"]
    elif ring["kind"] == "array":
        want |= {"dtype": ring["dtype"], "shape": ring["shape"]}
    else:
        fields = [[f["name"], f["dtype"], f["offset"], f.get("shape", [])] for f in ring["fields"]]
        want |= {"itemsize": ring["itemsize"], "shape": ring.get("shape", []), "fields": fields}
    assert {**said, "user": said["user"] or {}} == want


def expected(vector: dict) -> list[dict[str, str]]:
    """The messages in the segment, as a peer prints them, in the order of their numbers."""
    ring, out = vector["ring"], []
    g = reference().geometry(ring)
    for slot in vector.get("slots", []):
        if slot["state"] != "READY" or slot.get("owner"):
            continue
        data = bytes.fromhex(slot.get("payload", ""))
        if "fill" in slot:
            data = bytes.fromhex(slot["fill"]) * (g["slot_bytes"] // 4)
        message = {
            "seq": str(slot["lap"] * ring["slots"] + slot["index"]), "data": hexed(data),
            "tag": str(slot.get("tag", 0)), "meta": slot.get("meta") or "-",
            "again": str(slot.get("redelivered", 0)), "ts": str(slot.get("timestamp_ns", 0)),
        }  # fmt: skip
        if "tensor" in slot:
            shape = "x".join(map(str, slot["tensor"]["shape"]))
            message["tensor"] = f"{slot['tensor']['dtype']}:{shape}"
        out.append(message)
    return sorted(out, key=lambda m: int(m["seq"]))


@every_lang
@pytest.mark.parametrize("vector", JOINED)
def test_messages(opened, lang, vector):
    peer, _ = opened(lang, vector)
    peer.must("consumer r")
    got, reply = [], peer.ask("tryread")
    while reply.error == "ok":
        got.append(reply.fields)
        peer.must(f"release {reply['seq']}")
        reply = peer.ask("tryread")
    assert got == expected(INDEX[vector])
    assert reply.error == ("end" if INDEX[vector].get("words", {}).get("shutdown") else "empty")


@pytest.mark.parametrize("vector", JOINED)
def test_our_maker_and_the_reference_agree(vector):
    """The segments of all other tests are laid out as the golden ones are."""
    ring = INDEX[vector]["ring"]
    schema = {k: ring[k] for k in ("kind", "max_bytes", "dtype", "shape", "itemsize") if k in ring}
    if "fields" in ring:
        schema["fields"] = [
            [f["name"], f["dtype"], f["offset"], f.get("shape", [])] for f in ring["fields"]
        ]
    choices = {
        k: ring[k]
        for k in ("slots", "producers", "consumers", "max_meta", "timestamps", "user")
        if k in ring
    }
    ours = maker.segment("golden", schema, **choices)
    golden = reference().golden(vector)
    skipped = ("minor", "compat", "info_len", "info_crc", "created_ns", "uuid", "crc")
    for field in maker.SUPERBLOCK.keys() - skipped:
        off, fmt = maker.SUPERBLOCK[field]
        size = maker.struct.calcsize("<" + fmt)
        assert ours[off : off + size] == golden[off : off + size], field
