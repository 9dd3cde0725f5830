"""CupyRingBuffer on the emulated driver, with and without a stand-in for CuPy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent.parent

PROGRAM = """
import numpy as np
from goring.compat.shm_ring_buffer import CupyRingBuffer, NumpyShmRingBuffer
import goring

names = ("items", "r", "w")
ours = CupyRingBuffer(2, *names, True, "f4", (3,))
theirs = CupyRingBuffer(2, *names, False, "f4", (3,))
assert theirs.read() is None and not theirs.can_read() and ours.capacity == 2
for n in range(5):
    assert ours.write(np.full(3, n, "f4"))
    item = theirs.read()
    assert type(item).__name__ == KIND, type(item)
    assert theirs.read() is not None  # the same one until release
    found = item.view.copy_to_host() if KIND == "Standin" else item.copy_to_host()
    assert found.tolist() == [n] * 3
    del item
    assert theirs.release() and not theirs.release()
assert ours.write(np.zeros(3, "f4")) and ours.write(np.ones(3, "f4"))
assert not ours.can_write() and not ours.write(np.ones(3, "f4"))
try:
    ours.write(np.zeros(3, "f8"))
    raise SystemExit("another dtype was taken")
except goring.SchemaError:
    pass
theirs.close()
ours.close()
host = NumpyShmRingBuffer(2, *names, True, "f4", (3,))
try:
    CupyRingBuffer(2, *names, False, "f4", (3,))
    raise SystemExit("a ring in host memory was taken")
except goring.SchemaError as e:
    assert "host memory" in str(e)
host.close()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="goring-cupy-", dir="/dev/shm"))
    yield path
    shutil.rmtree(path)


@pytest.mark.parametrize("kind", ["DeviceArray", "Standin"])
def test_items_go_round(folder: Path, tmp_path: Path, kind: str) -> None:
    if kind == "Standin":
        text = "class Standin:\n    def __init__(self, view): self.view = view\nasarray = Standin\n"
        (tmp_path / "cupy.py").write_text(text)
    build = [sys.executable, "interop_tests/fakecuda/double.py"]
    library = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    done = subprocess.run(
        [sys.executable, "-c", f"KIND = {kind!r}\n{PROGRAM}"],
        env=os.environ
        | {
            "PYTHONPATH": str(tmp_path),
            "GORING_DIR": str(folder),
            "GORING_LIBCUDA": library.strip(),
            "FAKECUDA_DIR": str(folder / "state"),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
