//! Converts one record from a version to another, as text.

use coeval_core::history::History;
use coeval_core::json::{self, DEPTH_LIMIT};
use coeval_core::lens::{META, Stored};
use coeval_core::{Model, Value};

use super::layout::Layout;
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
        let nameless = |problem: Problem| Failed { key: String::new(), problems: vec![problem] };
        let value = json::parse(bytes).map_err(|error| nameless(error.into()))?;
        // It was parsed, so it is UTF-8.
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let layout = Layout::of(text, &value);
        let carries_meta = value.as_object().is_some_and(|object| object.get(META).is_some());
        let stored = self.stored(value).map_err(|problem| Failed {
            key: json::parse(bytes).map(|value| key_of(self.from.and_then(|v| self.model(v)), &value)).unwrap_or_default(),
            problems: vec![problem],
        })?;
        let key = || key_of(self.model(stored.version), &stored.document);
        let failed = |problems: Vec<Problem>| Failed { key: key(), problems };
        self.check(&stored).map_err(failed)?;
        if stored.version == self.to && (self.keep || !carries_meta) {
            return Ok(text.to_owned());
        }
        let mut stored = Stored { text: None, ..stored.clone() };
        if layout.style.is_none() && !carries_meta {
            stored.text = Some(text.into());
        }
        let written = self.written(&stored, layout).map_err(failed)?;
        // A result in which nothing shows the style (`{}`) would come back in another one.
        let lost = |written: &str| json::parse(written.as_bytes()).is_ok_and(|value| Layout::of(written, &value) != layout);
        if self.keep && stored.text.is_none() && layout.style.is_some() && !carries_meta && lost(&written) {
            stored.text = Some(text.into());
            return self.written(&stored, layout).map_err(failed);
        }
        Ok(written)
    }

    fn model(&self, version: u32) -> Option<&Model> {
        self.history.model(version).map(AsRef::as_ref)
    }

    /// Reads the version that a record is at, and what is kept beside it.
    fn stored(&self, value: Value) -> Result<Stored, Problem> {
        let noted = value.as_object().and_then(|object| object.get(META)?.as_object()?.get("version")).is_some();
        let problem = |code, message: String, help, path: &str| Problem { code, message, help, at: At::Path(path.to_owned()) };
        let Some(from) = self.from.or(noted.then_some(1)) else {
            let help = "say with `--from` at which version it was written";
            return Err(problem("no-version", "the record does not say at which version it is".to_owned(), help, ""));
        };
        let stored = Stored::from_value(value, from).map_err(|refused| Problem::refused(&refused).remove(0))?;
        if noted && self.from.is_some_and(|from| from != stored.version) {
            let message = format!("the record says that it is at version {}, `--from` says {from}", stored.version);
            let help = "leave `--from` out to convert each record from the version it says";
            return Err(problem("version-differs", message, help, "_coeval.version"));
        }
        if stored.version > self.head || self.history.model(stored.version).is_none() {
            let message = format!("the record says that it is at version {}, at which there is no such model", stored.version);
            let help = "take the manifest that has this version";
            return Err(problem("no-version", message, help, "_coeval.version"));
        }
        Ok(stored)
    }

    /// Refuses what does not fit its version, and what would be taken for something else at the other.
    fn check(&self, stored: &Stored) -> Result<(), Vec<Problem>> {
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

    fn written(&self, stored: &Stored, layout: Layout) -> Result<String, Vec<Problem>> {
        let mut moved = self.history.migrate(stored, self.to).map_err(|refused| Problem::refused(&refused))?;
        if !self.keep {
            moved.keep = coeval_core::lens::Keep::default();
        }
        let written = Self::laid_out(&moved, layout);
        // What is kept lies deeper than it did; nothing is written that could not be read back.
        let brackets = written.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count();
        if brackets > DEPTH_LIMIT
            && let Err(error) = json::parse(written.as_bytes())
        {
            let message = format!("what version {} cannot show could not be kept: {}", self.to, error.message);
            let help = "say `--no-keep` to leave it out";
            return Err(vec![Problem { code: "too-deep", message, help, at: At::Path(String::new()) }]);
        }
        Ok(written)
    }

    fn laid_out(moved: &Stored, layout: Layout) -> String {
        let as_it_was = moved.text.is_some() && moved.keep.is_empty();
        let text = moved.to_text(&layout.style(), false);
        if as_it_was { text } else { layout.finish(text) }
    }
}
