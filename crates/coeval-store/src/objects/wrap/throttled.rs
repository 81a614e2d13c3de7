//! A store that answers only so many requests a second.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use tokio::time::Instant;

use super::super::Objects;
use super::gate::{Gate, Gated, Request, Verdict};
use crate::error::Error;

/// A store that says `503 SlowDown` to what exceeds a rate, as S3 does.
pub type Throttled<O> = Gated<O, Bucket>;

/// Passes so many requests a second, and as many at once if there were none for a second.
#[derive(Debug)]
pub struct Bucket {
    rate: f64,
    state: Mutex<Level>,
}

#[derive(Debug)]
struct Level {
    filled: f64,
    at: Instant,
    refused: u64,
}

impl<O: Objects> Throttled<O> {
    /// Lets `per_second` requests a second pass.
    pub fn new(inner: O, per_second: u32) -> Self {
        let rate = f64::from(per_second);
        let level = Level { filled: rate, at: Instant::now(), refused: 0 };
        Self::behind(Bucket { rate, state: Mutex::new(level) }, inner)
    }

    /// Returns how many requests were refused.
    pub fn refused(&self) -> u64 {
        self.gate.state.lock().unwrap_or_else(PoisonError::into_inner).refused
    }
}

#[async_trait]
impl Gate for Bucket {
    async fn verdict(&self, request: &Request<'_>) -> Verdict {
        let mut level = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        level.filled = (now - level.at).as_secs_f64().mul_add(self.rate, level.filled).min(self.rate);
        level.at = now;
        if level.filled >= 1.0 {
            level.filled -= 1.0;
            return Verdict::Pass;
        }
        level.refused += 1;
        Verdict::FailBefore(Error::Transient {
            what: request.to_string(),
            reason: "503 SlowDown: reduce your request rate".to_owned(),
            after: None,
            ambiguous: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::objects::MemoryObjects;

    #[tokio::test(start_paused = true)]
    async fn what_exceeds_the_rate_is_refused() {
        let store = Throttled::new(MemoryObjects::new(), 2);
        let mut said = Vec::new();
        for _ in 0..4 {
            said.push(store.get("a").await.is_ok());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        said.push(store.get("a").await.is_ok());
        assert_eq!(said, [true, true, false, false, true]);
        assert_eq!(store.refused(), 2);
        let error = store.get("a").await.unwrap_err();
        assert!(error.is_transient());
        assert_eq!(error.to_string(), "reading a: 503 SlowDown: reduce your request rate");
    }
}
