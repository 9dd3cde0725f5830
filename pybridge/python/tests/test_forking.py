"""fork, spawn, and the moment at which the library is loaded."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from children import Run

FORK = """
import os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads, from 3.12 on
import numpy as np
import goring

def in_child(body):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            body()
            code = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0

def refused(*uses):
    for use in uses:
        try:
            use()
        except goring.ForkError as e:
            assert "fork" in str(e) and ("spawn" in str(e) or "inside the child" in str(e)), e
        else:
            raise AssertionError(use)
"""


def check(run: Run, program: str) -> None:
    done = run(FORK + textwrap.dedent(program))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_child_of_a_loaded_parent_is_told_so(run: Run) -> None:
    check(
        run,
        """
        ring = goring.create("r", slots=4, max_bytes=8)
        out, inbox = ring.producer(), ring.consumer()
        out.write(b"one")
        message = inbox.read()
        def child():
            refused(
                lambda: goring.create("other", max_bytes=8), lambda: goring.open("r"), goring.list,
                ring.stats, ring.producer, ring.consumer, ring.shutdown, ring.unlink,
                lambda: out.write(b"x"), lambda: out.try_write(b"x"), out.reserve, out.writable,
                inbox.read, inbox.try_read, inbox.wait, lambda: inbox.read_batch(1),
                lambda: next(inbox), lambda: next(inbox.messages()),
            )
            assert bytes(message.data) == b"one"
            repr(ring), repr(out), repr(inbox)
            for thing in (message.release, out.close, inbox.close, ring.close):
                thing()
        in_child(child)
        assert ring.free == 3, "the child released the parent's message"
        assert [p.alive for p in ring.stats().participants] == [True, True]
        out.write(b"two")
        message.release()
        assert bytes(inbox.read(5).data) == b"two"
        ring.unlink()
        """,
    )


def test_a_child_does_not_settle_the_parents_frames(run: Run) -> None:
    check(
        run,
        """
        ring = goring.create(None, slots=4, dtype="i8", shape=8)
        out, inbox = ring.producer(), ring.consumer()
        for n in range(4):
            out.write(np.full(8, n))
        frames = [next(inbox), next(inbox)]
        def child():
            global frames, inbox, out
            assert [f[0] for f in frames] == [0, 1]
            frames = inbox = out = None
            import gc
            gc.collect()
        in_child(child)
        assert ring.free == 0
        assert [f[0] for f in frames] == [0, 1]
        """,
    )


def test_a_child_that_lives_on_does_not_hold_its_parents_seat(run: Run, ring_folder: Path) -> None:
    check(
        run,
        """
        import subprocess, time
        ring = goring.create("r", slots=4, max_bytes=8)
        code = '''
import os, time, warnings, goring
warnings.simplefilter("ignore", DeprecationWarning)
out = goring.open("r").producer(name="the dead")
pid = os.fork()
if pid == 0:
    os.setsid()
    time.sleep(30)
    os._exit(0)
print(pid, flush=True)
os.kill(os.getpid(), 9)
'''
        dead = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        orphan = int(dead.stdout.readline())
        dead.communicate()
        try:
            assert [p.alive for p in ring.stats().participants] == [False]
            ring.producer().close()
        finally:
            os.kill(orphan, 9)
        """,
    )


def test_a_child_of_a_parent_that_only_imported_works(run: Run) -> None:
    check(
        run,
        """
        import multiprocessing
        def child():
            with goring.create(None, slots=2, max_bytes=8) as ring:
                with ring.producer() as out, ring.consumer() as inbox:
                    out.write(b"x")
                    assert bytes(inbox.read(5).data) == b"x"
        in_child(child)
        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        process.join(30)
        assert process.exitcode == 0
        child()
        """,
    )


WORKER = """
import sys
import numpy as np
import goring

def square(name, answers):
    with goring.open(name) as ring, goring.open(answers) as results:
        with ring.consumer() as inbox, results.producer() as out:
            for message in inbox.messages():
                out.write(message.array**2, timeout=30)

if __name__ == "__main__":
    import multiprocessing
    context = multiprocessing.get_context(sys.argv[1])
    ring = goring.create("in", slots=4, dtype="i8", consumers=2)
    answers = goring.create("out", slots=64, dtype="i8", producers=2)
    workers = [context.Process(target=square, args=("in", "out")) for _ in range(2)]
    for worker in workers:
        worker.start()
    with ring.producer() as out, answers.consumer(timeout=30) as inbox:
        for n in range(50):
            out.write(np.int64(n), timeout=30)
        ring.shutdown()
        assert sorted(int(next(inbox)) for _ in range(50)) == [n * n for n in range(50)]
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_by_other_start_methods(tmp_path: Path, method: str) -> None:
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    program = subprocess.Popen(
        [sys.executable, "-W", "error", str(script), method],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _, errors = program.communicate(timeout=90)
        assert (program.returncode, errors) == (0, "")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)  # its workers, after a failure


def test_importing_loads_no_go(run: Run) -> None:
    check(
        run,
        """
        def loaded():
            with open("/proc/self/maps") as maps:
                return "_pybridge" in maps.read()
        try:
            goring.create("bad/name", max_bytes=8)
        except goring.BadName:
            pass
        assert not loaded()
        goring.create(None, max_bytes=8).close()
        assert loaded()
        """,
    )


def test_loading_does_not_need_the_working_folder(run: Run, tmp_path: Path) -> None:
    check(
        run,
        f"""
        folder = {str(tmp_path / "gone")!r}
        os.mkdir(folder)
        os.chdir(folder)
        os.rmdir(folder)
        goring.create(None, max_bytes=8).close()
        """,
    )


def test_a_missing_library_says_how_to_get_it(run: Run) -> None:
    check(
        run,
        """
        sys.modules["goring._native._pybridge"] = None
        try:
            goring.create(None, max_bytes=8)
        except ImportError as e:
            assert "pip install" in str(e)
        else:
            raise AssertionError
        """,
    )
