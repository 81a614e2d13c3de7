//! Records at a version: what clients do.

use std::fmt;

use async_trait::async_trait;
use coeval_core::{Model, Value};

use crate::error::Result;

/// What tells a record apart from the others of its model: the text of each property of the model's key, in order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub Vec<String>);

impl Key {
    /// Returns the key of a document of a model; `None` where the document does not hold it. That of a model without a key is in
    /// `_id`, if anywhere.
    pub fn of(model: &Model, document: &Value) -> Option<Self> {
        let document = document.as_object()?;
        let text = |name: &str| match document.get(name)? {
            Value::String(text) => Some(text.as_str().to_owned()),
            Value::Number(number) => Some(number.plain()),
            Value::Bool(yes) => Some(yes.to_string()),
            Value::Null | Value::List(_) | Value::Object(_) => None,
        };
        let parts: Option<Vec<String>> =
            if model.key.is_empty() { text("_id").map(|id| vec![id]) } else { model.key.iter().map(|name| text(name)).collect() };
        parts.map(Self)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escaped(&self.0.join("/")))
    }
}

/// Returns a text of a record as people can be shown it: with control characters, which a terminal would obey, escaped.
pub fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
        out
    })
}

/// Tells one state of a record from every other one; opaque.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State(pub String);

/// On what a write depends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// On nothing.
    Anything,
    /// There must be no such record.
    Absent,
    /// There must be one.
    Present,
    /// It must be as it was read.
    Unchanged(State),
}

/// A record as a version shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its key.
    pub key: Key,
    /// Its document, as JSON text, laid out as it is stored.
    pub text: String,
    /// Which state of it this is.
    pub state: State,
    /// The version it is stored at; `None` in a store that keeps no single one.
    pub stored: Option<u32>,
}

/// What a write did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The record's key.
    pub key: Key,
    /// Its state now.
    pub state: State,
    /// Whether there was no such record before.
    pub created: bool,
    /// Whether anything changed; what changes nothing is not written.
    pub changed: bool,
}

/// How a record is to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// To this document, as JSON text.
    Put(String),
    /// By a merge patch (RFC 7396), as JSON text.
    MergePatch(String),
    /// By a JSON patch (RFC 6902), as JSON text.
    JsonPatch(String),
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The records, in the order of the store.
    pub records: Vec<Found>,
    /// Records that the version cannot show, each with the reason.
    pub hidden: Vec<(String, String)>,
    /// Where the next part begins; `None` at the end. It belongs to the version that was asked for.
    pub next: Option<String>,
}

/// A state that a record once had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Its id, which sorts by age.
    pub id: String,
    /// When it was written, in RFC 3339.
    pub at: String,
    /// What wrote it: `put`, `patch`, `migrate`, `rollback`, `outside` …
    pub by: String,
    /// The version it is stored at.
    pub stored: u32,
    /// Whether it is what the record is now.
    pub current: bool,
}

/// Reads and writes records at any live version.
///
/// Every function refuses a version that is not live in this store with [`crate::Error::Unknown`], and a record that the version
/// cannot show with [`crate::Error::Refused`].
#[async_trait]
pub trait Records: Send + Sync {
    /// Reads a record; `None` where there is none.
    async fn get(&self, model: &str, key: &Key, at: u32) -> Result<Option<Found>>;

    /// Creates or changes a record. The key may be left out where the document holds it, or the store makes one.
    ///
    /// A writer that comes between is no error: the change is applied again to what is there then, unless `expect` forbids it.
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] where what is expected is not so.
    async fn write(&self, model: &str, key: Option<&Key>, at: u32, change: &Change, expect: &Expect) -> Result<Written>;

    /// Deletes a record; whether there was one.
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] where what is expected is not so.
    async fn delete(&self, model: &str, key: &Key, at: u32, expect: &Expect) -> Result<bool>;

    /// Lists records: at most `limit`, from the beginning or from where a page ended.
    async fn list(&self, model: &str, at: u32, after: Option<&str>, limit: usize) -> Result<Page>;

    /// Returns the states that a record had, newest first; none where the model keeps no revisions.
    async fn revisions(&self, model: &str, key: &Key) -> Result<Vec<Revision>>;

    /// Reads a state that a record had, as a version shows it.
    async fn revision(&self, model: &str, key: &Key, id: &str, at: u32) -> Result<Option<Found>>;
}
