"""Signals: Ctrl-C ends every wait at once, and Python's other handlers go on."""

from __future__ import annotations

import signal
import time

import pytest
from children import Run, Start

WAITS = {
    "read": "inbox.read()",
    "a message": "next(inbox.messages())",
    "a frame": "next(inbox)",
    "a batch": "inbox.read_batch(5)",
    "wait": "inbox.wait()",
    "write": "out.write(b'x')",
    "reserve": "out.reserve()",
    "spinning": "ring.consumer(wait='spin').read()",
    "parked": "ring.consumer(wait='park').read()",
    "async for": "asyncio.run(first())",
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_ctrl_c_ends_a_wait(start: Start, wait: str) -> None:
    child = start(
        f"""
        import asyncio, sys, goring
        ring = goring.create(None, slots=2, max_bytes=8, consumers=2)
        full = goring.create(None, slots=2, max_bytes=8)
        inbox, out = ring.consumer(), full.producer()
        for _ in range(2):
            out.write(b"x")
        async def first():
            async for frame in inbox:
                pass
        print("ready", flush=True)
        try:
            {wait}
        except KeyboardInterrupt:
            out.close(), inbox.close()
            assert ring.free == 2 and full.free == 0
            sys.exit(42)
        """
    )
    time.sleep(0.3)
    assert child.poll() is None
    child.send_signal(signal.SIGINT)
    begin = time.monotonic()
    _, errors = child.communicate(timeout=30)
    assert (child.returncode, errors) == (42, "")
    assert time.monotonic() - begin < 10


def test_a_handler_runs_while_one_waits_and_the_wait_goes_on(start: Start) -> None:
    child = start(
        """
        import goring, signal, sys
        ring = goring.create(None, slots=2, max_bytes=8)
        inbox, out = ring.consumer(), ring.producer()
        seen = []
        def handler(number, frame):
            seen.append(number)
            if len(seen) == 3:
                out.write(b"x")
        signal.signal(signal.SIGUSR1, handler)
        print("ready", flush=True)
        assert bytes(inbox.read(timeout=30).data) == b"x"
        assert len(seen) == 3, seen
        """
    )
    for _ in range(3):
        time.sleep(0.1)
        child.send_signal(signal.SIGUSR1)
    _, errors = child.communicate(timeout=30)
    assert (child.returncode, errors) == (0, "")


def test_the_runtime_leaves_pythons_signals_alone(run: Run) -> None:
    done = run(
        """
        import os, signal, goring
        handlers = lambda: [signal.getsignal(n) for n in signal.valid_signals()]
        before = handlers()
        goring.create(None, slots=2, max_bytes=8)
        assert before == handlers()
        r, w = os.pipe()
        os.close(r)
        try:
            os.write(w, b"x")
        except BrokenPipeError:
            print("broken pipe", flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
        """
    )
    assert (done.stdout, done.stderr, done.returncode) == ("broken pipe\n", "", -signal.SIGTERM)
