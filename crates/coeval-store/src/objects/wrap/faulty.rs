//! A store whose network and servers fail at random.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::super::Objects;
use super::gate::{Gate, Gated, Request, Verdict};
use crate::error::Error;

/// What a client sees of a fault, and whether it says that nothing happened.
const FAULTS: [(&str, bool); 4] =
    [("the request timed out", false), ("connection reset by peer", false), ("500 InternalError", false), ("503 SlowDown", true)];

/// A store that fails at random: timeouts, resets and errors of the server, of which half come after a write took effect.
pub type Faulty<O> = Gated<O, Dice>;

/// Decides by a seeded generator; requests that run at once draw in the order in which they come.
#[derive(Debug)]
pub struct Dice {
    share: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    random: StdRng,
    faults: u64,
    lost: u64,
}

impl<O: Objects> Faulty<O> {
    /// Makes a share of all requests fail, from 0 to 1.
    pub fn new(inner: O, seed: u64, share: f64) -> Self {
        let state = State { random: StdRng::seed_from_u64(seed), faults: 0, lost: 0 };
        Self::behind(Dice { share, state: Mutex::new(state) }, inner)
    }

    /// Returns how many requests failed.
    pub fn faults(&self) -> u64 {
        self.gate.state.lock().unwrap_or_else(PoisonError::into_inner).faults
    }

    /// Returns how many of them took effect although they failed.
    pub fn lost_answers(&self) -> u64 {
        self.gate.state.lock().unwrap_or_else(PoisonError::into_inner).lost
    }
}

#[async_trait]
impl Gate for Dice {
    async fn verdict(&self, request: &Request<'_>) -> Verdict {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.random.random_bool(self.share) {
            return Verdict::Pass;
        }
        state.faults += 1;
        let (reason, clean) = FAULTS[state.random.random_range(0..FAULTS.len())];
        let ambiguous = request.writes() && !clean;
        let error = Error::Transient { what: request.to_string(), reason: reason.to_owned(), after: None, ambiguous };
        // The client cannot tell the two apart, so both are ambiguous.
        if ambiguous && state.random.random_bool(0.5) {
            state.lost += 1;
            Verdict::FailAfter(error)
        } else {
            Verdict::FailBefore(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::{Attributes, Condition, MemoryObjects};

    async fn run(seed: u64) -> (Vec<String>, u64) {
        let memory = MemoryObjects::new();
        let store = Faulty::new(memory.clone(), seed, 0.5);
        let mut said = Vec::new();
        for index in 0..100 {
            let put = store.put(&format!("k{index}"), "x".into(), &Attributes::default(), &Condition::None).await;
            let there = memory.get(&format!("k{index}")).await.unwrap().is_some();
            match put {
                Ok(_) => assert!(there),
                Err(Error::Transient { ambiguous: false, .. }) => assert!(!there),
                Err(error) => said.push(format!("{error}: {there}")),
            }
        }
        assert!(store.faults() > 20);
        (said, store.lost_answers())
    }

    #[tokio::test]
    async fn a_seed_repeats_its_faults_and_some_come_after_the_effect() {
        let (said, lost) = run(7).await;
        assert_eq!(run(7).await.0, said);
        assert_ne!(run(8).await.0, said);
        assert_eq!(said.iter().filter(|line| line.ends_with(": true")).count() as u64, lost);
        assert!(lost > 0 && lost < said.len() as u64);
    }
}
