"""The exceptions, in one hierarchy under `Error`."""

from . import _layout


class Error(Exception):
    """Base of all exceptions of goring."""


class Timeout(Error, TimeoutError):
    """The timeout of a wait was over."""


class Full(Timeout):
    """No slot became free within the timeout."""


class Empty(Timeout):
    """No message came within the timeout."""


class TooLarge(Error, ValueError):
    """A message or its metadata does not fit into a slot; both sizes are in the text."""


class BadValue(Error, ValueError):
    """An argument has an impossible value, which is in the text; nothing was created."""


class BadName(BadValue):
    """A name is not a legal name of a ring."""


class SchemaError(Error, TypeError, ValueError):
    """A dtype, shape or kind is one that no ring carries, or another than this ring's."""


class VersionError(Error):
    """A segment has another layout version, byte order or feature set."""


class CorruptError(Error):
    """A segment, or a message in it, has impossible contents."""


class ForkError(Error, RuntimeError):
    """A ring was used in a child of fork(), which the Go runtime does not survive."""


class Closed(Error, ValueError):
    """This ring, producer, consumer, slot or message is closed."""


class Ended(Closed):
    """The ring is shut down: it takes no more messages, or has none left to read."""


class Held(Error, BufferError):
    """The slot of the next message is held by a message or an array that is still in use."""


class Lapped(Error):
    """A message of an overwrite ring was overwritten while it was read; it must not be used."""


class PeerDead(Error):
    """The last peer that could end a wait has died; its committed messages were delivered.

    Attributes
    ----------
    role : {"producer", "consumer"}
        Role of the dead peer.
    seat : int
        Its seat, free for a successor.
    name : str
        The name under which it joined.
    pid : int
        Its pid as it saw it; a pid means nothing in another container.
    quiet : float or None
        Seconds since it last joined, slept or woke, if known.
    """

    def __init__(self, role: str, seat: int, name: str, pid: int, quiet: float | None) -> None:
        super().__init__(role, seat, name, pid, quiet)
        self.role, self.seat, self.name, self.pid, self.quiet = role, seat, name, pid, quiet

    def __str__(self) -> str:
        seen = "" if self.quiet is None else f", last seen {self.quiet:.3g} s ago"
        return (
            f"the ring's last {self.role}, {self.name!r} (seat {self.seat}, pid {self.pid}{seen}), "
            'died; start another one, or wait for one with on_peer_death="wait"'
        )


class Busy(Error):
    """Every seat of the role is taken; the holders are in the text."""


class NotFound(Error, FileNotFoundError):
    """No ring of that name."""


class Exists(Error, FileExistsError):
    """A ring of that name exists already."""


class Unsafe(Error, PermissionError):
    """A segment is not safe to use.

    Its file is a link, belongs to another user or is writable for others; or the segment is not
    sealed, so that a peer could truncate it.
    """


class NoSpace(Error, OSError):
    """Not enough shared memory; the text says how much is needed and how to get it."""


class Unsupported(Error, NotImplementedError):
    """A ring of this mode, or in this memory, has no such operation."""


class CudaError(Error, RuntimeError):
    """The CUDA driver refused a call; its message is in the text.

    Attributes
    ----------
    code : int
        The driver's ``CUresult``.
    name : str
        Its name, such as ``CUDA_ERROR_INVALID_VALUE``.
    """

    def __init__(self, text: str, code: int, name: str) -> None:
        super().__init__(text, code, name)
        self.code, self.name = code, name

    def __str__(self) -> str:
        text: str = self.args[0]
        return text


class CudaUnavailable(Error, RuntimeError):
    """There is no CUDA driver, or no device; rings in host memory work all the same."""


class WrongDevice(Error, ValueError):
    """A device is another than the ring's, or this process does not see the ring's device."""


class ExporterGone(Error):
    """The process that owns the ring's device memory has ended; the ring must be made anew."""


class Voided(Error):
    """The producer died before a message's payload had arrived; the payload must not be used."""


BY_CODE: dict[str, type[Error]] = {
    _layout.CODE_EXISTS: Exists,
    _layout.CODE_NOT_FOUND: NotFound,
    _layout.CODE_CLOSED: Closed,
    _layout.CODE_ENDED: Ended,
    _layout.CODE_BUSY: Busy,
    _layout.CODE_NO_SPACE: NoSpace,
    _layout.CODE_NAME: BadName,
    _layout.CODE_VALUE: BadValue,
    _layout.CODE_SCHEMA: SchemaError,
    _layout.CODE_UNSAFE: Unsafe,
    _layout.CODE_VERSION: VersionError,
    _layout.CODE_CORRUPT: CorruptError,
    _layout.CODE_UNSUPPORTED: Unsupported,
    _layout.CODE_CUDA_UNAVAILABLE: CudaUnavailable,
    _layout.CODE_WRONG_DEVICE: WrongDevice,
    _layout.CODE_GONE: ExporterGone,
    _layout.CODE_VOIDED: Voided,
    _layout.CODE_FORKED: ForkError,
    _layout.CODE_ERROR: Error,
}
"""The exception of each error code of the control plane but CODE_CUDA, which brings arguments."""
