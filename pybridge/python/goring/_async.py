"""Waiting for a ring in an event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_SLICE = 0.05  # seconds; the longest time that a cancelled wait goes on
_TURN = 256  # messages after which the loop's other tasks get a turn


class Waiter:
    """A consumer's thread for waiting. It starts at the first wait."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "goring-wait")
        self._served = 0

    async def turn(self) -> None:
        """Let other tasks run now and then: a ring that is never empty must not starve them."""
        self._served += 1
        if self._served % _TURN == 0:
            await asyncio.sleep(0)

    async def until(self, wait: Callable[[float], bool]) -> None:
        """Return when wait has found something, at the latest after a slice of time."""
        loop = asyncio.get_running_loop()
        waiting = loop.run_in_executor(self._thread, wait, _SLICE)
        try:
            await asyncio.shield(waiting)
        except asyncio.CancelledError:
            await _finish(waiting)
            raise

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=True)


async def _finish(waiting: asyncio.Future[bool]) -> None:
    """Wait until the thread no longer uses the consumer, even when cancelled again."""
    while not waiting.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(waiting)
