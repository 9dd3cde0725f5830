"""Programs that a test runs in separate interpreters."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable

# prctl(PR_SET_PDEATHSIG, SIGKILL): no process outlives the tests, however they end. Ctrl-C
# works even where the tests run as a background job, the children of which ignore it.
PREAMBLE = (
    "import ctypes, signal; ctypes.CDLL(None).prctl(1, 9); "
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
)

Run = Callable[[str], "subprocess.CompletedProcess[str]"]
Start = Callable[[str], "subprocess.Popen[str]"]


def command(code: str) -> list[str]:
    """Return a program's process in a separate interpreter, in development mode."""
    return [sys.executable, "-X", "dev", "-W", "error", "-c", PREAMBLE + textwrap.dedent(code)]
