"""Fixtures: a folder of our own under /dev/shm, the peers, rings made from the spec."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import maker
import pytest
from peers import Crew, build
from segment import Segment
from stress import Tally


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "stress: cross-process stress, about two minutes")
    # A terminated run still clears up.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", 143))


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A rings' folder of this run's own, removed at the end whatever happened."""
    path = Path(tempfile.mkdtemp(prefix=f"goring-interop-{os.getpid()}-", dir="/dev/shm"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    return build(tmp_path_factory.mktemp("peers"))


@pytest.fixture(scope="session")
def all_peers(commands: dict[str, list[str]], folder: Path) -> Iterator[Crew]:
    crew = Crew(commands, folder)
    yield crew
    crew.dismiss()


@pytest.fixture
def crew(all_peers: Crew) -> Iterator[Crew]:
    """Peers for one test; they are closed and kept for the next one."""
    yield all_peers
    all_peers.rest()


_names = (f"r{n}" for n in itertools.count())


@pytest.fixture
def new_name() -> Callable[[], str]:
    return lambda: next(_names)


@pytest.fixture
def new_ring(folder: Path, new_name) -> Iterator[Callable[..., Segment]]:
    """new_ring(schema, slots=.., ..) -> Segment: rings as maker.segment makes them."""
    made: list[Segment] = []

    def make(schema: dict, **options) -> Segment:
        name = new_name()
        path = folder / f"goring.{name}"
        path.write_bytes(maker.segment(name, schema, **options))
        path.chmod(0o600)
        made.append(Segment(path))
        return made[-1]

    yield make
    for segment in made:
        segment.close()
        segment.path.unlink(missing_ok=True)


@pytest.fixture
def attach(crew, folder, new_name):
    """attach(lang, segment bytes) -> reply of opening them as a ring."""
    path = folder / f"goring.{new_name()}"

    def ask(lang: str, segment: bytes):
        path.write_bytes(segment)
        path.chmod(0o600)
        peer = next((p for p in crew.busy if p.lang == lang), None) or crew.get(lang)
        return peer.ask(f"open {path.name.removeprefix('goring.')}")

    yield ask
    path.unlink(missing_ok=True)


TALLIES = pytest.StashKey[dict[str, dict[str, Tally]]]()


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str, str, Tally], None]:
    """Add a run of the stress to the table at the end."""
    table = request.config.stash.setdefault(TALLIES, {})

    def add(row: str, column: str, tally: Tally) -> None:
        table.setdefault(row, {}).setdefault(column, Tally()).add(tally)

    return add


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    table = config.stash.get(TALLIES, {})
    if not table:
        return
    columns = list(dict.fromkeys(c for row in table.values() for c in row))
    write, total = terminalreporter.write_line, Tally()
    write(f"\n{'messages verified':20}" + "".join(f"{c:>12}" for c in columns))
    for row, cells in table.items():
        write(f"{row:20}" + "".join(f"{cells.get(c, Tally()).messages:12,}" for c in columns))
        for tally in cells.values():
            total.add(tally)
    faults = "lost repeated torn stray disorder".split()
    write(f"{total.messages:,} in all, {total.aborted:,} aborted, {total.requeued:,} given back")
    write(", ".join(f"{getattr(total, name)} {name}" for name in faults))
