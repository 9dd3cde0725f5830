"""The driver's functions as we declare them, held against NVIDIA's own cuda.h."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import double
import pytest

HERE = Path(__file__).parent
OURS = HERE.parent.parent / "include" / "goring" / "driver.h"


def compile_beside_nvidia(folder: Path, text: str) -> str:
    """Return the compiler's complaints about driver.h with that text."""
    try:
        python = double.gpu_python()
    except RuntimeError as e:
        pytest.skip(str(e))
    (theirs,) = python.parent.parent.glob("lib/python*/site-packages/nvidia/*/include/cuda.h")
    shutil.copytree(OURS.parent, folder / "goring")
    (folder / "goring" / "driver.h").write_text(text)
    flags = ["-std=gnu11", "-fsyntax-only", f"-I{folder}", f"-I{theirs.parent}"]
    compiler = subprocess.run(
        ["cc", *flags, HERE / "header.c"], capture_output=True, text=True, check=False
    )
    return compiler.stderr


def test_declarations_are_nvidias(tmp_path: Path) -> None:
    assert compile_beside_nvidia(tmp_path, OURS.read_text()) == ""


def test_another_declaration_is_refused(tmp_path: Path) -> None:
    wrong = OURS.read_text().replace("uint64_t value, unsigned flags))", "unsigned value))")
    assert "static assertion failed" in compile_beside_nvidia(tmp_path, wrong)
