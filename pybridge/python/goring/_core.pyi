"""The C data plane. `configure` is called once, when the library is loaded."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Literal, Self, overload

import numpy as np
import numpy.typing as npt

from ._streams import Stream

def configure(
    *,
    encode_meta: Callable[[Any], bytes],
    decode_meta: Callable[[bytes], Any],
    stream_handle: Callable[[Any], int],
    dtypes: dict[int, np.dtype[Any]],
    **exceptions: type[Exception],
) -> None:
    """Set the exceptions, the metadata codec and the dtypes of tensor codes."""

def unreference_gpu(address: int) -> None:
    """Give back the memory of a GPU ring that no participant took."""

def after_fork() -> None:
    """Tell the module that this process is a forked child."""

class Ring:
    """The mapping and private geometry of a segment."""

    slots: int
    slot_bytes: int
    max_meta: int
    kind: int
    mode: int
    max_producers: int
    max_consumers: int
    timestamps: bool
    inline: bool
    mirrored: bool
    gpu: bool
    def __new__(cls, fd: int) -> Self: ...
    def info_block(self) -> bytes: ...
    def words(self) -> list[int]: ...
    def free(self) -> int: ...
    def is_shutdown(self) -> bool: ...
    def shutdown(self) -> None: ...

class Producer:
    """Writes messages."""

    def __new__(
        cls,
        ring: Ring,
        seat: int,
        fd: int,
        dtype: np.dtype[Any] | None = ...,
        shape: tuple[int, ...] | None = ...,
        strategy: int = ...,
        await_successor: bool = ...,
        gpu: int = ...,
        stream: int = ...,
    ) -> Self: ...
    @property
    def closed(self) -> bool: ...
    @property
    def seat(self) -> int | None: ...
    def write(
        self,
        data: Any,
        timeout: float | None = None,
        *,
        meta: Any = None,
        tag: int = 0,
        cast: bool = False,
        stream: Stream | None = None,
    ) -> None:
        """Wait for a free slot, copy data into it and publish it.

        Parameters
        ----------
        data : array_like or buffer
            Exactly the ring's dtype and shape; on bytes rings any buffer.
        timeout : float, optional
            Seconds to wait for room; None: for ever.
        meta : object, optional
            Metadata, anything msgpack can carry, at most the ring's max_meta bytes.
        tag : int
            Correlation id, 0 to 2**64 - 1.
        cast : bool
            Convert another dtype, as NumPy's assignment does.
        stream : optional
            On a ring on a GPU the CUDA stream that copies; without it the producer's own. data
            may be an array in device memory with ``__cuda_array_interface__``.

        Raises
        ------
        Full
            No slot became free in time.
        PeerDead
            The ring is full and its last consumer has died.
        SchemaError, TooLarge
            Not what the ring carries. Nothing was written.
        Closed
            The producer is closed or the ring is shut down.
        """

    def try_write(
        self,
        data: Any,
        *,
        meta: Any = None,
        tag: int = 0,
        cast: bool = False,
        stream: Stream | None = None,
    ) -> bool:
        """Write without waiting; False when the ring is full."""

    def reserve(
        self,
        timeout: float | None = None,
        dtype: npt.DTypeLike | None = None,
        shape: int | tuple[int, ...] | None = None,
    ) -> Slot:
        """Wait for a free slot and lend it, to be filled in place.

        dtype and shape are for tensor rings, which need both.
        """

    def write_batch(self, array: npt.ArrayLike, timeout: float | None = None) -> int:
        """Write the rows of an array of shape (n, \\*ring.shape), one message each.

        Returns how many were written: all, unless the time ran out.
        """

    def writable(self) -> bool:
        """Whether a slot is free."""

    def close(self) -> None:
        """Give the seat back. What was published stays in the ring."""

class Slot:
    """A reserved slot: fill `array`; leaving the with block commits, an exception aborts.

    Arrays made from `array` must not be written to afterwards: the slot is the ring's.
    """

    @property
    def array(self) -> Any:
        """The payload as a writable ndarray; a memoryview on bytes rings.

        On a ring on a GPU a `DeviceArray`.
        """

    @property
    def data(self) -> Any:
        """The same as array."""

    @property
    def seq(self) -> int: ...
    tag: int
    @property
    def meta(self) -> None: ...
    @meta.setter
    def meta(self, value: Any) -> None: ...
    def commit(self, length: int | None = None, stream: Stream | None = None) -> None:
        """Publish the message; on bytes rings only its first length bytes.

        On a ring on a GPU behind what is on the stream, and on every one that the slot was
        shown to; it waits for none of them, the streams of the readers do.
        """

    def copy_from(self, array: Any, *, stream: Stream | None = None, cast: bool = False) -> None:
        """Fill the slot from an array in host or device memory."""

    def abort(self) -> None:
        """Give the slot back unpublished."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

class Consumer:
    """Takes messages."""

    def __new__(
        cls,
        ring: Ring,
        seat: int,
        fd: int,
        dtype: np.dtype[Any] | None = ...,
        shape: tuple[int, ...] | None = ...,
        strategy: int = ...,
        timeout: float | None = ...,
        await_successor: bool = ...,
        copy: bool = ...,
        gpu: int = ...,
        stream: int = ...,
    ) -> Self: ...
    @property
    def closed(self) -> bool: ...
    @property
    def seat(self) -> int | None: ...
    @property
    def lost(self) -> int:
        """Messages of an overwrite ring that this consumer was too slow for."""

    def read(self, timeout: float | None = None) -> Message:
        """Wait for the next message and take it.

        Raises
        ------
        Empty
            None came in time.
        PeerDead
            The ring is empty and its last producer has died.
        Held
            The next message's slot is held by something this consumer handed out.
        Closed
            The consumer is closed, or the ring is shut down and empty.
        CorruptError
            A peer published sizes that cannot be; the message is skipped.
        """

    def try_read(self) -> Message | None:
        """The next message, or None when there is none."""

    def try_next(self) -> Any:
        """What iteration would give next, or None when there is nothing."""

    @overload
    def read_batch(
        self, max: int, timeout: float | None = None, headers: Literal[False] = False
    ) -> Any: ...
    @overload
    def read_batch(
        self, max: int, timeout: float | None = None, *, headers: Literal[True]
    ) -> tuple[Any, list[tuple[int, int, bytes]]]:
        """Wait for a message and take it and those right behind it, at most max.

        Returns an array of shape (n, \\*ring.shape), in place; on bytes and tensor rings a
        list of views. With headers=True a tuple of that and n tuples (tag, redelivered,
        metadata as msgpack, b"" when there is none). A message is released when nobody
        holds the array, or its view, any more.
        """

    def latest(self, timeout: float | None = None) -> Message:
        """Skip to the newest message, waiting for one that was not read before.

        For broadcast and overwrite rings; on the latter a message that was there before
        this consumer joined counts as new. What is skipped does not count as lost. Raises
        as read does.
        """

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until there is something to read or the ring has ended, without taking it."""

    def close(self) -> None:
        """Give the seat back, at the latest when the last view is dropped."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> Any: ...

class Message:
    """One message on loan; leaving the with block releases it."""

    @property
    def array(self) -> Any:
        """The payload in place: a read-only ndarray; a memoryview on bytes rings.

        On a ring on a GPU a `DeviceArray`.
        """

    @property
    def data(self) -> Any:
        """The same as array."""

    @property
    def meta(self) -> Any:
        """The metadata, decoded; None when there is none."""

    @property
    def raw_meta(self) -> bytes | None: ...
    @property
    def seq(self) -> int: ...
    @property
    def tag(self) -> int: ...
    @property
    def timestamp_ns(self) -> int: ...
    @property
    def redelivered(self) -> int: ...
    @property
    def valid(self) -> bool:
        """Whether what was read of it so far is what was written.

        Only on overwrite rings, whose producer waits for nobody, can it be False.
        """

    def release(self, stream: Stream | None = None) -> None:
        """Give the slot back; views that are still held keep it until they are dropped.

        On a ring on a GPU behind what is on the stream, on the consumer's own, and on every one
        that an importer asked DLPack for.

        Raises
        ------
        Lapped
            On overwrite rings: the message was overwritten meanwhile, and what was read of
            it is not to be used. Leaving a with block raises it, too, unless the block
            raised something itself.
        Voided
            On GPU rings: the producer died before the payload had arrived.
        """

    def requeue(self, stream: Stream | None = None) -> None:
        """Give the message back: it will be delivered again."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

class DeviceArray:
    """A payload where it is, on a GPU: for CuPy, PyTorch, numba and JAX.

    It holds its slot, as does whatever is made from it, for as long as anybody keeps it.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    strides: None
    ndim: int
    size: int
    itemsize: int
    nbytes: int
    ptr: int
    device: int
    stream: int
    readonly: bool
    valid: bool
    closed: bool
    __cuda_array_interface__: dict[str, Any]
    def copy_to_host(
        self, out: npt.NDArray[Any] | None = None, stream: Stream | None = None
    ) -> npt.NDArray[Any]:
        """Copy the payload into an ndarray, and wait for that."""

    def wait(self) -> None:
        """Wait on the host until the payload is there."""

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """A capsule of DLPack, for the stream that is to work on it."""

    def __dlpack_device__(self) -> tuple[int, int]:
        """kDLCUDA and the device's ordinal."""

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        """Of pinned host memory an ndarray in place; device memory is out of reach."""
