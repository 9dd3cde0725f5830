//! Waiting (section 9): either the waker sees the sleeper's flag or the sleeper sees the word.
//!
//! loom takes sequentially consistent accesses for acquire and release ones, so each is a fence
//! and an access here, as in an implementation with fences.

use loom::sync::atomic::{fence, AtomicU32, AtomicU64, Ordering::*};
use loom::sync::Arc;

struct Ring {
    word: AtomicU64,
    waiting: AtomicU32,
}

fn check(waker_fenced: bool, sleeper_fenced: bool) {
    loom::model(move || {
        let ring = Arc::new(Ring {
            word: AtomicU64::new(0),
            waiting: AtomicU32::new(0),
        });
        let waker = {
            let ring = ring.clone();
            loom::thread::spawn(move || {
                ring.word.store(1, Release);
                if waker_fenced {
                    fence(SeqCst);
                }
                ring.waiting.load(Acquire) == 1
            })
        };
        ring.waiting.store(1, Release);
        if sleeper_fenced {
            fence(SeqCst);
        }
        let there = ring.word.load(Acquire) == 1;
        let woken = waker.join().unwrap();
        assert!(there || woken, "a lost wake-up");
    });
}

#[test]
fn no_wake_up_is_lost() {
    check(true, true);
}

#[test]
#[should_panic(expected = "a lost wake-up")]
fn control_without_the_wakers_order() {
    check(false, true);
}

#[test]
#[should_panic(expected = "a lost wake-up")]
fn control_without_the_sleepers_order() {
    check(true, false);
}
