//! A store whose user dies at a request of the test's choice.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::super::Objects;
use super::gate::{Gate, Gated, Request, Verdict};
use crate::error::Error;

/// A store whose user dies at the n-th request: that one and all later ones answer [`Error::Crashed`].
///
/// Let a run pass with [`Crashing::never`], ask for [`Crashing::calls`], and then let it die at each of them, [before and
/// after](Crash) it takes effect: these are all states that a killed process can leave. Listing is one call a page
/// ([`Gated::with_page`]).
pub type Crashing<O> = Gated<O, Deadline>;

/// On which side of the fatal request its user dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// The request never reached the store.
    Before,
    /// The request took effect, and nobody lived to see it.
    After,
}

/// Counts requests until the fatal one.
#[derive(Debug)]
pub struct Deadline {
    at: Option<(u64, Crash)>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    calls: u64,
    fatal: Option<String>,
}

impl<O: Objects> Crashing<O> {
    /// Dies at call `call`, counted from 1.
    pub fn at(inner: O, call: u64, crash: Crash) -> Self {
        Self::behind(Deadline { at: Some((call, crash)), state: Mutex::default() }, inner)
    }

    /// Only counts.
    pub fn never(inner: O) -> Self {
        Self::behind(Deadline { at: None, state: Mutex::default() }, inner)
    }

    /// Returns how many calls there were; those after the crash do not count.
    pub fn calls(&self) -> u64 {
        self.gate.state.lock().unwrap_or_else(PoisonError::into_inner).calls
    }

    /// Returns what the fatal request was, such as `writing a/b.json`; `None` while alive.
    pub fn fatal(&self) -> Option<String> {
        self.gate.state.lock().unwrap_or_else(PoisonError::into_inner).fatal.clone()
    }
}

#[async_trait]
impl Gate for Deadline {
    async fn verdict(&self, request: &Request<'_>) -> Verdict {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.fatal.is_some() {
            return Verdict::FailBefore(Error::Crashed);
        }
        state.calls += 1;
        match self.at {
            Some((call, crash)) if call == state.calls => {
                state.fatal = Some(request.to_string());
                match crash {
                    Crash::Before => Verdict::FailBefore(Error::Crashed),
                    Crash::After => Verdict::FailAfter(Error::Crashed),
                }
            }
            _ => Verdict::Pass,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;
    use crate::error::Result;
    use crate::objects::{Attributes, Condition, MemoryObjects};

    /// Writes two objects, lists them, deletes one: five calls with pages of two.
    async fn work(store: &impl Objects) -> Result<usize> {
        for key in ["a", "b"] {
            store.put(key, "x".into(), &Attributes::default(), &Condition::Absent).await?;
        }
        let listed: Vec<_> = store.list("", None).try_collect().await?;
        store.delete("a", &Condition::None).await?;
        Ok(listed.len())
    }

    #[tokio::test]
    async fn every_call_can_be_the_last() {
        let counter = Crashing::never(MemoryObjects::new()).with_page(2);
        assert_eq!(work(&counter).await.unwrap(), 2);
        assert_eq!((counter.calls(), counter.fatal()), (5, None));

        let mut left = Vec::new();
        for call in 1..=5 {
            for crash in [Crash::Before, Crash::After] {
                let memory = MemoryObjects::new();
                let store = Crashing::at(memory.clone(), call, crash).with_page(2);
                assert!(matches!(work(&store).await, Err(Error::Crashed)));
                assert!(matches!(store.get("b").await, Err(Error::Crashed)));
                assert_eq!(store.calls(), call);
                let keys: String = memory.snapshot().into_keys().collect();
                left.push(format!("{}: {keys}", store.fatal().unwrap()));
            }
        }
        let expected = [
            ["writing a: ", "writing a: a"],
            ["writing b: a", "writing b: ab"],
            ["listing: ab", "listing: ab"],
            ["listing: ab", "listing: ab"],
            ["deleting a: ab", "deleting a: b"],
        ];
        assert_eq!(left, expected.concat());
    }
}
