//! What every store of objects must do. Each implementation runs this against itself, over its real client path.
//!
//! The cases are data, so that a test can name the one that failed. They write under the prefix they are given, which should be fresh,
//! and leave their objects there.

mod attributes;
mod listing;
mod names;
mod races;
#[cfg(test)]
mod tests;
mod writes;

use std::fmt::{self, Debug};
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::TryStreamExt;

use super::{Attributes, Condition, Object, Objects, Token};
use crate::error::{Error, Result};

/// One thing that a store must do.
pub struct Case {
    /// What it is, as a sentence in a word.
    pub name: &'static str,
    run: fn(Store) -> BoxFuture<'static, Verdict>,
}

impl Case {
    /// Tries whether a store does it, with objects under `prefix`, which is empty or ends with `/`.
    ///
    /// # Errors
    /// What the store did instead.
    pub async fn run(&self, store: Arc<dyn Objects>, prefix: &str) -> Result<(), String> {
        let store = Store { objects: store, prefix: format!("{prefix}{}/", self.name) };
        (self.run)(store).await.map_err(|failure| failure.0)
    }
}

impl Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// All cases.
pub const CASES: &[Case] = &[
    Case { name: "read_what_was_written", run: |store| Box::pin(writes::read_what_was_written(store)) },
    Case { name: "create_once", run: |store| Box::pin(writes::create_once(store)) },
    Case { name: "replace_if_unchanged", run: |store| Box::pin(writes::replace_if_unchanged(store)) },
    Case { name: "delete", run: |store| Box::pin(writes::delete(store)) },
    Case { name: "delete_if_unchanged", run: |store| Box::pin(writes::delete_if_unchanged(store)) },
    Case { name: "empty_and_large", run: |store| Box::pin(writes::empty_and_large(store)) },
    Case { name: "one_creator_wins", run: |store| Box::pin(races::one_creator_wins(store)) },
    Case { name: "one_replacer_wins", run: |store| Box::pin(races::one_replacer_wins(store)) },
    Case { name: "one_deleter_wins", run: |store| Box::pin(races::one_deleter_wins(store)) },
    Case { name: "no_increment_is_lost", run: |store| Box::pin(races::no_increment_is_lost(store)) },
    Case { name: "odd_names", run: |store| Box::pin(names::odd_names(store)) },
    Case { name: "long_names", run: |store| Box::pin(names::long_names(store)) },
    Case { name: "names_that_continue_others", run: |store| Box::pin(names::names_that_continue_others(store)) },
    Case { name: "impossible_names", run: |store| Box::pin(names::impossible_names(store)) },
    Case { name: "list_by_prefix", run: |store| Box::pin(listing::list_by_prefix(store)) },
    Case { name: "list_after", run: |store| Box::pin(listing::list_after(store)) },
    Case { name: "list_many", run: |store| Box::pin(listing::list_many(store)) },
    Case { name: "attributes_survive", run: |store| Box::pin(attributes::attributes_survive(store)) },
    Case { name: "attributes_are_replaced", run: |store| Box::pin(attributes::attributes_are_replaced(store)) },
];

/// Runs all cases, one after the other, and names all that fail.
///
/// # Panics
/// If a case fails.
pub async fn objects(store: Arc<dyn Objects>, prefix: &str) {
    let mut failures = Vec::new();
    for case in CASES {
        if let Err(failure) = case.run(store.clone(), prefix).await {
            failures.push(format!("\n{}: {failure}", case.name));
        }
    }
    assert!(failures.is_empty(), "{} is not what a store of objects should be:{}", store.name(), failures.concat());
}

/// What a store did wrong.
struct Failure(String);

type Verdict<T = ()> = Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(format!("unexpected error: {error}"))
    }
}

fn ensure(holds: bool, message: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(Failure(message())) }
}

fn equal<T: PartialEq + Debug>(what: &str, found: &T, expected: &T) -> Verdict {
    ensure(found == expected, || format!("{what}: found {found:?}, expected {expected:?}"))
}

/// Sees that a request was refused because something had changed.
fn refused<T>(what: &str, result: Result<T>) -> Verdict {
    match result {
        Err(Error::Conflict { .. }) => Ok(()),
        Err(error) => Err(Failure(format!("{what}: expected a conflict, but it failed: {error}"))),
        Ok(_) => Err(Failure(format!("{what}: expected a conflict, but it succeeded"))),
    }
}

/// The store, at a folder of the case's own.
#[derive(Clone)]
struct Store {
    objects: Arc<dyn Objects>,
    prefix: String,
}

impl Store {
    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    async fn get(&self, name: &str) -> Result<Option<Object>> {
        self.objects.get(&self.key(name)).await
    }

    /// Reads what must be there.
    async fn found(&self, name: &str) -> Verdict<Object> {
        self.get(name).await?.ok_or_else(|| Failure(format!("{name} is not there")))
    }

    async fn put(&self, name: &str, bytes: impl Into<Bytes>, condition: &Condition) -> Result<Token> {
        self.objects.put(&self.key(name), bytes.into(), &Attributes::default(), condition).await
    }

    async fn delete(&self, name: &str, condition: &Condition) -> Result<()> {
        self.objects.delete(&self.key(name), condition).await
    }

    /// Lists the names under the case's folder that begin with `prefix` and come after `after`, without the folder.
    async fn names(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>> {
        let after = after.map(|after| self.key(after));
        let listed: Vec<_> = self.objects.list(&self.key(prefix), after.as_deref()).try_collect().await?;
        let own = |key: &str| key.strip_prefix(&self.prefix).unwrap_or("a key outside of the prefix").to_owned();
        Ok(listed.iter().map(|listed| own(&listed.key)).collect())
    }
}
