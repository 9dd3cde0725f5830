"""Actors on a double for one test, of which nothing remains."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import double
import pytest
from actors import Actor, Troupe


class Stage:
    """One FAKECUDA_DIR and the processes on it."""

    def __init__(self, troupe: Troupe, folder: Path, library: Path) -> None:
        self.troupe, self.folder, self.library = troupe, folder, library
        self.environment = {
            "FAKECUDA_DIR": str(folder / "state"),
            "FAKECUDA_LOG": str(folder / "log"),
            "FAKECUDA_SEED": os.environ.get("FAKECUDA_SEED", "1"),
        }
        self.actors: list[Actor] = []
        self.foreseen: list[str] = []

    def play(self, part, *arguments: Any, context: bool = True, **environment: Any) -> Actor:
        """Start part(driver, pipe, *arguments); FAKECUDA_.. variables by their lower-case ends."""
        own = {
            name if name.isupper() else f"FAKECUDA_{name.upper()}": str(value)
            for name, value in environment.items()
        }
        everywhere = {**self.environment, **own}
        actor = self.troupe.start(part, arguments, self.library, everywhere, context)
        self.actors.append(actor)
        return actor

    def counters(self, pid: int) -> dict[str, int]:
        return double.counters(self.folder / "state", pid)

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    def foresee(self, *patterns: str) -> None:
        """Lines of the log that must come; no others may."""
        self.foreseen += patterns

    def end(self) -> None:
        for actor in self.actors:
            actor.kill()
        missing = [p for p in self.foreseen if not re.search(p, self.log())]
        strange = [
            line
            for line in self.log().splitlines()
            if not any(re.search(p, line) for p in self.foreseen)
        ]
        assert not missing, f"not in the log: {missing}\n{self.log()}"
        assert not strange, f"in the log: {strange}"


@pytest.fixture(scope="session")
def library() -> Path:
    return double.library()


@pytest.fixture(scope="session")
def gpu_python() -> Path:
    """A Python with NVIDIA's packages, and cuda.h beside them."""
    try:
        return double.gpu_python()
    except RuntimeError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def troupe() -> Iterator[Troupe]:
    troupe = Troupe()
    yield troupe
    troupe.dismiss()


@pytest.fixture
def stage(troupe: Troupe, library: Path) -> Iterator[Stage]:
    folder = Path(tempfile.mkdtemp(prefix="goring-fakecuda-", dir="/dev/shm"))
    stage = Stage(troupe, folder, library)
    try:
        yield stage
        stage.end()
    finally:
        for actor in stage.actors:
            actor.kill()
        shutil.rmtree(folder)
