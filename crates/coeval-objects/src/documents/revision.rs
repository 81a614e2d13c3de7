//! The states that a record had, where its model keeps them: objects that are created once and never changed.
//!
//! The record's notes name its present revision, and each revision names the one before, so that a revision whose record was
//! never written (its writer died, or somebody was faster) belongs to no history. A revision's name ends in a digest of the
//! record's text: a state that another tool wrote is noticed, and kept as a revision of its own before it is replaced.

use bytes::Bytes;
use coeval_core::document::Document;
use coeval_core::{Object as Json, Value, json};
use coeval_store::objects::{Condition, Object};
use coeval_store::{Error, Result};
use futures::TryStreamExt;
use sha2::{Digest, Sha256};

use super::execute::stamp;
use super::fate::ORIGIN;
use super::problem;
use super::{Documents, Place, text_attributes};

/// The member of a record's notes that names its revision.
const MEMBER: &str = "revision";

/// A state that a record had, as it was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) id: String,
    /// The one before.
    parent: Option<String>,
    pub(super) at: String,
    pub(super) by: String,
    /// The version that the object's metadata said.
    pub(super) stamp: Option<u32>,
    /// The bytes of the object; `None` where the record was deleted.
    pub(super) text: Option<String>,
}

fn prefix(place: &Place, object: &str) -> String {
    format!("_coeval/revisions/{}/{object}/", place.names[0])
}

/// Names a state: by its number, and by all that it says, except how it is called itself and which run took it where it is.
fn id(number: u64, document: &Document) -> String {
    let mut plain = document.clone();
    plain.extra.remove(MEMBER);
    plain.extra.remove(ORIGIN);
    // What was read can be written.
    let bytes = plain.write(&plain.stored).unwrap_or_default();
    let digest = Sha256::digest(bytes.trim_ascii());
    let digest = digest.iter().take(8).fold(0_u64, |digest, byte| digest << 8 | u64::from(*byte));
    format!("{number:08}-{digest:016x}")
}

fn number(id: &str) -> u64 {
    id.split('-').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn now() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// Writes down the state that an object is about to get, and the one it has if nobody did. Returns the bytes to write.
///
/// # Errors
/// What the store says, and bytes that are no record.
pub(super) async fn record(
    store: &Documents,
    place: &Place,
    object: &str,
    current: Option<&Object>,
    bytes: Vec<u8>,
    by: &str,
) -> Result<Vec<u8>> {
    let format = place.format(&store.ledger_now());
    let read = |bytes: &[u8]| {
        Document::read(bytes, &format)
            .map_err(|error| Error::BadRecord { key: object.to_owned(), reason: problem::unreadable(&error) })
    };
    let parent = match current {
        Some(current) => Some(present(store, place, object, &read(&current.bytes)?, current).await?),
        None => last(store, place, object).await?,
    };
    let mut document = read(&bytes)?;
    let next = id(parent.as_deref().map_or(0, number) + 1, &document);
    document.extra.insert(MEMBER, next.as_str().into());
    let stored = document.stored.clone();
    let unwritable = |error| Error::BadRecord { key: object.to_owned(), reason: problem::unreadable(&error) };
    let bytes = document.write(&stored).map_err(unwritable)?;
    let text = Some(String::from_utf8_lossy(&bytes).into_owned());
    let note = Note { id: next, parent, at: now(), by: by.to_owned(), stamp: None, text };
    create(store, place, object, &note).await?;
    Ok(bytes)
}

/// Notes that a record is about to be deleted.
///
/// # Errors
/// As [`record`].
pub(super) async fn bury(store: &Documents, place: &Place, object: &str, current: &Object) -> Result<()> {
    let format = place.format(&store.ledger_now());
    let bad = |error| Error::BadRecord { key: object.to_owned(), reason: problem::unreadable(&error) };
    let document = Document::read(&current.bytes, &format).map_err(bad)?;
    let parent = present(store, place, object, &document, current).await?;
    let id = format!("{:08}-deleted", number(&parent) + 1);
    let note = Note { id, parent: Some(parent), at: now(), by: "delete".to_owned(), stamp: None, text: None };
    create(store, place, object, &note).await
}

/// Returns the revision that an object's state is, after writing it down if nobody did.
async fn present(store: &Documents, place: &Place, object: &str, document: &Document, current: &Object) -> Result<String> {
    let said = document.extra.get(MEMBER).and_then(Value::as_str).map(str::to_owned);
    if let Some(said) = &said
        && id(number(said), document) == *said
    {
        return Ok(said.clone());
    }
    let parent = match said {
        Some(said) => Some(said),
        None => last(store, place, object).await?,
    };
    let id = id(parent.as_deref().map_or(0, number) + 1, document);
    let by = if parent.is_some() { "outside" } else { "before" };
    let text = Some(String::from_utf8_lossy(&current.bytes).into_owned());
    // What the object's metadata says of the version must outlive them.
    let note = Note { id: id.clone(), parent, at: now(), by: by.to_owned(), stamp: stamp(current), text };
    create(store, place, object, &note).await?;
    Ok(id)
}

async fn create(store: &Documents, place: &Place, object: &str, note: &Note) -> Result<()> {
    let mut out = Json::new();
    out.insert("format", 1.into());
    out.insert("id", note.id.as_str().into());
    out.insert("parent", note.parent.as_deref().map_or(Value::Null, Value::from));
    out.insert("at", note.at.as_str().into());
    out.insert("by", note.by.as_str().into());
    out.insert("stamp", note.stamp.map_or(Value::Null, |stamp| i64::from(stamp).into()));
    out.insert("text", note.text.as_deref().map_or(Value::Null, Value::from));
    let bytes = Bytes::from(format!("{}\n", Value::from(out)));
    let key = format!("{}{}.json", prefix(place, object), note.id);
    match store.objects.put(&key, bytes, &text_attributes(), &Condition::Absent).await {
        // One that died on the way to writing the same state left it.
        Ok(_) | Err(Error::Conflict { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Returns the last revision of an object that does not say its own: one that was deleted, or that another tool rewrote.
async fn last(store: &Documents, place: &Place, object: &str) -> Result<Option<String>> {
    let prefix = prefix(place, object);
    let keys: Vec<String> = store.objects.list(&prefix, None).map_ok(|listed| listed.key).try_collect().await?;
    let ids = keys.iter().filter_map(|key| key.strip_prefix(&prefix)?.strip_suffix(".json"));
    // A writer that died or lost may have left one of the same number; a deletion, or the later of them, was the last to be written.
    Ok(ids.max_by_key(|id| (number(id), id.ends_with("-deleted"))).map(str::to_owned))
}

/// Returns the states that a record had, newest first.
///
/// # Errors
/// What the store says.
pub(super) async fn chain(store: &Documents, place: &Place, object: &str) -> Result<Vec<Note>> {
    let mut next = match store.objects.get(object).await? {
        Some(current) => {
            let format = place.format(&store.ledger_now());
            let document = Document::read(&current.bytes, &format);
            match document.ok().and_then(|document| document.extra.get(MEMBER)?.as_str().map(str::to_owned)) {
                Some(said) => Some(said),
                None => last(store, place, object).await?,
            }
        }
        None => last(store, place, object).await?,
    };
    let mut chain: Vec<Note> = Vec::new();
    while let Some(id) = next.take() {
        // A chain that leads back into itself was tampered with.
        if chain.iter().any(|note| note.id == id) {
            break;
        }
        let Some(note) = note(store, place, object, &id).await? else { break };
        next.clone_from(&note.parent);
        chain.push(note);
    }
    Ok(chain)
}

/// Returns one revision.
///
/// # Errors
/// What the store says; [`Error::Unreadable`].
pub(super) async fn note(store: &Documents, place: &Place, object: &str, id: &str) -> Result<Option<Note>> {
    if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Ok(None);
    }
    let key = format!("{}{id}.json", prefix(place, object));
    let Some(found) = store.objects.get(&key).await? else { return Ok(None) };
    let read = || {
        let value = json::parse(&found.bytes).ok()?;
        let entry = value.as_object()?;
        let text = |name: &str| entry.get(name)?.as_str().map(str::to_owned);
        let stamp = entry.get("stamp").and_then(Value::as_i64).and_then(|stamp| u32::try_from(stamp).ok());
        Some(Note { id: text("id")?, parent: text("parent"), at: text("at")?, by: text("by")?, stamp, text: text("text") })
    };
    let reason = "it is not a revision as this release writes it".to_owned();
    read().map(Some).ok_or(Error::Unreadable { what: key, reason, newer: false })
}
