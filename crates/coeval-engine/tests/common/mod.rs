//! Stores in memory with some records, and what is compared of them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "each test file uses its part")]

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coeval_core::lens::Stored;
use coeval_core::{Value, json};
use coeval_engine::{How, Outcome, Wait, migrate};
use coeval_store::conformance::catalog::{self, MODEL, first};
use coeval_store::event::{Event, Observer};
use coeval_store::records::{Change, Expect, Key, Written};
use coeval_store::work::Pace;
use coeval_store::{Backend, MemoryBackend};

/// Keeps what it is told, and does something at a step of a run.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) events: Mutex<Vec<Event>>,
    pub(crate) between: Option<Box<dyn Fn(usize) + Send + Sync>>,
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.events.lock().unwrap().fmt(f)
    }
}

impl Observer for Told {
    fn event(&self, event: Event) {
        if let (Event::StepStarted { step, .. }, Some(between)) = (&event, &self.between) {
            between(*step);
        }
        self.events.lock().unwrap().push(event);
    }
}

impl Told {
    pub(crate) fn failures(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        let failures = events.iter().filter_map(|e| if let Event::Failure(f) = e { Some(f.key.clone()) } else { None });
        let mut failures: Vec<String> = failures.collect();
        failures.sort();
        failures.dedup();
        failures
    }

    pub(crate) fn has(&self, wanted: impl Fn(&Event) -> bool) -> bool {
        self.events.lock().unwrap().iter().any(wanted)
    }
}

pub(crate) const STALE: Duration = Duration::from_secs(1);

pub(crate) fn how() -> How<'static> {
    let pace = Pace { shard: NonZeroUsize::new(3).unwrap(), stale: STALE, ..Pace::default() };
    How { pace, wait: Wait::Wait, ..How::quietly() }
}

/// A store with the versions up to one in the manifest.
pub(crate) fn store(up_to: u32) -> MemoryBackend {
    MemoryBackend::new(Arc::new(catalog::up_to(up_to).unwrap()))
}

/// Another process on the same store, whose manifest may have more versions.
pub(crate) fn another(store: &MemoryBackend, up_to: u32) -> MemoryBackend {
    store.another(Arc::new(catalog::up_to(up_to).unwrap()))
}

pub(crate) fn key(id: &str) -> Key {
    Key(vec![id.to_owned()])
}

/// Puts a record of version 1 there as it lay before anybody migrated.
pub(crate) fn lay(store: &MemoryBackend, id: &str, text: &str) {
    let value: Value = json::parse(text.as_bytes()).unwrap();
    store.put_from_outside(MODEL, &key(id), Stored::plain(1, value));
}

/// A store that was never migrated, with ten records.
pub(crate) fn laid(up_to: u32) -> MemoryBackend {
    let store = store(up_to);
    for n in 0..10 {
        let id = format!("r{n}");
        lay(&store, &id, &first(&id).replace("105", &(100 + n).to_string()));
    }
    store
}

pub(crate) async fn put(store: &MemoryBackend, id: &str, at: u32, text: &str) -> Written {
    let change = Change::Put(text.to_owned());
    store.records().write(MODEL, Some(&key(id)), at, &change, &Expect::Anything).await.unwrap()
}

/// Everything that is stored, as text.
pub(crate) fn snapshot(store: &MemoryBackend) -> Vec<String> {
    let records = store.snapshot().into_iter();
    records.map(|(model, key, stored)| format!("{model} {key} {}", stored.to_value(true))).collect()
}

pub(crate) async fn done(store: &MemoryBackend, to: u32) {
    let outcome = migrate(store, Some(to), false, &how()).await.unwrap();
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
}
