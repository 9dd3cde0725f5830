"""The common part of the ring buffers of `goring.compat`."""

from __future__ import annotations

import abc
import contextlib
import threading
from typing import Any, Generic, TypeVar

import goring

from .. import _check
from .._ring import Ring
from .._schema import Shape, shape_of

_PATIENCE = 20e-6  # seconds

Item = TypeVar("Item")


class RingBuffer(abc.ABC, Generic[Item]):
    """A ring of fixed-size items for one writer and one reader.

    A process joins as the writer at its first ``write`` or ``can_write`` and as the
    reader at its first ``read`` or ``can_read``; `goring.Busy` names the holder when
    there is one already.
    """

    def __init__(self, slots: int, ring: Ring, owner: bool) -> None:
        self._slots = slots
        self._ring = ring
        self._owner = owner
        self._producer: goring.Producer | None = None
        self._consumer: goring.Consumer | None = None
        self._item: goring.Message | None = None
        self._lock = threading.Lock()

    @property
    def capacity(self) -> int:
        """Number of items that the ring holds."""
        return self._slots

    def can_write(self) -> bool:
        """Report whether `write` would find room. Raises Busy when another writer has joined."""
        return self._writer().writable() and self._may_fill()

    def can_read(self) -> bool:
        """Report whether `read` would return one. Raises Busy when another reader has joined."""
        return self._peek() is not None

    def write(self, data: Any) -> bool:
        """Copy an item in. Returns False when the ring is full.

        Raises
        ------
        SchemaError, TooLarge
            The item has another dtype, shape or size than the ring's: nothing is cast, cut or
            repeated.
        Busy
            Another writer has joined.
        Closed
            The buffer is closed.
        """
        if not self._may_fill():
            return False
        try:
            self._writer().write(data, _PATIENCE)
        except goring.Full:
            return False
        return True

    def read(self) -> Item | None:
        """Return the oldest item, in place and read-only, or None; the same one until `release`.

        Raises
        ------
        Busy
            Another reader has joined.
        Closed
            The buffer is closed.
        """
        message = self._peek(_PATIENCE)
        return None if message is None else self._view(message)

    def release(self) -> bool:
        """Release the item of the last `read`. Returns False when there is none.

        Its slot is free once the view is not referenced any more, in the usual loop at the next
        ``read``: a view never changes.
        """
        if self._item is None:
            return False
        self._item.release()
        self._item = None
        return True

    def close(self) -> None:
        """Detach. The creator also removes the ring's name; views stay valid."""
        if self._ring.closed:
            return
        self.release()
        for participant in (self._producer, self._consumer):
            if participant is not None:
                participant.close()
        if self._owner and self._ring.name:
            with contextlib.suppress(goring.NotFound):  # the name is gone already
                self._ring.unlink()
        self._ring.close()

    @abc.abstractmethod
    def _view(self, message: goring.Message) -> Item: ...

    def _writer(self) -> goring.Producer:
        with self._lock:
            if self._producer is None:
                self._producer = self._ring.producer(on_peer_death="wait")
            return self._producer

    def _reader(self) -> goring.Consumer:
        with self._lock:
            if self._consumer is None:
                self._consumer = self._ring.consumer(on_peer_death="wait")
            return self._consumer

    def _peek(self, patience: float = 0) -> goring.Message | None:
        reader = self._reader()
        if self._item is None:
            # Held: a view that the caller kept holds the next item's slot.
            with contextlib.suppress(goring.Held):
                self._item = reader.try_read()
                if self._item is None and patience and reader.wait(patience):
                    self._item = reader.try_read()
        return self._item

    def _may_fill(self) -> bool:
        # A ring has at least two slots: a capacity of one leaves the other free.
        return self._slots > 1 or self._ring.free == self._ring.slots


def physical(slots: int) -> int:
    """Return the number of slots of the ring under a buffer of so many."""
    if _check.integer("slots", slots) < 1:
        raise goring.BadValue(f"slots is {slots}, want 1 or more")
    return max(slots, 2)


def attached(slots: int, ring: Ring) -> Ring:
    """Return the ring. Raises SchemaError unless a buffer of so many slots made it."""
    if ring.slots == physical(slots):
        return ring
    ring.close()
    raise goring.SchemaError(f"ring {ring.name!r} has {ring.slots} slots, not {slots}")


def dims(shape: Shape | None) -> tuple[int, ...]:
    """Return the shape of an item; without one it is a scalar."""
    return () if shape is None else shape_of(shape)
