"""The machine: which two cores, how far apart they are, and how much others use them.

The two cores of a virtual machine are threads of one core at one moment and sit on
different dies at another, and a line of memory then takes ten times as long between them.
So each sample is taken between two probes of that distance.
"""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent.parent
ROOT = HERE.parent


def pick_cores() -> tuple[str, str]:
    """The cores of the two processes: CORES=2,3, or the first and the last we may use."""
    allowed = sorted(os.sched_getaffinity(0))
    wanted = os.environ.get("CORES", f"{allowed[0]},{allowed[-1]}")
    near, _, far = wanted.partition(",")
    if not {near, far} <= {str(core) for core in allowed} or near == far:
        raise SystemExit(f"CORES={wanted}: name two of the cores {allowed}, as in CORES=0,1")
    return near, far


def pinned(core: str, command: Sequence[str]) -> list[str]:
    """The command, kept on a core."""
    return ["taskset", "-c", core, *command]


def build_limit(folder: Path) -> str:
    """The program of the machine's own limits."""
    limit = folder / "limit"
    source = HERE / "limit" / "limit.c"
    cc = os.environ.get("CC", "cc")
    subprocess.run([cc, "-O2", "-std=gnu11", "-o", limit, source], check=True)
    return str(limit)


def probe(limit: str) -> float:
    """Nanoseconds a message takes to the other core and back, at this moment."""
    out = subprocess.run([limit, "line", "10"], capture_output=True, text=True, check=True)
    return float(out.stdout.split()[1])


class Load:
    """The part of all cores that others used since this was made, with stolen time."""

    TICKS = os.sysconf("SC_CLK_TCK")

    def __init__(self) -> None:
        self.begun = self.read()

    @classmethod
    def read(cls) -> tuple[float, float, float]:
        """Seconds of the cores that went by, were busy, and were ours."""
        with open("/proc/stat") as f:
            ticks = [int(x) / cls.TICKS for x in f.readline().split()[1:9]]
        ours = 0.0
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
            used = resource.getrusage(who)
            ours += used.ru_utime + used.ru_stime
        return sum(ticks), sum(ticks) - ticks[3] - ticks[4], ours

    def others(self) -> float:
        """That part, between 0 and 1."""
        total, busy, ours = (now - then for now, then in zip(self.read(), self.begun, strict=True))
        return max(0.0, busy - ours) / max(total, 1e-3)


def describe(distance: float) -> str:
    """The machine in a line, with the distance of its cores in nanoseconds."""
    with open("/proc/cpuinfo") as f:
        models = [line.partition(":")[2].strip() for line in f if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    where = f"{os.cpu_count()} cores ({model}), round trip of a line between two {distance:.0f} ns"
    return f"{where}; Linux {platform.release()}, Python {platform.python_version()}"


def now() -> str:
    """The time of a run."""
    return time.strftime("%Y-%m-%d %H:%M")
