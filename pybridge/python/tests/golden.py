"""Segments made without goring, by a writer made from the specification alone."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

VECTORS = Path(__file__).parents[3] / "spec" / "vectors"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", VECTORS / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = _load()


def put(folder: Path, name: str, segment: bytes) -> Path:
    """Make segment the file of a ring's name."""
    path = folder / f"goring.{name}"
    path.write_bytes(segment)
    path.chmod(0o600)
    return path
