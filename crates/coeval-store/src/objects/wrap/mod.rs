//! Stores around stores: one that retries, for production, and ones that are slow, busy, faulty or dying, for tests.
//!
//! Each is an ordinary implementation of [`Objects`] over any other one, so they can be put around one another. A test that wants
//! to ask a wrapper something later keeps an `Arc` of it.

mod counting;
mod crashing;
mod faulty;
mod gate;
mod latency;
mod retrying;
mod throttled;

pub use counting::{Counting, Counts};
pub use crashing::{Crash, Crashing, Deadline};
pub use faulty::{Dice, Faulty};
pub use gate::{Gate, Gated, Request, Verdict};
pub use latency::{Delay, Latency};
pub use retrying::{RetryNotice, RetryPolicy, Retrying};
pub use throttled::{Bucket, Throttled};

#[cfg(doc)]
use super::Objects;
