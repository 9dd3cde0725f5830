#!/usr/bin/env python3
"""Builds the double, a libcuda.so.1 without a GPU, once for each state of its sources.

usage: double.py [plain|asan|tsan]    prints the library's path, for GORING_LIBCUDA
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build" / "fakecuda"

WARN = "-std=gnu11 -g -Wall -Wextra -Werror -pthread".split()
#: thread-local words in the static block: ThreadSanitizer takes the freeing of others for a race
SHARED = "-fPIC -shared -fvisibility=hidden -ftls-model=initial-exec".split()
LINK = "-Wl,-soname,libcuda.so.1 -Wl,-z,defs -ldl".split()

#: flags of the library and of the C programs that load it
VARIANTS = {
    "plain": ["-O2"],
    "asan": ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    "tsan": ["-O1", "-fsanitize=thread"],
}


def library(variant: str = "plain") -> Path:
    sources = sorted(HERE.glob("*.c"))
    command = ["cc", *WARN, *VARIANTS[variant], *SHARED, *map(str, sources), *LINK]
    state = hashlib.sha256(" ".join(command).encode())
    for path in (*sources, *sorted(HERE.glob("*.h"))):
        state.update(path.read_bytes())
    folder = BUILD / variant
    folder.mkdir(parents=True, exist_ok=True)
    built, stamp = folder / "libcuda.so.1", folder / "state"
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (built.exists() and stamp.exists() and stamp.read_text() == state.hexdigest()):
            fresh = folder / "fresh"
            subprocess.run([*command, "-o", fresh], check=True)
            os.replace(fresh, built)  # a process that has loaded the old one keeps it
            stamp.write_text(state.hexdigest())
    return built


def counters(folder: Path, pid: int) -> dict[str, int]:
    """Return how often a process on FAKECUDA_DIR=folder made each call, and the bytes it copied."""
    records = (folder / f"calls-{pid}").read_bytes()
    found = {}
    for at in range(0, len(records), 48):
        name = records[at : at + 40].rstrip(b"\0").decode()
        if name:
            found[name] = int.from_bytes(records[at + 40 : at + 48], sys.byteorder)
    return found


def gpu_python() -> Path:
    """The Python that has the packages of requirements-gpu.txt; RuntimeError without them."""
    made = subprocess.run(
        [ROOT / "scripts" / "gpu_env.sh"], capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise RuntimeError(made.stderr.strip().splitlines()[-1])
    return ROOT / "build" / "gpu" / "bin" / "python"


if __name__ == "__main__":
    print(library(*sys.argv[1:2]))
