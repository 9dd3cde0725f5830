"""Joining a ring as a producer or as a consumer."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from . import _check, _layout, _load, _streams
from ._errors import Unsupported
from ._info import Info

if TYPE_CHECKING:
    from ._participants import Consumer, Producer
    from ._streams import Stream

_STRATEGIES = {
    "adaptive": _layout.STRATEGY_ADAPTIVE,
    "spin": _layout.STRATEGY_SPIN,
    "park": _layout.STRATEGY_PARK,
}

_P = TypeVar("_P")


class Joining:
    """The methods of `Ring` that join it; `Ring` sets the attributes."""

    _handle: int
    _mapped: Any
    _info: Info

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
                self._mapped,
                seat,
                fd,
                self._info.dtype,
                self._info.shape,
                strategy,
                successor,
                gpu,
                number,
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
                self._info.dtype,
                self._info.shape,
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


def program() -> str:
    """Return the name of this program, as statistics show it."""
    return os.path.basename(sys.argv[0] if sys.argv and sys.argv[0] else "python")


def _awaits_successor(reaction: str) -> bool:
    return _check.one_of("on_peer_death", reaction, ("raise", "wait")) == "wait"


def _strategy(name: str) -> int:
    return _STRATEGIES[_check.one_of("wait", name, _STRATEGIES)]
