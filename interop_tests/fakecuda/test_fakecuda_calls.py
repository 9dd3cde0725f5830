"""Entry points: contexts, devices, failures on order, dying devices, counters."""

from __future__ import annotations

import ctypes as C
import os
import signal
import threading
import time

import pytest
from driver import die, u64

# ---- which processes may call ------------------------------------------------------------------


def uninitialised(cu, pipe):
    assert cu.code_of_new("cuDeviceGetCount", kind=C.c_int) == 3
    assert cu.new("cuDriverGetVersion", kind=C.c_int) == 12090
    assert cu.code("cuInit", 1) == 1
    cu("cuInit", 0)
    assert cu.new("cuDeviceGetCount", kind=C.c_int) == 1
    assert cu.code_of_new("cuMemAlloc_v2", 4096) == 201


def test_nothing_works_before_init_nor_memory_without_a_context(stage):
    stage.play(uninitialised, context=False).done()


def of_another_thread(cu, pipe):
    codes = []

    def other():
        codes.append(cu.code_of_new("cuMemAlloc_v2", 4096))
        cu("cuCtxPushCurrent_v2", cu.context)
        codes.append(cu.code_of_new("cuMemAlloc_v2", 4096))
        cu("cuCtxPopCurrent_v2", None)
        codes.append(cu.code_of_new("cuMemAlloc_v2", 4096))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert codes == [201, 0, 201]
    assert cu.code("cuCtxPushCurrent_v2", 4096) == 201


def test_a_context_is_of_one_thread(stage):
    stage.play(of_another_thread).done()


def forks(cu, pipe):
    cu.new("cuDriverGetVersion", kind=C.c_int)
    before = os.fork()
    if not before:
        cu("cuInit", 0)
        os._exit(cu.new("cuDeviceGetCount", kind=C.c_int))
    assert os.waitstatus_to_exitcode(os.waitpid(before, 0)[1]) == 1
    pipe.send(before)
    cu("cuInit", 0)
    after = os.fork()
    if not after:
        codes = [cu.code("cuInit", 0), cu.code_of_new("cuDeviceGetCount", kind=C.c_int)]
        os._exit(3 if codes == [3, 3] else 9)
    assert os.waitstatus_to_exitcode(os.waitpid(after, 0)[1]) == 3
    assert cu.new("cuDeviceGetCount", kind=C.c_int) == 1


def test_a_forked_child_is_not_initialised(stage):
    parent = stage.play(forks, context=False)
    child = stage.counters(parent.recv())
    assert child == {"cuDriverGetVersion": 0, "cuInit": 1, "cuDeviceGetCount": 1}
    parent.done()
    assert stage.counters(parent.pid)["cuDriverGetVersion"] == 1


def calls_from_the_stream(cu, pipe):
    codes = []
    function = cu.host_function(lambda: codes.append(cu.code_of_new("cuMemAlloc_v2", 4096)))
    stream = cu.stream()
    cu("cuLaunchHostFunc", stream, function, None)
    cu("cuStreamSynchronize", stream)
    assert codes == [800]


def test_a_host_function_may_not_call(stage):
    stage.play(calls_from_the_stream).done()


# ---- devices ----------------------------------------------------------------------------------


def uuids(cu, pipe):
    code = cu.code("cuInit", 0)
    if code:
        return pipe.send(code)
    found = []
    for d in range(cu.new("cuDeviceGetCount", kind=C.c_int)):
        uuid = (C.c_ubyte * 16)()
        cu("cuDeviceGetUuid_v2", uuid, d)
        found.append(bytes(uuid))
    pipe.send(found)


def visible(stage, devices: int, names: str | None) -> list[bytes] | int:
    environment = {} if names is None else {"CUDA_VISIBLE_DEVICES": names}
    return stage.play(uuids, context=False, devices=devices, **environment).recv()


def test_devices_keep_their_uuid_in_any_order(stage):
    a, b, c = visible(stage, 3, None)
    assert len({a, b, c}) == 3
    assert visible(stage, 3, "2,0") == [c, a]
    assert visible(stage, 3, "1") == [b]
    assert visible(stage, 3, "1,7,2") == [b]  # the list ends at the first that is no device
    assert visible(stage, 3, "") == 100
    h = c.hex()
    name = f"GPU-{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"
    assert visible(stage, 3, f"{name},0") == [c, a]


def describes(cu, pipe):
    name = C.create_string_buffer(100)
    cu("cuDeviceGetName", name, 100, 0)
    assert name.value.startswith(b"fakecuda")
    assert cu.code_of_new("cuDeviceGet", 2, kind=C.c_int) == 101
    assert [cu.attribute(n) for n in (41, 91, 99, 103, 122, 125)] == [1, 0, 1, 1, 1, 1]


def attributes(cu, pipe, numbers):
    pipe.send([cu.attribute(n) for n in numbers])


def test_devices_describe_themselves(stage):
    stage.play(describes, devices=2).done()
    lying = stage.play(attributes, (103, 125, 18, 91), noattr="125;103", attr="18=1;91=1")
    assert lying.recv() == [0, 0, 1, 1]


def exports(cu, pipe):
    memory = cu.alloc(2 << 20)
    pipe.send(cu.handle(memory))
    pipe.recv()
    cu("cuMemFree_v2", memory)


def imports(cu, pipe, handle):
    pipe.send((cu.attribute(103), cu.attribute(125), cu.code_of_open(handle)))


@pytest.mark.parametrize(("like", "code"), [("wsl", 400), ("mig", 801), ("jetson", 1), ("", 0)])
def test_where_memory_cannot_be_shared_the_attributes_lie(stage, like, code):
    exporter = stage.play(exports)
    importer = stage.play(imports, exporter.recv(), like=like)
    assert importer.recv() == (1, 1, code)
    importer.done()
    exporter.send("closed")
    exporter.done()


# ---- names, counters, the end -----------------------------------------------------------------


def names(cu, pipe):
    text = C.c_char_p()
    cu("cuGetErrorName", 719, C.byref(text))
    assert text.value == b"CUDA_ERROR_LAUNCH_FAILED"
    cu("cuGetErrorString", 2, C.byref(text))
    assert text.value == b"out of memory"
    assert cu.code("cuGetErrorName", 12345, C.byref(text)) == 1
    entry, status = C.c_void_p(), C.c_int()
    find = cu.lib.cuGetProcAddress_v2
    find.argtypes = [C.c_char_p, C.c_void_p, C.c_int, u64, C.c_void_p]
    assert find(b"cuMemAlloc", C.byref(entry), 12090, 0, C.byref(status)) == 0
    assert entry.value == C.cast(cu.lib.cuMemAlloc_v2, C.c_void_p).value
    assert find(b"cuNothing", C.byref(entry), 12090, 0, C.byref(status)) == 500
    assert (entry.value, status.value) == (None, 1)


def test_names(stage):
    stage.play(names).done()


def copies(cu, pipe, kill):
    a, b = cu.alloc(4096), cu.alloc(4096)
    host, stream = C.create_string_buffer(1000), cu.stream()
    cu("cuMemcpyHtoD_v2", a, host, 1000)
    for _ in range(3):
        cu("cuMemcpyDtoDAsync_v2", b, a, 100, stream)
    cu("cuMemcpyDtoH_v2", host, b, 10)
    cu.lib.fakecuda_counter.restype = u64
    assert cu.lib.fakecuda_counter(b"cuMemcpyDtoDAsync_v2") == 3
    if kill:
        die()


@pytest.mark.parametrize("kill", [False, True])
def test_calls_and_bytes_are_counted(stage, kill):
    actor = stage.play(copies, kill)
    assert actor.wait() == (-signal.SIGKILL if kill else 0)
    counted = stage.counters(actor.pid)
    assert counted["cuMemAlloc_v2"] == 2
    assert counted["cuMemcpyDtoDAsync_v2"] == 3
    assert {k: n for k, n in counted.items() if k.startswith("bytes")} == {
        "bytes HtoD": 1000,
        "bytes DtoD": 300,
        "bytes DtoH": 10,
    }


def leaves_open(cu, pipe, tidy):
    memory, event, stream = cu.alloc(4096), cu.new("cuEventCreate", 0), cu.stream()
    if tidy:
        cu("cuMemFree_v2", memory)
        cu("cuEventDestroy_v2", event)
        cu("cuStreamDestroy_v2", stream)
        assert cu.code("cuEventDestroy_v2", event) == 400
        assert cu.code("cuStreamDestroy_v2", stream) == 400


def test_leaks_are_reported(stage):
    stage.play(leaves_open, True, leaks=1).done()
    assert stage.log() == ""
    stage.foresee(r"LEAK: allocations 1 imports 0 vmm 0 streams 1 events 1 pinned 0$")
    stage.play(leaves_open, False, leaks=1).done()


def waits_for_nothing(cu, pipe):
    cell, stream = cu.alloc(4096), cu.stream()
    cu.fill(cell, 0, 8)
    cu("cuStreamWaitValue64_v2", stream, cell, 1, 0)
    cu("cuStreamDestroy_v2", stream)  # returns at once
    time.sleep(0.2)
    pipe.send("waited")


def test_a_stream_that_waits_long_says_so(stage):
    stage.foresee("STUCK: a stream has waited 100 ms for a 64-bit value")
    assert stage.play(waits_for_nothing, stuck_ms=100).recv() == "waited"
