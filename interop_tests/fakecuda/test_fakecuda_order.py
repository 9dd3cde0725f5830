"""Streams, events and values in memory: a missing wait must show.

Every protocol that is right is run beside the same one with a wait left out.
"""

from __future__ import annotations

import ctypes as C
import mmap
import time

import pytest
from driver import Handle

FRAME = 1 << 16
FRAMES = 20


def cell(m: mmap.mmap, at: int) -> int:
    return int.from_bytes(m[at : at + 8], "little")


def put(m: mmap.mmap, at: int, value: int) -> None:
    m[at : at + 8] = value.to_bytes(8, "little")


def until(condition) -> None:
    while not condition():
        time.sleep(1e-5)


def shared(folder) -> str:
    path = folder / "host"
    path.write_bytes(bytes(4096))
    return str(path)


def mapped(path: str) -> mmap.mmap:
    with open(path, "r+b") as f:
        return mmap.mmap(f.fileno(), 4096)


# ---- a ring of one frame with an event of each side -------------------------------------------


def event_producer(cu, pipe, path):
    """Frame i is all i; the host says that its copy is queued, the event when it is done."""
    m, memory, stream = mapped(path), cu.alloc(FRAME), cu.stream()
    written = cu.new("cuEventCreate", 6)
    source = cu.pinned(FRAME)
    pipe.send((cu.handle(memory), cu.handle(written, "cuIpcGetEventHandle")))
    for i in range(1, FRAMES + 1):
        until(lambda i=i: cell(m, 8) == i - 1)
        cu("cuStreamSynchronize", stream)
        C.memset(source, i, FRAME)
        cu("cuMemcpyHtoDAsync_v2", memory, source, FRAME, stream)
        cu("cuEventRecord", written, stream)
        put(m, 0, i)
    pipe.recv()
    cu("cuEventDestroy_v2", written)
    cu("cuMemFree_v2", memory)


def event_consumer(cu, pipe, path, handles, waits):
    m, memory, stream = mapped(path), cu.open(handles[0]), cu.stream()
    written = cu.new("cuIpcOpenEventHandle", Handle.from_buffer_copy(handles[1]))
    target = cu.pinned(FRAME)
    wrong = 0
    for i in range(1, FRAMES + 1):
        until(lambda i=i: cell(m, 0) == i)
        if waits:
            cu("cuStreamWaitEvent", stream, written, 0)
        cu("cuMemcpyDtoHAsync_v2", target, memory, FRAME, stream)
        cu("cuStreamSynchronize", stream)
        wrong += C.string_at(target, FRAME) != bytes([i]) * FRAME
        put(m, 8, i)
    cu("cuIpcCloseMemHandle", memory)
    pipe.send(wrong)


@pytest.mark.parametrize("order", ["soon", "late"])
@pytest.mark.parametrize("waits", [True, False])
def test_events_order_frames(stage, order, waits):
    path = shared(stage.folder)
    producer = stage.play(event_producer, path, order=order)
    consumer = stage.play(event_consumer, path, producer.recv(), waits, order=order)
    wrong = consumer.recv()
    consumer.done()
    producer.send("closed")
    producer.done()
    print(f"{wrong} of {FRAMES} frames wrong")
    assert wrong == 0 if waits else wrong > FRAMES // 2


# ---- a ring of four slots, ordered by cells of device memory ------------------------------------

SLOTS, MESSAGES, PAYLOAD = 4, 200, 8192
UNREAD = 2 * SLOTS  # messages that the consumer takes before it reads any
READY, DONE = 0, 8  # of slot k at 16 k; the payloads begin at 4096


def ring_producer(cu, pipe, path, waits):
    m, memory, stream = mapped(path), cu.alloc(4096 + SLOTS * PAYLOAD), cu.stream()
    cu.fill(memory, 0, 4096)
    sources = [cu.pinned(PAYLOAD) for _ in range(SLOTS)]
    pipe.send(cu.handle(memory))
    for i in range(MESSAGES):
        k = i % SLOTS
        until(lambda i=i: i - cell(m, 8) < SLOTS)
        if k == 0:
            cu("cuStreamSynchronize", stream)  # the pinned sources are about to be written
        C.memset(sources[k], i % 251 + 1, PAYLOAD)
        if waits and i >= SLOTS:
            cu("cuStreamWaitValue64_v2", stream, memory + 16 * k + DONE, i - SLOTS + 1, 0)
        cu("cuMemcpyHtoDAsync_v2", memory + 4096 + k * PAYLOAD, sources[k], PAYLOAD, stream)
        cu("cuStreamWriteValue64_v2", stream, memory + 16 * k + READY, i + 1, 0)
        put(m, 0, i + 1)
    pipe.recv()
    cu("cuStreamSynchronize", stream)
    cu("cuMemFree_v2", memory)


def ring_consumer(cu, pipe, path, handle, waits):
    """Hands slots back on the host while the device still reads them, as a ring does."""
    m, memory, stream = mapped(path), cu.open(handle), cu.stream()
    targets = [cu.pinned(PAYLOAD) for _ in range(UNREAD)]
    wrong = 0
    for i in range(MESSAGES):
        k = i % SLOTS
        until(lambda i=i: cell(m, 0) > i)
        if waits:
            cu("cuStreamWaitValue64_v2", stream, memory + 16 * k + READY, i + 1, 0)
        target = targets[i % UNREAD]
        cu("cuMemcpyDtoHAsync_v2", target, memory + 4096 + k * PAYLOAD, PAYLOAD, stream)
        cu("cuStreamWriteValue64_v2", stream, memory + 16 * k + DONE, i + 1, 0)
        put(m, 8, i + 1)
        if i % UNREAD == UNREAD - 1:
            cu("cuStreamSynchronize", stream)
            wrong += sum(
                C.string_at(targets[j % UNREAD], PAYLOAD) != bytes([j % 251 + 1]) * PAYLOAD
                for j in range(i - UNREAD + 1, i + 1)
            )
    cu("cuIpcCloseMemHandle", memory)
    pipe.send(wrong)


#: of the producer and of the consumer
ORDERS = {
    "soon": ("soon", "soon"),
    "late": ("late", "late"),
    "mixed": ("mixed", "mixed"),
    "late writes": ("late", "soon"),
    "late reads": ("soon", "late"),
}


def run_ring(stage, orders, left_out: str = "nothing") -> int:
    path = shared(stage.folder)
    producer = stage.play(ring_producer, path, left_out != "done", order=orders[0])
    ready = left_out != "ready"
    consumer = stage.play(ring_consumer, path, producer.recv(), ready, order=orders[1])
    wrong = consumer.recv()
    consumer.done()
    producer.send("closed")
    producer.done()
    copied = stage.counters(producer.pid), stage.counters(consumer.pid)
    assert [c.get("bytes HtoD", 0) for c in copied] == [MESSAGES * PAYLOAD, 0]
    assert [c.get("bytes DtoH", 0) for c in copied] == [0, MESSAGES * PAYLOAD]
    print(f"{wrong} of {MESSAGES} messages wrong")
    return wrong


@pytest.mark.parametrize("orders", ORDERS.values(), ids=ORDERS)
def test_values_order_a_ring(stage, orders):
    assert run_ring(stage, orders) == 0


@pytest.mark.parametrize(
    ("left_out", "order"),
    [("ready", "soon"), ("ready", "late writes"), ("done", "soon"), ("done", "late reads")],
)
def test_a_wait_left_out_shows(stage, left_out, order):
    assert run_ring(stage, ORDERS[order], left_out) > MESSAGES // 10
