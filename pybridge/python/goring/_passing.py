"""Passing segments through Unix sockets: the layout's magic with one descriptor."""

from __future__ import annotations

import fcntl
import os
import socket

from . import _layout
from ._errors import CorruptError, Unsafe


def send(sock: socket.socket, fd: int) -> None:
    """Pass a sealed segment. Raises Unsafe for one that is not sealed."""
    if not fcntl.fcntl(fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK:
        raise Unsafe(
            "a named ring has a file that any process of its user can truncate; make the ring "
            "with create(None, ...)"
        )
    socket.send_fds(sock, [_layout.MAGIC], [fd])


def receive(sock: socket.socket) -> int:
    """Return the descriptor of a segment that a peer has passed; the caller must close it."""
    size = len(_layout.MAGIC)
    text, fds, flags, _ = socket.recv_fds(sock, size, 1, socket.MSG_CMSG_CLOEXEC)
    if text == _layout.MAGIC and len(fds) == 1 and not flags & socket.MSG_CTRUNC:
        return fds[0]
    for fd in fds:
        os.close(fd)
    raise CorruptError(
        f"the peer sent {len(text)} bytes and {len(fds)} descriptors, a ring is {size} bytes and 1"
    )
