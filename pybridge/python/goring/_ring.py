"""Making, finding and holding rings."""

from __future__ import annotations

import base64
import builtins
import os
import platform
import sys
import weakref
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

import msgspec
import numpy as np
import numpy.typing as npt

from . import _load, _schema
from ._errors import SchemaError
from ._schema import Info, Shape

if TYPE_CHECKING:
    from ._participants import Consumer, Producer

_STRATEGIES = {"adaptive": 0, "spin": 1, "park": 2}


@dataclass(frozen=True)
class Participant:
    """One seat in use.

    ``alive`` is what the kernel says, right across containers and zombies; ``pid`` is
    for people.
    """

    seat: int
    role: str
    name: str
    pid: int
    joined: str
    alive: bool


@dataclass(frozen=True)
class Stats:
    """One look at a ring while its peers run on.

    Attributes
    ----------
    published : int
        Message numbers used up so far, aborted ones included.
    released : int
        Every message before this number is released.
    ready, taken, writing, free : int
        Slots by state; together they are ``slots``.
    """

    slots: int
    published: int
    released: int
    ready: int
    taken: int
    writing: int
    free: int
    shutdown: bool
    participants: tuple[Participant, ...]


@dataclass(frozen=True)
class Entry:
    """A ring's file in its folder; ``error`` says why it cannot be used, if so."""

    name: str
    path: str
    kind: str
    slots: int
    size: int
    error: str


class Ring:
    """An attached ring; made by `create` and `open`.

    A context manager: leaving it detaches. The ring itself stays until `unlink`.
    """

    def __init__(self, attached: dict[str, Any]) -> None:
        self._handle: int = attached["ring"]
        self._fd: int = attached["fd"]
        self._path: str = attached["path"]
        self._close = weakref.finalize(self, _detach, self._handle)
        self._close.atexit = False  # the process's end detaches by itself
        self._mapped = _load.fast()(self._fd)
        block = _schema.read_block(self._mapped.info_block())
        fixed = block.kind in {"array", "struct"}
        m = self._mapped
        self._info = Info(
            name=attached["name"],
            kind=block.kind,
            dtype=block.numpy_dtype(),
            shape=tuple(block.shape) if fixed else None,
            dtype_name=block.dtype,
            slots=m.slots,
            slot_bytes=m.slot_bytes,
            max_meta=m.max_meta,
            producers=m.max_producers,
            consumers=m.max_consumers,
            timestamps=m.timestamps,
            creator=msgspec.structs.asdict(block.creator),
            user=block.user,
        )

    @property
    def name(self) -> str:
        """The ring's name, "" when it is anonymous."""
        return self._info.name

    @property
    def info(self) -> Info:
        """What the ring says of itself."""
        return self._info

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
        """How messages are shared out: "queue"."""
        return "queue"

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """dtype of one element, None on bytes and tensor rings."""
        return self._info.dtype

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Shape of one message, None on bytes and tensor rings."""
        return self._info.shape

    def producer(self, *, name: str | None = None, wait: str = "adaptive") -> Producer:
        """Join as a producer.

        Parameters
        ----------
        name : str, optional
            For people who look at the ring; the program's name without it.
        wait : {"adaptive", "spin", "park"}
            How to wait for room.

        Raises
        ------
        Busy
            When no producer's seat is left; the text names the holders.
        """
        from ._participants import Producer

        strategy = _strategy(wait)
        seat = _load.call("Join", self._handle, "producer", name or _program())
        return Producer(self._mapped, seat["seat"], seat["fd"], self.dtype, self.shape, strategy)

    def consumer(
        self, *, name: str | None = None, wait: str = "adaptive", timeout: float | None = None
    ) -> Consumer:
        """Join as a consumer.

        Parameters
        ----------
        name, wait
            As for `producer`.
        timeout : float, optional
            Seconds that iteration and `read` wait unless told otherwise; None: for ever.

        Raises
        ------
        Busy
            When no consumer's seat is left; the text names the holders.
        """
        from ._participants import Consumer

        strategy = _strategy(wait)
        seat = _load.call("Join", self._handle, "consumer", name or _program())
        return Consumer(
            self._mapped, seat["seat"], seat["fd"], self.dtype, self.shape, strategy, timeout
        )

    def stats(self) -> Stats:
        """Look at every slot and seat once."""
        raw = _load.call("Stats", self._handle)
        people = tuple(
            Participant(
                seat=p["Seat"],
                role="producer" if p["Role"] == 1 else "consumer",
                name=p["Name"],
                pid=p["PID"],
                joined=p["Joined"],
                alive=p["Alive"],
            )
            for p in raw.pop("Participants") or ()
        )
        return Stats(participants=people, **{k.lower(): v for k, v in raw.items()})

    @property
    def free(self) -> int:
        """How many slots are free now."""
        return self._mapped.free()

    def shutdown(self) -> None:
        """Say that no more messages will come.

        Producers are refused; consumers take what is there and then end. Call it when
        the producers are done. It concerns every process and is not undone.
        """
        _load.call("Shutdown", self._handle)

    def fileno(self) -> int:
        """The segment's descriptor, to be passed to another process; see `open`'s fd."""
        return self._fd

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
        what = f"{i.kind} {i.dtype}{[*i.shape]}" if i.shape is not None else i.kind
        if self.closed or _load.forked():
            return f"<goring.Ring {i.name!r}: {what}, closed>"
        s = self.stats()
        return f"<goring.Ring {i.name!r}: {what}, {s.slots - s.free} of {s.slots} slots in use>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Ring does not pickle: pass its name (or, anonymous, its fileno()) and open it there"
        )


def _detach(handle: int) -> None:
    if not _load.forked():
        _load.call("Close", handle)


def _strategy(name: str) -> int:
    if name not in _STRATEGIES:
        raise ValueError(f"wait is {name!r}, want one of {sorted(_STRATEGIES)}")
    return _STRATEGIES[name]


def _program() -> str:
    return os.path.basename(sys.argv[0] if sys.argv and sys.argv[0] else "python")


def _creator() -> dict[str, Any]:
    from . import __version__

    return {
        "lang": "python",
        "version": __version__,
        "program": _program(),
        "host": platform.node(),
        "pid": os.getpid(),
    }


def _folder(dir: str | os.PathLike[str] | None) -> str:
    # The environment is looked up here: the Go runtime keeps the one it was started with.
    return os.fspath(dir) if dir else os.environ.get("GORING_DIR", "")


def _json(value: dict[str, Any]) -> str:
    return msgspec.json.encode(value).decode()


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
    consumers: int = 1,
    max_meta: int | None = None,
    timestamps: bool | None = None,
    placement: str | None = None,
    dir: str | os.PathLike[str] | None = None,
    group: int | None = None,
    user: dict[str, Any] | None = None,
) -> Ring:
    """Make a ring and attach to it.

    Parameters
    ----------
    name : str or None
        1 to 200 of letters, digits, ``_ . -``. None makes an anonymous ring, which
        others reach through ``ring.fileno()``.
    slots : int
        How many messages it holds, 2 or more.
    dtype, shape
        Of every message, for rings of arrays; a structured dtype makes a ring of records.
    max_bytes : int
        Instead of dtype: largest message in bytes, for rings of bytes or tensors.
    kind : {"bytes", "array", "struct", "tensor"}, optional
        Only needed for "tensor": arrays that bring their own dtype and shape.
    mode : str
        "queue": each message goes to exactly one consumer.
    producers, consumers : int
        How many may join at once, together at most 63. With 1 the side needs no atomic
        read-modify-write.
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
        The creator's own facts, kept in the info block.

    Returns
    -------
    Ring

    Raises
    ------
    Exists
        The name is taken.
    SchemaError, ValueError
        Nonsense, with the value in the text. Nothing is created.
    NoSpace
        Not enough shared memory; the text says what is needed.
    """
    schema = _schema.schema_of(dtype, shape, max_bytes, kind)
    options = {
        "schema": schema,
        "slots": slots,
        "mode": mode,
        "producers": producers,
        "consumers": consumers,
        "max_meta": max_meta,
        "timestamps": timestamps,
        "placement": placement or "",
        "dir": _folder(dir),
        "group": group,
        "user": base64.b64encode(msgspec.msgpack.encode(user)).decode() if user else "",
        "creator": _creator(),
    }
    if name == "":
        raise ValueError("name is '': pass None for an anonymous ring")
    for field in ("slots", "producers", "consumers", "max_meta"):
        value = options[field]
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise ValueError(f"{field} is {value!r}, want an integer")
    return Ring(_load.call("Create", name or "", _json(options)))


def open(
    name: str | None = None,
    *,
    fd: int | None = None,
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
    dir : path, optional
        Folder of the ring's file instead of ``GORING_DIR`` or ``/dev/shm``.
    allow_group : bool
        Accept a ring of another user or one that its group may write.
    dtype, shape
        What the caller expects; SchemaError names what differs.

    Raises
    ------
    NotFound
        No ring of that name.
    Unsafe, VersionError, CorruptError
        A file that is no ring this library can use; the text says why.
    """
    if (name is None) == (fd is None):
        raise TypeError("open takes a name or fd=, one of them")
    if fd is not None:
        attached = _load.call("OpenFD", fd)
    else:
        options = {"dir": _folder(dir), "allow_group": allow_group}
        attached = _load.call("Open", name, _json(options))
    ring = Ring(attached)
    try:
        _schema.expect(ring.info, dtype, shape)
    except SchemaError:
        ring.close()
        raise
    return ring


def unlink(name: str, *, dir: str | os.PathLike[str] | None = None) -> None:
    """Remove the ring of that name; who is attached goes on.

    A file of that name that is no ring is left alone.
    """
    _load.call("Unlink", name, _json({"dir": _folder(dir)}))


def list(*, dir: str | os.PathLike[str] | None = None) -> builtins.list[Entry]:
    """The rings of a folder, those that cannot be used with the reason."""
    found = _load.call("List", _json({"dir": _folder(dir)}))
    return [Entry(**e) for e in found]
