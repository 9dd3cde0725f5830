"""An attached ring."""

from __future__ import annotations

import base64
import socket
import weakref
from types import TracebackType
from typing import Any, NoReturn, Self

import numpy as np

from . import _layout, _load, _passing
from ._errors import Closed
from ._info import Gpu, Info, read_block
from ._joining import Joining
from ._stats import Stats, read_stats

_MODES = {
    _layout.MODE_QUEUE: "queue",
    _layout.MODE_BROADCAST: "broadcast",
    _layout.MODE_OVERWRITE: "overwrite",
}


class Ring(Joining):
    """An attached ring; made by `create` and `open`. Any thread may use it.

    A context manager: leaving it detaches. The ring itself stays, with its messages,
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
        free: int = self._mapped.free()
        return free

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


def _detach(handle: int) -> None:
    if not _load.forked():
        _load.call("Close", handle)
