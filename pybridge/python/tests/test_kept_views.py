"""Views that are kept too long: valid data or an exception, never a signal.

Each runs in a separate interpreter with CPython's debug allocator, which must end cleanly.
"""

from __future__ import annotations

import textwrap

import pytest
from children import Run

SETUP = """
import contextlib, gc, sys, threading
import numpy as np
import goring
ring = goring.create(None, slots=4, dtype="i8", shape=1000)
out, inbox = ring.producer(), ring.consumer(timeout=10)
def fill(*numbers):
    for n in numbers:
        out.write(np.full(1000, n), timeout=10)
def close():
    global ring, out, inbox
    for thing in (out, inbox, ring):
        thing.close()
    ring = out = inbox = None
    gc.collect()
"""

PROGRAMS = {
    "used after close": """
        fill(1, 2)
        a, b = inbox.read().array, next(inbox)
        close()
        assert a.sum() == 1000 and b.sum() == 2000
    """,
    "only a part of it kept": """
        fill(1)
        part = next(inbox)[10:20].reshape(2, 5).T
        close()
        assert part.sum() == 10
    """,
    "a memoryview kept": """
        fill(1)
        view = memoryview(inbox.read().array)
        close()
        assert view[999] == 1
    """,
    "kept past the loop": """
        fill(1, 2, 3)
        ring.shutdown()
        kept = [frame for frame in inbox]
        assert [k[0] for k in kept] == [1, 2, 3] and ring.free == 1
        close()
        assert [k[0] for k in kept] == [1, 2, 3]
    """,
    "a batch kept": """
        fill(1, 2, 3)
        rows = inbox.read_batch(3)
        row = rows[2]
        del rows
        close()
        assert row.sum() == 3000
    """,
    "a message kept": """
        fill(1)
        message = inbox.read()
        close()
        assert message.array.sum() == 1000
        message.release()
    """,
    "dropped in another thread": """
        fill(1, 2, 3)
        views = [inbox.read().array, next(inbox), next(inbox)]
        def drop():
            while views:
                assert views.pop().sum() in (1000, 2000, 3000)
        thread = threading.Thread(target=drop)
        thread.start()
        thread.join()
        inbox.close()
        assert ring.free == 4
        close()
    """,
    "dropped in another thread after close": """
        fill(1, 2, 3)
        views = [inbox.read().array, next(inbox), inbox.read_batch(1)]
        close()
        def drop():
            while views:
                assert views.pop().sum() in (1000, 2000, 3000)
        thread = threading.Thread(target=drop)
        thread.start()
        thread.join()
    """,
    "in a cycle": """
        fill(1)
        class Node: pass
        node = Node()
        node.self, node.view = node, next(inbox)
        del node
        close()
        gc.collect()
    """,
    "kept to the end of the process": """
        fill(1, 2)
        sys.kept = [inbox.read().array, next(inbox), inbox, ring, out]
    """,
    "kept by a thread that outlives main": """
        fill(1)
        view = next(inbox)
        def later():
            import time
            time.sleep(0.2)
            assert view.sum() == 1000
        threading.Thread(target=later).start()
        close()
    """,
    "a slot kept": """
        slot = out.reserve()
        array = slot.array
        close()
        del slot
        gc.collect()
        assert array.shape == (1000,)
    """,
    "shape changed in place": """
        for n in (1, 2, 3, 4):
            fill(n)
            frame = next(inbox)
            assert frame.shape == (1000,) and frame[0] == n
            with contextlib.suppress(AttributeError, DeprecationWarning):
                frame.shape = (10, 100)
            del frame
        for n in range(5, 13):
            fill(n)
            frame = next(inbox)
            assert frame.shape == (1000,) and frame[0] == n
        close()
    """,
    "the ring collected before its consumer": """
        fill(1)
        del ring, out
        gc.collect()
        assert inbox.read().array.sum() == 1000
        del inbox
    """,
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_view(run: Run, program: str) -> None:
    done = run(SETUP + textwrap.dedent(program))
    assert (done.returncode, done.stderr) == (0, "")
