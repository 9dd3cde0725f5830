"""Read frames with NumPy, in place, and answer on a second ring.

    python worker.py FRAMES RESULTS NUMBER

Started by the Go program beside it; ends when that shuts the frames ring down.
"""

import sys
import zlib

import numpy as np

import goring


def look(frame: np.ndarray, out: np.ndarray) -> None:
    """Measure a (height, width, 3) uint8 frame and fill the result record."""
    out["Height"], out["Width"] = frame.shape[:2]
    out["CRC"] = zlib.crc32(frame)
    out["Mean"] = frame.mean(axis=(0, 1))
    grey = frame.astype(np.float32).mean(axis=2)
    edges = (
        4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    )
    out["Sharpness"] = edges.var()
    out["Histogram"] = np.histogram(grey, bins=16, range=(0, 256))[0]


def main(frames_name: str, results_name: str, number: int) -> None:
    with (
        goring.open(frames_name) as frames,
        goring.open(results_name) as results,
        frames.consumer(name=f"worker {number}") as inbox,
        results.producer(name=f"worker {number}") as outbox,
    ):
        for message in inbox.messages():
            with message, outbox.reserve() as slot:
                slot.array["Frame"] = message.tag
                slot.array["Worker"] = number
                look(message.array, slot.array)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
