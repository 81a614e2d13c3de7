//! A store that takes its time.

use std::time::Duration;

use async_trait::async_trait;

use super::super::Objects;
use super::gate::{Gate, Gated, Request, Verdict};

/// A store each of whose requests takes some time longer.
pub type Latency<O> = Gated<O, Delay>;

/// Lets each request wait.
#[derive(Debug)]
pub struct Delay(Duration);

impl<O: Objects> Latency<O> {
    /// Makes each request take this much longer.
    pub const fn new(inner: O, delay: Duration) -> Self {
        Self::behind(Delay(delay), inner)
    }
}

#[async_trait]
impl Gate for Delay {
    async fn verdict(&self, _: &Request<'_>) -> Verdict {
        tokio::time::sleep(self.0).await;
        Verdict::Pass
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::objects::MemoryObjects;

    #[tokio::test(start_paused = true)]
    async fn requests_take_longer() {
        let store = Latency::new(MemoryObjects::new(), Duration::from_millis(30));
        let start = Instant::now();
        store.get("a").await.unwrap();
        assert_eq!(start.elapsed().as_millis(), 30);
    }
}
