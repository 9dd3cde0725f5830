"""A participant of a ring that a test drives line by line, through goring's public API.

The language is described in peers.py; full speed is in pystress.py.
"""

from __future__ import annotations

import json
import socket
import sys
from typing import Any

import msgspec
import numpy as np
import pychaos
import pystress
from pyrefusals import refusal

import goring

#: dtypes of the tensor codes; the last three only where ml_dtypes is installed.
CODES = dict(enumerate("?,i1,u1,i2,u2,i4,u4,i8,u8,f2,f4,f8,c8,c16".split(","), start=1))
try:
    import ml_dtypes
except ImportError:
    pass
else:
    CODES |= {15: ml_dtypes.bfloat16, 16: ml_dtypes.float8_e4m3fn, 17: ml_dtypes.float8_e5m2}
CODES = {code: np.dtype(d) for code, d in CODES.items()}


def unhex(text: str) -> bytes:
    return b"" if text == "-" else bytes.fromhex(text)


def hexed(data: Any) -> str:
    return bytes(data).hex() or "-"


class Options(dict):
    """The key=value words of a command."""

    def __init__(self, words: list[str]) -> None:
        super().__init__(w.split("=", 1) for w in words if "=" in w)

    def number(self, key: str, default: int = 0) -> int:
        return int(self.get(key, default))


class Peer:
    """The state between commands. Each command is a method of its name."""

    def __init__(self) -> None:
        self.ring: goring.Ring | None = None
        self.forget()

    def forget(self) -> None:
        self.producer: goring.Producer | None = None
        self.consumer: goring.Consumer | None = None
        self.slot: goring.Slot | None = None
        self.lent: dict[int, goring.Message] = {}  # also those given back: misuse is tried on them
        self.batch: Any = None

    # -- rings

    def open(self, name: str) -> str:
        return self.use(goring.open(name))

    def make(self, *words: str) -> str:
        return pychaos.make(self.ring, self.producer, Options(list(words)))

    def take(self, *words: str) -> str:
        return pychaos.take(self.ring, self.consumer, Options(list(words)))

    def send(self, fd: str) -> None:
        with socket.socket(fileno=int(fd)) as sock:
            self.ring.send(sock)

    def receive(self, fd: str) -> str:
        with socket.socket(fileno=int(fd)) as sock:
            return self.use(goring.receive(sock))

    def openfd(self, fd: str) -> str:
        return self.use(goring.open(fd=int(fd)))

    def use(self, ring: goring.Ring) -> str:
        self.close()
        self.ring = ring
        return f"kind={ring.kind} slots={ring.slots} slot_bytes={ring.info.slot_bytes}"

    def create(self, name: str, text: str) -> str:
        recipe = json.loads(text)
        kind, inline = recipe.pop("kind"), recipe.pop("inline", None)
        if kind == "struct":
            recipe["dtype"] = record(recipe.pop("fields"), recipe.pop("itemsize"))
        if inline is not None:
            recipe["placement"] = "inline" if inline else "separate"
        if "shape" in recipe:
            recipe["shape"] = tuple(recipe["shape"])
        return self.use(goring.create(name, kind=kind, **recipe))

    def describe(self) -> str:
        info = self.ring.info
        out: dict[str, Any] = {"kind": info.kind, "user": info.user}
        if info.kind in ("bytes", "tensor"):
            out["max_bytes"] = info.slot_bytes
        elif info.kind == "array":
            out |= {"dtype": info.dtype_name, "shape": info.shape}
        else:
            out |= {"itemsize": info.dtype.itemsize, "shape": info.shape}
            out["fields"] = fields(info.dtype)
        return json.dumps(out, separators=(",", ":"))

    def unlink(self, name: str) -> None:
        goring.unlink(name)

    def shutdown(self) -> None:
        self.ring.shutdown()

    def close(self) -> None:
        if self.ring is not None:
            self.leave()
            self.ring.close()
            self.ring = None

    # -- seats

    def do_producer(self, *words: str) -> str:
        self.producer = self.ring.producer(**seating(words))
        return f"seat={self.producer.seat}"

    def do_consumer(self, *words: str) -> str:
        self.consumer = self.ring.consumer(**seating(words))
        return f"seat={self.consumer.seat}"

    def leave(self) -> None:
        """Requeue the held messages: dropping one would release it."""
        for message in self.lent.values():
            try:
                message.requeue()
            except goring.Closed:
                continue  # given back before
        if self.producer is not None:
            self.producer.close()
        if self.consumer is not None:
            self.consumer.close()
        self.forget()

    # -- producing

    def reserve(self) -> str:
        self.slot = self.producer.reserve(timeout=0)
        return f"seq={self.slot.seq}"

    def commit(self, data: str, *words: str) -> None:
        raw, options = unhex(data), Options(words)
        if self.ring.kind == "bytes":
            self.slot.data[: len(raw)] = raw
        else:
            self.slot.array[...] = self.item(raw)
        self.slot.tag = options.number("tag")
        if "meta" in options:
            self.slot.meta = decoded(options["meta"])
        self.slot.commit(len(raw))

    def abort(self) -> None:
        self.slot.abort()

    def item(self, raw: bytes, tensor: str = "") -> Any:
        """Return raw as an item of the ring."""
        if self.ring.kind == "bytes":
            return raw
        if self.ring.kind == "tensor":
            code, _, dims = tensor.partition(":")
            shape = tuple(int(d) for d in dims.split("x") if d)
            return np.frombuffer(raw, CODES[int(code)]).reshape(shape)
        return np.frombuffer(raw, self.ring.dtype).reshape(self.ring.shape)

    def arguments(self, data: str, words: tuple[str, ...]) -> tuple[Any, dict[str, Any]]:
        options = Options(list(words))
        keywords: dict[str, Any] = {"tag": options.number("tag")}
        if "meta" in options:
            keywords["meta"] = decoded(options["meta"])
        return self.item(unhex(data), options.get("tensor", "")), keywords

    def write(self, data: str, *words: str) -> None:
        item, keywords = self.arguments(data, words)
        if not self.producer.try_write(item, **keywords):
            raise goring.Full("no slot is free")

    def put(self, ms: str, data: str, *words: str) -> None:
        item, keywords = self.arguments(data, words)
        self.producer.write(item, int(ms) / 1000, **keywords)

    def writebatch(self, *rows: str) -> str:
        items = np.stack([self.item(unhex(row)) for row in rows])
        return f"n={self.producer.write_batch(items, timeout=1)}"

    # -- consuming

    def tryread(self) -> str:
        message = self.consumer.try_read()
        if message is None:
            raise goring.Empty("nothing there")
        return self.lend(message)

    def read(self, ms: str) -> str:
        return self.lend(self.consumer.read(int(ms) / 1000))

    def latest(self, ms: str) -> str:
        return self.lend(self.consumer.latest(int(ms) / 1000))

    def lost(self) -> str:
        return f"lost={self.consumer.lost}"

    def lend(self, m: goring.Message) -> str:
        """Keep the message and print it. One that cannot be viewed is released."""
        try:
            array = m.array
        except goring.CorruptError:
            m.release()
            raise
        self.lent[m.seq] = m
        tensor = ""
        if self.ring.kind == "tensor":
            code = next(c for c, d in CODES.items() if d == array.dtype)
            tensor = f" tensor={code}:{'x'.join(map(str, array.shape))}"
        meta = "-" if m.raw_meta is None else m.raw_meta.hex()
        try:
            _ = m.meta
        except goring.CorruptError:
            meta = "!"
        data = hexed(array if self.ring.kind == "bytes" else array.tobytes())
        return (
            f"seq={m.seq} data={data} tag={m.tag} meta={meta} "
            f"again={m.redelivered} ts={m.timestamp_ns}{tensor}"
        )

    def view(self, seq: str) -> str:
        """A held message as NumPy has it: dtype, shape and values."""
        array = self.lent[int(seq)].array
        out = {"dtype": str(array.dtype), "shape": array.shape, "values": repr(array.tolist())}
        return json.dumps(out, separators=(",", ":"))

    def iterate(self, count: str) -> str:
        """The loop of a worker: one view at a time, until count of them have come."""
        n = 0
        for _frame in self.consumer:
            n += 1
            if n == int(count):
                break
        return f"n={n}"

    def release(self, seq: str) -> None:
        self.lent[int(seq)].release()

    def requeue(self, seq: str) -> None:
        self.lent[int(seq)].requeue()

    def readbatch(self, limit: str) -> str:
        """The number of a batch's first message is not Python's to know: it is left out."""
        self.batch = self.consumer.read_batch(int(limit), timeout=0.001)
        rows = ",".join(hexed(np.asarray(row).tobytes()) for row in self.batch)
        return f"n={len(self.batch)} data={rows}"

    def releasebatch(self) -> None:
        self.batch = None

    # -- full speed

    def produce(self, *words: str) -> str:
        return pystress.produce(self.ring, self.producer, Options(list(words)))

    def consume(self, *words: str) -> str:
        reply, self.lent = pystress.consume(self.ring, self.consumer, Options(list(words)))
        return reply


def seating(words: tuple[str, ...]) -> dict[str, str]:
    """[AS] [death=raise]"""
    names = [word for word in words if word != "death=raise"]
    reaction = "wait" if len(names) == len(words) else "raise"
    return {"name": (*names, "pypeer")[0], "on_peer_death": reaction}


def decoded(text: str) -> Any:
    """Metadata given as msgpack: Python's API takes the value."""
    return msgspec.msgpack.decode(unhex(text))


def record(description: list[Any], itemsize: int) -> np.dtype[Any]:
    names, formats, offsets, shapes = zip(*description, strict=True)
    pairs = [(f, tuple(s)) for f, s in zip(formats, shapes, strict=True)]
    spec = {"names": names, "formats": pairs, "offsets": offsets, "itemsize": itemsize}
    return np.dtype(spec)


def fields(dtype: np.dtype[Any]) -> list[Any]:
    out = []
    for name in dtype.names:
        field, offset = dtype.fields[name][:2]
        out.append([name, field.base.str, offset, list(field.shape)])
    return out


def main() -> None:
    peer = Peer()
    for line in sys.stdin:
        command, *words = line.split()
        method = getattr(peer, f"do_{command}", None) or getattr(peer, command)
        try:
            reply = method(*words)
        except Exception as error:
            print(refusal(error, command), flush=True)
        else:
            print(f"ok {reply or ''}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
