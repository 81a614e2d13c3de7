//! One object's bytes, taken to another version. No request is made here.

use coeval_core::document::{Document, Format};
use coeval_core::{Object, Value};
use coeval_store::event::{Failure, Tally};
use coeval_store::work::Policy;
use coeval_store::{Catalog, Era};

use super::fate::fate;
use super::problem::{self, CONTRADICTION, UNREADABLE, failure};
use super::template::{Packing, Template};

/// What is to become of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    /// Stored at a version.
    Move {
        /// The version that was in force before.
        home: u32,
        /// The version to store at.
        to: u32,
    },
    /// Those that a run took from where they were to `at` go back.
    Undo {
        /// The version that the run took them to.
        at: u32,
        /// Where they go that do not say where they came from.
        home: u32,
    },
    /// What only versions before one could see is dropped, and records stored at them are moved to `to`.
    Forget {
        /// The version that those move to.
        to: u32,
    },
}

/// For which records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'s> {
    pub(super) model: &'s str,
    pub(super) template: &'s Template,
    pub(super) format: &'s Format,
    pub(super) era: &'s Era,
    pub(super) catalog: &'s Catalog,
}

/// What became of an object.
#[derive(Debug, Default)]
pub(super) struct Converted {
    /// Its new bytes; `None` where it stays as it is.
    pub(super) bytes: Option<Vec<u8>>,
    /// At which version its record now is, where it holds one.
    pub(super) version: Option<u32>,
    pub(super) tally: Tally,
    pub(super) failures: Vec<Failure>,
}

/// What a run wants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order<'o> {
    pub(super) goal: Goal,
    /// What becomes of records in the way.
    pub(super) policy: Policy,
    /// The run's id.
    pub(super) run: &'o str,
}

impl Order<'_> {
    /// With the right policy what is in the way is left where it is.
    pub(super) fn in_the_way(&self, failure: Failure) -> Fate {
        if self.policy == Policy::Quarantine { Fate::Stays(failure) } else { Fate::InTheWay(failure) }
    }
}

/// What becomes of one record.
#[derive(Debug)]
pub(super) enum Fate {
    Same,
    Written(Vec<u8>, u32, u64),
    Stays(Failure),
    InTheWay(Failure),
}

/// Converts the bytes of an object. `stamp` is the version that its metadata says.
pub(super) fn convert(subject: &Subject<'_>, order: &Order<'_>, object: &str, bytes: &[u8], stamp: Option<u32>) -> Converted {
    let mut out = Converted::default();
    let packing = subject.template.packing;
    let unpacked;
    let text = match packing {
        Packing::Plain => bytes,
        _ => match packing.unpack(bytes) {
            Ok(text) => {
                unpacked = text;
                &unpacked
            }
            Err(error) => {
                let reason = format!("it cannot be unpacked: {error}");
                out.count(order.in_the_way(failure(subject.model, object, UNREADABLE, reason)));
                return out;
            }
        },
    };
    let mut written = None;
    if subject.template.lines {
        let mut next = Vec::with_capacity(text.len() + text.len() / 4);
        for (at, line) in lines(text).enumerate() {
            if line.trim_ascii().is_empty() {
                next.extend_from_slice(line);
                continue;
            }
            let place = || format!("{object}:{}", at + 1);
            match out.count(fate(subject, order, &place, line, None)) {
                Some((bytes, _)) => next.extend_from_slice(&bytes),
                None => next.extend_from_slice(line),
            }
        }
        written = (out.tally.written > 0).then_some(next);
    } else if let Some((bytes, version)) = out.count(fate(subject, order, &|| object.to_owned(), text, stamp)) {
        out.version = Some(version);
        written = Some(bytes);
    }
    match written.map(|bytes| packing.pack(bytes)).transpose() {
        Ok(bytes) => out.bytes = bytes,
        Err(error) => {
            out.tally.failed += out.tally.written;
            out.tally.written = 0;
            out.failures.push(failure(subject.model, object, UNREADABLE, format!("it cannot be packed: {error}")));
        }
    }
    out
}

/// Returns the lines of a text, each with its end.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
}

impl Converted {
    fn count(&mut self, fate: Fate) -> Option<(Vec<u8>, u32)> {
        self.tally.seen += 1;
        match fate {
            Fate::Same => self.tally.unchanged += 1,
            Fate::Written(bytes, version, dropped) => {
                self.tally.written += 1;
                self.tally.dropped += dropped;
                return Some((bytes, version));
            }
            Fate::Stays(failure) => {
                self.tally.quarantined += 1;
                self.failures.push(failure);
            }
            Fate::InTheWay(failure) => {
                self.tally.failed += 1;
                self.failures.push(failure);
            }
        }
        None
    }
}

/// Reads a document, by its own stamp and its object's.
///
/// # Errors
/// The kind of problem, and the reason.
pub(super) fn read(format: &Format, bytes: &[u8], stamp: Option<u32>) -> Result<Document, (&'static str, String)> {
    let mut document = Document::read(bytes, format).map_err(|error| (UNREADABLE, problem::unreadable(&error)))?;
    match (document.stamped, stamp) {
        (Some(own), Some(other)) if own != other => {
            let reason = format!("`{}` says version {own}, the object's metadata version {other}", format.meta);
            return Err((CONTRADICTION, reason));
        }
        // Another tool dropped the property and left the metadata.
        (None, Some(version)) => document.stored.version = version,
        _ => {}
    }
    Ok(document)
}

/// Returns the texts of the key's properties, in the shape in which a record is stored.
pub(super) fn key_values(era: &Era, document: &Document) -> Option<Vec<String>> {
    let model = era.history.model(document.stored.version)?;
    let object = document.stored.document.as_object()?;
    super::template::key_names(model).iter().map(|name| key_text(object, name)).collect()
}

/// Returns the text of a property as part of a key.
pub(super) fn key_text(object: &Object, name: &str) -> Option<String> {
    match object.get(name)? {
        Value::String(text) => Some(text.as_str().to_owned()),
        Value::Number(number) => Some(number.plain()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}
