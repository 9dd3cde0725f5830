//! Queue mode (section 6): the payload is plain memory, so loom reports any two accesses
//! that nothing orders. One slot, two laps.

use crate::word::{free, ready};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU64, Ordering, Ordering::*};
use loom::sync::Arc;

struct Slot {
    word: AtomicU64,
    payload: UnsafeCell<u64>,
}

// The word orders the accesses of payload; loom checks that it does.
unsafe impl Sync for Slot {}
unsafe impl Send for Slot {}

fn wait(slot: &Slot, word: u64, order: Ordering) {
    while slot.word.load(order) != word {
        loom::thread::yield_now();
    }
}

/// Two laps of waiting, filling and committing beside two of waiting, reading and releasing.
fn check(reserve: Ordering, commit: Ordering, take: Ordering, release: Ordering) {
    loom::model(move || {
        let slot = Arc::new(Slot {
            word: AtomicU64::new(free(0)),
            payload: UnsafeCell::new(7),
        });
        let producer = {
            let slot = slot.clone();
            loom::thread::spawn(move || {
                for lap in 0..2 {
                    wait(&slot, free(lap), reserve);
                    slot.payload.with_mut(|p| unsafe { *p = lap });
                    slot.word.store(ready(lap), commit);
                }
            })
        };
        for lap in 0..2 {
            wait(&slot, ready(lap), take);
            assert_eq!(slot.payload.with(|p| unsafe { *p }), lap);
            slot.word.store(free(lap + 1), release);
        }
        producer.join().unwrap();
    });
}

#[test]
fn a_message_is_visible_when_it_is_ready_and_a_slot_free_when_it_was_read() {
    check(Acquire, Release, Acquire, Release);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn control_a_relaxed_commit() {
    check(Acquire, Relaxed, Acquire, Release);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn control_a_relaxed_take() {
    check(Acquire, Release, Relaxed, Release);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn control_a_relaxed_release() {
    check(Acquire, Release, Acquire, Relaxed);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn control_a_relaxed_reserve() {
    check(Relaxed, Release, Acquire, Release);
}
