"""Many workers prepare batches for one consumer, in the manner of torch.utils.data.

    python examples/many_workers/loader.py --images FOLDER [--compare]

`Loader` hands the numbers of samples to worker processes on one queue, takes finished
batches from another and yields them in order. A worker that dies is replaced and its
batch made again. With --compare the same runs over `multiprocessing.Queue`, too; only
there a killed worker could take a lock with it, so none is killed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty
from typing import Any

import numpy as np
from goring.compat.queue import Queue
from PIL import Image

SIDE = 128  # pixels of a sample
PATIENCE = 0.2  # seconds without a batch after which the workers are checked

spawn = multiprocessing.get_context("spawn")


class Photographs:
    """A dataset: sample n is a random crop of a photograph, flipped or not."""

    def __init__(self, folder: str, length: int) -> None:
        endings = {".jpg", ".jpeg", ".png"}
        self.files = sorted(p for p in Path(folder).iterdir() if p.suffix.lower() in endings)
        if not self.files:
            raise SystemExit(f"no JPEG or PNG in {folder}")
        self.length = length
        self.decoded: dict[Path, np.ndarray] = {}

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, n: int) -> np.ndarray:
        """Return a (SIDE, SIDE, 3) uint8 array, the same in every process."""
        photo = self.photo(self.files[n % len(self.files)])
        random = np.random.default_rng(n)
        top = random.integers(photo.shape[0] - SIDE + 1)
        left = random.integers(photo.shape[1] - SIDE + 1)
        sample = photo[top : top + SIDE, left : left + SIDE]
        return sample[:, ::-1] if random.random() < 0.5 else sample

    def photo(self, file: Path) -> np.ndarray:
        if file not in self.decoded:
            with Image.open(file) as image:
                image = image.convert("RGB")
                if min(image.size) < SIDE:
                    image = image.resize((SIDE, SIDE))
                self.decoded[file] = np.asarray(image)
        return self.decoded[file]


def work(dataset: Any, orders: Any, done: Any) -> None:
    """A worker: make the batches that are ordered until told to end."""
    while (order := orders.get()) is not None:
        batch, samples = order
        done.put((batch, np.stack([dataset[n] for n in samples])))


class Loader:
    """Yields batches of a dataset in order, made by worker processes."""

    def __init__(
        self, dataset: Any, batch: int, workers: int, queue: Callable[[], Any] = Queue
    ) -> None:
        self.dataset, self.batch, self.ahead = dataset, batch, 2 * workers
        self.orders, self.done = queue(), queue()
        self.workers = [self.hire() for _ in range(workers)]
        self.replaced = 0

    def hire(self) -> Any:
        arguments = (self.dataset, self.orders, self.done)
        worker = spawn.Process(target=work, args=arguments, daemon=True)
        worker.start()
        return worker

    def __iter__(self) -> Iterator[np.ndarray]:
        starts = range(0, len(self.dataset), self.batch)
        ready: dict[int, np.ndarray] = {}
        ordered = 0
        for wanted in range(len(starts)):
            while ordered < min(wanted + self.ahead, len(starts)):
                self.order(ordered)
                ordered += 1
            while wanted not in ready:
                if self.replace_the_dead():  # the samples that they had begun are unassigned now
                    for number in set(range(wanted, ordered)) - set(ready):
                        self.order(number)
                try:
                    number, samples = self.done.get(timeout=PATIENCE)
                except Empty:
                    continue
                if number >= wanted:  # else made twice
                    ready[number] = samples
            yield ready.pop(wanted)

    def order(self, number: int) -> None:
        first = number * self.batch
        self.orders.put((number, range(first, min(first + self.batch, len(self.dataset)))))

    def replace_the_dead(self) -> bool:
        dead = [k for k, worker in enumerate(self.workers) if not worker.is_alive()]
        for k in dead:
            self.workers[k] = self.hire()
        self.replaced += len(dead)
        return bool(dead)

    def close(self) -> None:
        for _ in self.workers:
            self.orders.put(None)
        for worker in self.workers:
            worker.join()
        for queue in (self.orders, self.done):
            queue.close()


def drive(dataset: Photographs, options: Any, queue: Callable[[], Any], kill: bool) -> float:
    """Load the whole dataset and check every batch; samples per second."""
    loader = Loader(dataset, options.batch, options.workers, queue)
    begun, seen = time.monotonic(), 0
    for number, samples in enumerate(loader):
        first = number * options.batch
        assert samples.shape[1:] == (SIDE, SIDE, 3)
        assert np.array_equal(samples[0], dataset[first]), f"batch {number} is not what it was"
        seen += len(samples)
        if number == 0:
            begun, seen = time.monotonic(), 0  # the workers are up
        if kill and first >= len(dataset) // 2:
            kill = False
            victim = loader.workers[0]
            os.kill(victim.pid, signal.SIGKILL)
            victim.join()
            print("killed a worker in the middle")
    rate = seen / (time.monotonic() - begun)
    if loader.replaced:
        print(f"{loader.replaced} worker replaced, no batch lost")
    loader.close()
    return rate


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", required=True)
    parser.add_argument("--samples", type=int, default=6400)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--compare", action="store_true")
    options = parser.parse_args()
    dataset = Photographs(options.images, options.samples)

    def ring() -> Queue:
        return Queue(4 * options.workers, max_bytes=options.batch * SIDE * SIDE * 3 + 65536)

    ours = drive(dataset, options, ring, kill=not options.compare)
    print(f"goring.compat.queue: {ours:,.0f} samples/s from {options.workers} workers")
    if options.compare:
        theirs = drive(dataset, options, spawn.Queue, kill=False)
        print(f"multiprocessing.Queue: {theirs:,.0f} samples/s; goring's is {ours / theirs:.1f} x")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
