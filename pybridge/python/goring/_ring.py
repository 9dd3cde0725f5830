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

    A context manager: leaving it detaches. The ring itself, with what is in it, stays
    until `unlink`.
    """

    def __init__(self, attached: dict[str, Any]) -> None:
        self._handle: int = attached["ring"]
        self._fd: int = attached["fd"]
        self._close = weakref.finalize(self, _detach, self._handle)
        self._close.atexit = False  # the process's end detaches by itself
        m = self._mapped = _load.core()(self._fd)
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
        """What the ring says of itself."""
        return self._info

    @property
    def name(self) -> str:
        """The ring's name, "" when it is anonymous."""
        return self._info.name

    @property
    def slots(self) -> int:
        """How many messages the ring holds."""
        return self._info.slots

    @property
    def kind(self) -> str:
        """What the payloads are: "bytes", "array", "struct" or "tensor"."""
        return self._info.kind

    @property
    def mode(self) -> str:
        """How messages are shared out: "queue", "broadcast" or "overwrite"."""
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
            For people who look at the ring; the program's name without it.
        wait : {"adaptive", "spin", "park"}
            How to wait for room: spin a little and then sleep, spin, sleep at once. In a fast
            stream the first stays away for up to 2 us, so that its peer gets some messages
            ahead, which makes both faster.
        on_peer_death : {"raise", "wait"}
            What a wait for room does when the last consumer has died: raise `PeerDead`, or
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
        CudaUnavailable, WrongDevice, ExporterGone, CudaError
            The device memory of a ring on a GPU cannot be opened here.
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
            Seconds that iteration and `Consumer.read` wait unless told otherwise; None: for
            ever.
        copy : bool
            Hand out arrays that are the caller's own instead of views in place, for peers
            that are not trusted to leave alone what they have written. Not on a GPU.
        stream : optional
            As for `producer`. A slot is handed back behind what is on this stream by then, and
            on every stream that an importer asked DLPack for; work on others must be named by
            ``message.release(stream=...)``.

        Returns
        -------
        Consumer
            A context manager: leaving it gives the seat back.

        Raises
        ------
        Busy
            No consumer's seat is left; the text names the holders.
        CudaUnavailable, WrongDevice, ExporterGone, CudaError
            The device memory of a ring on a GPU cannot be opened here.
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
            os.close(seat["fd"])  # and with it the seat's lock: the next one to join clears up
            _load.unreference_gpu(seat["gpu"])
            raise

    def stats(self) -> Stats:
        """Look at every slot and seat once."""
        return read_stats(_load.call("Stats", self._handle))

    def reap(self) -> int:
        """Repair what dead participants left, and say how many there were.

        Their half-written messages are skipped, what they had taken goes to others, their
        seats are free. Nobody needs to call it, since everybody who waits does the same ten
        times a second or more; a program that sees a peer die can save that time.
        """
        reaped: int = _load.call("Reap", self._handle)
        return reaped

    @property
    def free(self) -> int:
        """How many slots can be written now without waiting for anybody."""
        return self._mapped.free()

    def shutdown(self) -> None:
        """Say that no more messages will come.

        Producers are refused; consumers take what is there and then end. Call it when
        the producers are done. It concerns every process and is not undone.
        """
        _load.call("Shutdown", self._handle)

    def fileno(self) -> int:
        """The segment's descriptor, to be passed to another process; see `open`'s fd."""
        if self.closed:
            raise Closed("the ring is closed")
        return self._fd

    def send(self, sock: socket.socket) -> None:
        """Pass an anonymous ring through a Unix socket.

        The process at the other end takes it with `receive`, or in Go with
        goring.Receive. It can then read and write the ring, but not truncate it.

        Raises
        ------
        Unsafe
            A named ring, whose file any process of its user can truncate.
        """
        _passing.send(sock, self.fileno())

    def unlink(self) -> None:
        """Remove the ring's name if it still means this ring. Who is attached goes on."""
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
        what = f"{i.kind} {i.dtype} {i.shape}" if i.shape is not None else i.kind
        what += f" on {i.gpu.device}" if i.gpu is not None else ""
        fill = f"{i.slots - self.free} of {i.slots} slots in use"
        return f"<goring.Ring {i.name!r}: {what}, {'closed' if self.closed else fill}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Ring does not pickle: pass its name and goring.open(name) there "
            "(anonymous: pass its fileno() and goring.open(fd=...))"
        )


def program() -> str:
    """The name of this program, for people."""
    return os.path.basename(sys.argv[0] if sys.argv and sys.argv[0] else "python")


def _detach(handle: int) -> None:
    if not _load.forked():
        _load.call("Close", handle)


def _awaits_successor(reaction: str) -> bool:
    return _check.one_of("on_peer_death", reaction, ("raise", "wait")) == "wait"


def _strategy(name: str) -> int:
    return _STRATEGIES[_check.one_of("wait", name, _STRATEGIES)]
