"""Programs that a test runs in interpreters of their own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable

# prctl(PR_SET_PDEATHSIG, SIGKILL): no process outlives the tests, however they end.
PREAMBLE = "import ctypes; ctypes.CDLL(None).prctl(1, 9)\n"

Run = Callable[[str], "subprocess.CompletedProcess[str]"]
Start = Callable[[str], "subprocess.Popen[str]"]


def command(code: str) -> list[str]:
    """A program in an interpreter of its own, in development mode."""
    return [sys.executable, "-X", "dev", "-W", "error", "-c", PREAMBLE + textwrap.dedent(code)]
