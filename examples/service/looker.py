"""Analyse photographs with scikit-image: faces, edges, a thumbnail.

The Go service beside it runs `look` in its workers. The photograph is a view of the memory that
Go decoded it into, without a copy.
"""

import numpy as np
from skimage.color import rgb2gray
from skimage.data import lbp_frontal_face_cascade_filename
from skimage.feature import Cascade
from skimage.filters import sobel
from skimage.transform import resize

import goring

SIDE = 240  # pixels of a thumbnail's longer side

faces = Cascade(lbp_frontal_face_cascade_filename())


def thumbnail(photo: np.ndarray) -> tuple[np.ndarray, float]:
    """The photograph as floats 0 to 1, no larger than SIDE, and its scale."""
    scale = min(SIDE / max(photo.shape[:2]), 1.0)
    shape = [max(round(n * scale), 1) for n in photo.shape[:2]]
    return resize(photo, (*shape, 3), anti_aliasing=scale < 1), scale


def find_faces(small: np.ndarray) -> list[dict[str, int]]:
    """Boxes of the faces in a thumbnail."""
    least = 40
    if min(small.shape[:2]) < least:
        return []
    return faces.detect_multi_scale(
        small, scale_factor=1.3, step_ratio=1.5, min_size=(least, least), max_size=(200, 200)
    )


@goring.worker(kind="tensor")
def look(photo: np.ndarray, meta: dict[str, str]):
    """Return the analysis of a photograph of shape (height, width, 3), dtype uint8.

    meta["want"] is "json", for the facts, or "png", for a thumbnail with its edges in red.
    """
    if photo.ndim != 3 or photo.shape[2] != 3:
        raise ValueError(f"a photograph has shape (height, width, 3), got {photo.shape}")
    small, scale = thumbnail(photo)
    edges = sobel(rgb2gray(small))
    if meta["want"] == "png":
        small[edges > 0.15] = (1.0, 0.0, 0.0)
        return (small * 255).astype(np.uint8)
    found = [
        {k: round(int(face[k]) / scale) for k in ("r", "c", "width", "height")}
        for face in find_faces(small)
    ]
    return {
        "height": photo.shape[0],
        "width": photo.shape[1],
        "mean": [round(float(m), 2) for m in photo.mean(axis=(0, 1))],
        "edges": round(float((edges > 0.15).mean()), 4),
        "faces": found,
    }
