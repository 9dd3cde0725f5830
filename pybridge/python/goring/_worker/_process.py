"""A worker's process: its command line, its status line and its end."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from typing import Any

import msgspec

from .. import _layout, _open
from ._answer import Answers
from ._function import Function, load
from ._loops import Limits, Session

_USAGE = "usage: python -m goring.worker module:function --pool JSON (a Go pool runs this)"


class Options(msgspec.Struct):
    """Options of the pool on the command line; in seconds and bytes, 0: no limit or default."""

    name: str = "worker"
    index: int = 0
    max_attempts: int = 3
    batch: int = 0
    batch_wait: float = 0.0
    max_requests: int = 0
    max_memory: int = 0
    requests: int = _layout.FD_REQUESTS
    results: int = _layout.FD_RESULTS
    status: int = _layout.FD_STATUS


def main(arguments: list[str]) -> int:
    """Run a worker and return its exit status."""
    if len(arguments) != 3 or arguments[1] != "--pool":
        print(_USAGE, file=sys.stderr)
        return 2
    options = msgspec.json.decode(arguments[2], type=Options)
    for fd in (options.requests, options.results, options.status):
        os.set_inheritable(fd, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the service handles Ctrl-C
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    try:
        function = load(arguments[0]).tuned(options.batch, options.batch_wait)
        session = _join(function, options)
    except BaseException as error:
        _write_status(options.status, {"error": _described(error)})
        return 1
    _watch_parent(session)
    signal.signal(signal.SIGTERM, lambda *_: setattr(session, "leaving", True))
    session.run()
    return 0


def _join(function: Function, options: Options) -> Session:
    spec = function.spec
    requests = _open.open(fd=options.requests, dtype=spec.dtype, shape=spec.shape)
    if spec.kind is not None and requests.kind != spec.kind:
        raise TypeError(
            f"{function.name} takes {spec.kind}, the pool's requests are {requests.kind}"
        )
    results = _open.open(fd=options.results)
    producer = results.producer(name=options.name, on_peer_death="wait")
    answers = Answers(producer, results.info.slot_bytes, options.index, function.name)
    limits = Limits(options.max_attempts, options.max_requests, options.max_memory)
    session = Session(function, requests, options.name, answers, limits)
    seats = {"pid": os.getpid(), "consumer": session.requests.seat, "producer": producer.seat}
    _write_status(options.status, {"ready": {**seats, "batch": spec.batch}})
    return session


def _write_status(fd: int, status: dict[str, Any]) -> None:
    """Write the one line that the pool waits for."""
    with open(fd, "wb") as pipe:
        pipe.write(msgspec.json.encode(status) + b"\n")


def _described(error: BaseException) -> dict[str, str]:
    text = "".join(traceback.format_exception(error))
    return {"type": type(error).__name__, "message": str(error), "traceback": text}


def _watch_parent(session: Session) -> None:
    """End the process when standard input ends: the service is gone, and with it the reader."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        session.leaving = True
        time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, name="goring-parent", daemon=True).start()
