"""The Python side of a Go pool: functions that answer requests."""

from ._function import worker

__all__ = ["worker"]
