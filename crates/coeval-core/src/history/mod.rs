//! The history of a model: its operations folded into nodes, recipes and cuts.
//!
//! The meaning of a history lies in the sequence of operations; a version is a cut in it that clients see (rule N4). Folding
//! happens once, before any record, and costs as much as there are operations.

mod cycle;
mod edit;
mod initial;
mod order;
mod places;
mod recipe;
mod retire;
mod scope;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

pub use edit::{Edit, Filling, OneWay, Side};
pub(crate) use initial::initial;
pub use order::{Entry, Gate, Hidden, HiddenRule, Order, Shape};
pub use recipe::{Fill, Function, Native, OnFail, Outcome, Recipe, Source, Target, land};
pub use scope::{Lineage, LineageId, NEVER, Node, NodeId, Place, Presence, RecipeId, Scope, Time, Tree};

use edit::Moment;

use crate::invalid::Invalid;
use crate::lens::Lens;
use crate::op::{Context, LensEdit, Operation};
use crate::path::{Path, Segment};
use crate::schema::{Model, Type};

/// Which moment each version shows.
#[derive(Debug, Clone, Default)]
pub struct Cuts(Vec<(u32, Time)>);

impl Cuts {
    /// Returns the moment of a version; `None` before the first.
    pub fn time(&self, version: u32) -> Option<Time> {
        let at = self.0.partition_point(|(v, _)| *v <= version);
        at.checked_sub(1).map(|at| self.0[at].1)
    }

    /// Returns the first version that shows a moment.
    pub fn version(&self, time: Time) -> Option<u32> {
        self.0.iter().find(|(_, t)| *t == time).map(|(version, _)| *version)
    }

    /// Returns the first version whose moment is this one or later.
    pub fn version_from(&self, time: Time) -> Option<u32> {
        self.0.iter().find(|(_, t)| *t >= time).map(|(version, _)| *version)
    }

    /// Returns the last version that shows a moment before this one, and the moment.
    pub fn last_before(&self, time: Time) -> Option<(u32, Time)> {
        self.0.iter().rev().find(|(_, t)| *t < time).copied()
    }

    /// Returns the versions in order.
    pub fn versions(&self) -> impl DoubleEndedIterator<Item = u32> + '_ {
        self.0.iter().map(|(version, _)| *version)
    }

    /// Returns the moments that versions show, in order.
    pub fn times(&self) -> impl Iterator<Item = Time> + '_ {
        self.0.iter().map(|(_, time)| *time)
    }
}

/// A version's part in a model's history.
#[derive(Debug, Clone)]
pub struct Release {
    /// Its number.
    pub version: u32,
    /// What it changes, in order.
    pub operations: Vec<Operation>,
    /// The order of the properties at the top, where it does not follow from the operations.
    pub order: Option<Vec<String>>,
}

/// An operation that does not fit where it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("version {version}, operation {operation}: {invalid}")]
pub struct Fault {
    /// The version.
    pub version: u32,
    /// The operation's index among the version's.
    pub operation: usize,
    /// What is wrong, with a pointer into the operation.
    pub invalid: Box<Invalid>,
}

/// A model over all its versions.
#[derive(Debug)]
pub struct History {
    pub(crate) scope: Scope,
    pub(crate) cuts: Cuts,
    models: Vec<Arc<Model>>,
    /// The oldest version that clients may use.
    pub(crate) before: u32,
    lenses: Mutex<HashMap<(Time, Time), Arc<Lens>>>,
}

impl Clone for History {
    /// Returns the same history with lenses of its own, which are composed anew as they are asked for.
    fn clone(&self) -> Self {
        Self {
            scope: self.scope.clone(),
            cuts: self.cuts.clone(),
            models: self.models.clone(),
            before: self.before,
            lenses: Mutex::default(),
        }
    }
}

impl History {
    /// Folds a history: the model at its first version, and what each later version changes.
    ///
    /// # Errors
    /// The first operation that does not fit.
    pub fn new(first: u32, model: Model, releases: &[Release], context: &Context<'_>) -> Result<Self, Fault> {
        let mut builder = Builder::start(first, model);
        for release in releases {
            for (operation, op) in release.operations.iter().enumerate() {
                builder.operation(release.version, operation, op, context).map_err(|invalid| Fault {
                    version: release.version,
                    operation,
                    invalid: Box::new(invalid),
                })?;
            }
            builder.cut(release);
        }
        Ok(builder.finish())
    }

    /// Returns the nodes and recipes of the records.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Returns the versions at which the model changed, in order.
    pub fn versions(&self) -> impl DoubleEndedIterator<Item = u32> + '_ {
        self.cuts.versions()
    }

    /// Returns the newest version.
    pub fn newest(&self) -> u32 {
        self.cuts.versions().next_back().unwrap_or_default()
    }

    /// Returns the model at a version; `None` before its first.
    pub fn model(&self, version: u32) -> Option<&Arc<Model>> {
        let at = self.cuts.0.partition_point(|(v, _)| *v <= version);
        self.models.get(at.checked_sub(1)?)
    }

    /// Returns the lens from the documents of one moment to another's, composed at the first call.
    pub(crate) fn lens_between(&self, stored: Time, requested: Time) -> Arc<Lens> {
        let key = (stored, requested);
        // A poisoned lock only means that another thread panicked between two lookups; the map itself is whole.
        let known = self.lenses.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(lens) = known {
            return lens;
        }
        let lens = Arc::new(Lens::new(&self.scope, stored, requested));
        let mut lenses = self.lenses.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(lenses.entry(key).or_insert(lens))
    }

    /// Returns the lens from one version's documents to another's; `None` for versions before the first.
    pub fn lens(&self, stored: u32, requested: u32) -> Option<Arc<Lens>> {
        Some(self.lens_between(self.cuts.time(stored)?, self.cuts.time(requested)?))
    }
}

/// Folds operation by operation.
#[derive(Debug)]
pub struct Builder {
    scope: Scope,
    time: Time,
    model: Model,
    cuts: Cuts,
    models: Vec<Arc<Model>>,
}

impl Builder {
    /// Starts with the model at its first version.
    pub fn start(first: u32, model: Model) -> Self {
        let mut scope = Scope::default();
        scope.open.push((0, model.properties.additional));
        for (name, property) in model.properties.iter() {
            let path = Path::name(name).to_string();
            scope.grow(None, name, property, 0, &|beneath| format!("{path}{beneath}@{first}#0"));
        }
        let models = vec![Arc::new(model.clone())];
        Self { scope, time: 0, model, cuts: Cuts(vec![(first, 0)]), models }
    }

    /// Applies one operation of a version.
    ///
    /// # Errors
    /// What does not fit.
    pub fn operation(&mut self, version: u32, operation: usize, op: &Operation, context: &Context<'_>) -> Result<(), Invalid> {
        op.check(&self.model)?;
        let lens = op.lens(&self.model, context)?;
        self.edit(version, operation, &lens)?;
        self.scope.check_cycles()?;
        op.apply(&mut self.model);
        self.note_elements(&lens.within);
        Ok(())
    }

    /// Applies edits of identities and groups without changing the schema; what operations and tests of the rules stand on.
    ///
    /// # Errors
    /// A path that does not exist.
    pub fn edit(&mut self, version: u32, operation: usize, lens: &LensEdit) -> Result<(), Invalid> {
        for edit in &lens.edits {
            self.time += 1;
            let now = Moment { time: self.time, version, operation };
            let scope = if lens.within.is_root() {
                Some(&mut self.scope)
            } else {
                self.scope.descend(&lens.within, self.time).map(|(scope, _)| scope)
            };
            scope
                .and_then(|scope| scope.apply(edit, now))
                .ok_or_else(|| Invalid::new("the operation names a property that the history does not have"))?;
        }
        Ok(())
    }

    /// The type of a list or map changes with what lies beneath it.
    fn note_elements(&mut self, within: &Path) {
        if within.is_root() {
            return;
        }
        let segments = within.segments();
        let mut scope = &mut self.scope;
        let mut from = 0;
        for (at, segment) in segments.iter().enumerate() {
            if matches!(segment, Segment::Name(_)) {
                continue;
            }
            let Some(node) = scope.find(&segments[from..at], self.time) else { return };
            let list = Path::from(segments[..at].to_vec());
            if let Some(property) = self.model.at(&list) {
                let mut plain = crate::schema::Property::clone(property);
                plain.required |= list.last_name().is_none();
                debug_assert!(matches!(plain.ty, Type::Array { .. } | Type::Map { .. }));
                scope.nodes[node].types.push((self.time, Arc::new(plain)));
            }
            let Some(elements) = scope.nodes[node].elements.as_deref_mut() else { return };
            scope = elements;
            from = at + 1;
        }
    }

    /// Ends a version: what was folded so far is what its clients see.
    pub fn cut(&mut self, release: &Release) {
        if let Some(names) = &release.order {
            self.model.properties.reorder(names);
            self.time += 1;
            let now = Moment { time: self.time, version: release.version, operation: release.operations.len() };
            // Arranging the top cannot fail: there is always a top.
            let _ = self.scope.apply(&Edit::Arrange { path: Path::root(), names: names.clone() }, now);
        }
        self.cuts.0.push((release.version, self.time));
        self.models.push(Arc::new(self.model.clone()));
    }

    /// Returns the model as far as it is folded.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Returns the model for change, by one who folds edits instead of operations: [`Builder::edit`] leaves it alone.
    pub fn model_mut(&mut self) -> &mut Model {
        &mut self.model
    }

    /// Returns the history.
    pub fn finish(mut self) -> History {
        let times: Vec<Time> = self.cuts.0.iter().map(|(_, time)| *time).collect();
        self.scope.expose(&times);
        History { scope: self.scope, cuts: self.cuts, models: self.models, before: 0, lenses: Mutex::default() }
    }
}
