"""Queues, of the standard library and others, and zenoh: links as in links_rings.py."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from links_rings import Link


class Queue(Link):
    """multiprocessing.Queue."""

    def make(self, spawn: Any) -> None:
        self.queue = spawn.Queue(self.slots)

    def sender(self) -> Any:
        return self.queue.put

    def receiver(self) -> Any:
        while True:
            yield self.queue.get()


class SimpleQueue(Queue):
    """multiprocessing.SimpleQueue."""

    def make(self, spawn: Any) -> None:
        self.queue = spawn.SimpleQueue()


class Pipe(Link):
    """multiprocessing.Pipe, of bytes."""

    def make(self, spawn: Any) -> None:
        self.r, self.w = spawn.Pipe(duplex=False)

    def sender(self) -> Any:
        return self.w.send_bytes

    def receiver(self) -> Any:
        while True:
            yield self.r.recv_bytes()


class FasterFifo(Link):
    """A queue of pickles in shared memory; several at a time by its put_many and get_many."""

    def make(self, spawn: Any) -> None:
        import faster_fifo
        import faster_fifo_reduction

        assert faster_fifo_reduction is not None  # importing it makes queues picklable
        self.queue = faster_fifo.Queue(max_size_bytes=(self.size + 512) * self.slots)

    def sender(self) -> Any:
        return (lambda batch: self.queue.put_many(list(batch))) if self.batch else self.queue.put

    def receiver(self) -> Any:
        while True:
            if self.batch:
                yield self.queue.get_many(max_messages_to_get=self.batch)
            else:
                yield self.queue.get()


class Zenoh(Link):
    """zenoh's publisher with shared-memory buffers, peer to peer over a Unix socket.

    A buffer that the reader's watchdog does not confirm in time is invalid, and lost.
    """

    loses = True

    def __init__(self, job: Any, suffix: str, spawn: Any) -> None:
        self.express = job.answered  # not held back to be sent with others
        self.socket = f"unixsock-stream/{job.folder}/{suffix}"
        super().__init__(job, suffix, spawn)

    def session(self, endpoint: str) -> Any:
        import zenoh

        config = zenoh.Config()
        config.insert_json5("scouting/multicast/enabled", "false")
        config.insert_json5("transport/shared_memory/enabled", "true")
        config.insert_json5("listen/endpoints", "[]")
        config.insert_json5(endpoint, f'["{self.socket}"]')
        self.open = zenoh.open(config)
        return self.open

    def sender(self) -> Any:
        import zenoh

        session = self.connected()
        shm = zenoh.shm
        provider = shm.ShmProvider.default_backend(self.slots * (self.size + 4096))
        policy = shm.BlockOn(shm.GarbageCollect())
        publisher = session.declare_publisher(
            self.name, congestion_control=zenoh.CongestionControl.BLOCK, express=self.express
        )
        while not publisher.matching_status.matching:
            time.sleep(0.01)

        def send(message: Any) -> None:
            buffer = provider.alloc(self.size, policy)
            buffer[:] = bytes(message)
            publisher.put(buffer)

        return send

    def connected(self) -> Any:
        """A session with the receiver, once that is there."""
        import zenoh

        for _ in range(500):
            try:
                return self.session("connect/endpoints")
            except zenoh.ZError:
                time.sleep(0.01)
        raise TimeoutError("the receiver did not come up")

    def receiver(self) -> Any:
        import zenoh

        session = self.session("listen/endpoints")
        fifo = zenoh.handlers.FifoChannel(self.slots)
        subscriber = session.declare_subscriber(self.name, fifo)

        def payloads() -> Iterator[bytes]:
            for sample in subscriber:
                yield bytes(sample.payload)

        return payloads()

    def detach(self) -> None:
        if self.open is not None:
            self.open.close()
        self.open = None
