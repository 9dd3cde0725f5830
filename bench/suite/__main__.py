"""Print each path of the ring beside the machine's own limit, as ratios in one run.

    python bench/run.py [ROUNDS]

Every round runs every program once, so that ours and the limit see the same machine;
the table has medians with the extremes. QUICK=1 does a tenth of the work.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
DIVISOR = "10" if os.environ.get("QUICK") else "1"

# path, ours, what it is compared with, goal for the ratio or the figure itself
ROWS = [
    ("Go -> Go, 64-byte slots, in place", "one", "limit one", ">= 0.6 of C, 20 M/s"),
    ("Go -> Go, 64-byte slots, Write", "write", "limit one", ""),
    ("Go -> Go, batches of 32", "batch", "limit batch", ">= 0.7 of C"),
    ("Go round trip, spinning", "rtt", "limit rtt", "<= 1.25 x C"),
    ("Go round trip, asleep", "parked", "limit parked", "<= 1.15 x futex"),
    ("Go -> Go, 1 MiB copied in and out", "copy", "limit copy", ">= 0.9 of memcpy"),
    ("Go -> Go, 2 slots", "slots2", "one", ""),
    ("Go -> Go, 64 slots", "slots64", "one", "within 2 x"),
    ("Go -> Go, 4096 slots", "slots4096", "one", "within 2 x"),
    ("Go -> Go, 2^20 slots", "slots1048576", "one", "within 2 x"),
    ("Broadcast, producer's ns/message, 1 consumer", "cast1", "cast0", ""),
    ("Broadcast, 4 consumers", "cast4", "cast0", ""),
    ("Broadcast, 16 consumers", "cast16", "cast0", ""),
    ("Broadcast, 32 consumers", "cast32", "cast0", "within 2 x"),
    ("Python -> Python, 64 B, loop counts", "py_count", "limit one", ">= 10 M/s"),
    ("Python -> Python, frame[0]", "py_touch", "limit one", ">= 5 M/s"),
    ("Python -> Python, s += int(frame[0])", "py_sum", "limit one", ""),
    ("Python -> Python, batches of 256", "py_batch", "limit batch", ">= 80 M rows/s"),
    ("Python round trip, spinning", "py_rtt", "limit rtt", "<= 1 us"),
    ("Python round trip, asleep", "py_parked", "limit parked", "<= 1.15 x futex"),
]


def build(folder: Path) -> dict[str, list[str]]:
    """Build the programs; the command that runs each measurement, by name."""
    limit, go = str(folder / "limit"), str(folder / "gobench")
    cc = os.environ.get("CC", "cc")
    source = str(HERE / "limit" / "limit.c")
    subprocess.run([cc, "-O2", "-std=gnu11", "-o", limit, source], check=True)
    subprocess.run(["go", "build", "-o", go, "./bench/gobench"], cwd=HERE.parent, check=True)
    commands = {f"limit {n}": [limit, n] for n in ("one", "batch", "rtt", "parked", "copy")}
    commands["cast0"] = ["taskset", "-c", "0", go, "cast0"]
    for _, ours, *_ in ROWS:
        if ours.startswith("py_"):
            commands[ours] = [sys.executable, str(HERE / "pybench.py"), ours]
        else:
            commands[ours] = ["taskset", "-c", "0", go, ours]
    return commands


def run(command: list[str]) -> tuple[float, str]:
    out = subprocess.run(
        [*command, DIVISOR], capture_output=True, text=True, timeout=120, check=True
    )
    _, value, unit = out.stdout.strip().split("\t")
    return float(value), unit


def measure(rounds: int) -> dict[str, tuple[list[float], str]]:
    results: dict[str, tuple[list[float], str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        commands = build(Path(folder))
        for k in range(rounds):
            for i, (name, command) in enumerate(commands.items()):
                progress = f"round {k + 1} of {rounds}: {i + 1}/{len(commands)} {name}"
                print(f"\r\033[K{progress}", end="", file=sys.stderr, flush=True)
                value, unit = run(command)
                results.setdefault(name, ([], unit))[0].append(value)
    print("\r\033[K", end="", file=sys.stderr)
    return results


def table(results: dict[str, tuple[list[float], str]]) -> str:
    lines = [f"{'path':38} {'ours':>32} {'beside':>32} {'ratio':>6}  goal"]
    in_ns = {"ns": 1.0, "us": 1e3}
    for path, ours, limit, goal in ROWS:
        (mine, unit), (theirs, base) = results[ours], results[limit]
        scale = in_ns.get(unit, 1.0) / in_ns.get(base, 1.0)
        ratio = statistics.median(mine) * scale / statistics.median(theirs)
        figures = f"{spread(mine, unit):>32} {spread(theirs, base):>32}"
        lines.append(f"{path:38} {figures} {ratio:6.2f}  {goal}")
    return "\n".join(lines)


def spread(values: list[float], unit: str) -> str:
    return f"{statistics.median(values):.4g} [{min(values):.3g}..{max(values):.3g}] {unit}"


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    results = measure(rounds)
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.1f}, medians of {rounds} [smallest..largest]")
    if load > 2.5:
        print("the machine is busy with something else: believe the ratios, not the figures")
    print(table(results))
    out = HERE / "results" / "latest.json"
    out.parent.mkdir(exist_ok=True)
    named = {k: {"values": v, "unit": u} for k, (v, u) in results.items()}
    out.write_text(json.dumps(named, indent=1))


if __name__ == "__main__":
    main()
