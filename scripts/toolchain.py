"""The needs of a build. Each lack ends the run with one line that tells how to mend it.

python scripts/toolchain.py    checks everything for this interpreter
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = (3, 11)
GO = (1, 26)


def check_python():
    """The interpreter: 64-bit CPython on Linux, new enough, with its headers."""
    have = "%d.%d" % sys.version_info[:2]
    if sys.version_info < PYTHON:
        _stop("Python %s is too old: use 3.11 or newer (with make: PYTHON=python3.12)" % have)
    if sys.platform != "linux" or sys.maxsize < 2**32 or sys.implementation.name != "cpython":
        _stop(
            "only 64-bit CPython on Linux is supported, this is %s on %s"
            % (sys.implementation.name, sysconfig.get_platform())
        )
    include = Path(sysconfig.get_path("include"))
    if not (include / "Python.h").exists():
        _stop(
            "no Python.h in %s: install the headers of Python %s (Debian, Ubuntu: apt install"
            " python%s-dev; Fedora: dnf install python3-devel)" % (include, have, have)
        )


def check_c():
    """The C compiler that cgo calls."""
    compiler = os.environ.get("CC", "gcc").split()[0]
    if not shutil.which(compiler):
        _stop(
            "no C compiler, %s is not on PATH: install gcc (Debian, Ubuntu: apt install gcc"
            " libc6-dev; Fedora: dnf install gcc) or set CC" % compiler
        )


def check_go():
    """A Go toolchain on PATH, new enough."""
    have = go_version()
    if have is None:
        _stop("no Go on PATH: install Go %d.%d or newer (https://go.dev/dl)" % GO)
    if have < GO:
        _stop("Go %d.%d is too old: install %d.%d or newer (https://go.dev/dl)" % (have + GO))


def go_version():
    """(major, minor) of the Go this tree is built with; None where there is none."""
    if not shutil.which("go"):
        return None
    # In the tree, an old go fetches the toolchain go.mod names, unless it is told or unable to.
    for env in ({}, {"GOTOOLCHAIN": "local"}):
        go = subprocess.run(
            ["go", "version"], cwd=ROOT, env=dict(os.environ, **env), capture_output=True, text=True
        )
        found = re.search(r"go(\d+)\.(\d+)", go.stdout)
        if found:
            return int(found[1]), int(found[2])
    return None


def _stop(message):
    sys.exit("goring: " + message)


if __name__ == "__main__":
    check_python()
    check_c()
    check_go()
