//! Cells of GPU rings (section 11): how a host sees the claim of another one and the end of its
//! work. The write of a stream is a store-release here, by the driver's fence; so is a reaper's.

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, Ordering::*};
use loom::sync::Arc;

const DEAD: u32 = 1;
const LIVING: u32 = 2;

#[derive(Default)]
struct Cell {
    value: AtomicU64,
    claimed: AtomicU64,
    voided: AtomicU64,
    seat: AtomicU32,
    word: AtomicU64,
}

/// A living process claims a cell after the last claim, of a dead process, has been reached; a
/// reaper of the dead one loads both words. reversed: seat first.
fn claim_and_reap(claim: Ordering, look: Ordering, reversed: bool) {
    loom::model(move || {
        let cell = Arc::new(Cell {
            seat: AtomicU32::new(DEAD),
            ..Cell::default()
        });
        let claimant = {
            let cell = cell.clone();
            loom::thread::spawn(move || {
                cell.seat.store(LIVING, Relaxed);
                cell.claimed.store(1, claim);
            })
        };
        let (claimed, seat);
        if reversed {
            seat = cell.seat.load(look);
            claimed = cell.claimed.load(look);
        } else {
            claimed = cell.claimed.load(look);
            seat = cell.seat.load(look);
        }
        let open = claimed > cell.value.load(Acquire);
        assert!(!(open && seat == DEAD), "a living claim is completed");
        claimant.join().unwrap();
    });
}

#[test]
fn a_reaper_completes_no_living_claim() {
    claim_and_reap(Release, Acquire, false);
}

#[test]
#[should_panic(expected = "a living claim is completed")]
fn control_a_relaxed_claim() {
    claim_and_reap(Relaxed, Acquire, false);
}

#[test]
#[should_panic(expected = "a living claim is completed")]
fn control_a_relaxed_look() {
    claim_and_reap(Release, Relaxed, false);
}

#[test]
#[should_panic(expected = "a living claim is completed")]
fn control_seat_before_claimed() {
    claim_and_reap(Release, Acquire, true);
}

/// A reaper completes a claim without a payload; a consumer that sees it reached sees it as void.
fn complete(value: Ordering, reached: Ordering, reversed: bool) {
    loom::model(move || {
        let cell = Arc::new(Cell::default());
        let reaper = {
            let cell = cell.clone();
            loom::thread::spawn(move || {
                if reversed {
                    cell.value.store(1, value);
                }
                cell.voided.store(1, Relaxed);
                if !reversed {
                    cell.value.store(1, value);
                }
            })
        };
        if cell.value.load(reached) == 1 {
            assert_eq!(cell.voided.load(Relaxed), 1, "void, and not told");
        }
        reaper.join().unwrap();
    });
}

#[test]
fn a_void_message_that_is_reached_is_seen_as_void() {
    complete(Release, Acquire, false);
}

#[test]
#[should_panic(expected = "void, and not told")]
fn control_a_relaxed_completion() {
    complete(Relaxed, Acquire, false);
}

#[test]
#[should_panic(expected = "void, and not told")]
fn control_a_relaxed_reader_of_value() {
    complete(Release, Relaxed, false);
}

#[test]
#[should_panic(expected = "void, and not told")]
fn control_value_before_voided() {
    complete(Release, Acquire, true);
}

/// An overwrite ring's producer marks a slot WRITING and claims its cell; a reader that has seen
/// the old word loads claimed and then the word again.
fn claim_and_look(claim: Ordering, look: Ordering, again: bool) {
    loom::model(move || {
        let cell = Arc::new(Cell::default());
        let producer = {
            let cell = cell.clone();
            loom::thread::spawn(move || {
                cell.word.store(1, Relaxed); // WRITING
                cell.claimed.store(1, claim);
            })
        };
        if cell.word.load(Acquire) == 0 {
            let claimed = cell.claimed.load(look);
            if !again || cell.word.load(Relaxed) == 0 {
                assert_eq!(claimed, 0, "a claim of a later message is awaited");
            }
        }
        producer.join().unwrap();
    });
}

#[test]
fn a_reader_awaits_the_claim_of_its_own_message() {
    claim_and_look(Release, Acquire, true);
}

#[test]
#[should_panic(expected = "a claim of a later message is awaited")]
fn control_a_relaxed_claim_after_the_word() {
    claim_and_look(Relaxed, Acquire, true);
}

#[test]
#[should_panic(expected = "a claim of a later message is awaited")]
fn control_a_relaxed_reader_of_claimed() {
    claim_and_look(Release, Relaxed, true);
}

#[test]
#[should_panic(expected = "a claim of a later message is awaited")]
fn control_no_second_look() {
    claim_and_look(Release, Acquire, false);
}

/// Pinned host memory: a host reads the payload with plain loads once value has come so far.
fn read_pinned(write: Ordering, reached: Ordering) {
    struct Pinned {
        value: AtomicU64,
        payload: UnsafeCell<u64>,
    }
    // The value orders the accesses of payload; loom checks that it does.
    unsafe impl Sync for Pinned {}
    unsafe impl Send for Pinned {}
    loom::model(move || {
        let slot = Arc::new(Pinned {
            value: AtomicU64::new(0),
            payload: UnsafeCell::new(7),
        });
        let stream = {
            let slot = slot.clone();
            loom::thread::spawn(move || {
                slot.payload.with_mut(|p| unsafe { *p = 8 });
                slot.value.store(1, write);
            })
        };
        if slot.value.load(reached) == 1 {
            assert_eq!(slot.payload.with(|p| unsafe { *p }), 8);
        }
        stream.join().unwrap();
    });
}

#[test]
fn a_payload_is_complete_when_its_cell_is_reached() {
    read_pinned(Release, Acquire);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn control_a_relaxed_write_of_value() {
    read_pinned(Relaxed, Acquire);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn control_a_relaxed_look_at_value() {
    read_pinned(Release, Relaxed);
}
