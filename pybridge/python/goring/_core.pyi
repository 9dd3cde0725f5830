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
            The data does not match the ring. Nothing was written.
        Ended
            The ring was shut down.
        Closed
            The producer is closed.
        CudaError
            On a ring on a GPU: the driver refused.
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
        """Write without waiting; False when the ring is full.

        Raises
        ------
        SchemaError, TooLarge, Ended, Closed, CudaError
            As `write` does.
        """

    def reserve(
        self,
        timeout: float | None = None,
        dtype: npt.DTypeLike | None = None,
        shape: int | tuple[int, ...] | None = None,
    ) -> Slot:
        """Wait for a free slot and lend it, to be filled in place.

        dtype and shape are for tensor rings, which need both.

        Raises
        ------
        Full
            No slot became free in time.
        PeerDead
            The ring is full and its last consumer has died.
        SchemaError
            dtype or shape are missing, or are not for this ring.
        TooLarge
            The tensor does not fit a slot.
        Ended
            The ring was shut down.
        Closed
            The producer is closed.
        """

    def write_batch(self, array: npt.ArrayLike, timeout: float | None = None) -> int:
        """Write the rows of an array of shape (n, \\*ring.shape), one message each.

        Returns how many were written: all, unless the time ran out.

        Raises
        ------
        Full
            No slot became free in time, so that nothing was written.
        PeerDead
            The ring is full and its last consumer has died.
        SchemaError
            The rows do not match the ring.
        Unsupported
            The ring is on a GPU.
        Ended
            The ring was shut down.
        Closed
            The producer is closed.
        """

    def writable(self) -> bool:
        """Report whether a slot is free.

        Raises
        ------
        Closed
            The producer is closed.
        """

    def close(self) -> None:
        """Leave the seat. Published messages stay in the ring."""

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

        On a ring on a GPU it is published after the work on the stream, and on every stream that
        the slot was shown to. The call waits for none of them; the streams of the readers do.

        Raises
        ------
        TooLarge
            length is more than the slot holds.
        SchemaError
            length is given on a ring of arrays.
        Closed
            The slot was committed or aborted already.
        CudaError
            On a ring on a GPU: the driver refused. The slot is still reserved.
        """

    def copy_from(self, array: Any, *, stream: Stream | None = None, cast: bool = False) -> None:
        """Fill the slot from an array in host or device memory.

        Raises
        ------
        SchemaError, TooLarge
            The array does not match the ring, or the slot's reservation.
        Closed
            The slot was committed or aborted already.
        WrongDevice
            The array is on another device than the ring.
        CudaError
            On a ring on a GPU: the driver refused.
        """

    def abort(self) -> None:
        """Give the slot back unpublished.

        Raises
        ------
        Closed
            The slot was committed or aborted already.
        """

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
            No message came in time.
        PeerDead
            The ring is empty and its last producer has died.
        Held
            The next message's slot is held by a message or an array of this consumer.
        Ended
            The ring was shut down and is empty.
        Closed
            The consumer is closed.
        CorruptError
            A peer published impossible sizes; the message is skipped.
        Voided, ExporterGone, CudaError
            On rings on a GPU.
        """

    def try_read(self) -> Message | None:
        """Take the next message without waiting; None when there is none.

        Raises
        ------
        Held, Ended, Closed, CorruptError
            As `read` does.
        """

    def try_next(self) -> Any:
        """Return the next payload of the iteration without waiting; None when there is none.

        Raises
        ------
        Held, Ended, Closed, CorruptError
            As `read` does.
        """

    @overload
    def read_batch(
        self, max: int, timeout: float | None = None, headers: Literal[False] = False
    ) -> Any: ...
    @overload
    def read_batch(
        self, max: int, timeout: float | None = None, *, headers: Literal[True]
    ) -> tuple[Any, list[tuple[int, int, bytes]]]:
        """Wait for a message and take it and those right after it, at most max.

        Returns an array of shape (n, \\*ring.shape), in place; on bytes and tensor rings a
        list of views. With headers=True a tuple of that and n tuples (tag, redelivered,
        metadata as msgpack, b"" when there is none). A message is released when the array, or
        its view, is dropped.

        Raises
        ------
        Empty, PeerDead, Held, Ended, Closed, CorruptError
            As `read` does.
        Unsupported
            The ring is on a GPU.
        """

    def latest(self, timeout: float | None = None) -> Message:
        """Skip to the newest message, waiting for one that was not read before.

        For broadcast and overwrite rings; on the latter a message that was there before
        this consumer joined counts as new. Skipped messages do not count as lost.

        Raises
        ------
        Error
            The ring is a queue.
        Empty, PeerDead, Held, Ended, Closed, CorruptError
            As `read` does.
        """

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until there is something to read or the ring has ended, without taking it.

        Returns False when the time ran out.

        Raises
        ------
        PeerDead
            The ring is empty and its last producer has died.
        Closed
            The consumer is closed.
        """

    def close(self) -> None:
        """Leave the seat, at the latest when the last view is dropped.

        Raises
        ------
        Error
            The consumer is waiting in another thread.
        """

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
        """Whether the bytes read so far are those that were written.

        It can be False on overwrite rings, where the producer waits for no consumer, and on
        rings on a GPU.
        """

    def release(self, stream: Stream | None = None) -> None:
        """Give the slot back; views that are still held keep it until they are dropped.

        On a ring on a GPU it is released after the work on the stream, on the consumer's own, and
        on every stream that an importer asked DLPack for.

        Raises
        ------
        Lapped
            On overwrite rings: the message was overwritten meanwhile, and the bytes that were
            read are not to be used. Leaving a with block raises it, too, unless the block
            raised something itself.
        Voided
            On GPU rings: the producer died before the payload had arrived.
        Closed
            The message was released or requeued already.
        CudaError
            On GPU rings: the driver refused. The message is still on loan.
        """

    def requeue(self, stream: Stream | None = None) -> None:
        """Give the message back: it will be delivered again.

        Raises
        ------
        Held
            Arrays of the message are still in use.
        Closed
            The message was released or requeued already.
        CudaError
            On GPU rings: the driver refused. The message is still on loan.
        """

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

    It holds its slot, as do the arrays made from it, until all of them are dropped.
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
        """Copy the payload into an ndarray, and wait for that.

        Raises
        ------
        Closed
            The view's slot is the ring's again.
        Lapped, Voided, CudaError
            As `Message.release` does.
        """

    def wait(self) -> None:
        """Wait on the host until the payload has arrived.

        Raises
        ------
        Closed
            The view's slot is the ring's again.
        Voided, CudaError
            As `Message.release` does.
        """

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """Return a capsule of DLPack, for the stream that is to work on it.

        Raises
        ------
        BufferError
            DLPack has no such dtype, or the importer knows no read-only arrays.
        Closed, Voided, CudaError
            As `wait` does.
        """

    def __dlpack_device__(self) -> tuple[int, int]:
        """Return kDLCUDA and the device's ordinal.

        Raises
        ------
        Closed
            The view's slot is the ring's again.
        """

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        """Return an ndarray in place, of pinned host memory.

        Raises
        ------
        TypeError
            The payload is in device memory, out of reach for the host.
        Closed, Voided, CudaError
            As `wait` does.
        """
