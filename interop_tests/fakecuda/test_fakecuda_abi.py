"""NVIDIA's own cuda.h as the judge of the double, and sanitizers of its threads and memory."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import double
import pytest

HERE = Path(__file__).parent
REAL = ["-fsyntax-only", "-DFAKECUDA_REAL_HEADER"]


@pytest.fixture(scope="session")
def header(gpu_python: Path) -> str:
    """The flag that finds cuda.h."""
    (found,) = (gpu_python.parent.parent / "lib").glob(
        "python*/site-packages/nvidia/*/include/cuda.h"
    )
    return f"-I{found.parent}"


def compiles(header: str, *arguments: str | Path) -> str:
    done = subprocess.run(
        ["cc", *double.WARN, header, *arguments], capture_output=True, text=True, check=False
    )
    return done.stderr


SOURCES = sorted(set(HERE.glob("*.c")) - {HERE / "old_names.c"})


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_entry_points_are_declared_like_that(header, source):
    assert compiles(header, *REAL, source) == ""


def test_another_signature_would_be_refused(header, tmp_path):
    for path in HERE.glob("*.h"):
        shutil.copy(path, tmp_path)
    text = (HERE / "copy.c").read_text()
    wrong = tmp_path / "copy.c"
    wrong.write_text(
        text.replace(
            "cuMemsetD8_v2(CUdeviceptr d, unsigned char", "cuMemsetD8_v2(CUdeviceptr d, int"
        )
    )
    assert "conflicting types for" in compiles(header, *REAL, wrong)


def test_values_and_sizes(header, tmp_path):
    """Each constant of abi.h and each name of names.c, as cuda.h has them."""
    constants = re.findall(r"\b(CU_\w+|CUDA_\w+) = (\d+)", (HERE / "abi.h").read_text())
    errors = re.findall(r'\{(\d+), "(CUDA_\w+)"', (HERE / "names.c").read_text())
    sizes = {"CUipcMemHandle": 64, "CUuuid": 16, "CUmemAllocationProp": 32, "CUmemAccessDesc": 12}
    values = [*constants, *((name, value) for value, name in errors)]
    assert len(values) > 80
    claims = [f"{name} == {value}" for name, value in values]
    claims += [f"sizeof({name}) == {n}" for name, n in sizes.items()]
    text = "".join(f'_Static_assert({claim}, "{claim}");\n' for claim in claims)
    source = tmp_path / "claims.c"
    source.write_text("#include <cuda.h>\n" + text)
    assert compiles(header, "-fsyntax-only", source) == ""


def program(to: Path, header: str, variant: str, *flags: str) -> Path:
    flags = (*double.VARIANTS[variant], *flags)
    assert compiles(header, *flags, HERE / "clients" / "threads.c", "-ldl", "-o", to) == ""
    return to


@pytest.fixture(scope="module", params=double.VARIANTS)
def threads(request, header, tmp_path_factory) -> tuple[Path, str]:
    """The program, and the variant it was built as."""
    to = tmp_path_factory.mktemp("threads") / "threads"
    return program(to, header, request.param), request.param


def run(
    stage, program: Path, variant: str, rounds: int, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, double.library(variant), str(rounds)],
        env={**stage.environment, "FAKECUDA_LEAKS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize("order", ["soon", "late", "mixed"])
def test_a_program_with_the_real_header(stage, threads, order):
    options = {"FAKECUDA_ORDER": order, "FAKECUDA_LATE_US": "2000", "FAKECUDA_DELAY_US": "50"}
    done = run(stage, *threads, 25, **options)
    assert (done.returncode, done.stdout, done.stderr) == (0, "25 rounds\n", "")


def test_a_race_between_streams_would_be_seen(stage, header):
    """The event is recorded, and no stream waits for it."""
    built = program(stage.folder / "threads", header, "tsan", "-DMISTAKE")
    done = run(stage, built, "tsan", 10)
    assert "WARNING: ThreadSanitizer: data race" in done.stderr
