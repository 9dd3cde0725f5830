"""A shared-memory ring with one written layout, native in Go and in Python.

A ring carries messages between processes without copying them: one process creates
it, others open it by name, and either end may be Go or Python.

>>> import goring
>>> with goring.create(None, slots=4, dtype="f4", shape=(2, 2)) as ring:
...     with ring.producer() as out, ring.consumer() as inbox:
...         with out.reserve() as slot:
...             slot.array[:] = 7  # in place
...         with inbox.read(timeout=1.0) as message:
...             print(message.array.sum())
28.0

Importing this module loads no Go; the first `create` or `open` does. After that a child made by
``os.fork()`` cannot use rings: every function and method raises `ForkError` there. The bytes and
the protocol are in ``spec/LAYOUT.md`` of the source.
"""

import builtins
from typing import TYPE_CHECKING, Any

from ._errors import (
    BadName,
    BadValue,
    Busy,
    Closed,
    CorruptError,
    CudaError,
    CudaUnavailable,
    Empty,
    Ended,
    Error,
    Exists,
    ExporterGone,
    ForkError,
    Full,
    Held,
    Lapped,
    NoSpace,
    NotFound,
    PeerDead,
    SchemaError,
    Timeout,
    TooLarge,
    Unsafe,
    Unsupported,
    VersionError,
    Voided,
    WrongDevice,
)
from ._info import Gpu, Info
from ._layout import LIBRARY_VERSION
from ._open import create, list, open, receive, unlink
from ._ring import Ring
from ._stats import Entry, Participant, Stats
from ._worker import worker

if TYPE_CHECKING:
    from ._participants import Consumer, DeviceArray, Message, Producer, Slot

__version__ = LIBRARY_VERSION

__all__ = [
    "BadName",
    "BadValue",
    "Busy",
    "Closed",
    "Consumer",
    "CorruptError",
    "CudaError",
    "CudaUnavailable",
    "DeviceArray",
    "Empty",
    "Ended",
    "Entry",
    "Error",
    "Exists",
    "ExporterGone",
    "ForkError",
    "Full",
    "Gpu",
    "Held",
    "Info",
    "Lapped",
    "Message",
    "NoSpace",
    "NotFound",
    "Participant",
    "PeerDead",
    "Producer",
    "Ring",
    "SchemaError",
    "Slot",
    "Stats",
    "Timeout",
    "TooLarge",
    "Unsafe",
    "Unsupported",
    "VersionError",
    "Voided",
    "WrongDevice",
    "create",
    "list",
    "open",
    "receive",
    "unlink",
    "worker",
]


def __getattr__(name: str) -> Any:
    # These classes are in the shared library, which is loaded when one of them is named.
    if name in {"Consumer", "DeviceArray", "Message", "Producer", "Slot"}:
        from . import _participants

        return getattr(_participants, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> builtins.list[str]:
    return sorted(__all__)
