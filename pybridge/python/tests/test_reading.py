"""read, try_read, read_batch, iteration, and messages on loan."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest

import goring


@pytest.fixture
def ring() -> Iterator[goring.Ring]:
    """Four slots of one number each."""
    with goring.create(None, slots=4, dtype="i8", max_meta=64, timestamps=True) as ring:
        yield ring


def fill(ring: goring.Ring, *numbers: int) -> None:
    with ring.producer() as out:
        for n in numbers:
            out.write(np.int64(n), timeout=5)


def test_a_message_has_everything(ring: goring.Ring) -> None:
    with ring.producer() as out:
        before = time.time_ns()
        out.write(np.int64(7), meta={"name": "x"}, tag=99)
        after = time.time_ns()
    with ring.consumer() as inbox, inbox.read(timeout=5) as m:
        assert m.array.shape == ()
        assert m.array == m.data == 7
        assert m.array is m.data
        assert (m.seq, m.tag, m.meta, m.redelivered) == (0, 99, {"name": "x"}, 0)
        assert before <= m.timestamp_ns <= after


def test_release_frees_the_slot_and_is_final(ring: goring.Ring) -> None:
    fill(ring, 1, 2)
    with ring.consumer(timeout=5) as inbox:
        one, two = inbox.read(), inbox.read()
        assert ring.free == 2
        two.release()  # any order
        assert ring.free == 3
        for use in (two.release, two.requeue, two.__enter__, lambda: two.array, lambda: two.meta):
            with pytest.raises(goring.Closed, match="already"):
                use()
        assert two.seq == 1
        with one:
            assert one.array == 1
        assert ring.free == 4


def test_a_kept_view_keeps_the_slot(ring: goring.Ring) -> None:
    fill(ring, 1)
    with ring.consumer(timeout=5) as inbox:
        with inbox.read() as m:
            view = m.array
        assert ring.free == 3
        assert view == 1
        del view
        assert ring.free == 4


def test_views_are_read_only(ring: goring.Ring) -> None:
    fill(ring, 1, 2)
    with ring.consumer(timeout=5) as inbox:
        for view in (inbox.read().array, next(inbox)):
            with pytest.raises(ValueError, match="read-only"):
                view[...] = 5
            with pytest.raises(ValueError, match="WRITEABLE"):
                view.flags.writeable = True
            with pytest.raises(ValueError, match="WRITEABLE"):
                view.reshape(1).setflags(write=True)
            assert memoryview(view).readonly


def test_an_empty_ring(ring: goring.Ring) -> None:
    with ring.consumer() as inbox:
        assert inbox.try_read() is None
        assert inbox.wait(0) is False
        for use in (inbox.read, lambda t: inbox.read_batch(5, t)):
            start = time.monotonic()
            with pytest.raises(goring.Empty) as caught:
                use(0.05)
            assert 0.04 < time.monotonic() - start < 5
            assert isinstance(caught.value, TimeoutError)
    with ring.consumer(timeout=0.05) as inbox:
        for use in (inbox.read, inbox.__next__, lambda: next(inbox.messages())):
            with pytest.raises(goring.Empty):
                use()
        with pytest.raises(goring.Empty):
            next(inbox.messages(timeout=0))


def test_requeue_gives_back_in_order(ring: goring.Ring) -> None:
    fill(ring, 1, 2, 3)
    with ring.consumer(timeout=5) as inbox:
        held = [inbox.read() for _ in range(3)]
        held[2].requeue()
        held[0].requeue()
        held[1].release()
        again = [inbox.read(), inbox.read()]
        assert [m.seq for m in again] == [0, 2]
        assert [m.redelivered for m in again] == [1, 1]
        view = again[0].array
        with pytest.raises(goring.Held, match="still in use"):
            again[0].requeue()
        del view
        again[0].requeue()


def test_a_closed_consumers_messages_come_again(ring: goring.Ring) -> None:
    fill(ring, 1, 2, 3)
    with ring.consumer(timeout=5) as inbox:
        inbox.read().release()
        inbox.read().requeue()
    with ring.consumer(timeout=5) as inbox:
        assert [next(inbox).item(), next(inbox).item()] == [2, 3]


def test_iteration_ends_when_the_ring_is_shut_down_and_empty(ring: goring.Ring) -> None:
    fill(ring, 1, 2, 3)
    ring.shutdown()
    with ring.consumer(timeout=5) as inbox:
        assert [frame.item() for frame in inbox] == [1, 2, 3]
        assert list(inbox) == []
        for use in (inbox.read, inbox.try_read, lambda: inbox.read_batch(2)):
            with pytest.raises(goring.Ended, match="shut down and empty"):
                use()
        assert list(inbox.messages()) == []
    assert ring.stats().shutdown


def test_messages_come_with_tags_and_are_released_at_the_next_step(ring: goring.Ring) -> None:
    fill(ring, 1, 2, 3)
    with ring.consumer(timeout=5) as inbox:
        messages = inbox.messages()
        first = next(messages)
        assert (first.array, ring.free) == (1, 1)
        second = next(messages)
        assert (second.seq, ring.free) == (1, 2)
        messages.close()
        assert ring.free == 3


def test_a_batch_is_one_array_in_place(ring: goring.Ring) -> None:
    fill(ring, 1, 2, 3)
    with ring.consumer(timeout=5) as inbox:
        rows = inbox.read_batch(2)
        assert rows.tolist() == [1, 2]
        assert not rows.flags.writeable
        assert ring.free == 1
        tail = rows[1:]
        del rows
        assert ring.free == 1  # a batch keeps all of its slots
        del tail
        assert ring.free == 3
        assert inbox.read_batch(2**62).tolist() == [3]
        for bad in (0, -1):
            with pytest.raises(ValueError, match=str(bad)):
                inbox.read_batch(bad)


def test_a_batch_of_blobs_is_a_list_of_views() -> None:
    with goring.create(None, slots=4, max_bytes=8) as ring:
        with ring.producer() as out:
            for data in (b"a", b"", b"ccc"):
                out.write(data)
        with ring.consumer(timeout=5) as inbox:
            assert [bytes(view) for view in inbox.read_batch(9)] == [b"a", b"", b"ccc"]
            assert ring.free == 4


def test_batches_cross_the_wrap_in_one_piece() -> None:
    with goring.create(None, slots=8, dtype="u1", shape=8192, placement="separate") as ring:
        rows = np.arange(6, dtype="u1")[:, None].repeat(8192, axis=1)
        with ring.producer() as out, ring.consumer(timeout=5) as inbox:
            for _ in range(5):
                assert out.write_batch(rows, timeout=5) == 6
                got = inbox.read_batch(6)
                assert got.shape == (6, 8192)
                assert got.flags.c_contiguous
                assert (got == rows).all()
                del got


def test_waiting_for_a_slot_that_one_holds_oneself_is_an_error(ring: goring.Ring) -> None:
    fill(ring, 1, 2, 3, 4)
    with ring.consumer() as inbox:
        kept = [inbox.read() for _ in range(4)]
        for use in (inbox.read, inbox.try_read, inbox.__next__):
            with pytest.raises(goring.Held, match="still in use"):
                use()
        del kept
        fill(ring, 5)
        assert inbox.read(5).array == 5


def test_latest_is_not_for_queues(ring: goring.Ring) -> None:
    with ring.consumer() as inbox, pytest.raises(goring.Error, match="overwrite"):
        inbox.latest()


def test_a_closed_consumer(ring: goring.Ring) -> None:
    inbox = ring.consumer()
    assert (inbox.seat, inbox.closed) == (2, False)
    inbox.close()
    inbox.close()
    assert (inbox.seat, inbox.closed) == (None, True)
    uses = [
        inbox.read, inbox.try_read, inbox.wait, inbox.__next__,
        lambda: inbox.read_batch(1), lambda: next(inbox.messages()),
    ]  # fmt: skip
    for use in uses:
        with pytest.raises(goring.Closed, match="consumer is closed") as closed:
            use()
        assert not isinstance(closed.value, goring.Ended)


def test_bad_calls(ring: goring.Ring) -> None:
    with ring.consumer() as inbox:
        for arguments, keywords in [((1, 2), {}), ((), {"time": 1}), ((-1,), {}), (("x",), {})]:
            with pytest.raises((TypeError, ValueError)):
                inbox.read(*arguments, **keywords)


@pytest.mark.parametrize("at", [8, 12])
def test_a_peer_that_lies_about_sizes_is_an_error_and_the_ring_goes_on(at: int) -> None:
    with goring.create("r", slots=4, max_bytes=8, max_meta=16) as ring:
        with ring.producer() as out, ring.consumer(timeout=5) as inbox:
            out.write(b"one")
            out.write(b"two")
            with open(ring.info.path, "r+b") as f:
                f.seek(int.from_bytes(f.read(48)[40:48], "little") + at)
                f.write(b"\xff\xff")
            with pytest.raises(goring.CorruptError, match="65535"):
                inbox.read()
            assert bytes(inbox.read().data) == b"two"
        assert ring.free == 4
