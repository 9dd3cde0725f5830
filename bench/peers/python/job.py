"""The task of a side, from its arguments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

STOP = 255  # in the first byte: the last message


@dataclass(frozen=True)
class Job:
    """A task, the folder for its sockets, which has a unique name, and goring's strategy."""

    task: str
    size: int
    seconds: float
    folder: str
    wait: str

    @property
    def answered(self) -> bool:
        """Whether messages are answered."""
        return self.task == "trip"

    @property
    def slots(self) -> int:
        """How many messages a ring holds."""
        return 256 if self.size <= 1 << 10 else 64 if self.size <= 64 << 10 else 16

    @property
    def batch(self) -> int:
        """How many messages go at a time, 0 for one by one: some are held while the next come."""
        return min(32, self.slots // 2) if self.task == "batch" else 0

    @property
    def name(self) -> str:
        """A unique name for segments, which the clean-up knows."""
        return Path(self.folder).name

    @property
    def socket(self) -> str:
        """A path for a socket."""
        return f"{self.folder}/s"
