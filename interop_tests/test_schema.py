"""Schemas: made by Go and read by Python, and the other way round.

The same dtype, shape and values on both sides, for every kind and dtype of section 8,
and Go structs against structured dtypes.
"""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest
from segment import Segment

WAYS = pytest.mark.parametrize(("maker_lang", "other"), [("go", "py"), ("py", "go")])
ML_DTYPES = importlib.util.find_spec("ml_dtypes") is not None

PLAIN = "|b1 |i1 |u1 <i2 <u2 <i4 <u4 <i8 <u8 <f2 <f4 <f8 <c8 <c16 |S1 |S5 <U1 <U3 |V1 |V7".split()
TIMES = [f"<{k}8[{u}]" for k in "Mm" for u in "Y M W D h m s ms us ns ps fs as".split()]
NAMED = ["bfloat16", "float8_e4m3fn", "float8_e5m2"]
SHAPES = [[], [1], [5], [2, 3], [1, 2, 1, 2, 1, 2, 1, 2]]


def compact(value) -> str:
    return json.dumps(value, separators=(",", ":"))


def values(dtype: np.dtype, shape: list[int]) -> np.ndarray:
    """Some of everything that the dtype can say."""
    count = int(np.prod(shape, dtype=int))
    if dtype.kind in "SV":
        raw = bytes(1 + i % 250 for i in range(count * dtype.itemsize))
        return np.frombuffer(raw, dtype).reshape(shape)
    if dtype.kind == "U":
        words = ["äß€", "x", "\U0001f600z"]
        return np.array([words[i % 3] for i in range(count)], dtype).reshape(shape)
    steps = np.arange(count) * 37 - 5
    if dtype.kind in "mM":
        return steps.astype("i8").view(dtype).reshape(shape)
    with np.errstate(all="ignore"):
        return (
            (steps % 2 if dtype.kind == "b" else steps * (1.5 - 2j if dtype.kind == "c" else 1))
            .astype(dtype)
            .reshape(shape)
        )


def make_and_open(crew, new_name, folder, maker_lang, other, recipe):
    """Return a ring made by one peer and opened by the other, and both descriptions of it."""
    made, opened = crew.get(maker_lang), crew.get(other)
    name = new_name()
    made.must(f"create {name} {compact(recipe)}")
    opened.must(f"open {name}")
    said = [json.loads(p.must("describe").text) for p in (made, opened)]
    return Segment(folder / f"goring.{name}"), made, opened, said


def exchange(peers, array: np.ndarray) -> None:
    """Write from each to the other; the bytes arrive, and Python sees them as NumPy would."""
    for writer, reader in (peers, reversed(peers)):
        writer.must("producer w")
        reader.must("consumer r")
        writer.must(f"write {array.tobytes().hex()}")
        reply = reader.must("read 1000")
        assert reply.data == array.tobytes()
        if reader.lang == "py":
            seen = json.loads(reader.must(f"view {reply.seq}").text)
            assert seen["values"] == repr(array.tolist())
            assert seen["shape"] == list(array.shape)
            assert (
                np.dtype(seen["dtype"] if array.dtype.names is None else eval(seen["dtype"]))
                == array.dtype
            )
        reader.must(f"release {reply.seq}")
        writer.must("leave")
        reader.must("leave")


@WAYS
@pytest.mark.parametrize("dtype", PLAIN + TIMES)
def test_array(crew, folder, new_name, maker_lang, other, dtype):
    for shape in SHAPES:
        recipe = {"kind": "array", "dtype": dtype, "shape": shape, "slots": 3}
        ring, *peers, said = make_and_open(crew, new_name, folder, maker_lang, other, recipe)
        want = {"kind": "array", "dtype": dtype, "shape": shape}
        assert [{k: s[k] for k in want} for s in said] == [want, want]
        array = values(np.dtype(dtype), shape)
        assert ring.sb["slot_bytes"] == array.nbytes
        exchange(peers, array)
        peers[0].must("unlink " + ring.path.name.removeprefix("goring."))
        ring.close()


@WAYS
@pytest.mark.parametrize("dtype", NAMED)
def test_dtypes_that_numpy_lacks(crew, folder, new_name, maker_lang, other, dtype):
    """By name; where ml_dtypes is not installed, Python sees raw integers."""
    recipe = {"kind": "array", "dtype": dtype, "shape": [4], "slots": 3}
    ring, *peers, said = make_and_open(crew, new_name, folder, maker_lang, other, recipe)
    assert [s["dtype"] for s in said] == [dtype, dtype]
    if ML_DTYPES:
        import ml_dtypes

        array = np.array([1.5, -2, 0, 4], getattr(ml_dtypes, dtype))
        exchange_bytes(peers, array.tobytes())
    else:
        exchange_bytes(peers, bytes(range(ring.sb["slot_bytes"])))
    ring.close()


def exchange_bytes(peers, data: bytes) -> None:
    for writer, reader in (peers, reversed(peers)):
        writer.must("producer w")
        reader.must("consumer r")
        writer.must(f"write {data.hex()}")
        reply = reader.must("read 1000")
        assert reply.data == data
        reader.must(f"release {reply.seq}")
        writer.must("leave")
        reader.must("leave")


#: itemsize, fields [name, dtype, offset, shape]
RECORDS = {
    "one field": (4, [["x", "<f4", 0, []]]),
    "padding": (32, [["a", "|u1", 0, []], ["b", "<f8", 8, []], ["c", "|i1", 17, []]]),
    "packed": (11, [["a", "|u1", 0, []], ["b", "<i8", 1, []], ["c", "<u2", 9, []]]),
    "sub-arrays": (64, [["a", "<i2", 0, [3]], ["b", "<f4", 8, [2, 3]], ["c", "|b1", 32, [2, 2]]]),
    "text": (16, [["a", "|S5", 0, []], ["b", "<U2", 8, []]]),
    "time": (40, [["c", "<M8[ns]", 16, []], ["d", "<m8[s]", 24, [2]]]),
    "out of order": (16, [["b", "<i8", 8, []], ["a", "<i4", 0, []]]),
    "odd names": (8, [["é€", "<i4", 0, []], ["a/b:c", "<i4", 4, []]]),
    "every scalar": (128, [[f"f{k}", d, 8 * k, []] for k, d in enumerate(PLAIN[:13])]),
}  # fmt: skip


def record_dtype(itemsize: int, fields: list) -> np.dtype:
    return np.dtype({
        "names": [f[0] for f in fields], "formats": [(f[1], tuple(f[3])) for f in fields],
        "offsets": [f[2] for f in fields], "itemsize": itemsize,
    })  # fmt: skip


def record_values(dtype: np.dtype, shape: list[int]) -> np.ndarray:
    array = np.zeros(shape, dtype)
    for name in dtype.names:
        array[name] = values(dtype[name].base, list(array[name].shape))
    return array


@WAYS
@pytest.mark.parametrize("title", RECORDS)
@pytest.mark.parametrize("shape", [[], [3], [2, 2]], ids=str)
def test_struct(crew, folder, new_name, maker_lang, other, title, shape):
    itemsize, fields = RECORDS[title]
    recipe = {"kind": "struct", "itemsize": itemsize, "fields": fields, "shape": shape, "slots": 3}
    ring, *peers, said = make_and_open(crew, new_name, folder, maker_lang, other, recipe)
    want = {k: recipe[k] for k in ("kind", "itemsize", "fields", "shape")}
    assert [{k: s[k] for k in want} for s in said] == [want, want]
    exchange(peers, record_values(record_dtype(itemsize, fields), shape))
    ring.close()


@WAYS
@pytest.mark.parametrize("kind", ["bytes", "tensor"])
def test_sizes_and_facts(crew, folder, new_name, maker_lang, other, kind):
    user = {"camera": "left", "gain": 1.5, "tags": ["a", "b"], "deep": {"n": -3, "none": None}}
    recipe = {"kind": kind, "max_bytes": 1000, "slots": 5, "producers": 2, "consumers": 3}
    recipe |= {"max_meta": 40, "timestamps": True, "inline": False, "user": user}
    ring, _, _, said = make_and_open(crew, new_name, folder, maker_lang, other, recipe)
    want = {"kind": kind, "max_bytes": 1000, "user": user}
    assert said == [want, want]
    fields = ("slots", "max_producers", "max_consumers", "max_meta", "options", "slot_bytes")
    assert [ring.sb[f] for f in fields] == [5, 2, 3, 48, 1, 1000]
    assert ring.sb["data_off"] % 65536 == 0
    ring.close()


#: Go's structs of gopeer/pod.go: the dtype as NumPy has it, and a value.
PODS = {
    "tick": (
        24,
        [["ts", "<i8", 0, []], ["price", "<f8", 8, []], ["size", "<u4", 16, []],
         ["flag", "|b1", 20, []]],
        {"ts": -(2**62), "price": 1.25, "size": 2**32 - 1, "flag": True},
    ),
    "mixed": (
        112,
        [["A", "|u1", 0, []], ["B", "<i2", 2, []], ["C", "<f4", 4, [3]], ["D", "<u8", 16, []],
         ["E", "<i4", 28, [2, 2]], ["F", "|u1", 44, [4]], ["G", "|i1", 48, []],
         ["H", "<u2", 50, []], ["I", "<f8", 56, [2, 3]], ["J", "|b1", 104, []]],
        {"A": 255, "B": -2, "C": [0.5, 1.5, -2.5], "D": 2**63, "E": [[1, -2], [3, -4]],
         "F": [1, 2, 3, 4], "G": -128, "H": 65535, "I": [[1, 2, 3], [4.5, 5.5, 6.5]], "J": True},
    ),
}  # fmt: skip


def as_record(dtype: np.dtype, value: dict) -> np.ndarray:
    array = np.zeros((), dtype)
    for name, v in value.items():
        array[name] = v
    return array


@pytest.mark.parametrize("title", PODS)
def test_go_struct_to_python(crew, folder, new_name, title):
    itemsize, fields, value = PODS[title]
    go, py, name = crew.get("go"), crew.get("py"), new_name()
    go.must(f"podcreate {name} {title}")
    py.must(f"open {name}")
    said = json.loads(py.must("describe").text)
    assert (said["itemsize"], said["fields"], said["shape"]) == (itemsize, fields, [])
    go.must("producer w")
    py.must("consumer r")
    go.must(f"podwrite {title} {compact(value)}")
    seq = py.must("read 1000").seq
    want = as_record(record_dtype(itemsize, fields), value)
    assert json.loads(py.must(f"view {seq}").text)["values"] == repr(want.tolist())


@pytest.mark.parametrize("title", PODS)
def test_python_record_to_go_struct(crew, folder, new_name, title):
    itemsize, fields, value = PODS[title]
    go, py, name = crew.get("go"), crew.get("py"), new_name()
    py.must(
        f"create {name} "
        + compact({"kind": "struct", "itemsize": itemsize, "fields": fields, "shape": []})
    )
    go.must(f"podopen {name} {title}")
    py.must("producer w")
    go.must("consumer r")
    py.must(f"write {as_record(record_dtype(itemsize, fields), value).tobytes().hex()}")
    assert json.loads(go.must(f"podread {title}").text) == value


#: The difference from tick, and the word that the refusal must name.
DIFFERENT = {
    "another name": (24, [["when", "<i8", 0, []], *PODS["tick"][1][1:]], "when"),
    "another dtype": (24, [["ts", "<u8", 0, []], *PODS["tick"][1][1:]], "ts"),
    "another offset": (32, [*PODS["tick"][1][:3], ["flag", "|b1", 24, []]], "flag"),
    "a field less": (24, PODS["tick"][1][:3], "flag"),
    "a field more": (24, [*PODS["tick"][1], ["x", "|u1", 21, []]], "x"),
    "another size": (32, PODS["tick"][1], "32"),
    "a shape": (24, [*PODS["tick"][1][:3], ["flag", "|b1", 20, [2]]], "flag"),
}  # fmt: skip


@pytest.mark.parametrize("title", DIFFERENT)
def test_a_struct_that_differs_is_refused_by_field(crew, new_name, title):
    itemsize, fields, word = DIFFERENT[title]
    go, py, name = crew.get("go"), crew.get("py"), new_name()
    py.must(
        f"create {name} "
        + compact({"kind": "struct", "itemsize": itemsize, "fields": fields, "shape": []})
    )
    reply = go.ask(f"podopen {name} tick")
    assert reply.error == "schema"
    assert word in reply.text
