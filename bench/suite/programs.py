"""The programs of the peers: installed and built from their lockfiles, or why not."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .machine import HERE
from .processes import Failed

PEERS = HERE / "peers"
# Aeron's own advice for measurements: https://github.com/aeron-io/aeron/wiki/Performance-Testing
AERON = (
    "-XX:+UseParallelGC",
    "-XX:+UnlockDiagnosticVMOptions",
    "-XX:GuaranteedSafepointInterval=300000",
    "-XX:-UsePerfData",
    "-Dagrona.disable.bounds.checks=true",
    "-Daeron.pre.touch.mapped.memory=true",
    "--add-opens=java.base/jdk.internal.misc=ALL-UNNAMED",
)


class Programs:
    """The commands that start the peers of a language, and the reasons why others are missing."""

    def __init__(self, build: Path) -> None:
        self.build = build
        self.commands: dict[str, tuple[str, ...]] = {}
        self.failures: dict[str, str] = {}
        self.missing: dict[str, str] = {}  # Python packages
        for name in ("python", "go", "rust", "java"):
            say(f"installing and building the peers in {name}")
            try:
                self.commands[name] = getattr(self, name)()
            except Failed as e:
                self.failures[name] = f"not built: {e}"

    def python(self) -> tuple[str, ...]:
        venv = self.build / "peers"
        self.missing = install(PEERS / "python" / "requirements.txt", venv)
        return (str(venv / "bin" / "python"), str(PEERS / "python" / "peer.py"))

    def go(self) -> tuple[str, ...]:
        out = self.build / "peer-go"
        make(["go", "build", "-o", str(out), "."], PEERS / "go")
        return (str(out),)

    def rust(self) -> tuple[str, ...]:
        target = self.build / "peer-rust"
        options = ("--release", "--locked", "--quiet", "--target-dir", str(target))
        make(["cargo", "build", *options], PEERS / "iceoryx2")
        return (str(target / "release" / "peer"),)

    def java(self) -> tuple[str, ...]:
        target = self.build / "peer-java"
        make(["mvn", "-q", "-B", "package", f"-Dout={target}"], PEERS / "aeron")
        return ("java", *AERON, "-cp", f"{target}/classes:{target}/dependency/*", "Peer")


def install(lock: Path, venv: Path) -> dict[str, str]:
    """Fill an environment from a lockfile; the packages that did not install, and why."""
    stamp = venv / "installed.json"
    if stamp.exists() and json.loads(stamp.read_text()) == {"lock": lock.read_text()}:
        return {}
    if not (venv / "bin" / "python").exists():
        make(["uv", "venv", "-q", "--python", sys.executable, str(venv)], lock.parent)
    pip = ["uv", "pip", "install", "-q", "--python", str(venv / "bin" / "python")]
    try:
        make([*pip, "-r", str(lock)], lock.parent)
    except Failed:
        return one_by_one(pip, lock)
    stamp.write_text(json.dumps({"lock": lock.read_text()}))
    return {}


def one_by_one(pip: Sequence[str], lock: Path) -> dict[str, str]:
    """Install the peers that can be installed: one that cannot does not stop the others."""
    missing = {}
    for line in filter(None, lock.read_text().splitlines()):
        try:
            make([*pip, "--no-deps", line], lock.parent)
        except Failed as e:
            missing[re.split("[ =;]", line)[0]] = f"not installed: {e}"
    return missing


def make(command: Sequence[str], folder: Path) -> None:
    """Run a tool, or say why it did not do."""
    if not shutil.which(command[0]):
        raise Failed(f"no {command[0]} on PATH")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(reason(done.stderr + done.stdout) or f"{command[0]} gave {done.returncode}")


def reason(text: str) -> str:
    """The first line that speaks of an error, or else the last one."""
    lines = [s.strip() for s in text.splitlines() if s.strip()]
    errors = [s for s in lines if "error" in s.lower() or s.startswith("╰")]
    return (errors or lines[-1:] or [""])[0][:100]


def say(words: str) -> None:
    """Print the progress."""
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":  # the environment alone, for bench/pool
    for package, why in install(PEERS / "python" / "requirements.txt", Path(sys.argv[1])).items():
        say(f"{package}: {why}")
