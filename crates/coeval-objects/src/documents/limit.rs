//! So many a second and no more.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Gives out moments, evenly spaced.
#[derive(Debug)]
pub(super) struct Limiter(Option<(Duration, Mutex<Instant>)>);

impl Limiter {
    pub(super) fn new(rate: Option<f64>) -> Self {
        let gap = rate.filter(|rate| *rate > 0.0).map(|rate| Duration::from_secs_f64((1.0 / rate).min(3600.0)));
        Self(gap.map(|gap| (gap, Mutex::new(Instant::now()))))
    }

    /// Waits for the next moment. What was not used is lost: there are no bursts.
    pub(super) async fn wait(&self) {
        let Some((gap, next)) = &self.0 else { return };
        let mine = {
            let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
            let mine = (*next).max(Instant::now());
            *next = mine + *gap;
            mine
        };
        sleep_until(mine).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn moments_are_evenly_spaced() {
        let (limiter, start) = (Limiter::new(Some(10.0)), Instant::now());
        for _ in 0..11 {
            limiter.wait().await;
        }
        assert_eq!(start.elapsed().as_millis(), 1000);
        let free = Limiter::new(None);
        free.wait().await;
        assert_eq!(start.elapsed().as_millis(), 1000);
    }
}
