"""The timeline of a GPU ring as it stands in the segment (spec section 11)."""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

from goring import _layout as L


@dataclass(frozen=True)
class Cell:
    value: int
    claimed: int
    voided: int
    seat: int

    @property
    def open(self) -> bool:
        """Report whether a claim is not reached yet."""
        return self.value != self.claimed


class Cells:
    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 0)
        (self.at,) = struct.unpack_from("<Q", self.memory, L.OFF_GPU_OFF)
        (self.slots,) = struct.unpack_from("<Q", self.memory, L.OFF_SLOTS)
        done = {L.MODE_QUEUE: self.slots, L.MODE_BROADCAST: self._consumers(), L.MODE_OVERWRITE: 0}
        self.count = self.slots + done[self.memory[L.OFF_MODE]]

    def _consumers(self) -> int:
        (n,) = struct.unpack_from("<H", self.memory, L.OFF_MAX_CONSUMERS)
        return int(n)

    def all(self) -> list[Cell]:
        where = self.at + L.GPU_OFF_CELLS
        return [
            Cell(*struct.unpack_from("<QQQI", self.memory, where + i * L.GPU_CELL_SIZE))
            for i in range(self.count)
        ]

    def owed_by(self, seat: int) -> int:
        """How many claims of a seat are open."""
        return sum(c.open and c.seat == seat for c in self.all())

    def close(self) -> None:
        self.memory.close()
