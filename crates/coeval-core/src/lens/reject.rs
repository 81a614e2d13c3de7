//! Conversions that failed and whose operation says `reject`: in a record and in every element of its lists and maps.
//!
//! The conversion that failed first answers for it; one that only passes a failure on does not.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::RangeInclusive;

use super::cell::{Cell, Elements, State};
use super::shape::unfit;
use super::write::{Hints, pointer_to};
use crate::history::{Hidden, HiddenRule, NodeId, OnFail, RecipeId, Scope, Time};
use crate::invalid::escape_token;

/// A conversion that failed.
#[derive(Debug)]
pub(super) struct Failed {
    /// Where its result would lie.
    pub(super) path: String,
    /// When what it would be was born.
    pub(super) born: Time,
    /// Why it failed.
    pub(super) reason: String,
}

/// Which conversions answer: those of operations at these moments, in this direction.
#[derive(Debug, Clone)]
pub(super) struct Way {
    /// The moments.
    pub(super) times: RangeInclusive<Time>,
    /// Whether newer values are computed from older ones.
    pub(super) up: bool,
}

/// How the lists of a new document continue those of the old one: what the writer said, and what was made of it.
#[derive(Debug, Default)]
pub(crate) struct Lists<'h> {
    pub(super) hints: Option<&'h Hints>,
    pub(super) used: RefCell<Hints>,
}

impl<'h> Lists<'h> {
    /// Takes what the writer says.
    pub(crate) fn new(hints: &'h Hints) -> Self {
        Self { hints: Some(hints), used: RefCell::default() }
    }
}

/// Finds the failed conversions of a record whose operations say `reject`.
pub(super) struct Search<'a> {
    /// Those that answer; every one where `None`.
    pub(super) way: Option<Way>,
    /// How lists continued in the write that is judged.
    pub(super) lists: Option<&'a Lists<'a>>,
    /// What was found.
    pub(super) found: Vec<Failed>,
}

/// What a state was before: a failure that was there already is nobody's fault now.
#[derive(Default)]
pub(super) struct Was<'s> {
    /// Whether it is known to be the same record or element; else it may be any of these, and a failure must have the same
    /// sources.
    pub(super) certain: bool,
    /// The states.
    pub(super) states: Vec<&'s State>,
}

/// A place among the elements: as people read it, and as a JSON pointer where the writer could see it.
struct Place {
    path: String,
    pointer: Option<String>,
}

impl Search<'_> {
    /// Searches a record.
    pub(super) fn record(&mut self, scope: &Scope, t: Time, new: &State, old: Option<&State>) {
        let was = Was { certain: true, states: old.into_iter().collect() };
        self.state(scope, t, new, &was, &Place { path: String::new(), pointer: Some(String::new()) });
    }

    fn state(&mut self, scope: &Scope, t: Time, new: &State, was: &Was<'_>, place: &Place) {
        for hidden in &scope.order(t).hidden {
            if let Cell::Bad(reason) = &new.cells[hidden.node]
                && !scope.is_dead(hidden.node)
                && self.answers(scope, hidden, new)
                && !was.excuses(hidden, new)
            {
                let born = scope.nodes[hidden.node].born;
                let path = join(&place.path, &path_of(scope, hidden.node, born));
                self.found.push(Failed { path, born, reason: reason.to_string() });
            }
        }
        for node in (0..scope.nodes.len()).filter(|node| !scope.is_dead(*node)) {
            if let Cell::Elements(elements) = &new.cells[node] {
                self.elements(scope, t, node, elements, was, place);
            }
        }
    }

    fn answers(&self, scope: &Scope, hidden: &Hidden, new: &State) -> bool {
        let HiddenRule::Recipe(id, output) = hidden.rule else { return false };
        let recipe = &scope.recipes[id];
        let on_the_way = self.way.as_ref().is_none_or(|way| way.up == recipe.up && way.times.contains(&recipe.time));
        let failed = |dep: &NodeId| match &new.cells[*dep] {
            Cell::Bad(_) => true,
            cell @ Cell::Elements(_) => unfit(&scope.nodes[*dep], cell, recipe.reads_at()).is_some(),
            Cell::Absent | Cell::Value(_) => false,
        };
        on_the_way && rejects(scope, id, output) && !hidden.deps.iter().any(failed)
    }

    fn elements(&mut self, scope: &Scope, t: Time, node: NodeId, elements: &Elements, was: &Was<'_>, place: &Place) {
        let Some(inner) = scope.nodes[node].elements.as_deref() else { return };
        let near = scope.nodes[node].nearest(t);
        let path = join(&place.path, &path_of(scope, node, near));
        let here = place.pointer.as_ref().filter(|_| scope.nodes[node].alive(t)).map(|at| pointer_to(scope, node, t, at));
        match elements {
            Elements::List(items) => {
                let before: Vec<&State> = was.states.iter().flat_map(|state| list(&state.cells[node])).collect();
                let aligned = || self.lists?.used.borrow().get(here.as_ref()?).filter(|_| was.certain).cloned();
                let aligned = aligned();
                for (i, item) in items.iter().enumerate() {
                    let was = match &aligned {
                        Some(aligned) => {
                            let from = aligned.get(i).copied().flatten().and_then(|at| before.get(at).copied());
                            Was { certain: true, states: from.into_iter().collect() }
                        }
                        None => Was { certain: false, states: before.clone() },
                    };
                    let pointer = here.as_ref().map(|here| format!("{here}/{i}"));
                    self.state(inner, near, item, &was, &Place { path: format!("{path}[{i}]"), pointer });
                }
            }
            Elements::Map(values) => {
                let before: Vec<HashMap<&str, &State>> = was.states.iter().map(|state| map(&state.cells[node])).collect();
                for (key, value) in values {
                    let states = before.iter().filter_map(|known| known.get(key.as_str()).copied()).collect();
                    let was = Was { certain: was.certain, states };
                    let pointer = here.as_ref().map(|here| format!("{here}/{}", escape_token(key)));
                    let path = format!("{path}{{{}}}", key.as_str());
                    self.state(inner, near, value, &was, &Place { path, pointer });
                }
            }
        }
    }
}

impl Was<'_> {
    fn excuses(&self, hidden: &Hidden, new: &State) -> bool {
        let failed = |state: &&State| {
            let same = |dep: &NodeId| state.cells[*dep].same(&new.cells[*dep]);
            matches!(state.cells[hidden.node], Cell::Bad(_)) && (self.certain || hidden.deps.iter().all(same))
        };
        self.states.iter().any(failed)
    }
}

fn list(cell: &Cell) -> &[State] {
    match cell {
        Cell::Elements(Elements::List(items)) => items,
        Cell::Elements(Elements::Map(_)) | Cell::Absent | Cell::Bad(_) | Cell::Value(_) => &[],
    }
}

fn map(cell: &Cell) -> HashMap<&str, &State> {
    match cell {
        Cell::Elements(Elements::Map(values)) => values.iter().map(|(key, state)| (key.as_str(), state)).collect(),
        Cell::Elements(Elements::List(_)) | Cell::Absent | Cell::Bad(_) | Cell::Value(_) => HashMap::new(),
    }
}

/// Whether an output of a recipe is refused where it cannot be computed.
fn rejects(scope: &Scope, recipe: RecipeId, output: usize) -> bool {
    let mut before = 0;
    scope.recipes[recipe].targets.iter().any(|target| {
        let mut nodes = Vec::new();
        target.tree.nodes(&mut nodes);
        let here = (before..before + nodes.len()).contains(&output);
        before += nodes.len();
        here && target.on_fail == OnFail::Reject
    })
}

/// The names that lead to a node within its scope at a moment of its life.
pub(super) fn path_of(scope: &Scope, id: NodeId, t: Time) -> String {
    let place = scope.nodes[id].place(t);
    match place.parent {
        None => place.name.clone(),
        Some(parent) => join(&path_of(scope, parent, t), &place.name),
    }
}

/// Joins two parts of a path, either of which may be empty.
pub(super) fn join(outer: &str, inner: &str) -> String {
    let dot = if outer.is_empty() || inner.is_empty() || inner.starts_with(['[', '{']) { "" } else { "." };
    format!("{outer}{dot}{inner}")
}
