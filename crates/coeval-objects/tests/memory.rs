//! Memory does not grow with the number of objects. The only test of its process, whose high-water mark it reads.
//!
//! The benchmark does the same with a million.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::sync::Arc;

use coeval_engine::{How, Outcome, migrate};
use coeval_objects::documents::Documents;
use common::books::{MadeUp, arrived, book, books, peak_kb};

async fn run(count: u64, text: fn(u64) -> String) -> (u64, u64) {
    let store = Arc::new(MadeUp::new(count, text));
    let documents = Documents::open(store.clone(), books()).unwrap();
    let outcome = migrate(&documents, None, false, &How::quietly()).await.unwrap();
    let Outcome::Done(done) = outcome else { panic!("{outcome:?}") };
    let tally = done.tally();
    assert_eq!((tally.seen, tally.written), (count, store.written()));
    (tally.written, tally.unchanged)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_times_as_many_objects_take_no_more_memory() {
    assert_eq!(run(10_000, arrived).await, (0, 10_000));
    assert_eq!(run(10_000, book).await, (10_000, 0));
    let few = peak_kb();
    assert_eq!(run(100_000, arrived).await, (0, 100_000));
    assert_eq!(run(20_000, book).await, (20_000, 0));
    // Ninety thousand keys alone would be more than this.
    if let Some((few, many)) = few.zip(peak_kb()) {
        assert!(many < few + (6 << 10) && many < 200 << 10, "{few} kB, then {many} kB");
    }
}
