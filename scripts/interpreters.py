"""Print the CPythons here that a wheel can be built for: 3.11 or newer, with headers and GIL."""

import glob
import os
import subprocess

PROBE = """
import os, sys, sysconfig
headers = os.path.join(sysconfig.get_path("include"), "Python.h")
if (sys.version_info >= (3, 11) and sys.implementation.name == "cpython"
        and not sysconfig.get_config_var("Py_GIL_DISABLED") and os.path.exists(headers)):
    print(sys.version_info[1], os.path.realpath(sys.executable))
"""


def candidates():
    folders = os.environ["PATH"].split(os.pathsep)
    folders += glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin"))
    for folder in folders:
        yield os.path.join(folder, "python3")
        yield from glob.glob(os.path.join(folder, "python3.[0-9][0-9]"))


def usable(path):
    """(minor version, path) of the interpreter that a name such as a shim starts, or None."""
    try:
        run = subprocess.run([path, "-Ic", PROBE], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    minor, _, real = run.stdout.strip().partition(" ")
    return (int(minor), real) if run.returncode == 0 and real else None


if __name__ == "__main__":
    found = {usable(name) for name in candidates()} - {None}
    for _, path in sorted(found):
        print(path)
