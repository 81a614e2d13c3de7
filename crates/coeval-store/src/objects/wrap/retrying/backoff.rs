//! How long to wait after which failure, and when to give up.

use std::time::Duration;

use tokio::time::Instant;

use super::{RetryNotice, RetryPolicy};
use crate::error::{Error, Result};

/// The failures of one request so far.
#[derive(Debug)]
pub(super) struct Backoff {
    start: Instant,
    failed: u32,
    ambiguous: bool,
}

impl Backoff {
    pub(super) fn start() -> Self {
        Self { start: Instant::now(), failed: 0, ambiguous: false }
    }

    /// Returns whether one of the attempts may have taken effect.
    pub(super) const fn ambiguous(&self) -> bool {
        self.ambiguous
    }

    /// Takes in a failure and returns how long to wait.
    ///
    /// # Errors
    /// The failure, if it is none that passes, or with what was tried if there is no further attempt.
    pub(super) fn after(&mut self, error: Error, policy: &RetryPolicy) -> Result<RetryNotice> {
        let Error::Transient { what, reason, after, ambiguous } = error else { return Err(error) };
        self.failed += 1;
        self.ambiguous |= ambiguous;
        let wait = pause(self.failed, after, policy);
        let elapsed = self.start.elapsed();
        if self.failed >= policy.attempts || elapsed + wait > policy.total {
            let tries = if self.failed == 1 { "one attempt".to_owned() } else { format!("{} attempts", self.failed) };
            let reason = format!("{reason} (gave up after {tries} in {:.1} s)", elapsed.as_secs_f64());
            return Err(Error::Transient { what, reason, after, ambiguous: self.ambiguous });
        }
        Ok(RetryNotice { what, reason, attempt: self.failed, wait })
    }
}

/// Returns a random time up to a limit that doubles with every failure; many clients that failed together come back apart.
fn pause(failed: u32, asked: Option<Duration>, policy: &RetryPolicy) -> Duration {
    let doubled = policy.base.saturating_mul(2_u32.saturating_pow(failed.saturating_sub(1)));
    let jitter = doubled.min(policy.cap).mul_f64(rand::random::<f64>());
    // What the store asks for is the least; the jitter comes on top, so that not all come back at that moment.
    asked.unwrap_or_default() + jitter
}
