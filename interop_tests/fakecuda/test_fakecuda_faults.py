"""Failures on request, dying devices, and cases that a driver leaves undefined."""

from __future__ import annotations

import os
import signal

import pytest
from driver import Handle, Refused

# ---- failures on order ------------------------------------------------------------------------


def fails(cu, pipe):
    event = cu.new("cuEventCreate", 2)
    cu("cuEventRecord", event, None)
    with pytest.raises(Refused) as refused:
        cu("cuEventRecord", event, None)
    assert refused.value.args == ("cuEventRecord", 719)
    pipe.send([cu.code("cuEventRecord", event, None), cu.code("cuEventQuery", event)])


@pytest.mark.parametrize("sticky", [0, 1])
def test_the_nth_call_fails(stage, sticky):
    codes = stage.play(fails, fail="cuEventRecord:2:719", sticky=sticky).recv()
    assert codes == [719, 719] if sticky else codes[0] == 0


def always_fails(cu, pipe):
    pipe.send([cu.code_of_new("cuMemAlloc_v2", 4096) for _ in range(3)])


def test_every_call_fails(stage):
    fail = "cuInit:7:999;cuMemAlloc_v2:0:2"
    assert stage.play(always_fails, fail=fail).recv() == [2, 2, 2]


def works_until_dead(cu, pipe):
    done = 0
    while not (code := cu.code_of_new("cuMemAlloc_v2", 4096)):
        done += 1
    pipe.send((done, code, cu.code("cuCtxSynchronize")))


def test_a_device_dies_after_so_many_calls(stage):
    # cuInit, the context twice, then 7 allocations
    assert stage.play(works_until_dead, die="calls:10:700").recv() == (7, 700, 700)


def dies_with_work(cu, pipe, delivers):
    """Work on a dead device does not happen, and waits for it fail."""
    cell, stream = cu.alloc(2 << 20), cu.stream()
    cu.fill(cell, 0, 64)
    pipe.send(cu.handle(cell))
    cu("cuStreamWaitValue64_v2", stream, cell + 8, 1, 0)
    cu("cuStreamWriteValue64_v2", stream, cell, 1, 0)
    if delivers:
        cu("cuMemsetD8Async", cell + 8, 1, 1, cu.stream())
    else:
        os.kill(os.getpid(), signal.SIGUSR2)
    pipe.send(cu.code("cuStreamSynchronize", stream))
    pipe.recv()


def reads(cu, pipe, handle):
    memory = cu.open(handle)
    pipe.recv()
    pipe.send(cu.read(memory, 1))
    cu("cuIpcCloseMemHandle", memory)


@pytest.mark.parametrize("delivers", [False, True])
def test_a_device_dies_by_a_signal(stage, delivers):
    dying = stage.play(dies_with_work, delivers, die=f"signal:{signal.SIGUSR2.value}")
    other = stage.play(reads, dying.recv())
    assert dying.recv() == (0 if delivers else 719)
    other.send("now")
    assert other.recv() == (b"\1" if delivers else b"\0")  # and its own device lives
    other.done()
    dying.send("end")
    dying.done()


# ---- lives that end in the wrong order -------------------------------------------------------


def frees_too_early(cu, pipe):
    memory = cu.alloc(4096)
    pipe.send(cu.handle(memory))
    pipe.recv()
    cu("cuMemFree_v2", memory)


def holds(cu, pipe, handle):
    memory = cu.open(handle)
    pipe.send("open")
    pipe.recv()
    pipe.send(cu.read(memory, 2))
    cu("cuIpcCloseMemHandle", memory)


@pytest.mark.parametrize("abort", [0, 1])
def test_free_before_close_is_undefined(stage, abort):
    stage.foresee("UB: cuMemFree of an exported allocation with 1 import")
    exporter = stage.play(frees_too_early, abort=abort)
    importer = stage.play(holds, exporter.recv())
    importer.recv()
    exporter.send("free")
    assert exporter.wait() == (-signal.SIGABRT if abort else 0)
    importer.send("read")
    assert importer.recv() == (b"\xcd\xcd" if abort else b"\xdd\xdd")
    importer.done()


def events_of_two(cu, pipe):
    event = cu.new("cuEventCreate", 6)
    handle = cu.handle(event, "cuIpcGetEventHandle")
    opened = Handle.from_buffer_copy(handle)
    assert cu.code_of_new("cuIpcOpenEventHandle", opened) == 201
    assert cu.code_of_new("cuEventCreate", 4) == 1  # interprocess wants no timing
    cu("cuEventSynchronize", event)  # never recorded: nothing to wait for
    assert cu.code("cuEventQuery", event) == 0
    pipe.send(handle)
    pipe.recv()
    cu("cuEventDestroy_v2", event)
    pipe.send("destroyed")
    pipe.recv()


def uses_event(cu, pipe, handle):
    event = cu.new("cuIpcOpenEventHandle", Handle.from_buffer_copy(handle))
    cu("cuStreamWaitEvent", cu.stream(), event, 0)
    pipe.send("open")
    pipe.recv()
    pipe.send(cu.code("cuStreamWaitEvent", cu.stream(), event, 0))


def test_events_between_processes(stage):
    stage.foresee("UB: cuStreamWaitEvent on an event whose exporter destroyed it")
    exporter = stage.play(events_of_two)
    importer = stage.play(uses_event, exporter.recv())
    importer.recv()
    exporter.send("destroy")
    exporter.recv()
    importer.send("wait")
    assert importer.recv() == 400
    exporter.send("end")
    exporter.done()
    importer.done()
