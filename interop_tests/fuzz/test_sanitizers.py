"""The C data plane under ASan and UBSan on the kept corpora, and under TSan with threads."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FLAGS = "-std=gnu11 -O1 -g -Wall -Wextra -Werror -pthread".split()
BOUNDS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
RACES = ["-fsanitize=thread", "-Wno-tsan"]  # it warns of fences, which it does not model


def build(to: Path, *arguments: str) -> Path:
    include = HERE.parent.parent / "include"
    subprocess.run(["cc", *FLAGS, "-I", include, "-o", to, *arguments], check=True, cwd=HERE)
    return to


def run(program: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    argv = [str(x) for x in (program, *arguments)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.parametrize("harness", ["segment", "attach"])
def test_the_corpus(tmp_path, harness):
    with tarfile.open(HERE / "corpus" / f"{harness}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    program = build(tmp_path / "replay", *BOUNDS, f"fuzz_{harness}.c", "replay.c")
    inputs = sorted((tmp_path / harness).iterdir())
    done = run(program, *inputs)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == f"{len(inputs)} inputs\n"
    assert len(inputs) > 50


@pytest.fixture(scope="module")
def races(tmp_path_factory):
    return build(tmp_path_factory.mktemp("races") / "races", *RACES, "races.c")


#: of ring.h
SHAPES = {"1 to 1": 0, "2 to 2": 1, "items apart": 2, "tensors to 2": 3, "broadcast": 4}


@pytest.mark.parametrize("shape", SHAPES)
def test_no_races(races, shape):
    done = run(races, SHAPES[shape], 20_000)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[-3000:]
    assert int(done.stdout.split()[0]) >= 20_000


def test_a_race_would_be_seen(tmp_path):
    """A payload that is written after its commit."""
    program = build(tmp_path / "races", *RACES, "-DMISTAKE", "races.c")
    assert "WARNING: ThreadSanitizer: data race" in run(program, 0, 2000).stderr
