"""An attached ring."""

from __future__ import annotations

import base64
import os
import socket
import sys
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

import numpy as np

from . import _check, _layout, _load, _passing, _streams
from ._errors import Closed, Unsupported
from ._info import Gpu, Info, read_block
from ._stats import Stats, read_stats

if TYPE_CHECKING:
    from ._participants import Consumer, Producer
    from ._streams import Stream

_MODES = {
    _layout.MODE_QUEUE: "queue",
    _layout.MODE_BROADCAST: "broadcast",
    _layout.MODE_OVERWRITE: "overwrite",
}
_STRATEGIES = {
    "adaptive": _layout.STRATEGY_ADAPTIVE,
    "spin": _layout.STRATEGY_SPIN,
    "park": _layout.STRATEGY_PARK,
}

_P = TypeVar("_P")


class Ring:
    """An attached ring; made by `create` and `open`. Any thread may use it.

    A context manager: leaving it detaches. The ring itself stays, with its messages,
    until `unlink`.
    """

    def __init__(self, attached: dict[str, Any]) -> None:
        self._handle: int = attached["ring"]
        self._fd: int = attached["fd"]
        self._close = weakref.finalize(self, _detach, self._handle)
        self._close.atexit = False  # the process's end detaches by itself
        m = self._mapped = _load.fast()(self._fd)
        block = read_block(base64.b64decode(attached["info"]))
        self._info = Info(
            name=attached["name"],
            path=attached["path"],
            kind=block.kind,
            mode=_MODES[m.mode],
            dtype=block.numpy_dtype(),
            shape=block.numpy_shape(),
            dtype_name=block.dtype,
            slots=m.slots,
            slot_bytes=m.slot_bytes,
            max_meta=m.max_meta,
            producers=m.max_producers,
            consumers=m.max_consumers,
            timestamps=m.timestamps,
            placement="inline" if m.inline else "separate",
            creator=block.creator,
            user=block.user,
            gpu=Gpu(**attached["gpu"]) if attached["gpu"] else None,
        )

    @property
    def info(self) -> Info:
        """Description of the ring."""
        return self._info

    @property
    def name(self) -> str:
        """The ring's name, "" when it is anonymous."""
        return self._info.name

    @property
    def slots(self) -> int:
        """Number of messages that the ring holds."""
        return self._info.slots

    @property
    def kind(self) -> str:
        """Type of the payloads: "bytes", "array", "struct" or "tensor"."""
        return self._info.kind

    @property
    def mode(self) -> str:
        """Mode of the ring: "queue", "broadcast" or "overwrite"; see `create`."""
        return self._info.mode

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """dtype of one element, None on bytes and tensor rings."""
        return self._info.dtype

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Shape of one message, None on bytes and tensor rings."""
        return self._info.shape

    def producer(
        self,
        *,
        name: str | None = None,
        wait: str = "adaptive",
        on_peer_death: str = "raise",
        stream: Stream | None = None,
    ) -> Producer:
        """Join as a producer.

        Parameters
        ----------
        name : str, optional
            Name under which statistics and errors show this producer; without it the program's
            name.
        wait : {"adaptive", "spin", "park"}
            How to wait for room: spin a little and then sleep, spin, sleep at once. In a fast
            stream the first pauses for up to 2 us before it looks, so that several messages
            accumulate, which makes both ends faster.
        on_peer_death : {"raise", "wait"}
            End of a wait for room when the last consumer has died: raise `PeerDead`, or
            wait for a successor. A consumer that has not come yet, or has left, is waited
            for either way.
        stream : optional
            On a ring on a GPU the CUDA stream that this producer works on unless a call names
            another: a handle, or a stream of cuda.core, CuPy, PyTorch or numba. Without it the
            legacy default stream, on which those work by default. It must outlive the
            producer and its slots.

        Returns
        -------
        Producer
            A context manager: leaving it gives the seat back.

        Raises
        ------
        Busy
            No producer's seat is left; the text names the holders.
        Closed
            The ring is closed.
        BadValue
            An argument is impossible; its value is in the text.
        Unsupported
            stream is given, but the ring is in host memory.
        CudaUnavailable, WrongDevice, ExporterGone, CudaError
            The device memory of a ring on a GPU cannot be opened in this process.
        """
        from ._participants import Producer

        strategy, successor = _strategy(wait), _awaits_successor(on_peer_death)
        number = self._stream(stream)

        def new_producer(seat: int, fd: int, gpu: int) -> Producer:
            return Producer(
                self._mapped, seat, fd, self.dtype, self.shape, strategy, successor, gpu, number
            )

        return self._join("producer", name, new_producer)

    def consumer(
        self,
        *,
        name: str | None = None,
        wait: str = "adaptive",
        timeout: float | None = None,
        on_peer_death: str = "raise",
        copy: bool = False,
        stream: Stream | None = None,
    ) -> Consumer:
        """Join as a consumer.

        Parameters
        ----------
        name, wait, on_peer_death
            As for `producer`.
        timeout : float, optional
            Seconds that iteration waits, and `Consumer.read` without a timeout of its own;
            None: for ever.
        copy : bool
            Hand out private copies instead of views in place, for peers that are not trusted to
            leave published messages unchanged. Not on a GPU.
        stream : optional
            As for `producer`. A slot is released after the work that is on this stream by then,
            and on every stream for which an importer asked DLPack; work on another stream must
            be named by ``message.release(stream=...)``.

        Returns
        -------
        Consumer
            A context manager: leaving it gives the seat back.

        Raises
        ------
        Busy
            No consumer's seat is left; the text names the holders.
        Closed
            The ring is closed.
        BadValue
            An argument is impossible; its value is in the text.
        Unsupported
            stream is given, but the ring is in host memory; or copy, but it is on a GPU.
        CudaUnavailable, WrongDevice, ExporterGone, CudaError
            The device memory of a ring on a GPU cannot be opened in this process.
        """
        from ._participants import Consumer

        strategy, successor = _strategy(wait), _awaits_successor(on_peer_death)
        number = self._stream(stream)
        if copy and self._info.gpu is not None:
            raise Unsupported("copy=True on a ring on a GPU: view.copy_to_host() copies")

        def new_consumer(seat: int, fd: int, gpu: int) -> Consumer:
            return Consumer(
                self._mapped,
                seat,
                fd,
                self.dtype,
                self.shape,
                strategy,
                timeout,
                successor,
                copy,
                gpu,
                number,
            )

        return self._join("consumer", name, new_consumer)

    def _stream(self, stream: Stream | None) -> int:
        if self._info.gpu is not None:
            return _streams.LEGACY_DEFAULT if stream is None else _streams.handle(stream)
        if stream is not None:
            raise Unsupported("stream= is for rings on a GPU; this one is in host memory")
        return 0

    def _join(self, role: str, name: str | None, new: Callable[[int, int, int], _P]) -> _P:
        seat = _load.call("Join", self._handle, role, program() if name is None else name)
        try:
            return new(seat["seat"], seat["fd"], seat["gpu"])
        except BaseException:
            os.close(seat["fd"])  # drops the seat's lock, so that the next to join reaps the seat
            _load.unreference_gpu(seat["gpu"])
            raise

    def stats(self) -> Stats:
        """Count the slots by state and describe the participants.

        Returns
        -------
        Stats

        Raises
        ------
        Closed
            The ring is closed.
        """
        return read_stats(_load.call("Stats", self._handle))

    def reap(self) -> int:
        """Reap dead participants and return how many there were.

        Their half-written messages are aborted, the messages that they had taken are requeued,
        their seats are free. No program needs to call it, since each participant that waits
        does the same ten times a second or more; a program that sees a peer die can save that
        time.

        Raises
        ------
        Closed
            The ring is closed.
        """
        reaped: int = _load.call("Reap", self._handle)
        return reaped

    @property
    def free(self) -> int:
        """Number of slots that can be written now without waiting."""
        return self._mapped.free()

    def shutdown(self) -> None:
        """Shut the ring down: no more messages will come.

        Producers get `Ended`; consumers read the remaining messages and then end. To be called
        when the producers are done. It concerns every process and cannot be undone.

        Raises
        ------
        Closed
            The ring is closed.
        """
        _load.call("Shutdown", self._handle)

    def fileno(self) -> int:
        """Return the segment's descriptor, to be passed to another process; see `open`'s fd.

        Raises
        ------
        Closed
            The ring is closed.
        """
        if self.closed:
            raise Closed("the ring is closed")
        return self._fd

    def send(self, sock: socket.socket) -> None:
        """Pass an anonymous ring through a Unix socket.

        The process at the other end takes it with `receive`, or in Go with
        goring.Receive. It can then read and write the ring, but not truncate it.

        Parameters
        ----------
        sock : socket.socket
            A connected Unix socket.

        Raises
        ------
        Unsafe
            The ring has a name, so any process of its user can truncate its file.
        Closed
            The ring is closed.
        OSError
            The socket failed.
        """
        _passing.send(sock, self.fileno())

    def unlink(self) -> None:
        """Remove the ring's name, unless it means another ring by now.

        Attached processes go on using the ring.

        Raises
        ------
        NotFound
            The name is gone, or there is a newer ring of that name.
        Closed
            The ring is closed.
        """
        _load.call("UnlinkRing", self._handle)

    def close(self) -> None:
        """Detach. Producers, consumers and arrays of this ring stay valid until dropped."""
        self._close()

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return not self._close.alive

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        i = self._info
        payload = f"{i.kind} {i.dtype} {i.shape}" if i.shape is not None else i.kind
        payload += f" on {i.gpu.device}" if i.gpu is not None else ""
        fill = f"{i.slots - self.free} of {i.slots} slots in use"
        return f"<goring.Ring {i.name!r}: {payload}, {'closed' if self.closed else fill}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Ring does not pickle: pass its name and goring.open(name) there "
            "(anonymous: pass its fileno() and goring.open(fd=...))"
        )


def program() -> str:
    """Return the name of this program, as statistics show it."""
    return os.path.basename(sys.argv[0] if sys.argv and sys.argv[0] else "python")


def _detach(handle: int) -> None:
    if not _load.forked():
        _load.call("Close", handle)


def _awaits_successor(reaction: str) -> bool:
    return _check.one_of("on_peer_death", reaction, ("raise", "wait")) == "wait"


def _strategy(name: str) -> int:
    return _STRATEGIES[_check.one_of("wait", name, _STRATEGIES)]
