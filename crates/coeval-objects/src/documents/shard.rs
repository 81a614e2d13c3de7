//! The work of a step, parted: ranges of object keys, each claimed by one worker at a time and done once.
//!
//! Whoever holds the lease on listing lists the objects of a model and writes down a shard for every so many of them. A worker
//! takes a shard's lease, does it, and creates the note that it is done; the note is created once, so a shard that two did
//! (one was taken for dead and was not) counts once. What was noted outlives every worker.

use std::sync::Arc;

use bytes::Bytes;
use coeval_core::decode::{object, required, string};
use coeval_core::{Invalid, Object, Value, json};
use coeval_store::event::{Failure, Tally};
use coeval_store::objects::{Condition, Objects};
use coeval_store::{Error, Result};
use futures::TryStreamExt;

use super::text_attributes;

/// So many failures of a shard are written down; all are counted.
const FAILURES: usize = 200;

/// A range of the keys of a model's objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shard {
    pub(super) number: u64,
    /// The key before its first.
    pub(super) after: Option<String>,
    /// Its last key.
    pub(super) last: String,
    /// How many objects it had when they were listed.
    pub(super) count: u64,
}

/// What was done with a shard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) tally: Tally,
    pub(super) failures: Vec<Failure>,
}

/// Where the notes of a step lie.
#[derive(Debug, Clone)]
pub(super) struct Notes {
    objects: Arc<dyn Objects>,
    prefix: String,
}

/// Where the notes of a run lie.
pub(super) fn run_prefix(run: &str) -> String {
    format!("_coeval/runs/{run}/")
}

impl Notes {
    pub(super) fn new(objects: &Arc<dyn Objects>, run: &str, step: &str) -> Self {
        Self { objects: Arc::clone(objects), prefix: format!("{}{step}/", run_prefix(run)) }
    }

    /// The lease on listing.
    pub(super) fn listing(&self) -> String {
        format!("{}listing.json", self.prefix)
    }

    /// The lease on a shard.
    pub(super) fn claim(&self, shard: u64) -> String {
        format!("{}claims/{shard:08}.json", self.prefix)
    }

    /// Returns the shards that were written down after one.
    pub(super) async fn shards(&self, after: u64) -> Result<Vec<Shard>> {
        let prefix = format!("{}shards/", self.prefix);
        let from = format!("{prefix}{after:08}.json");
        let after = (after > 0).then_some(from.as_str());
        let keys: Vec<String> = self.objects.list(&prefix, after).map_ok(|listed| listed.key).try_collect().await?;
        let mut shards = Vec::with_capacity(keys.len());
        for key in keys {
            shards.push(self.note(&key, shard).await?.ok_or_else(|| unreadable(&key, "it vanished"))?);
        }
        Ok(shards)
    }

    /// Writes a shard down; `false` where there is one of its number.
    pub(super) async fn add(&self, shard: &Shard) -> Result<bool> {
        let mut out = Object::new();
        out.insert("number", number(shard.number));
        out.insert("after", shard.after.as_deref().map_or(Value::Null, Value::from));
        out.insert("last", shard.last.as_str().into());
        out.insert("count", number(shard.count));
        self.create(&format!("{}shards/{:08}.json", self.prefix, shard.number), out).await
    }

    /// Returns how many shards and objects there are, once all are listed.
    pub(super) async fn end(&self) -> Result<Option<(u64, u64)>> {
        let read = |value: &Value| {
            let end = object(value, "the end of the list")?;
            Ok((count(end, "shards")?, count(end, "objects")?))
        };
        self.note(&format!("{}end.json", self.prefix), read).await
    }

    /// Notes that all objects are listed.
    pub(super) async fn set_end(&self, shards: u64, objects: u64) -> Result<()> {
        let out = Object::from_iter([("shards".into(), number(shards)), ("objects".into(), number(objects))]);
        self.create(&format!("{}end.json", self.prefix), out).await.map(drop)
    }

    /// Returns what was done with a shard, if it was.
    pub(super) async fn done(&self, shard: u64) -> Result<Option<Done>> {
        self.note(&self.done_key(shard), done).await
    }

    fn done_key(&self, shard: u64) -> String {
        format!("{}done/{shard:08}.json", self.prefix)
    }

    /// Notes that a shard was done; `false` where somebody else noted it before.
    pub(super) async fn set_done(&self, shard: u64, done: &Done) -> Result<bool> {
        let failure = |failure: &Failure| {
            let mut out = Object::new();
            for (name, text) in [("model", &failure.model), ("key", &failure.key), ("reason", &failure.reason)] {
                out.insert(name, text.as_str().into());
            }
            out.insert("kind", failure.kind.into());
            Value::from(out)
        };
        let mut out = Object::new();
        done.tally.write(&mut out);
        out.insert("failures", Value::List(done.failures.iter().take(FAILURES).map(failure).collect()));
        self.create(&self.done_key(shard), out).await
    }

    async fn create(&self, key: &str, content: Object) -> Result<bool> {
        let bytes = Bytes::from(format!("{}\n", Value::from(content)));
        match self.objects.put(key, bytes, &text_attributes(), &Condition::Absent).await {
            Ok(_) => Ok(true),
            Err(Error::Conflict { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn note<T>(&self, key: &str, read: impl Fn(&Value) -> Result<T, Invalid>) -> Result<Option<T>> {
        let Some(object) = self.objects.get(key).await? else { return Ok(None) };
        let value = json::parse(&object.bytes).map_err(|e| unreadable(key, &e.message))?;
        read(&value).map(Some).map_err(|e| unreadable(key, &e.message))
    }
}

fn unreadable(key: &str, reason: &str) -> Error {
    Error::Unreadable { what: key.to_owned(), reason: reason.to_owned(), newer: false }
}

fn number(count: u64) -> Value {
    i64::try_from(count).unwrap_or(i64::MAX).into()
}

fn count(object: &Object, name: &str) -> Result<u64, Invalid> {
    let number = required(object, name)?.as_i64().and_then(|n| u64::try_from(n).ok());
    number.ok_or_else(|| Invalid::new("expected a count").beneath(name))
}

fn shard(value: &Value) -> Result<Shard, Invalid> {
    let shard = object(value, "a shard")?;
    Ok(Shard {
        number: count(shard, "number")?,
        after: required(shard, "after")?.as_str().map(str::to_owned),
        last: string(shard, "last")?.to_owned(),
        count: count(shard, "count")?,
    })
}

fn done(value: &Value) -> Result<Done, Invalid> {
    let done = object(value, "what was done")?;
    let failures = required(done, "failures")?.as_list().unwrap_or_default();
    let failure = |value: &Value| {
        let failure = object(value, "a failure")?;
        let text = |name: &str| string(failure, name).map(str::to_owned);
        Ok(Failure { model: text("model")?, key: text("key")?, kind: kind(&text("kind")?), reason: text("reason")? })
    };
    Ok(Done { tally: Tally::read(done)?, failures: failures.iter().map(failure).collect::<Result<_, Invalid>>()? })
}

fn kind(name: &str) -> &'static str {
    super::problem::KINDS.into_iter().find(|kind| *kind == name).unwrap_or("failed")
}
