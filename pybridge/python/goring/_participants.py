"""Producers and consumers: the C types with the protocols of Python around them.

The hot methods are those of the C types, without a Python frame in between. Importing
this module loads the shared library.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

from . import _load
from ._errors import Ended

_load.library()

# This module exists only once the library is loaded.
from . import _core  # noqa: E402  # pyright: ignore[reportMissingModuleSource]

if TYPE_CHECKING:
    from ._async import Waiter

DeviceArray = _core.DeviceArray
Message = _core.Message
Slot = _core.Slot


class _Participant:
    """Common methods of producers and consumers; the C types implement the abstract ones."""

    @property
    def closed(self) -> bool:
        raise NotImplementedError

    @property
    def seat(self) -> int | None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} does not pickle: open the ring in the other process"
        )

    def __repr__(self) -> str:
        seat = "closed" if self.closed else f"seat {self.seat}"
        return f"<goring.{type(self).__name__}: {seat}>"


class Producer(_core.Producer, _Participant):
    """Writes messages; made by `Ring.producer`. For one thread at a time."""

    close = _core.Producer.close


class Consumer(_core.Consumer, _Participant):
    """Takes messages; made by `Ring.consumer`. For one thread, or one task, at a time.

    Iterating, with ``for`` or ``async for``, hands out each payload as a read-only view in
    place: an ndarray, or a memoryview on rings of bytes. A view stays valid as long as it is
    referenced; its slot is free again once it is not. Iteration ends when the ring is shut
    down and empty.

    On queues with several consumers iteration hands out read-only copies, because a consumer
    that waits while it references a slot could keep the slot that the producer needs next;
    on overwrite rings, too, each checked to be intact. `messages`, `read` and `latest` hand out
    views in place on every ring: release each message (``with``) before waiting for the next
    one, and on overwrite rings expect `Lapped` at that moment.

    On a ring on a GPU iteration hands out a `DeviceArray` in place, never a copy. As one of
    several consumers of a queue it ends with the next step, unless something besides the loop
    variable references it; a consumer that waits while it keeps the slot that the producers
    need next gets `Held`. On overwrite rings there is only `read` and `latest`.
    """

    _waiter: Waiter | None = None

    def messages(self, timeout: float | None = None) -> Iterator[Message]:
        """Iterate over messages with their tag and metadata, each released at the next step.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait for each; None: the consumer's timeout.

        Yields
        ------
        Message
            Until the ring is shut down and empty.

        Raises
        ------
        Empty, PeerDead, Held, Closed, CorruptError
            As `read` does.
        Lapped, Voided
            As `Message.release` does, at the next step.
        """
        while True:
            try:
                message = self.read() if timeout is None else self.read(timeout)
            except Ended:
                return
            with message:
                yield message

    def close(self) -> None:
        """Leave the seat, at the latest when the last view is dropped.

        Raises
        ------
        Error
            Another thread waits in the consumer.
        """
        if self._waiter is not None:
            self._waiter.close()
            self._waiter = None
        super().close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        if self._waiter is None:
            from ._async import Waiter

            self._waiter = Waiter()
        await self._waiter.turn()
        try:
            while (payload := self.try_next()) is None:
                await self._waiter.until(self.wait)
        except Ended:
            raise StopAsyncIteration from None
        return payload
