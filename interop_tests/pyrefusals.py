"""The Python peer's refusals in the words that all peers use.

An exception's class and its text together must name the refusal.
"""

from __future__ import annotations

import goring

#: Refusals: exception, words of its text ("" for any), class. The first match wins.
CLASSES: list[tuple[type[Exception], str, str]] = [
    (goring.NotFound, "", "notexist"),
    (goring.Exists, "", "exist"),
    (goring.Unsafe, "not a regular file", "filetype"),
    (goring.Unsafe, "owned by somebody else", "owner"),
    (goring.Unsafe, "writable for others", "mode"),
    (goring.VersionError, "layout version not supported", "version"),
    (goring.VersionError, "byte order", "byteorder"),
    (goring.VersionError, "feature", "feature"),
    (goring.CorruptError, "info block is damaged", "info"),
    (goring.CorruptError, "segment is truncated", "truncated"),
    (goring.CorruptError, "not a goring segment", "foreign"),
    (goring.CorruptError, "checksum is wrong", "checksum"),
    (goring.CorruptError, "impossible geometry", "geometry"),
    (goring.CorruptError, "", "corrupt"),
    (goring.Unsupported, "", "unsupported"),
    (goring.Busy, "", "busy"),
    (goring.TooLarge, "", "toolarge"),
    (goring.SchemaError, "", "schema"),
    (goring.Full, "", "full"),
    (goring.Empty, "", "empty"),
    (goring.Held, "", "held"),
    (goring.Lapped, "", "lapped"),
    (goring.PeerDead, "", "peerdead"),
    (goring.NoSpace, "", "nospace"),
    (goring.Ended, "takes no more messages", "shutdown"),
    (goring.Ended, "shut down and empty", "end"),
    (goring.Closed, "already", "misuse"),
    (goring.Closed, "", "closed"),
    (goring.Error, "still open", "misuse"),
    (ValueError, "bad ring name", "name"),
]

#: Commands that wait, and fail with a timeout.
WAITING = ("read", "latest", "put", "readbatch", "writebatch", "produce", "consume", "iterate")


def refusal(error: Exception, command: str) -> str:
    """The reply to a command that raised."""
    for kind, phrase, name in CLASSES:
        if isinstance(error, kind) and phrase in str(error):
            late = command in WAITING and name in ("full", "empty")
            return f"err {'timeout' if late else name} {str(error)!r}"
    return f"err unclassified {type(error).__name__} {str(error)!r}"
