"""The headers of include/goring: plain C11, each usable alone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

INCLUDE = Path(__file__).parent.parent / "include"
FLAGS = ["-std=c11", "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c"]


def compile_alone(text: str) -> str:
    """Return the compiler's complaints about a C file of that text."""
    command = ["cc", *FLAGS, f"-I{INCLUDE}", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False).stderr


@pytest.mark.parametrize("header", sorted(h.name for h in (INCLUDE / "goring").glob("*.h")))
def test_each_header_compiles_alone_as_c11(header: str) -> None:
    assert compile_alone(f'#include "goring/{header}"\ntypedef int something;\n') == ""


def test_headers_after_the_c_library_s() -> None:
    late = '#include <stdio.h>\n#include "goring/goring.h"\n'
    assert "include goring's headers before" in compile_alone(late)
    assert compile_alone("#define _GNU_SOURCE\n" + late) == ""


def test_an_extension_of_gnu_is_refused() -> None:
    assert "error" in compile_alone('#include "goring/words.h"\nint f(void) { return ({ 1; }); }\n')
