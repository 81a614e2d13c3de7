//! Converts one record from a version to another, as text.

use coeval_core::document::{Document, Format, NotConverted, Unreadable};
use coeval_core::history::History;
use coeval_core::json;
use coeval_core::{Model, Value};

use super::problem::{At, Problem, key_of};

/// Converts records.
pub(crate) struct Converter<'h> {
    /// The model's versions.
    pub(crate) history: &'h History,
    /// The version of records that do not carry one.
    pub(crate) from: Option<u32>,
    /// The version to convert to.
    pub(crate) to: u32,
    /// The versions that exist.
    pub(crate) head: u32,
    /// Whether what the version cannot show is kept beside the record.
    pub(crate) keep: bool,
}

/// A record that was not converted.
#[derive(Debug)]
pub(crate) struct Failed {
    /// What it is called.
    pub(crate) key: String,
    /// What is wrong with it.
    pub(crate) problems: Vec<Problem>,
}

impl Converter<'_> {
    /// Converts a document without white space around it; returns its text, laid out as it was.
    ///
    /// # Errors
    /// What is wrong with the record.
    pub(crate) fn convert(&self, bytes: &[u8]) -> Result<String, Failed> {
        let document = self.read(bytes)?;
        let stored = &document.stored;
        let failed = |problems| Failed { key: key_of(self.model(stored.version), &stored.document), problems };
        self.check(&document).map_err(failed)?;
        if stored.version == self.to && self.keep {
            // It was read as text, so it is UTF-8.
            return Ok(String::from_utf8_lossy(bytes).into_owned());
        }
        document.convert(self.history, self.to, self.keep).map_err(|error| match error {
            NotConverted::Refused(refused) => failed(Problem::refused(&refused)),
            NotConverted::Unreadable(unreadable) => failed(vec![self.unwritten(&unreadable)]),
        })
    }

    fn model(&self, version: u32) -> Option<&Model> {
        self.history.model(version).map(AsRef::as_ref)
    }

    /// Reads a record, the version that it is at, and what is kept beside it.
    fn read(&self, bytes: &[u8]) -> Result<Document, Failed> {
        let format = Format { unversioned: self.from.unwrap_or(1), ..Format::default() };
        let whole = || json::parse(bytes).unwrap_or(Value::Null);
        let failed = |problems| Failed { key: key_of(self.from.and_then(|v| self.model(v)), &whole()), problems };
        let read = match Document::read(bytes, &format) {
            Ok(document) => self.place(&document).map(|()| document),
            Err(Unreadable::Json(error)) => return Err(Failed { key: String::new(), problems: vec![error.into()] }),
            Err(Unreadable::NotAnObject { .. }) => match self.from.and_then(|from| Some((from, self.model(from)?))) {
                Some((from, model)) => {
                    let violations = model.violations(&whole());
                    return Err(failed(violations.iter().map(|v| Problem::violation(v, from)).collect()));
                }
                None => Err(no_version()),
            },
            Err(unreadable @ (Unreadable::Meta { .. } | Unreadable::Reserved(_) | Unreadable::TooDeep(_))) => {
                Err(self.unwritten(&unreadable))
            }
        };
        read.map_err(|problem| failed(vec![problem]))
    }

    /// Checks that it is known at which version a record is, and that there is such a version.
    fn place(&self, document: &Document) -> Result<(), Problem> {
        let problem = |code, message, help| Problem { code, message, help, at: At::Path("_coeval.version".to_owned()) };
        let version = document.stored.version;
        match (document.stamped, self.from) {
            (None, None) => return Err(no_version()),
            (Some(stamped), Some(from)) if stamped != from => {
                let message = format!("the record says that it is at version {stamped}, `--from` says {from}");
                let help = "leave `--from` out to convert each record from the version it says";
                return Err(problem("version-differs", message, help));
            }
            (Some(_), _) | (None, Some(_)) => {}
        }
        if version > self.head || self.history.model(version).is_none() {
            let message = format!("the record says that it is at version {version}, at which there is no such model");
            return Err(problem("no-version", message, "take the manifest that has this version"));
        }
        Ok(())
    }

    /// Refuses what does not fit its version, and what would be taken for something else at the other.
    fn check(&self, document: &Document) -> Result<(), Vec<Problem>> {
        let stored = &document.stored;
        let violations = self.model(stored.version).map(|model| model.violations(&stored.document)).unwrap_or_default();
        if !violations.is_empty() {
            return Err(violations.iter().map(|v| Problem::violation(v, stored.version)).collect());
        }
        let claimed = self.history.claimed(stored, self.to).map_err(|refused| Problem::refused(&refused))?;
        let claim = |name: &String| Problem {
            code: "claimed",
            message: format!(
                "`{name}` is not declared at version {}, and version {} has a property of that name",
                stored.version, self.to
            ),
            help: "take the value out of the record, or declare it at the older version too",
            at: At::Path(name.clone()),
        };
        if claimed.is_empty() { Ok(()) } else { Err(claimed.iter().map(claim).collect()) }
    }

    /// Says why notes cannot be read, or not be written.
    fn unwritten(&self, unreadable: &Unreadable) -> Problem {
        let problem = |code, message, help, at: &str| Problem { code, message, help, at: At::Path(at.to_owned()) };
        match unreadable {
            Unreadable::TooDeep(error) => {
                let message = format!("what version {} cannot show could not be kept: {}", self.to, error.message);
                problem("too-deep", message, "say `--no-keep` to leave it out", "")
            }
            Unreadable::Reserved(_) => problem("meta", unreadable.to_string(), "give the property another name", ""),
            Unreadable::Json(_) | Unreadable::NotAnObject { .. } | Unreadable::Meta { .. } => problem(
                "meta",
                unreadable.to_string(),
                "`_coeval` is written by coeval; take the record from where it was converted",
                "_coeval",
            ),
        }
    }
}

fn no_version() -> Problem {
    Problem {
        code: "no-version",
        message: "the record does not say at which version it is".to_owned(),
        help: "say with `--from` at which version it was written",
        at: At::Path(String::new()),
    }
}
