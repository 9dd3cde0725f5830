"""Slot words: ``lap << 8 | owner << 2 | state`` (section 4 of spec/LAYOUT.md)."""

from __future__ import annotations

from . import _layout

_OWNER_AND_STATE = 0xFF


def is_ready(word: int) -> bool:
    """Report whether the slot holds a message to be read; an aborted one has an owner."""
    return word & _OWNER_AND_STATE == _layout.READY
