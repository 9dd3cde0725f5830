"""Links that have a side in Go, too: each side is a process that was started for it.

far(serve, ready) and near(ask) call the loop of peer.py with a function that sends and an
iterator over the received messages.
"""

from __future__ import annotations

import asyncio
import fcntl
import http.client
import os
import queue
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from job import STOP, Job

LARGEST = 8 << 20
GATHER = 16 << 10  # bytes from which a message is not copied after its length
PIPE = 1 << 20  # bytes that a pipe holds: the most by default


class Mixed:
    def __init__(self, job: Job) -> None:
        self.job = job


class Goring(Mixed):
    """goring."""

    def join(self, inbox: Any, outbox: Any, loop: Any) -> None:
        how = {"wait": self.job.wait} if self.job.wait else {}
        with inbox.consumer(**how) as inside, outbox.producer(**how) as outside:
            if self.job.batch:
                loop(self.job, outside.write_batch, arrays(inside, self.job))
            else:
                loop(self.job, outside.write, iter(inside))

    def far(self, serve: Any, ready: Any) -> None:
        import goring

        name = f"bench-{self.job.name}"
        shape = {"slots": self.job.slots, "dtype": "u1", "shape": (self.job.size,)}
        with goring.create(name, **shape) as there, goring.create(name + "-back", **shape) as back:
            try:
                self.join(there, back, self.serving(serve, ready))
            finally:
                there.unlink()
                back.unlink()

    def serving(self, serve: Any, ready: Any) -> Any:
        def loop(*args: Any) -> None:
            ready()
            serve(*args)

        return loop

    def near(self, ask: Any) -> None:
        import goring

        name = f"bench-{self.job.name}"
        with goring.open(name) as there, goring.open(name + "-back") as back:
            self.join(back, there, ask)


def arrays(inbox: Any, job: Job) -> Iterator[Any]:
    while True:
        yield inbox.read_batch(job.batch)


class Unix(Mixed):
    """A Unix socket: each message after its length."""

    def loop(self, connection: socket.socket, run: Any) -> None:
        with connection, connection.makefile("rb", 64 << 10) as source:
            run(self.job, framed(connection.fileno(), self.job.size), messages(source))

    def far(self, serve: Any, ready: Any) -> None:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(self.job.socket)
            server.listen()
            ready()
            self.loop(server.accept()[0], serve)

    def near(self, ask: Any) -> None:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self.job.socket)
        self.loop(connection, ask)


def framed(sink: int, size: int) -> Any:
    """Send messages of that size, each after its length; large ones without a copy."""
    head = struct.pack("<I", size)

    def send(message: Any) -> None:
        data = memoryview(message)
        done = os.writev(sink, (head, data)) if size >= GATHER else os.write(sink, head + data)
        while done < 4 + size:
            done += os.write(sink, data[done - 4 :])

    return send


def messages(source: Any) -> Iterator[bytes]:
    unpack = struct.Struct("<I").unpack
    while head := source.read(4):
        yield source.read(unpack(head)[0])


class Pipe(Mixed):
    """A pair of named pipes: each message after its length."""

    def loop(self, inbox: str, outbox: str, run: Any) -> None:
        with (
            open(os.open(inbox, os.O_RDWR), "rb", 64 << 10) as source,
            open(os.open(outbox, os.O_RDWR), "wb", 0) as sink,
        ):
            fcntl.fcntl(sink, fcntl.F_SETPIPE_SZ, PIPE)
            run(self.job, framed(sink.fileno(), self.job.size), messages(source))

    def far(self, serve: Any, ready: Any) -> None:
        there, back = f"{self.job.folder}/there", f"{self.job.folder}/back"
        os.mkfifo(there, 0o600)
        os.mkfifo(back, 0o600)
        ready()
        self.loop(there, back, serve)

    def near(self, ask: Any) -> None:
        self.loop(f"{self.job.folder}/back", f"{self.job.folder}/there", ask)


class Zmq(Mixed):
    """PUSH and PULL over ipc.

    The receiver of the last message confirms it: messages in transit are lost when their sender
    closes.
    """

    def loop(self, run: Any, ready: Any, *, far: bool) -> None:
        import zmq

        copy = self.job.size < 64 << 10
        with (
            zmq.Context() as context,
            context.socket(zmq.PUSH) as push,
            context.socket(zmq.PULL) as pull,
        ):
            there, back = f"ipc://{self.job.socket}t", f"ipc://{self.job.socket}b"
            if far:
                pull.bind(there)
                push.bind(back)
            else:
                push.connect(there)
                pull.connect(back)
            ready()

            def inbox() -> Iterator[Any]:
                while True:
                    yield pull.recv() if copy else pull.recv(copy=False).buffer

            run(self.job, lambda message: push.send(message, copy=copy), inbox())
            if far:
                push.send(b"taken")
            else:
                pull.recv()

    def far(self, serve: Any, ready: Any) -> None:
        self.loop(serve, ready, far=True)

    def near(self, ask: Any) -> None:
        self.loop(ask, lambda: None, far=False)


class Grpc(Mixed):
    """A stream both ways over a Unix socket; bytes go as they are, without protobuf."""

    OPTIONS = (
        ("grpc.max_receive_message_length", LARGEST),
        ("grpc.max_send_message_length", LARGEST),
    )

    def far(self, serve: Any, ready: Any) -> None:
        import grpc

        done = threading.Event()

        def talk(requests: Iterator[bytes], _context: Any) -> Iterator[bytes]:
            if self.job.answered:
                for data in requests:
                    if data[0] == STOP:
                        break
                    yield data
            else:
                serve(self.job, lambda _: None, requests)
            done.set()

        server = grpc.server(ThreadPoolExecutor(2), options=self.OPTIONS)
        methods = {"talk": grpc.stream_stream_rpc_method_handler(talk)}
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("bench.Peer", methods)]
        )
        server.add_insecure_port(f"unix:{self.job.socket}")
        server.start()
        ready()
        done.wait()
        server.stop(1).wait()

    def near(self, ask: Any) -> None:
        import grpc

        # gRPC reads ahead from the iterator: a bounded queue, as a program would have
        outbox: queue.Queue[bytes | None] = queue.Queue(self.job.slots)
        with grpc.insecure_channel(f"unix:{self.job.socket}", options=self.OPTIONS) as channel:
            talk = channel.stream_stream("/bench.Peer/talk")
            answers = talk(iter(outbox.get, None))
            ask(self.job, lambda message: outbox.put(message.tobytes()), answers)
            outbox.put(None)
            for _ in answers:  # until the far side has taken everything
                pass


class Http(Mixed):
    """A POST for each message, over a Unix socket; its answer is the next that comes."""

    def far(self, serve: Any, ready: Any) -> None:
        inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        thread = threading.Thread(
            target=serve, args=(self.job, lambda _: None, iter(inbox.get, None))
        )
        if not self.job.answered:
            thread.start()
        asyncio.run(self.serve(inbox, ready))
        if not self.job.answered:
            thread.join()

    async def serve(self, inbox: queue.SimpleQueue[bytes], ready: Any) -> None:
        import uvicorn

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                return
            body, more = [], True
            while more:
                part = await receive()
                body.append(part.get("body", b""))
                more = part.get("more_body", False)
            data = b"".join(body)
            inbox.put(data)
            reply = data if self.job.answered else b""
            length = [(b"content-length", str(len(reply)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": length})
            await send({"type": "http.response.body", "body": reply})
            if data[0] == STOP:
                server.should_exit = True

        how = {"http": "httptools", "loop": "uvloop", "lifespan": "off", "log_level": "warning"}
        server = uvicorn.Server(uvicorn.Config(app, uds=self.job.socket, **how))
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        ready()
        await serving

    def near(self, ask: Any) -> None:
        connection = UnixHTTP("peer")
        connection.path = self.job.socket
        answer = b""

        def send(message: Any) -> None:
            nonlocal answer
            connection.request("POST", "/", memoryview(message))
            response = connection.getresponse()
            answer = response.read()

        ask(self.job, send, iter(lambda: answer, None))
        connection.close()


class UnixHTTP(http.client.HTTPConnection):
    path = ""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)
