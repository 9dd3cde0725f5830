"""NVIDIA's own Python packages and numba-cuda as clients of the double."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

JUDGES = Path(__file__).parent / "clients" / "judges.py"


@pytest.mark.parametrize("name", ["bindings", "core", "numba", "numpy"])
def test_clients_that_are_not_ours(stage, gpu_python, library, name):
    path = {"LD_LIBRARY_PATH": str(library.parent)}
    done = subprocess.run(
        [gpu_python, JUDGES, name],
        env={**os.environ, **stage.environment, **path},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
