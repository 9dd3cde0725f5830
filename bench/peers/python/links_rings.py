"""Other libraries' rings in shared memory, and three rings of the usual kinds written by hand.

A link carries messages one way between two processes of Python. The near side makes it
and hands it to the far one; each side calls sender() or receiver() once. A side that polls
yields the core between two polls.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import threading
import time
from collections.abc import Iterator
from multiprocessing import shared_memory
from typing import Any

import numpy as np
from job import Job

yield_core = os.sched_yield


class Link:
    """The common part of the links: a name, a size, and nothing to clean up."""

    loses = False  # messages, also the last one

    def __init__(self, job: Job, suffix: str, spawn: Any) -> None:
        self.name, self.size, self.slots = f"{job.name}-{suffix}", job.size, job.slots
        self.batch = job.batch
        self.open: Any = None
        self.make(spawn)

    def make(self, spawn: Any) -> None:
        """Make the segments that the far side opens."""

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"open": None}

    def detach(self) -> None:
        """Close the segments that sender() or receiver() opened."""
        self.open = None

    def destroy(self) -> None:
        """Remove the segments that make() made."""


class Segment(Link):
    """A link over one shared_memory segment: a header, then a row for each slot."""

    HEADER = 4096

    def make(self, spawn: Any) -> None:
        shm = shared_memory.SharedMemory(self.name, create=True, size=self.bytes())
        shm.close()

    def bytes(self) -> int:
        return self.HEADER + self.slots * self.size

    def rows(self) -> np.ndarray:
        self.open = shared_memory.SharedMemory(self.name)
        return np.ndarray((self.slots, self.size), "u1", self.open.buf, self.HEADER)

    def detach(self) -> None:
        self.open = None  # views may still be out: the mapping goes with the process

    def destroy(self) -> None:
        shm = shared_memory.SharedMemory(self.name)
        shm.close()
        shm.unlink()


class ShmRingBuffer(Link):
    """The library that goring.compat replaces."""

    def ring(self, create: bool) -> Any:
        from ring_buffer.numpy.numpy_shm_ring_buffer import NumpyShmRingBuffer

        names = (f"{self.name}{part}" for part in ("d", "r", "w"))
        return NumpyShmRingBuffer(self.slots, *names, create, np.dtype("u1"), (self.size,))

    def make(self, spawn: Any) -> None:
        self.open = self.made = self.ring(True)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"open": None, "made": None}

    def sender(self) -> Any:
        ring = self.open = self.made or self.ring(False)

        def send(message: Any) -> None:
            while not ring.write(message):
                yield_core()

        return send

    def receiver(self) -> Any:
        ring = self.open = self.made or self.ring(False)
        while True:
            view = ring.read()
            if view is None:
                yield_core()
                continue
            yield view
            ring.release()

    def destroy(self) -> None:
        for part in ("d", "r", "w"):
            shm = shared_memory.SharedMemory(f"{self.name}{part}")
            shm.close()
            shm.unlink()


class Iceoryx2(Link):
    """Publish and subscribe, polling, without overflow."""

    def __init__(self, job: Job, suffix: str, spawn: Any) -> None:
        self.folder, self.prefix = job.folder, job.name + "-"
        super().__init__(job, suffix, spawn)

    def service(self) -> Any:
        import iceoryx2 as iox2

        iox2.set_log_level(iox2.LogLevel.Fatal)
        config = iox2.config.default()
        config.global_cfg.prefix = iox2.FileName.new(self.prefix)
        config.global_cfg.root_path = iox2.Path.new(f"{self.folder}/iox")
        node = iox2.NodeBuilder.new().config(config).create(iox2.ServiceType.Ipc)
        build = node.service_builder(iox2.ServiceName.new(self.name))
        build = build.publish_subscribe(iox2.Slice[ctypes.c_uint8]).enable_safe_overflow(False)
        self.open = node, build.subscriber_max_buffer_size(self.slots).open_or_create()
        return self.open[1]

    def sender(self) -> Any:
        factory = self.service().publisher_builder()
        publisher = factory.initial_max_slice_len(self.size).create()
        size = self.size
        while not self.open[1].dynamic_config.number_of_subscribers:
            yield_core()
        publisher.update_connections()

        def send(message: Any) -> None:
            sample = publisher.loan_slice_uninit(size)
            ctypes.memmove(sample.payload_ptr, message.ctypes.data, size)
            sample.assume_init().send()

        return send

    def receiver(self) -> Any:
        subscriber = self.service().subscriber_builder().create()

        def samples() -> Iterator[Any]:
            while True:
                sample = subscriber.receive()
                if sample is None:
                    yield_core()
                    continue
                yield np.frombuffer(sample.payload().as_memory_view(), "u1")
                sample.delete()

        return samples()


class GlobalBuffer(Link):
    """Its writer never waits: messages that it overwrites unread are lost, and not counted."""

    loses = True

    def sender(self) -> Any:
        import global_buffer as gb

        spec = gb.ArraySpec("uint8", (self.size,))
        self.open = gb.create(self.name, spec, self.slots)
        time.sleep(0.1)  # until the reader has found it
        return self.open.write

    def receiver(self) -> Any:
        import global_buffer as gb

        while True:
            try:
                reader = self.open = gb.attach(self.name)
                break
            except gb.BufferNotFound:
                time.sleep(0.001)
        out = np.empty(self.size, "u1")
        while True:
            reader.next_into(out)
            yield out

    def destroy(self) -> None:
        import global_buffer as gb

        gb.unlink(self.name)


class AtomicShm(Segment):
    """A ring of one producer and one consumer over C atomics, with an index of each on its line."""

    def cells(self) -> tuple[Any, Any, list[np.ndarray]]:
        import atomicshm

        rows = self.rows()
        view = atomicshm.AtomicView(self.open.buf)
        return view.cell_u64(0), view.cell_u64(128), list(rows)

    def sender(self) -> Any:
        import atomicshm

        head, tail, rows = self.cells()
        acquire, release, slots = atomicshm.ACQUIRE, atomicshm.RELEASE, self.slots
        n = seen = 0

        def put(message: Any) -> None:
            nonlocal n, seen
            while n - seen == slots:
                seen = tail.load(acquire)
                if n - seen == slots:
                    yield_core()
            rows[n % slots][:] = message
            n += 1

        def send(message: Any) -> None:
            put(message)
            head.store(n, release)

        def send_batch(messages: Any) -> None:
            for message in messages:
                put(message)
            head.store(n, release)

        return send_batch if self.batch else send

    def receiver(self) -> Any:
        import atomicshm

        head, tail, rows = self.cells()
        if self.batch:
            yield from self.batches(head, tail, rows)
        acquire, release, slots = atomicshm.ACQUIRE, atomicshm.RELEASE, self.slots
        n = seen = 0
        while True:
            while n == seen:
                seen = head.load(acquire)
                if n == seen:
                    yield_core()
            yield rows[n % slots]
            n += 1
            tail.store(n, release)

    def batches(self, head: Any, tail: Any, rows: list[np.ndarray]) -> Iterator[list[np.ndarray]]:
        n = 0
        while True:
            ready = min(head.load() - n, self.batch)
            if not ready:
                yield_core()
                continue
            yield [rows[k % self.slots] for k in range(n, n + ready)]
            n += ready
            tail.store(n)


class Semaphores(Segment):
    """A segment and two semaphores: the ring of the textbooks."""

    def make(self, spawn: Any) -> None:
        super().make(spawn)
        self.full, self.free = spawn.Semaphore(0), spawn.Semaphore(self.slots)

    def sender(self) -> Any:
        rows, slots, n = list(self.rows()), self.slots, 0

        def send(message: Any) -> None:
            nonlocal n
            self.free.acquire()
            rows[n % slots][:] = message
            n += 1
            self.full.release()

        return send

    def receiver(self) -> Any:
        rows, slots, n = list(self.rows()), self.slots, 0
        while True:
            self.full.acquire()
            yield rows[n % slots]
            n += 1
            self.free.release()


class FlagBytes(Segment):
    """The pattern of vLLM's shm_broadcast, written anew: flag bytes, pickle, a lock as fence."""

    PICKLE = 512  # the most that pickle adds to the bytes

    def bytes(self) -> int:
        return self.HEADER + self.slots * (self.size + self.PICKLE)

    def buffers(self) -> tuple[memoryview, list[memoryview]]:
        self.open = shared_memory.SharedMemory(self.name)
        step = self.size + self.PICKLE
        starts = range(self.HEADER, self.HEADER + self.slots * step, step)
        return self.open.buf, [self.open.buf[at : at + step] for at in starts]

    def sender(self) -> Any:
        flags, buffers = self.buffers()
        slots, fence, n = self.slots, threading.Lock(), 0

        def send(message: Any) -> None:
            nonlocal n
            written, read = 2 * (n % slots), 2 * (n % slots) + 1
            while True:
                with fence:
                    pass
                if not flags[written] or flags[read]:
                    break
                yield_core()
            flags[written] = 0
            data = pickle.dumps(message, protocol=5)
            buffers[n % slots][: len(data)] = data
            flags[read] = 0
            with fence:
                pass
            flags[written] = 1
            n += 1

        return send

    def receiver(self) -> Any:
        flags, buffers = self.buffers()
        slots, fence, n = self.slots, threading.Lock(), 0
        while True:
            written, read = 2 * (n % slots), 2 * (n % slots) + 1
            while True:
                with fence:
                    pass
                if flags[written] and not flags[read]:
                    break
                yield_core()
            yield pickle.loads(buffers[n % slots])
            with fence:
                pass
            flags[read] = 1
            n += 1
