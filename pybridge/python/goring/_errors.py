"""What can go wrong, in one hierarchy under `Error`."""

from . import _layout


class Error(Exception):
    """Something goring refuses or cannot do."""


class Timeout(Error, TimeoutError):
    """Nothing happened in the time given."""


class Full(Timeout):
    """No slot became free in the time given."""


class Empty(Timeout):
    """No message came in the time given."""


class TooLarge(Error, ValueError):
    """A message or its metadata does not fit; both sizes are in the text."""


class BadValue(Error, ValueError):
    """An argument that makes no sense; nothing was created. The value is in the text."""


class BadName(BadValue):
    """Not a legal name of a ring."""


class SchemaError(Error, TypeError, ValueError):
    """Not what a ring can carry, or not what this one carries: dtype, shape or kind."""


class VersionError(Error):
    """A segment of another layout version, byte order or feature set."""


class CorruptError(Error):
    """A segment, or a message in it, that cannot be."""


class ForkError(Error, RuntimeError):
    """A ring used in a child of fork(); the Go runtime does not survive that."""


class Closed(Error, ValueError):
    """This ring, producer, consumer, slot or message is closed."""


class Ended(Closed):
    """The ring was shut down: it takes no more messages, and all that it had have been read."""


class Held(Error, BufferError):
    """The slot of the next message is held by a message or an array that is still in use."""


class Lapped(Error):
    """A message of an overwrite ring was overwritten while it was read: do not use it."""


class PeerDead(Error):
    """The last peer that could end a wait has died; what it had committed was delivered.

    Attributes
    ----------
    role : {"producer", "consumer"}
        What the dead peer was.
    seat : int
        Its seat, free for a successor.
    name : str
        As it named itself.
    pid : int
        For people; a pid means nothing across containers.
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
    """A file that is no ring of one's own: a link, somebody else's, writable for others."""


class NoSpace(Error, OSError):
    """Not enough shared memory; the text says how much is needed and how to get it."""


class Unsupported(Error, NotImplementedError):
    """Not for this mode of ring."""


class CudaError(Error, RuntimeError):
    """The CUDA driver refused; its own words are in the text.

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
    """No CUDA driver, or no device; other rings are not concerned."""


class WrongDevice(Error, ValueError):
    """Another device than the ring's, or a ring whose device this process does not see."""


class ExporterGone(Error):
    """The process that owns the ring's device memory has ended; the ring is to be made anew."""


class Voided(Error):
    """The producer died before a message's payload had arrived: do not use what was read."""


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
