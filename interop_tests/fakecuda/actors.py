"""Processes that use the double: functions of the test modules, each in a process of its own.

They are forked from a small process that never loads the double itself; the tests' process may by
then have threads of Go.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import multiprocessing.connection
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import driver

DEADLINE = 30.0


class Part(NamedTuple):
    """module.function(driver, pipe, *arguments)"""

    module: str
    function: str
    arguments: tuple[Any, ...]
    library: Path
    environment: dict[str, str]
    context: bool


def act(part: Part, pipe: int) -> None:
    """The life of an actor."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # goes with the process that forks them
    function = getattr(sys.modules[part.module], part.function)
    code = 1
    try:
        os.environ.update(part.environment)
        ours = multiprocessing.connection.Connection(pipe)
        function(driver.Driver(part.library, part.context), ours, *part.arguments)
        code = 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    driver.exit_properly(code)


def serve(orders: socket.socket) -> None:
    """Start a part, or say whether a process has ended (None: it has not)."""
    while True:
        data, fds, _, _ = socket.recv_fds(orders, 1 << 20, 1)
        if not data:
            return
        order = pickle.loads(data)
        if isinstance(order, Part):
            importlib.import_module(order.module)
            answer: int | None = os.fork()
            if not answer:
                orders.close()
                act(order, fds[0])
            os.close(fds[0])
        else:
            pid, status = os.waitpid(order, os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        orders.send(pickle.dumps(answer))


class Troupe:
    """The process that forks actors."""

    def __init__(self) -> None:
        self.orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__)), str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
        )
        theirs.close()

    def ask(self, order: Part | int, *fds: int) -> int | None:
        socket.send_fds(self.orders, [pickle.dumps(order)], fds)
        return pickle.loads(self.orders.recv(1 << 16))

    def start(
        self,
        function: Callable[..., None],
        arguments: tuple[Any, ...],
        library: Path,
        environment: dict[str, str],
        context: bool,
    ) -> Actor:
        pipe, theirs = multiprocessing.connection.Pipe()
        part = Part(
            function.__module__, function.__name__, arguments, library, environment, context
        )
        pid = self.ask(part, theirs.fileno())
        theirs.close()
        assert pid
        return Actor(self, function.__name__, pid, pipe)

    def dismiss(self) -> None:
        self.orders.close()
        self.process.wait(DEADLINE)


class Actor:
    """One process, with a pipe to and from its function."""

    def __init__(
        self, troupe: Troupe, name: str, pid: int, pipe: multiprocessing.connection.Connection
    ) -> None:
        self.troupe, self.name, self.pid, self.pipe = troupe, name, pid, pipe
        self.code: int | None = None

    def send(self, value: Any) -> None:
        self.pipe.send(value)

    def recv(self, timeout: float = DEADLINE) -> Any:
        if not self.pipe.poll(timeout):
            raise TimeoutError(f"{self.name} said nothing for {timeout} s")
        try:
            return self.pipe.recv()
        except EOFError:
            raise AssertionError(f"{self.name} ended with {self.wait()}") from None

    def wait(self, timeout: float = DEADLINE) -> int:
        """Its exit code, or minus the signal that ended it."""
        end = time.monotonic() + timeout
        while self.code is None:
            self.code = self.troupe.ask(self.pid)
            if self.code is None and time.monotonic() > end:
                self.kill()
                raise TimeoutError(f"{self.name} did not end in {timeout} s")
            time.sleep(0.001)
        return self.code

    def done(self) -> None:
        code = self.wait()
        assert code == 0, f"{self.name} ended with {code}"

    def kill(self) -> None:
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.wait()


if __name__ == "__main__":
    from actors import serve  # under the name that pickles hold

    serve(socket.socket(fileno=int(sys.argv[1])))
