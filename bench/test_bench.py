"""Every benchmark runs for a moment and prints its line; how fast is not asked here."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
spec = importlib.util.spec_from_file_location("bench_run", HERE / "run.py")
assert spec is not None
assert spec.loader is not None
bench = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bench)


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    return bench.build(tmp_path_factory.mktemp("bench"))


def names() -> list[str]:
    return sorted({name for row in bench.ROWS for name in row[1:3]})


@pytest.mark.parametrize("name", names())
def test_it_prints_its_line(name: str, commands: dict[str, list[str]]) -> None:
    out = subprocess.run(
        [*commands[name], "30"], capture_output=True, text=True, timeout=60, check=True
    )
    label, value, unit = out.stdout.strip().split("\t")
    assert label == name.removeprefix("limit ")
    assert float(value) > 0
    assert unit in {"Mmsg/s", "GB/s", "us", "ns"}
