//! Reading and writing one record at any version. The rules are told in the crate's documentation.

pub mod align;
mod calc;
mod cell;
mod compress;
mod keep;
mod patch;
mod rules;
mod shape;
mod view;
mod write;

pub use cell::{Cell, Elements, Layout, State};
pub use keep::{Entry, Item, Keep, StoredLayout};
pub use rules::recomputed;
pub use view::Lens;
pub(crate) use write::Hints;

use crate::history::{HiddenRule, History, OnFail, RecipeId, Time};
use crate::json::{self, Style};
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

    fn expand(&self, stored: &Stored) -> Result<State, Refused> {
        let t = self.time(stored.version)?;
        let mut state = view::expand(&self.scope, t, &stored.document, &stored.keep, &self.cuts, &Value::Null);
        if let Some(text) = &stored.text {
            note_text(&mut state, t, text);
        }
        Ok(state)
    }

    fn compress(&self, version: u32, state: &State) -> Result<Stored, Refused> {
        let (document, keep) = compress::compress(&self.scope, self.time(version)?, state, &self.cuts, &Value::Null);
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
        self.normalise(version, &mut document);
        self.admit(version, &document)?;
        let time = self.time(version)?;
        let state = write::birth(&self.scope, time, &document, &Value::Null);
        self.reject(time, &state, None)?;
        self.compress(version, &state)
    }

    /// Reads a stored document at a version.
    ///
    /// # Errors
    /// [`Refused::Quarantined`] where the version cannot show it.
    pub fn read(&self, stored: &Stored, version: u32) -> Result<Value, Refused> {
        let lens = self.lens_between(self.time(stored.version)?, self.time(version)?);
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
        self.admit(version, document)?;
        let old = self.expand(stored)?;
        let t = self.time(version)?;
        let Some(new) = write::write(&self.scope, t, &old, document, write::Keys::same(&Value::Null), "", hints) else {
            return Ok(None);
        };
        self.reject(t, &new, Some(&old))?;
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

    /// Moves a stored document to another version's shape (R5). A record in quarantine there, or where it lies, stays.
    ///
    /// # Errors
    /// [`Refused::Quarantined`], with the stored document untouched.
    pub fn migrate(&self, stored: &Stored, version: u32) -> Result<Stored, Refused> {
        let lens = self.lens_between(self.time(stored.version)?, self.time(version)?);
        let state = self.expand(stored)?;
        let here = self.lens_between(lens.stored.time, lens.stored.time);
        self.shown(&here, &state, stored, stored.version)?;
        self.shown(&lens, &state, stored, version)?;
        let mut moved = self.compress(version, &state)?;
        if lens.stored.time == lens.requested.time {
            if self.admit(version, &stored.document).is_ok() {
                moved.document.clone_from(&stored.document);
            }
            moved.text.clone_from(&stored.text);
        } else {
            moved.text = state.layouts.iter().find(|(t, _)| *t == lens.requested.time).and_then(|(_, layout)| {
                let text = layout.text.as_deref()?;
                json::parse(text.as_bytes()).is_ok_and(|value| value.identical(&moved.document)).then(|| text.into())
            });
        }
        Ok(moved)
    }

    /// Returns the undeclared properties of a stored document whose paths a version claims for properties of its own.
    pub fn claimed(&self, stored: &Stored, version: u32) -> Result<Vec<String>, Refused> {
        let state = self.expand(stored)?;
        let order = self.scope.order(self.time(version)?);
        Ok(shape::claimed(&self.scope, &order, &state))
    }

    /// Refuses a write that makes a conversion fail whose operation says `reject`.
    ///
    /// The conversion that failed first answers for it: one that only passes a failure on does not.
    fn reject(&self, at: Time, new: &State, old: Option<&State>) -> Result<(), Refused> {
        let bad = |state: &State, node: usize| matches!(state.cells[node], Cell::Bad(_));
        for hidden in &self.scope.order(at).hidden {
            let id = hidden.node;
            let Cell::Bad(reason) = &new.cells[id] else { continue };
            let HiddenRule::Recipe(recipe, output) = hidden.rule else { continue };
            let inherited = hidden.deps.iter().any(|dep| bad(new, *dep));
            if inherited || old.is_some_and(|old| bad(old, id)) || !self.rejects(recipe, output) {
                continue;
            }
            let t = self.scope.nodes[id].born;
            let path = path_of(&self.scope, id, t);
            let version = self.cuts.version_from(t).unwrap_or_else(|| self.newest());
            let violation = Violation { path, message: reason.to_string() };
            return Err(Refused::Rejected { version, violations: vec![violation] });
        }
        Ok(())
    }

    /// Whether an output of a recipe is refused where it cannot be computed.
    fn rejects(&self, recipe: RecipeId, output: usize) -> bool {
        let mut before = 0;
        self.scope.recipes[recipe].targets.iter().any(|target| {
            let mut nodes = Vec::new();
            target.tree.nodes(&mut nodes);
            let here = (before..before + nodes.len()).contains(&output);
            before += nodes.len();
            here && target.on_fail == OnFail::Reject
        })
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

fn path_of(scope: &crate::history::Scope, id: usize, t: Time) -> String {
    let place = scope.nodes[id].place(t);
    match place.parent {
        None => place.name.clone(),
        Some(parent) => format!("{}.{}", path_of(scope, parent, t), place.name),
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
