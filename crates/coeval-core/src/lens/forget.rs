//! What retired versions alone could see is dropped.
//!
//! A dead node takes the value that its recipe computes from the live ones; nothing is kept of it any more. A live node keeps the
//! value that it has, also where it would now be computed otherwise: an object that is there because something dead in it was
//! gets an entry of its own. So no read at a live version changes.
//!
//! Later writes at live versions mean what they meant, with two differences. A write that only a retired version could not show
//! is no longer refused. And what a retired version put into an object is no longer there to hold it: where live properties went
//! elsewhere and a write takes away the last of them, a version that shows the object finds it absent, and not empty.

use super::Stored;
use super::calc::{Units, calc};
use super::cell::{Cell, Elements, State};
use super::keep::{Entry, Keep};
use super::moving::Unmoved;
use super::reject::{join, path_of};
use super::shape::{self, index_key};
use crate::history::{Cuts, History, LineageId, NodeId, Scope, Time};
use crate::value::Value;

/// A value that was kept for retired versions and could not be computed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The key of its node in the notes: `note@1#0`.
    pub key: String,
    /// Where the newest version that showed it had it, `items[2].note`; where that is the object of `key` and a name in it, the
    /// property was not declared.
    pub path: String,
    /// That version.
    pub version: u32,
}

impl History {
    /// Drops what only retired versions could see of a stored document. One that is stored at a retired version moves to `to`;
    /// any other stays where it is, and is returned as it is where there is nothing to drop.
    ///
    /// No read at a live version changes, and doing it again changes nothing.
    ///
    /// # Errors
    /// Why it cannot be done, with the stored document untouched: `to` is retired or cannot show a record that must move, or
    /// the record does not fit the version that it is stored at.
    pub fn forget(&self, stored: &Stored, to: u32) -> Result<(Stored, Vec<Lost>), Unmoved> {
        let moves = self.is_retired(stored.version);
        if !moves && !self.holds_dead(&self.scope, &stored.keep) {
            return Ok((stored.clone(), Vec::new()));
        }
        let version = if moves { to } else { stored.version };
        if self.is_retired(version) {
            return Err(Unmoved::Retired(version));
        }
        let time = |version| self.time(version).map_err(|_| Unmoved::NoVersion(version));
        let lens = self.lens_between(time(stored.version)?, time(version)?);
        let mut state = self.expand(stored).map_err(|_| Unmoved::NoVersion(stored.version))?;
        let violations = shape::check(&self.scope, &lens.stored, &state);
        if !violations.is_empty() {
            return Err(Unmoved::Broken { version: stored.version, violations });
        }
        let violations = shape::check(&self.scope, &lens.requested, &state);
        if !violations.is_empty() {
            return Err(Unmoved::Quarantined { version, violations });
        }
        let mut forgetting = Forgetting { cuts: &self.cuts, lost: Vec::new() };
        forgetting.state(&self.scope, lens.requested.time, &mut state, &Value::Null, &[]);
        let moved = self.moved(stored, &lens, &state, version).map_err(|_| Unmoved::NoVersion(version))?;
        Ok((moved, forgetting.lost))
    }

    /// Returns the keys of kept values that no version of the history keeps: another history has them, and writing the record
    /// with this one would lose them.
    pub fn unknown(&self, stored: &Stored) -> Vec<String> {
        let mut out = Vec::new();
        unknown(&self.scope, &stored.keep, &mut out);
        out
    }

    /// Drops what only retired versions could see from a state that is written at a live moment.
    pub(super) fn forgotten(&self, t: Time, state: &mut State) {
        Forgetting { cuts: &self.cuts, lost: Vec::new() }.state(&self.scope, t, state, &Value::Null, &[]);
    }

    /// Whether anything is kept that only retired versions could see.
    fn holds_dead(&self, scope: &Scope, keep: &Keep) -> bool {
        let node = |key: &str| scope.nodes.iter().position(|node| node.key == *key);
        let entry = |(key, entry): &(String, Entry)| {
            let Some(node) = node(key) else { return false };
            let elements = scope.nodes[node].elements.as_deref();
            let inner = |elements| entry.items.iter().any(|item| self.holds_dead(elements, &item.keep));
            scope.is_dead(node) || elements.is_some_and(inner)
        };
        let lineage = |key: &str| node(key).and_then(|node| scope.nodes[node].lineage);
        let dead = |key: &str| lineage(key).is_some_and(|lineage| scope.is_dead_lineage(lineage));
        keep.entries.iter().any(entry)
            || keep.extras.iter().chain(&keep.apart).any(|(key, _)| dead(key))
            || keep.layouts.iter().any(|(version, _)| self.cuts.time(*version).is_some_and(|t| scope.is_past(t)))
    }
}

/// The way down to an element: the list or map in each scope, and the element's place in it.
type Trail<'a> = [(&'a Scope, NodeId, String)];

struct Forgetting<'h> {
    cuts: &'h Cuts,
    lost: Vec<Lost>,
}

impl Forgetting<'_> {
    fn state(&mut self, scope: &Scope, t: Time, state: &mut State, key: &Value, trail: &Trail<'_>) {
        if !scope.has_past() || scope.is_past(t) {
            return;
        }
        state.layouts.retain(|(time, _)| !scope.is_past(*time));
        self.extras(scope, state, trail);
        // What lies beneath lists first: a dead property may be computed from all of a list.
        for node in (0..scope.nodes.len()).filter(|node| !scope.is_dead(*node)) {
            if let (Cell::Elements(elements), Some(inner)) = (&mut state.cells[node], &scope.nodes[node].elements) {
                let near = scope.nodes[node].nearest(t);
                self.elements((scope, node), inner, near, elements, trail);
            }
        }
        let mut units = Units::new();
        for hidden in scope.order(t).hidden.iter().filter(|hidden| scope.is_dead(hidden.node)) {
            let computed = calc(scope, hidden, &state.cells, &mut units, key);
            let held = std::mem::replace(&mut state.cells[hidden.node], computed);
            // A conversion that failed is no value.
            if !matches!(held, Cell::Bad(_)) && !held.same(&state.cells[hidden.node]) {
                self.lose(scope, hidden.node, "", trail);
            }
        }
    }

    fn elements(&mut self, list: (&Scope, NodeId), inner: &Scope, t: Time, elements: &mut Elements, trail: &Trail<'_>) {
        let beneath = |place: String| {
            let mut beneath = trail.to_vec();
            beneath.push((list.0, list.1, place));
            beneath
        };
        match elements {
            Elements::List(items) => {
                for (i, item) in items.iter_mut().enumerate() {
                    self.state(inner, t, item, &index_key(i), &beneath(format!("[{i}]")));
                }
            }
            Elements::Map(values) => {
                for (name, value) in values {
                    let key = Value::from(name.as_str());
                    self.state(inner, t, value, &key, &beneath(format!("{{{}}}", name.as_str())));
                }
            }
        }
    }

    /// Undeclared properties go with the last of the object that they lie in.
    fn extras(&mut self, scope: &Scope, state: &mut State, trail: &Trail<'_>) {
        let dead = |home: Option<LineageId>| home.filter(|lineage| scope.is_dead_lineage(*lineage));
        for (home, object) in &state.extras {
            let Some(lineage) = dead(*home) else { continue };
            let seen = |node: &NodeId| self.last_seen(scope, *node).is_some();
            let nodes = (0..scope.nodes.len()).filter(|node| scope.nodes[*node].lineage == Some(lineage)).filter(seen);
            if let Some(last) = nodes.max_by_key(|node| scope.nodes[*node].end) {
                object.iter().for_each(|(name, _)| self.lose(scope, last, name, trail));
            }
        }
        state.extras.retain(|(home, _)| dead(*home).is_none());
    }

    /// Notes the loss of a value that a version could see; `within` names what lay in it without being declared.
    fn lose(&mut self, scope: &Scope, node: NodeId, within: &str, trail: &Trail<'_>) {
        let Some((version, t)) = self.last_seen(scope, node) else { return };
        let mut path = String::new();
        for (scope, list, place) in trail {
            path = join(&path, &path_of(scope, *list, scope.nodes[*list].nearest(t))) + place;
        }
        let path = join(&join(&path, &path_of(scope, node, t)), within);
        self.lost.push(Lost { key: scope.nodes[node].key.clone(), path, version });
    }

    /// The newest version that showed a dead node, and its moment.
    fn last_seen(&self, scope: &Scope, node: NodeId) -> Option<(u32, Time)> {
        let dead = &scope.nodes[node];
        self.cuts.last_before(dead.end).filter(|(_, t)| dead.alive(*t))
    }
}

fn unknown(scope: &Scope, keep: &Keep, out: &mut Vec<String>) {
    for (key, entry) in &keep.entries {
        match scope.nodes.iter().find(|node| node.key == *key) {
            None => out.push(key.clone()),
            Some(node) => {
                if let Some(elements) = node.elements.as_deref() {
                    entry.items.iter().for_each(|item| unknown(elements, &item.keep, out));
                }
            }
        }
    }
}
