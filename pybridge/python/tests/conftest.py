"""Rings of the tests live in a folder of their own and are gone afterwards."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def ring_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="goring-test-", dir="/dev/shm") as folder:
        monkeypatch.setenv("GORING_DIR", folder)
        yield Path(folder)


Run = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run() -> Run:
    """Run a program in an interpreter of its own, in development mode."""

    def program(code: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", "-c", code],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return program
