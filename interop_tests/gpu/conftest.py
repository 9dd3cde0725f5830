"""Fixtures of the tests of GPU rings."""

from __future__ import annotations

from collections.abc import Iterator

import machine
import pytest


@pytest.fixture(scope="session")
def gpu_programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    return machine.programs(tmp_path_factory.mktemp("gpu"))


@pytest.fixture
def gpu(gpu_programs: dict[str, list[str]]) -> Iterator[machine.Machine]:
    """A machine for one test. An error found by the emulated driver fails the test."""
    with machine.machine(gpu_programs) as m:
        yield m
        assert m.sabotaged or "UB:" not in m.log(), m.log()
