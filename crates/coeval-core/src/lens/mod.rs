//! Reading and writing one record at any version. The rules are told in the crate's documentation.

pub mod align;
mod calc;
mod cell;
mod compress;
mod forget;
mod keep;
mod moving;
mod patch;
mod reject;
mod rules;
mod shape;
mod view;
mod write;

pub use cell::{Cell, Elements, Layout, State};
pub use forget::Lost;
pub use keep::{Entry, Item, Keep, StoredLayout};
pub use moving::Unmoved;
pub use rules::{raised, recomputed, rendered, unfit};
pub use view::Lens;
pub(crate) use write::Hints;

use std::borrow::Cow;

use reject::{Lists, Search};

use crate::history::{HiddenRule, History, Time};
use crate::json::Style;
use crate::mutant::{self, Mutant};
use crate::schema::Violation;
use crate::value::{Object, Value};

/// The name of the property in which a document carries what its natural shape does not show.
pub const META: &str = "_coeval";

/// A stored document: the natural shape of a version, and what is kept beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The version whose shape it has.
    pub version: u32,
    /// The natural document, without [`META`].
    pub document: Value,
    /// What is kept.
    pub keep: Keep,
    /// How the document was written, where spaces stand that no [`Style`] explains; as text.
    pub text: Option<Box<str>>,
}

/// Why a version cannot show or take a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such version of the model.
    #[error("the model has no version {0}")]
    NoVersion(u32),
    /// Clients may use the version no more.
    #[error("version {0} is retired")]
    Retired(u32),
    /// A document does not fit the version it is written at.
    #[error("the document does not fit version {version}: {}", list(.violations))]
    Invalid {
        /// The version.
        version: u32,
        /// Every place that does not fit.
        violations: Vec<Violation>,
    },
    /// A version would not be able to show what is written, and its operation says `reject`.
    #[error("version {version} could not show the record: {}", list(.violations))]
    Rejected {
        /// The version that could not.
        version: u32,
        /// What could not be converted.
        violations: Vec<Violation>,
    },
    /// The record is in the version's quarantine: it cannot be shown there.
    #[error("version {version} cannot show the record: {}", list(.violations))]
    Quarantined {
        /// The version.
        version: u32,
        /// What could not be converted.
        violations: Vec<Violation>,
    },
    /// The stored document's notes cannot be read.
    #[error("`{META}` cannot be read: {0}")]
    Meta(String),
    /// A patch does not apply.
    #[error("the patch does not apply: {0}")]
    Patch(String),
}

fn list(violations: &[Violation]) -> String {
    violations.iter().map(Violation::to_string).collect::<Vec<_>>().join("; ")
}

impl Stored {
    /// Returns a document that carries no notes.
    pub fn plain(version: u32, document: Value) -> Self {
        Self { version, document, keep: Keep::default(), text: None }
    }

    /// Reads a document with or without [`META`]; without it, or without a version in it, it is at `version`.
    ///
    /// # Errors
    /// Notes that cannot be read.
    pub fn from_value(document: Value, version: u32) -> Result<Self, Refused> {
        let mut stored = Self::plain(version, document);
        let Value::Object(object) = &mut stored.document else { return Ok(stored) };
        let Some(meta) = object.remove(META) else { return Ok(stored) };
        let Value::Object(mut meta) = meta else { return Err(Refused::Meta("it is not an object".to_owned())) };
        if let Some(number) = meta.remove("version") {
            let number = number.as_i64().and_then(|n| u32::try_from(n).ok());
            stored.version = number.ok_or_else(|| Refused::Meta("`version` is not a version's number".to_owned()))?;
        }
        stored.keep = Keep::read(&meta).map_err(|e| Refused::Meta(format!("{}: {}", e.at, e.message)))?;
        Ok(stored)
    }

    /// Returns the document with its notes as last property: always if `stamp`, else only where something is kept.
    pub fn to_value(&self, stamp: bool) -> Value {
        let mut document = self.document.clone();
        if let Value::Object(object) = &mut document
            && (stamp || !self.keep.is_empty())
        {
            let mut meta = Object::from_iter([("version".into(), i64::from(self.version).into())]);
            self.keep.write(&mut meta);
            object.insert(META, meta.into());
        }
        document
    }

    /// Returns the document as text in a style, with notes as in [`Stored::to_value`].
    pub fn to_text(&self, style: &Style, stamp: bool) -> String {
        match &self.text {
            Some(text) if !stamp && self.keep.is_empty() => text.to_string(),
            _ => style.write(&self.to_value(stamp)),
        }
    }
}

impl History {
    fn time(&self, version: u32) -> Result<Time, Refused> {
        self.cuts.time(version).ok_or(Refused::NoVersion(version))
    }

    /// The moment of a version that clients may use.
    fn live(&self, version: u32) -> Result<Time, Refused> {
        let time = self.time(version)?;
        if self.is_retired(version) { Err(Refused::Retired(version)) } else { Ok(time) }
    }

    fn expand(&self, stored: &Stored) -> Result<State, Refused> {
        let t = self.time(stored.version)?;
        let mut state = view::expand(&self.scope, t, &stored.document, &stored.keep, &self.cuts, &Value::Null);
        if let Some(text) = &stored.text {
            note_text(&mut state, t, text);
        }
        Ok(state)
    }

    fn compress(&self, version: u32, state: &State) -> Result<Stored, Refused> {
        let time = self.time(version)?;
        let mut state = Cow::Borrowed(state);
        if self.scope.has_past() {
            self.forgotten(time, state.to_mut());
        }
        let (document, keep) = compress::compress(&self.scope, time, &state, &self.cuts, &Value::Null);
        Ok(Stored { version, document, keep, text: None })
    }

    fn admit(&self, version: u32, document: &Value) -> Result<(), Refused> {
        let model = self.model(version).ok_or(Refused::NoVersion(version))?;
        let violations = model.violations(document);
        if violations.is_empty() { Ok(()) } else { Err(Refused::Invalid { version, violations }) }
    }

    /// Fills the defaults of a version into a document that is created at it (law L2).
    pub fn normalise(&self, version: u32, document: &mut Value) {
        let Some(model) = self.model(version) else { return };
        if let Value::Object(object) = document {
            fill_defaults(&model.properties, object);
        }
    }

    /// Creates a record (R1): its document at a version, defaults filled in.
    ///
    /// # Errors
    /// A document that does not fit, or that another version could not show.
    pub fn create(&self, version: u32, mut document: Value) -> Result<Stored, Refused> {
        let time = self.live(version)?;
        self.normalise(version, &mut document);
        self.admit(version, &document)?;
        let state = write::birth(&self.scope, time, &document, &Value::Null);
        self.reject(time, &state, None, None)?;
        self.compress(version, &state)
    }

    /// Reads a stored document at a version.
    ///
    /// # Errors
    /// [`Refused::Quarantined`] where the version cannot show it.
    pub fn read(&self, stored: &Stored, version: u32) -> Result<Value, Refused> {
        let lens = self.lens_between(self.time(stored.version)?, self.live(version)?);
        let state =
            view::look(&self.scope, &lens.stored, &lens.program, &stored.document, &stored.keep, &self.cuts, &Value::Null);
        self.shown(&lens, &state, stored, version)
    }

    fn shown(&self, lens: &Lens, state: &State, stored: &Stored, version: u32) -> Result<Value, Refused> {
        let violations = shape::check(&self.scope, &lens.requested, state);
        if !violations.is_empty() {
            return Err(Refused::Quarantined { version, violations });
        }
        // Undeclared properties that were put into a closed object from outside are preserved and not shown.
        if lens.stored.time == lens.requested.time && self.admit(version, &stored.document).is_ok() {
            return Ok(stored.document.clone());
        }
        Ok(shape::put_together(&self.scope, &lens.requested, state))
    }

    /// Replaces a record's document at a version (R2). What the version does not show stays, unless it followed what changed.
    ///
    /// Returns the stored document; `None` where the write changes nothing, and nothing is to be written.
    ///
    /// # Errors
    /// A document that does not fit, or that another version, which could show the record before, could not.
    pub fn put(&self, stored: &Stored, version: u32, document: &Value) -> Result<Option<Stored>, Refused> {
        self.put_aligned(stored, version, document, &Hints::new())
    }

    pub(crate) fn put_aligned(
        &self,
        stored: &Stored,
        version: u32,
        document: &Value,
        hints: &Hints,
    ) -> Result<Option<Stored>, Refused> {
        let t = self.live(version)?;
        self.admit(version, document)?;
        let mut old = self.expand(stored)?;
        self.forgotten(t, &mut old);
        let lists = Lists::new(hints);
        let Some(new) = write::write(&self.scope, t, &old, document, write::Keys::same(&Value::Null), "", &lists) else {
            return Ok(None);
        };
        self.reject(t, &new, Some(&old), Some(&lists))?;
        let mut written = self.compress(version, &new)?;
        if mutant::is(Mutant::StaleKeep) {
            let stale = stored.keep.entries.iter().filter(|(key, _)| written.keep.get(key).is_none()).cloned();
            let stale: Vec<_> = stale.collect();
            written.keep.entries.extend(stale);
        }
        Ok(Some(written))
    }

    /// Takes an edit of the natural document from outside: a write at the stored version without validation (R6, L16).
    pub fn edit_outside(&self, stored: &Stored, document: Value) -> Stored {
        Stored { document, text: None, ..stored.clone() }
    }

    /// Refuses a write that makes a conversion fail whose operation says `reject`.
    fn reject(&self, at: Time, new: &State, old: Option<&State>, lists: Option<&Lists<'_>>) -> Result<(), Refused> {
        let mut search = Search { way: None, lists, found: Vec::new() };
        search.record(&self.scope, at, new, old);
        let Some(failed) = search.found.into_iter().next() else { return Ok(()) };
        let version = self.cuts.version_from(failed.born).unwrap_or_else(|| self.newest()).max(self.before);
        Err(Refused::Rejected { version, violations: vec![Violation { path: failed.path, message: failed.reason }] })
    }

    /// Returns how a version's properties follow from those of another: for each, whether it is copied, and how many groups
    /// lie on its way. What `diff` and `plan` show.
    pub fn steps_between(&self, stored: u32, requested: u32) -> Result<usize, Refused> {
        let lens = self.lens_between(self.time(stored)?, self.time(requested)?);
        let recipe = |at: &&usize| matches!(lens.stored.hidden[**at].rule, HiddenRule::Recipe(..));
        Ok(lens.program.iter().filter(recipe).count())
    }

    /// Returns the total state of a stored document: for tests of the rules.
    ///
    /// # Errors
    /// A version that does not exist.
    pub fn state(&self, stored: &Stored) -> Result<State, Refused> {
        self.expand(stored)
    }
}

fn note_text(state: &mut State, t: Time, text: &str) {
    match state.layouts.iter_mut().find(|(time, _)| *time == t) {
        Some((_, layout)) => layout.text = Some(text.into()),
        None => state.layouts.push((t, Layout { orders: Vec::new(), text: Some(text.into()) })),
    }
}

fn fill_defaults(properties: &crate::schema::Properties, object: &mut Object) {
    for (name, property) in properties.iter() {
        match (object.get_mut(name), &property.default) {
            (None, Some(default)) => drop(object.insert(name, default.clone())),
            (Some(Value::Object(inner)), _) => {
                if let crate::schema::Type::Object(properties) = &property.ty {
                    fill_defaults(properties, inner);
                }
            }
            _ => {}
        }
    }
}
