//! Overwrite mode (section 7): a reader beside a writer that never waits. A message that the
//! reader reports as intact is intact.

use crate::word::{ready, writing};
use loom::sync::atomic::{fence, AtomicU64, Ordering::*};
use loom::sync::Arc;

/// One slot; it holds message 0, with 0 as both halves of its payload.
struct Slot {
    word: AtomicU64,
    payload: [AtomicU64; 2],
}

/// gr_mark_writing, the payload, gr_publish.
fn write(slot: &Slot, lap: u64, fenced: bool) {
    slot.word.store(writing(lap), Relaxed);
    if fenced {
        fence(Release);
    }
    slot.payload[0].store(lap, Relaxed);
    slot.payload[1].store(lap, Relaxed);
    slot.word.store(ready(lap), SeqCst);
}

/// gr_take_overwrite, the payload, gr_intact.
fn read(slot: &Slot, lap: u64, fenced: bool) {
    if slot.word.load(Acquire) != ready(lap) {
        return;
    }
    let got = [slot.payload[0].load(Relaxed), slot.payload[1].load(Relaxed)];
    if fenced {
        fence(Acquire);
    }
    if slot.word.load(Relaxed) == ready(lap) {
        assert_eq!(got, [lap, lap], "torn message {lap}");
    }
}

/// A reader of message `lap` while the writer writes messages 1 and 2.
fn check(lap: u64, writer_fenced: bool, reader_fenced: bool) {
    loom::model(move || {
        let slot = Arc::new(Slot {
            word: AtomicU64::new(ready(0)),
            payload: [AtomicU64::new(0), AtomicU64::new(0)],
        });
        let writer = {
            let slot = slot.clone();
            loom::thread::spawn(move || (1..=2).for_each(|n| write(&slot, n, writer_fenced)))
        };
        read(&slot, lap, reader_fenced);
        writer.join().unwrap();
    });
}

#[test]
fn an_intact_message_is_the_one_written() {
    (0..=2).for_each(|lap| check(lap, true, true));
}

#[test]
#[should_panic(expected = "torn message 0")]
fn control_without_the_writers_fence() {
    check(0, false, true);
}

#[test]
#[should_panic(expected = "torn message 0")]
fn control_without_the_readers_fence() {
    check(0, true, false);
}
