"""The benchmarks run for a moment, fail as they should, and leave nothing. No speeds here."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from suite import machine, own, peers, processes, programs, samples, tables
from suite.figures import Figure, Goal, short

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="session")
def commands(folder: Path) -> dict[str, list[str]]:
    os.environ["BENCH_NEAR"], os.environ["BENCH_FAR"] = machine.pick_cores()
    return own.build(folder)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    before = set(os.listdir("/dev/shm"))
    yield
    ours = f"goringbench-{os.getpid()}-"
    left = {n for n in set(os.listdir("/dev/shm")) - before if ours in n}
    assert not left


HUGE = {"size67108864", "slots1048576", "opens10000", "rings10000"}  # seconds each


@pytest.mark.parametrize("name", sorted(own.names() - HUGE))
def test_a_program_prints_its_line(name: str, commands: dict[str, list[str]]) -> None:
    command = [*commands[name][:-1], "300"]
    figures = own.run(command)
    assert figures["value"] > 0
    assert figures["unit"] in own.UNITS


# A stand-in for a peer, with the ways to fail.
PEER = """
import json, os, sys, time
how, role, folder = sys.argv[1], sys.argv[-2], sys.argv[-1]
open(f"/dev/shm/{os.path.basename(folder)}-{role}", "w").close()
if how == "dumb" and role == "far":
    time.sleep(60)
print("ready", flush=True)
if how == "raises":
    raise RuntimeError("out of luck")
if how == "far-dies" and role == "far":
    os.abort()
if how in ("far-dies", "hangs"):
    time.sleep(60)
if role != "far":
    print(json.dumps({"count": 0 if how == "idle" else 5, "seconds": 0.5}))
"""


HERE_ALREADY = [  # links that need nothing but goring, NumPy and the standard library
    *((kind.link, kind.program, kind.tasks[:1]) for kind in peers.PYTHON if not kind.needs),
    *((link, "python", tasks) for _, _, link, tasks, needs in peers.MIXED if not needs),
]


@pytest.mark.parametrize(
    ("link", "program", "task"),
    sorted({(link, program, task) for link, program, tasks in HERE_ALREADY for task in tasks}),
)
def test_a_link_carries_messages(
    link: str, program: str, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "SPAN_MS", 20)
    command = (sys.executable, str(programs.PEERS / "python" / "peer.py"), link)
    figures = peers.Cell(task, 64, command, None if program == "python+" else command).run()
    assert figures["count"] > 0
    assert set(figures) > {"p50", "p99", "p999"} or figures["seconds"] > 0


def cell(how: str, *, alone: bool = False) -> peers.Cell:
    command = (sys.executable, "-c", PEER, how)
    return peers.Cell("flow", 64, command, None if alone else command)


@pytest.mark.parametrize("alone", [False, True])
def test_a_peer_reports_its_figures(alone: bool) -> None:
    assert cell("works", alone=alone).run() == {"count": 5, "seconds": 0.5}


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("raises", "RuntimeError: out of luck"),
        ("far-dies", "ended with -6"),
        ("idle", "no message arrived"),
        ("hangs", "not done within 1 s"),
        ("dumb", "not ready within 1 s"),
    ],
)
def test_a_peer_that_fails_is_a_row_and_the_run_goes_on(
    how: str, why: str, commands: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "READY_S", 1.0)
    monkeypatch.setattr(peers, "GRACE_S", 1.0 - peers.SPAN_MS / 1000)
    todo = {"bad": cell(how).run, "absent": "not installed: no wheel", "good": cell("works").run}
    taken = samples.measure(todo, 2, commands["limit line"][0])
    assert taken.rows["bad"].failure == why
    assert taken.rows["absent"].failure == "not installed: no wheel"
    assert len(taken.rows["good"].samples) == 2
    shown = [
        Figure("Go -> Go, flow", "bad", "64 B", "/s", failure=why),
        Figure.of([10.0, 20.0], section="Go -> Go, flow", row="good", column="64 B", unit="/s"),
    ]
    assert why in drawn(shown, rank=True)


def drawn(figures: list[Figure], *, rank: bool) -> str:
    out = io.StringIO()
    tables.show(Console(file=out, width=200), figures, rank=rank)
    return out.getvalue()


def test_a_busy_machine_gets_no_ranks() -> None:
    what = {"section": "Go -> Go, flow", "column": "64 B", "unit": "/s"}
    shown = [
        Figure.of([30.0], row="goring", **what),
        Figure.of([50.0], row="lucky", spoilt=True, **what),
        Figure.of([10.0], row="zmq", **what),
    ]
    assert "2. 10 /s [10/s..10/s] x3" in drawn(shown, rank=True)
    assert " ~50 /s" in drawn(shown, rank=True)
    assert "2. " not in drawn(shown, rank=False)


def test_load_is_what_others_do() -> None:
    quiet = machine.Load()
    hog = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        busy = machine.Load()
        time.sleep(0.5)
        # not yet waited for, so it is not counted
        assert busy.others() > 0.3 / (os.cpu_count() or 1)
    finally:
        hog.kill()
        hog.wait()
    assert 0 <= quiet.others() <= 1


def test_only_clean_samples_are_compared() -> None:
    busy = samples.Sample({}, 100, 0.5)
    row = samples.Row([samples.Sample({}, p, 0.01) for p in (100, 110, 90, 900)] + [busy])
    far = samples.Row([samples.Sample({}, 800, 0.01)])
    taken = samples.Samples({"near": row, "far": far}, 0.1)
    assert taken.distance == 100
    assert [s.probe for s in taken.best(row)] == [100, 110, 90]
    assert not taken.clean(far)
    assert taken.best(far) == far.samples


def test_a_disturbed_sample_is_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = iter([0.5, 0.3, 0.02, 0.4, 0.6, 0.5, 0.01])
    monkeypatch.setattr(samples.Load, "others", lambda _: next(shares))
    monkeypatch.setattr(samples, "probe", lambda _: 100.0)
    row = samples.Row()
    assert samples.take(row, dict, "", 3) == 3
    assert samples.take(row, dict, "", 3) == 3
    assert samples.take(row, dict, "", 2) == 1
    assert [s.others for s in row.samples] == [0.02, 0.4, 0.01]  # the best of three, at worst


@pytest.mark.parametrize(
    ("value", "unit", "goal", "met"),
    [
        (30e6, "/s", Goal(20e6, 0.6), True),
        (21e6, "/s", Goal(20e6, 0.6), False),
        (19e6, "/s", Goal(20e6), False),
        (120, "ns", Goal(ratio=1.25), True),
        (130, "ns", Goal(ratio=1.25), False),
        (120, "ns", Goal(110, 1.25), False),
    ],
)
def test_goals(value: float, unit: str, goal: Goal, met: bool) -> None:
    limit = Figure("own", "limit", "", unit, 40e6 if unit == "/s" else 100)
    ours = Figure("own", "ours", "", unit, value, value, value, aim=goal.aim(unit, limit))
    assert ours.met() is met
    assert ("behind" in drawn([ours], rank=True)) is not met
    assert "behind" not in drawn([ours], rank=False)
    assert Goal(1e3, 1.25).words("ns") == "<= 1.25 x, <= 1 us"


def test_a_lock_that_does_not_install_costs_only_its_peer(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text(f"nothere @ file://{tmp_path}/nothere-1-py3-none-any.whl\n")
    missing = programs.install(lock, tmp_path / "venv")
    assert list(missing) == ["nothere"]
    assert missing["nothere"].startswith("not installed: ")
    assert not (tmp_path / "venv" / "installed.json").exists()


def test_numbers_are_short() -> None:
    assert [short(v, "ns") for v in (312.4, 1000, 46123)] == ["312 ns", "1 us", "46.1 us"]
    assert [short(v, "/s") for v in (20.4e6, 999.4)] == ["20.4 M/s", "999 /s"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing(number: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "suite", "own", "1"]
    env = os.environ | {"PYTHONPATH": str(HERE), "BENCH_RESULTS": str(tmp_path / "results")}
    run = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True, cwd=HERE)
    deadline = time.monotonic() + 60
    while not (places := list(Path("/dev/shm").glob(f"goringbench-{run.pid}-*/goring.*"))):
        assert run.poll() is None, run.stderr and run.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    folder = places[0].parent.name
    run.send_signal(number)
    run.send_signal(number)  # a second interrupt does no harm
    _, words = run.communicate(timeout=30)
    assert run.returncode == 1
    assert "nothing is left" in words
    assert not Path("/dev/shm", folder).exists()
    assert not [n for n in os.listdir("/dev/shm") if folder in n]
    assert not processes_of(folder)
    assert not (tmp_path / "results").exists()


def processes_of(folder: str) -> list[str]:
    """Return the living processes that were told to work in that folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if folder.encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found
