"""Making and finding rings."""

from __future__ import annotations

import base64
import builtins
import os
import re
import socket
import sys
from typing import Any

import numpy.typing as npt

from . import _check, _layout, _load, _meta, _passing, _schema
from ._errors import BadValue, SchemaError
from ._info import expect
from ._joining import program
from ._ring import Ring
from ._schema import Shape
from ._stats import Entry


def create(
    name: str | None,
    *,
    slots: int = 64,
    dtype: npt.DTypeLike | None = None,
    shape: Shape = (),
    max_bytes: int | None = None,
    kind: str | None = None,
    mode: str = "queue",
    producers: int = 1,
    consumers: int | None = None,
    max_meta: int | None = None,
    timestamps: bool | None = None,
    placement: str | None = None,
    dir: str | os.PathLike[str] | None = None,
    group: int | None = None,
    user: dict[str, Any] | None = None,
    device: str | int | None = None,
    gpu_memory: str | None = None,
    gpu_sync: str | None = None,
) -> Ring:
    """Make a ring and attach to it.

    Parameters
    ----------
    name : str or None
        1 to 200 of letters, digits, ``_ . -``. None makes an anonymous ring, which no process
        can truncate and which others reach through ``ring.fileno()`` or ``ring.send()``.
    slots : int
        Number of messages that it holds, 2 or more.
    dtype, shape
        dtype and shape of every message, for rings of arrays; a structured dtype makes a ring of
        records.
    max_bytes : int
        Instead of dtype: size of the largest message in bytes, for rings of bytes or tensors.
    kind : {"bytes", "array", "struct", "tensor"}, optional
        Only needed for "tensor": arrays that bring their own dtype and shape.
    mode : {"queue", "broadcast", "overwrite"}
        "queue": each message goes to exactly one consumer. "broadcast": each goes to all
        consumers that have joined, and the producer waits for the slowest. "overwrite": the
        same, but the producer never waits, and a consumer that is too slow learns how many
        messages it lost.
    producers, consumers : int, optional
        Number of each that may join at once, together at most 63. Default: 1 and 1 for a queue,
        which then needs no atomic read-modify-write; otherwise 1 and 32.
    max_meta : int, optional
        Room for metadata, bytes per message. Default 256 for slots of 4 KiB or more, else 0.
    timestamps : bool, optional
        Note the time of every commit. Default: for slots of 4 KiB or more.
    placement : {"inline", "separate"}, optional
        Payload beside its header, or in an area of its own. Default: by size.
    dir : path, optional
        Folder of the ring's file instead of ``GORING_DIR`` or ``/dev/shm``.
    group : int, optional
        Widen the file's mode to 0660 for this group; -1 keeps the creator's group.
    user : dict, optional
        Facts of the creator by name, kept in the info block.
    device : str or int, optional
        Place the payloads on a CUDA device of this process: "cuda", "cuda:1", or an ordinal.
        Messages are then read and written in place as a `DeviceArray` by CuPy, PyTorch, numba
        and JAX, in every process that sees that device. This process owns the memory: it must
        outlive the others, or leave that to ``goring gpu-hold``.
    gpu_memory : {"device", "host"}, optional
        With device: in the device's memory (default), or in host memory that it reaches over
        the bus, which works where CUDA shares no device memory between processes (WSL2,
        Jetson, MIG), and which has no owner.
    gpu_sync : {"timeline", "host"}, optional
        With device: streams wait for each other, or the host waits for its stream before it
        hands a slot on. Default: the timeline where it works.

    Returns
    -------
    Ring

    Raises
    ------
    Exists
        There is a ring of that name.
    BadName, BadValue, SchemaError
        An argument is impossible; its value is in the text. Nothing is created.
    NoSpace
        There is too little shared memory, or memory of the device; the text says how much is
        needed.
    CudaUnavailable, WrongDevice, CudaError
        With device: there is no driver or device, or no such device, or the driver refused.

    Examples
    --------
    >>> import goring
    >>> with goring.create("ticks", slots=8, dtype=[("time", "i8"), ("price", "f8")]) as ring:
    ...     ring
    ...     ring.unlink()
    <goring.Ring 'ticks': struct [('time', '<i8'), ('price', '<f8')] (), 0 of 8 slots in use>
    """
    options = {
        "schema": _schema.schema_of(dtype, shape, max_bytes, kind),
        "slots": _check.integer("slots", slots),
        "mode": _check.one_of("mode", mode, ("queue", "broadcast", "overwrite")),
        "producers": _check.integer("producers", producers),
        "consumers": None if consumers is None else _check.integer("consumers", consumers),
        "max_meta": None if max_meta is None else _check.not_negative("max_meta", max_meta),
        "timestamps": _optional_bool("timestamps", timestamps),
        "placement": _check.one_of("placement", placement or "", ("", "inline", "separate")),
        "dir": _check.folder(dir),
        "group": None if group is None else _check.integer("group", group),
        "user": _encode_user(user),
        "creator": _creator(),
        **_gpu(device, gpu_memory, gpu_sync),
    }
    named = "" if name is None else _check.name(name)
    return Ring(_load.call("Create", named, _check.encode_options(options)))


def _gpu(device: str | int | None, memory: str | None, sync: str | None) -> dict[str, Any]:
    if device is None and (memory is not None or sync is not None):
        raise BadValue("gpu_memory and gpu_sync go with device=")
    return {
        "device": None if device is None else _ordinal(device),
        "memory": _check.one_of("gpu_memory", memory or "", ("", "device", "host")),
        "sync": _check.one_of("gpu_sync", sync or "", ("", "timeline", "host")),
        "prober": None if device is None else _prober(),
    }


def _prober() -> builtins.list[str]:
    """Return the command that loads the library, which then tries to open the device's memory."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    program = f"import sys; sys.path.insert(0, {here!r}); import goring._native._pybridge"
    return [sys.executable or "python3", "-c", program]


def _ordinal(device: str | int) -> int:
    if not isinstance(device, str):
        return _check.not_negative("device", device)
    if match := re.fullmatch(r"cuda(?::(\d{1,9}))?", device):
        return int(match[1] or 0)
    raise BadValue(f"device is {device!r}, want 'cuda', 'cuda:0' or an ordinal of a CUDA device")


def _optional_bool(field: str, value: bool | None) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise BadValue(f"{field} is {value!r}, want True, False or None")
    return value


def _encode_user(user: dict[str, Any] | None) -> str:
    if user is None:
        return ""
    if not isinstance(user, dict) or not all(isinstance(key, str) for key in user):
        raise BadValue(f"user is {user!r}, want a dict with keys of type str")
    return base64.b64encode(_meta.encode(user)).decode()


def _creator() -> dict[str, Any]:
    return {
        "lang": "python",
        "version": _layout.LIBRARY_VERSION,
        "program": program(),
        "host": os.uname().nodename,
        "pid": os.getpid(),
    }


def open(
    name: str | None = None,
    *,
    fd: int | None = None,
    sealed: bool = False,
    dir: str | os.PathLike[str] | None = None,
    allow_group: bool = False,
    dtype: npt.DTypeLike | None = None,
    shape: Shape | None = None,
) -> Ring:
    """Attach to a ring by its name alone, or by a descriptor.

    Parameters
    ----------
    name : str
        As given to `create`.
    fd : int
        Instead of a name: the segment's descriptor, inherited or received. It stays the
        caller's.
    sealed : bool
        With fd: refuse a segment that a peer could truncate.
    dir : path, optional
        Folder of the ring's file instead of ``GORING_DIR`` or ``/dev/shm``.
    allow_group : bool
        Accept a ring of another user or one that its group may write.
    dtype, shape
        dtype and shape that the ring must carry.

    Returns
    -------
    Ring

    Raises
    ------
    NotFound
        There is no ring of that name.
    BadName, BadValue
        An argument is impossible; its value is in the text.
    SchemaError
        The ring carries another dtype or shape; the text names the difference.
    Unsafe, VersionError, CorruptError
        The file is no ring that this library can use; the text says why.

    Examples
    --------
    >>> import goring
    >>> with goring.create(None, dtype="u1", shape=3) as ring:
    ...     goring.open(fd=ring.fileno(), dtype="u2")
    Traceback (most recent call last):
        ...
    goring._errors.SchemaError: ring '': dtype is uint8, not uint16
    """
    if (name is None) == (fd is None):
        raise TypeError("open takes a name or fd=, one of them")
    if sealed and fd is None:
        raise BadValue("sealed=True goes with fd=: the file of a named ring cannot be sealed")
    if fd is not None:
        attached = _load.call("OpenFD", _check.integer("fd", fd), bool(sealed))
    else:
        options = {"dir": _check.folder(dir), "allow_group": bool(allow_group)}
        attached = _load.call("Open", _check.name(name), _check.encode_options(options))
    ring = Ring(attached)
    try:
        expect(ring.info, dtype, shape)
    except SchemaError:
        ring.close()
        raise
    return ring


def receive(sock: socket.socket) -> Ring:
    """Attach to the ring that a process passes with `Ring.send`, or in Go with Ring.Send.

    The segment is checked like any file: a peer that is not trusted cannot make this process
    read outside the ring or end by a fault. It can still change payloads that it has
    published; ``ring.consumer(copy=True)`` hands out arrays that it cannot reach.

    Parameters
    ----------
    sock : socket.socket
        A connected Unix socket.

    Returns
    -------
    Ring

    Raises
    ------
    Unsafe
        The segment could be truncated under its readers.
    VersionError, CorruptError
        The peer sent no ring that this library can use.
    OSError
        The socket failed.

    Examples
    --------
    >>> import goring, socket
    >>> here, there = socket.socketpair()
    >>> with goring.create(None, dtype="f4", shape=3) as ring, here, there:
    ...     ring.send(here)
    ...     goring.receive(there)
    <goring.Ring '': array float32 (3,), 0 of 64 slots in use>
    """
    fd = _passing.receive(sock)
    try:
        return open(fd=fd, sealed=True)
    finally:
        os.close(fd)


def unlink(name: str, *, dir: str | os.PathLike[str] | None = None) -> None:
    """Remove the ring of that name; attached processes go on using it.

    Parameters
    ----------
    name : str
        As given to `create`.
    dir : path, optional
        Folder of the ring's file instead of ``GORING_DIR`` or ``/dev/shm``.

    Raises
    ------
    NotFound
        There is no ring of that name.
    Unsafe, CorruptError
        The file of that name is no ring; it is left alone.
    BadName, BadValue
        An argument is impossible; its value is in the text.
    """
    _load.call("Unlink", _check.name(name), _check.encode_options({"dir": _check.folder(dir)}))


def list(*, dir: str | os.PathLike[str] | None = None) -> builtins.list[Entry]:
    """Return the rings of a folder; those that cannot be used come with the reason.

    Parameters
    ----------
    dir : path, optional
        Folder of the rings' files instead of ``GORING_DIR`` or ``/dev/shm``.

    Returns
    -------
    list of Entry

    Raises
    ------
    NotFound, Unsafe
        The folder cannot be read.
    BadValue
        dir is no path.
    """
    found = _load.call("List", _check.encode_options({"dir": _check.folder(dir)}))
    return [Entry(**e) for e in found]
