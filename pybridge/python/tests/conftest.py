"""Rings of the tests are in a folder of the session, which is removed afterwards."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from children import Run, Start, command


@pytest.fixture(autouse=True)
def ring_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="goring-test-", dir="/dev/shm") as folder:
        monkeypatch.setenv("GORING_DIR", folder)
        yield Path(folder)


@pytest.fixture
def run() -> Run:
    """Run a program to its end."""

    def program(code: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(code), capture_output=True, text=True, timeout=60, check=False
        )

    return program


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a program that prints a line when it is ready; the end of the test ends it."""
    children: list[subprocess.Popen[str]] = []

    def program(code: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            command(code),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        children.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n", child.communicate()[1]
        return child

    yield program
    for child in children:
        child.kill()
        child.communicate()
