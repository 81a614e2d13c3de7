//! What happened to a store, as objects that are created and never changed, and a rendered page of it for people.

use std::sync::Arc;

use bytes::Bytes;
use coeval_core::json::Style;
use coeval_core::{Object, Value};
use coeval_store::ledger::{Entry, Happened, Ledger};
use coeval_store::objects::{Condition, Objects};
use coeval_store::{Error, Result};
use futures::{StreamExt, TryStreamExt};

use super::text_attributes;

/// Where the entries lie.
const ENTRIES: &str = "_coeval/history/";
/// Where the page lies.
const PAGE: &str = "_coeval/migration_history.json";
/// How many entries are read at once.
const AT_ONCE: usize = 16;

fn key(number: u64) -> String {
    format!("{ENTRIES}{number:010}.json")
}

/// Reads the entries that come after those that are known.
///
/// # Errors
/// [`Error::Unreadable`] for anything that is not an entry as this release knows it.
pub(super) async fn read(objects: &Arc<dyn Objects>, known: &Ledger) -> Result<Ledger> {
    let after = known.entries().last().map(|last| key(last.number));
    let listed = objects.list(ENTRIES, after.as_deref()).map_ok(|listed| listed.key);
    // What has another name than entries have is somebody else's, and none of them.
    let keys: Vec<String> = listed.try_filter(|key| futures::future::ready(is_entry(key))).try_collect().await?;
    for (key_found, number) in keys.iter().zip(known.next()..) {
        if *key_found != key(number) {
            let reason = format!("entry {number}, which comes before it, is missing");
            return Err(Error::Unreadable { what: key_found.clone(), reason, newer: false });
        }
    }
    let read = |key: String| async move {
        let gone = || Error::Unreadable { what: key.clone(), reason: "it vanished while it was read".to_owned(), newer: false };
        let object = objects.get(&key).await?.ok_or_else(gone)?;
        Entry::read(&object.bytes, &key)
    };
    let entries: Vec<Entry> = futures::stream::iter(keys).map(read).buffered(AT_ONCE).try_collect().await?;
    let mut ledger = known.clone();
    for entry in entries {
        ledger.push(entry)?;
    }
    Ok(ledger)
}

fn is_entry(key: &str) -> bool {
    let digits = key.strip_prefix(ENTRIES).and_then(|name| name.strip_suffix(".json"));
    digits.is_some_and(|digits| digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Creates an entry.
///
/// # Errors
/// [`Error::Conflict`] where there is one with its number.
pub(super) async fn append(objects: &Arc<dyn Objects>, entry: &Entry) -> Result<()> {
    let bytes = Bytes::from(format!("{}\n", Style::Indented(2).write(&entry.to_value())));
    objects.put(&key(entry.number), bytes, &text_attributes(), &Condition::Absent).await?;
    Ok(())
}

/// Writes the page anew. It is for people: nothing reads it, and one that is out of date does no harm.
///
/// # Errors
/// What the store says.
pub(super) async fn render(objects: &Arc<dyn Objects>, ledger: &Ledger) -> Result<()> {
    let text = format!("{}\n", Style::Indented(2).write(&page(ledger)));
    objects.put(PAGE, Bytes::from(text), &text_attributes(), &Condition::None).await?;
    Ok(())
}

/// One record a model and finished run, as people know them from other tools.
fn page(ledger: &Ledger) -> Value {
    let mut records = Vec::new();
    for entry in ledger.entries() {
        let Happened::Finished { run, tallies } = &entry.happened else { continue };
        let started = ledger.entries().iter().find_map(|entry| match &entry.happened {
            Happened::Started(started) if started.run == *run => Some(started),
            _ => None,
        });
        let Some(started) = started else { continue };
        let mut record = |model: Option<&str>, what: String, count: u64| {
            let mut out = Object::new();
            out.insert("version", started.to.to_string().as_str().into());
            out.insert("model_name", model.map_or(Value::Null, Value::from));
            out.insert("description", what.as_str().into());
            out.insert("applied_at", entry.at.as_str().into());
            out.insert("objects_transformed", i64::try_from(count).unwrap_or(i64::MAX).into());
            out.insert("action", started.action.name().into());
            out.insert("run", run.as_str().into());
            records.push(out.into());
        };
        for (step, tally) in started.steps.iter().zip(tallies) {
            record(Some(step.model()), step.to_string(), tally.written);
        }
        if started.steps.is_empty() {
            record(None, format!("version {} changes no record", started.to), 0);
        }
    }
    Object::from_iter([("records".into(), Value::List(records))]).into()
}
