"""Workers of a pool, driven from Python: goring.worker and goring.testing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import goring.testing
import numpy as np
import pytest
import worker_functions as functions
from goring.testing import StartError, WorkerError

import goring

HERE = str(Path(__file__).parent)


def run(function: Any, **options: Any) -> goring.testing.Pool:
    return goring.testing.run(function, cwd=HERE, **({"max_bytes": 64} | options))


# -- in this process


def test_call_takes_the_way_through_msgpack() -> None:
    assert goring.testing.call(lambda x: {"n": np.int64(len(x)), "t": (1, 2)}, b"abc") == {
        "n": 3,
        "t": [1, 2],
    }
    assert goring.testing.call(functions.size, b"abc", meta={"k": (1,)}) == [3, {"k": [1]}]
    assert goring.testing.call(lambda x: x, [1.5, 2]).tolist() == [1.5, 2]
    assert goring.testing.call(lambda x: bytearray(x), b"abc") == b"abc"
    assert goring.testing.call(functions.totals, [3, 4]) == [7, 1]
    assert goring.testing.call(functions.nap, b"0") == "rested"
    assert goring.testing.call(functions.numbered, b"") == 0


def test_requests_are_read_only() -> None:
    def spoil(x: np.ndarray) -> None:
        x[0] = 9

    with pytest.raises(ValueError, match="read-only"):
        goring.testing.call(spoil, [1, 2])


def test_the_decorator_leaves_the_function_alone() -> None:
    assert functions.totals(np.array([[1, 2]], "i4")) == [[3, 1]]
    assert goring.worker(functions.double) is functions.double


@pytest.mark.parametrize("options", [{"batch": -1}, {"wait": -1.0}, {"concurrency": 0}], ids=str)
def test_the_decorator_refuses_nonsense(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(goring.BadValue, match=name):
        goring.worker(**options)


@pytest.mark.parametrize("function", [functions.three, 3, lambda: 0], ids=str)
def test_what_cannot_be_a_worker(function: Any) -> None:
    with pytest.raises(TypeError, match=r"must take|not a function"):
        goring.testing.call(function, b"")


# -- in processes


@pytest.fixture(scope="module")
def echo() -> Iterator[goring.testing.Pool]:
    """One pool for all tests that leave it unchanged."""
    with goring.testing.run(
        "worker_functions:size", cwd=HERE, max_bytes=64, workers=2, slots=8
    ) as pool:
        yield pool


def test_answers_come_to_their_requests(echo: goring.testing.Pool) -> None:
    assert echo.call(b"four", meta=["m"]) == [4, ["m"]]
    assert echo.map([b"x" * n for n in range(30)][:8]) == [[n, None] for n in range(8)]
    with pytest.raises(goring.TooLarge):
        echo.call(b"x" * 65)


def test_arrays() -> None:
    with run(functions.double, max_bytes=None, dtype="f4", shape=(2, 2)) as pool:
        got = pool.call(np.ones((2, 2), "f4"))
        assert (got.dtype, got.tolist()) == (np.dtype("f4"), [[2, 2], [2, 2]])


def test_exceptions() -> None:
    with run("worker_functions:fail") as pool:
        with pytest.raises(WorkerError, match="LookupError: no luck") as error:
            pool.call(b"luck")
        assert "worker_functions.py" in error.value.traceback


def test_batches_are_gathered() -> None:
    with run(functions.totals, max_bytes=None, dtype="i4", shape=2) as pool:
        answers = pool.map([np.array([n, n], "i4") for n in range(8)])
        assert [total for total, _ in answers] == [2 * n for n in range(8)]
        assert max(n for _, n in answers) == 4


def test_async_functions_overlap() -> None:
    with run(functions.nap) as pool:
        begun = time.monotonic()
        assert pool.map([b"0.3"] * 6) == ["rested"] * 6
        assert time.monotonic() - begun < 1.2


def test_generators() -> None:
    with run(functions.numbered) as pool:
        assert pool.map([b"x"] * 5) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("target", "options", "text"),
    [
        ("no_such:f", {}, "ModuleNotFoundError: No module named 'no_such'"),
        ("worker_functions:no_such", {}, "has no function 'no_such'"),
        ("worker_functions:three", {}, "must take"),
        ("worker_functions:totals", {}, "SchemaError"),
        ("worker_functions:pid", {"batch": 4}, "takes one request at a time"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_starts_that_fail(target: str, options: dict[str, Any], text: str) -> None:
    with pytest.raises(StartError, match=text):
        run(target, **options)


def test_a_function_that_cannot_be_imported_is_refused() -> None:
    with pytest.raises(goring.BadValue, match="cannot be imported"):
        run(lambda x: x)


def test_a_killed_workers_request_goes_to_another() -> None:
    with run(functions.die, workers=2) as pool:
        tag = pool._send(b"0.4", None, 1)
        time.sleep(0.1)
        victim = next(
            p.pid for p in pool._requests.stats().participants if p.role == "consumer" and p.holds
        )
        os.kill(victim, signal.SIGKILL)
        assert pool._wait(tag, 10) not in (victim, None)


def test_poison() -> None:
    with run(functions.die, workers=3, max_attempts=2) as pool:
        with pytest.raises(WorkerError, match="Poison: 2 workers died or hung"):
            pool.call(b"kill")
        assert pool.call(b"0") in pool.pids


def test_sigterm_finishes_the_request_in_hand() -> None:
    with run(functions.die) as pool:
        tag = pool._send(b"0.3", None, 1)
        time.sleep(0.1)
        (process,) = pool._processes
        process.terminate()
        assert pool._wait(tag, 10) == process.pid
        assert process.wait(5) == 0


def test_without_its_service_a_worker_ends() -> None:
    with run(functions.pid) as pool:
        (process,) = pool._processes
        assert process.stdin is not None
        process.stdin.close()
        process.wait(5)


def test_run_by_hand_it_says_how() -> None:
    argv = [sys.executable, "-W", "error", "-m", "goring.worker", "x:y"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage" in done.stderr


def test_importing_the_module_leaves_the_decorator_in_place() -> None:
    code = "import goring, goring.worker\ndef f(x): ...\nassert goring.worker(f) is f"
    subprocess.run([sys.executable, "-c", code], check=True)
