"""Functions that the pool's tests run."""

import asyncio
import os
import signal
import sys
import time

import numpy as np

import goring


def echo(x):
    return x


def with_meta(x, meta):
    return {"meta": meta, "size": len(x)}


def shout(x):
    print("hello from", bytes(x).decode())
    print("and on stderr", file=sys.stderr)
    return bytes(x).upper()


def kinds(x):
    return {
        b"array": np.arange(6, dtype="f4").reshape(2, 3),
        b"strided": np.arange(12, dtype="i8").reshape(3, 4)[:, ::2],
        b"scalar array": np.full((), 2.5),
        b"empty array": np.empty((0, 3), "u2"),
        b"bytes": b"\x00\x01",
        b"empty": b"",
        b"none": None,
        b"number": 7,
        b"numpy number": np.int32(8),
        b"text": "größe",
        b"list": [1, [2.5, "x"], {"k": None}],
        b"object": object(),
        b"object array": np.array([object()]),
        b"large": np.zeros(1 << 20),
        b"big endian": np.arange(3, dtype=">i4"),
        b"huge": 1 << 70,
        b"half a letter": "\udc80",
        b"own key": {object(): 1},
    }[bytes(x)]


def fail(x):
    if bytes(x) == b"exit":
        sys.exit(3)
    raise ValueError(f"cannot do {bytes(x).decode()}")


def die(x):
    """Kill -9 for what begins with "kill", else the process id."""
    if bytes(x).startswith(b"kill"):
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def slow(x):
    time.sleep(float(bytes(x)))
    return os.getpid()


def pid(x):
    return os.getpid()


def hog(x):
    hog.kept.append(np.ones(4 << 20))  # 32 MiB
    return os.getpid()


hog.kept = []


executed = None


def noted(x):
    """Notes each execution in a file before it answers; the test kills this process at random."""
    global executed
    if executed is None:
        executed = os.open(os.environ["EXECUTED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(executed, b"%s %d\n" % (bytes(x), os.getpid()))
    return x


@goring.worker(batch=8, wait=0.02, dtype="f4", shape=(3,))
def sums(rows):
    assert rows.ndim == 2
    return [{"sum": float(row.sum()), "n": len(rows)} for row in rows]


@goring.worker(batch=8, wait=0.05)
def pieces(texts, metas):
    if any(bytes(t) == b"bad" for t in texts) and len(texts) > 1:
        raise RuntimeError("one of them is bad")
    if bytes(texts[0]) == b"bad":
        raise ValueError("this one")
    return [[bytes(t).decode(), m, len(texts)] for t, m in zip(texts, metas, strict=True)]


@goring.worker(batch=4)
def short(texts):
    return [1]


async def nap(x):
    await asyncio.sleep(float(bytes(x)))
    return os.getpid()


def counted(requests):
    for n, x in enumerate(requests, start=1):
        if bytes(x) == b"bad":
            raise ValueError("bad")
        yield [n, bytes(x).decode()]


def wrong_signature(a, b, c):
    return a


not_a_function = 3
