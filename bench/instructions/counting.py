"""How many instructions each operation takes, and how many it may.

    python bench/instructions/counting.py

prints the table. The counts come from count.c, which steps: the same program gives the same
count on every machine, so that the cost of a change of the hot path shows, and a test can limit
it.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import goring

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
INCLUDE = ROOT / "include"
TIMES = 16  # operations between two marks, as in goops, cops.c and pyops.py
EMPTY = "nothing"

#: The recorded counts, by the operation's side, ring and name.
WRITTEN_DOWN: dict[str, float] = {
    line.rsplit(maxsplit=1)[0].strip(): float(line.rsplit(maxsplit=1)[1])
    for line in (HERE / "counts.txt").read_text().splitlines()
    if line and not line.startswith("#")
}

#: How much more a count may be: another release of a compiler is worth some per cent. Go's is
#: the module's; C is built by what is there, and the library of the Python package by both.
MARGIN = {"go": 1.08, "c": 1.25, "py": 1.25}


class CannotTrace(Exception):
    """This machine does not let a process trace another."""


def why_not() -> str:
    """Why nothing can be counted here; empty when it can."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"instructions are counted on Linux and x86-64, this is {platform.machine()}"
    return ""


def build(folder: Path, *, go: tuple[str, ...] = (), include: Path | None = None) -> None:
    """Build count, goops and cops; go: more flags, include: a folder of headers to prefer."""
    cc = os.environ.get("CC", "cc")
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"]
    headers = [f"-I{d}" for d in (include, INCLUDE) if d]
    for source, more in (("count", []), ("cops", headers)):
        if source == "count" and why_not():
            continue
        out = str(folder / source)
        subprocess.run([cc, *flags, *more, "-o", out, str(HERE / f"{source}.c")], check=True)
    command = ["go", "build", *go, "-o", str(folder / "goops"), "./bench/instructions/goops"]
    subprocess.run(command, cwd=ROOT, check=True)


def count_go(folder: Path) -> dict[str, float]:
    return count(folder, "go", "-", [str(folder / "goops")])


def count_c(folder: Path) -> dict[str, float]:
    makers = {
        "alone": {},
        "shared": {"producers": 2, "consumers": 2},
        "broadcast": {"mode": "broadcast", "consumers": 2},
        "overwrite": {"mode": "overwrite", "consumers": 2},
    }
    with ExitStack() as stack:
        rings = {
            name: stack.enter_context(goring.create(None, slots=TIMES, max_bytes=32, **how))
            for name, how in makers.items()
        }
        places = [f"{name}={ring.fileno()}" for name, ring in rings.items()]
        fds = [ring.fileno() for ring in rings.values()]
        return count(folder, "c", "-", [str(folder / "cops"), *places], fds)


def count_py(folder: Path) -> dict[str, float]:
    """Count goring's part of each operation: the interpreter's changes with each release."""
    return count(folder, "py", "/_pybridge.", [sys.executable, str(HERE / "pyops.py")])


def count(
    folder: Path, side: str, library: str, program: list[str], fds: list[int] | None = None
) -> dict[str, float]:
    """Count what program does between its marks in code of library; per operation."""
    counts = folder / f"{side}.counts"
    path = os.pathsep.join([str(ROOT / "pybridge/python"), os.environ.get("PYTHONPATH", "")])
    env = dict(os.environ, PYTHONPATH=path, GOGC="off")
    done = subprocess.run(
        [str(folder / "count"), str(counts), library, *program],
        capture_output=True, text=True, env=env, pass_fds=fds or [], timeout=100, check=False,
    )  # fmt: skip
    if done.returncode == 77:
        raise CannotTrace(done.stderr.strip())
    if done.returncode:
        raise RuntimeError(f"{' '.join(program)}: {done.stderr}")
    names = done.stdout.splitlines()
    steps = [int(line) for line in counts.read_text().split()]
    rounds = [steps[k : k + len(names)] for k in range(0, len(steps), len(names))]
    least = dict(zip(names, map(min, zip(*rounds, strict=True)), strict=True))
    return {
        f"{side} {name}": (n - least[EMPTY]) / TIMES for name, n in least.items() if name != EMPTY
    }


def slower(counted: dict[str, float]) -> list[str]:
    """The operations that take more instructions than they may."""
    unknown = sorted(counted.keys() - WRITTEN_DOWN.keys())
    said = [f"{name}: {counted[name]:.1f} instructions, none in counts.txt" for name in unknown]
    for name, n in counted.items():
        if name in unknown:
            continue
        most = WRITTEN_DOWN[name] * MARGIN[name.split()[0]]
        if n > most:
            said.append(f"{name}: {n:.1f} instructions, {most:.1f} are allowed")
    return said


def main() -> None:
    if reason := why_not():
        sys.exit(reason)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder)
        counted = count_go(folder) | count_c(folder) | count_py(folder)
    for operation, n in counted.items():
        print(f"{operation:34} {n:7.1f}")


if __name__ == "__main__":
    main()
