//! Rows of a table as total states of records, and back: for what a database cannot compute, and the core does.
//!
//! A row is the values of its columns by their places in the table, `None` for NULL. What no column holds follows from what the
//! columns do hold.

use std::collections::{BTreeMap, BTreeSet};

use coeval_core::history::{Gate, LineageId, NodeId, Time};
use coeval_core::lens::{Cell, Keep, META, Refused, State, Stored, raised, recomputed, rendered};
use coeval_core::schema::Type;
use coeval_core::value::{Object, Text, Value};

use super::elements::{Told, merged};
use super::{Held, Table, View};

/// What is known of a row.
#[derive(Debug, Clone, Copy)]
pub struct Known<'r> {
    /// The values, by the columns' places.
    pub values: &'r [Option<Value>],
    /// The columns whose values count.
    pub columns: &'r BTreeSet<usize>,
    /// What an archive has of the record as the version shows it.
    pub kept: Option<&'r Value>,
    /// What nodes hold that is not computed, whatever the columns say.
    pub given: &'r BTreeMap<NodeId, Cell>,
    /// What is not declared in objects, whatever the columns say.
    pub extras: &'r [(LineageId, Object)],
}

impl Table<'_> {
    /// The version that gave the model the shape it has at a version.
    fn shape(&self, version: u32) -> u32 {
        self.history.versions().rev().find(|known| *known <= version).unwrap_or(version)
    }

    /// Returns what a version shows of a row: its document, whether or not the version can show it.
    pub fn document(&self, values: &[Option<Value>], view: &View) -> Value {
        let model = self.model(view);
        let mut out = Object::new();
        for (name, at) in &view.entries {
            let column = &self.columns[*at];
            if column.held == Held::Id && model.is_none_or(|model| model.properties.get(name).is_none()) {
                continue;
            }
            match &values[*at] {
                Some(value) => drop(out.insert(name.as_str(), value.clone())),
                None if !column.is_json() => {
                    let property = model.and_then(|model| model.properties.get(name));
                    if property.is_some_and(|property| property.required && property.nullable) {
                        out.insert(name.as_str(), Value::Null);
                    }
                }
                None => {}
            }
        }
        Value::Object(out)
    }

    /// Returns the total state of a record: what its row says, and what follows from that for a reader at a version.
    ///
    /// # Errors
    /// A version that does not exist, and what was kept and cannot be read.
    pub fn state(&self, known: &Known<'_>, view: &View) -> Result<State, Refused> {
        let shape = self.shape(view.version);
        let mut document = self.document(known.values, view);
        let mut notes = None;
        let mut state = match known.kept {
            None => self.history.born(shape, &document)?,
            Some(kept) => {
                if let Value::Object(object) = &mut document {
                    object.insert(META, kept.clone());
                }
                let stored = Stored::from_value(document, shape)?;
                let state = self.history.state(&stored)?;
                notes = Some(stored.keep);
                state
            }
        };
        let (mut fixed, mut moved) = (BTreeSet::new(), BTreeSet::new());
        for node in 0..self.scope().nodes.len() {
            let given = known.given.get(&node).cloned();
            // Elements have states of their own, which a column of one shape does not tell.
            let told = || {
                self.cell(known, node).filter(|cell| self.scope().nodes[node].elements.is_none() || matches!(cell, Cell::Bad(_)))
            };
            if let Some(cell) = given.or_else(told) {
                fixed.insert(node);
                // No column says yet that it could not be computed; what was kept does.
                let is_silent = self.failed(node).is_none_or(|sign| !known.columns.contains(&sign));
                if known.kept.is_some() && is_silent && matches!((&cell, &state.cells[node]), (Cell::Absent, Cell::Bad(_))) {
                    continue;
                }
                if !cell.same(&state.cells[node]) {
                    moved.insert(node);
                }
                state.cells[node] = cell;
            }
        }
        moved.extend(self.merge(known, view, &mut state));
        self.extras(known, &mut state);
        self.follow(known, view, &fixed, moved, notes.as_ref(), &mut state);
        Ok(state)
    }

    /// Computes anew what no column holds and follows from what moved: from nodes that are otherwise in their columns than in what
    /// was computed, or was kept. The rest is what it was.
    fn follow(
        &self,
        known: &Known<'_>,
        view: &View,
        fixed: &BTreeSet<NodeId>,
        mut moved: BTreeSet<NodeId>,
        notes: Option<&Keep>,
        state: &mut State,
    ) {
        if moved.is_empty() {
            return;
        }
        let scope = self.scope();
        let mut again = recomputed(scope, view.time, state, &Value::Null);
        let mut since = BTreeSet::new();
        for hidden in &self.order(view).hidden {
            let node = hidden.node;
            let deps = || hidden.deps.iter().copied().chain(hidden.gate.iter().flat_map(Gate::deps));
            // A value of its own does not follow, nor do elements that columns hold.
            let own = |notes: &Keep| notes.get(&scope.nodes[node].key).is_some_and(|entry| entry.of.is_none());
            let elements = scope.nodes[node].elements.is_some() && self.lies(known, node);
            let stays = fixed.contains(&node) || elements || hidden.sticky && notes.is_some_and(own);
            if stays || !deps().any(|dep| moved.contains(&dep)) {
                continue;
            }
            if deps().any(|dep| since.contains(&dep)) {
                again = recomputed(scope, view.time, state, &Value::Null);
                since.clear();
            }
            if let Some(cell) = again[node].clone().filter(|cell| !cell.same(&state.cells[node])) {
                state.cells[node] = cell;
                moved.insert(node);
                since.insert(node);
            }
        }
    }

    /// The oldest view that shows a column, and the column's name there.
    fn shows(&self, at: usize) -> Option<(&View, &str)> {
        self.views.iter().find_map(|view| {
            let entry = view.entries.iter().find(|(_, column)| *column == at);
            entry.map(|(name, _)| (view, name.as_str()))
        })
    }

    fn lies(&self, known: &Known<'_>, node: NodeId) -> bool {
        self.homes(node).iter().any(|spot| known.columns.contains(&spot.column))
    }

    /// What a row says about a node, in the columns that count.
    fn cell(&self, known: &Known<'_>, node: NodeId) -> Option<Cell> {
        if self.failed(node).is_some_and(|at| says(known, at)) {
            return Some(Cell::Bad("a conversion failed when the record was written".into()));
        }
        let spot = self.homes(node).iter().find(|spot| known.columns.contains(&spot.column))?;
        let column = &self.columns[spot.column];
        let value = inner(known.values[spot.column].as_ref(), &spot.path);
        let is_object = self.scope().nodes[node].lineage.is_some();
        Some(match value {
            Some(Value::Object(_)) if is_object => Cell::Value(Value::Object(Object::new())),
            Some(value) => Cell::Value(value.clone()),
            None if spot.path.is_empty() && !column.is_json() && column.property.required && column.property.nullable => {
                Cell::Value(Value::Null)
            }
            None => Cell::Absent,
        })
    }

    /// Adds to the elements of lists and maps what columns say that have them in the shapes of other moments; returns which lists
    /// and maps that changes.
    fn merge(&self, known: &Known<'_>, view: &View, state: &mut State) -> BTreeSet<NodeId> {
        let scope = self.scope();
        let mut changed = BTreeSet::new();
        let whole = |node: &usize| !self.failed(*node).is_some_and(|at| says(known, at));
        for node in (0..scope.nodes.len()).filter(|node| scope.nodes[*node].elements.is_some()).filter(whole) {
            let shown = |column: usize| view.entries.iter().any(|(_, own)| *own == column);
            let partial = |time: Time| self.unfit(node, time).is_some_and(|at| says(known, at));
            let told = self.homes(node).iter().filter(|spot| known.columns.contains(&spot.column) && !shown(spot.column));
            let mut told: Vec<Told> = told
                .map(|spot| {
                    let time = self.time_of(spot.column, node);
                    let value = inner(known.values[spot.column].as_ref(), &spot.path);
                    let cell = value.map_or(Cell::Absent, |value| raised(scope, node, time, value));
                    Told { time, cell, partial: partial(time) }
                })
                .collect();
            // What is whole tells more.
            told.sort_by_key(|told| told.partial);
            let own = state.cells[node].clone();
            let base = self.spot(view, node).map(|_| (view.time, partial(view.time)));
            let merged = merged(scope, node, base, own, told);
            if !merged.same(&state.cells[node]) {
                state.cells[node] = merged;
                changed.insert(node);
            }
        }
        changed
    }

    /// Returns the moment whose shape of a node a column has.
    pub fn time_of(&self, column: usize, node: NodeId) -> Time {
        match self.columns[column].held {
            Held::Shown { time, .. } | Held::Hidden { time, .. } => time,
            Held::Failed { .. } | Held::Unfit { .. } | Held::Id => self.scope().nodes[node].born,
        }
    }

    /// Returns whether one of some columns can hold a property of an object that is not declared.
    pub fn holds_undeclared(&self, lineage: LineageId, name: &str, columns: &dyn Fn(usize) -> bool) -> bool {
        let scope = self.scope();
        let holds = |at: usize| {
            self.nodes_in(at).into_iter().filter(|node| scope.nodes[*node].lineage == Some(lineage)).any(|node| {
                let time = self.time_of(at, node);
                let is_open = matches!(&scope.nodes[node].property(time).ty, Type::Object(properties) if properties.additional);
                is_open && !scope.children(Some(node), time).iter().any(|child| scope.nodes[*child].place(time).name == name)
            })
        };
        (0..self.columns.len()).any(|at| columns(at) && !self.is_gone(at) && holds(at))
    }

    /// What is not declared in objects that the version does not show as they are.
    fn extras(&self, known: &Known<'_>, state: &mut State) {
        let scope = self.scope();
        for (lineage, object) in known.extras {
            for (name, value) in object {
                add_extra(state, *lineage, name, value);
            }
        }
        for at in known.columns {
            let Held::Shown { time, .. } = self.columns[*at].held else { continue };
            for node in 0..scope.nodes.len() {
                let Some(lineage) = scope.nodes[node].lineage else { continue };
                let Some(spot) = self.homes(node).iter().find(|spot| spot.column == *at) else { continue };
                let Some(Value::Object(object)) = inner(known.values[*at].as_ref(), &spot.path) else { continue };
                let declared: Vec<&str> =
                    scope.children(Some(node), time).iter().map(|child| scope.nodes[*child].place(time).name.as_str()).collect();
                for (name, value) in object.iter().filter(|(name, _)| !declared.contains(&name.as_str())) {
                    add_extra(state, lineage, name, value);
                }
            }
        }
    }

    /// Returns what a column holds of a state; `None` for NULL.
    ///
    /// # Errors
    /// A version that does not exist.
    pub fn held(&self, state: &State, at: usize) -> Result<Option<Value>, Refused> {
        let column = &self.columns[at];
        let native = |node: NodeId| match &state.cells[node] {
            Cell::Value(Value::Null) if !column.is_json() => None,
            cell => rendered(self.scope(), node, self.time_of(at, node), cell),
        };
        Ok(match column.held {
            Held::Id => None,
            Held::Failed { node } => matches!(state.cells[node], Cell::Bad(_)).then_some(Value::Bool(true)),
            Held::Unfit { node, time } => self.misfit(state, node, time).is_some().then_some(Value::Bool(true)),
            Held::Hidden { node, .. } => native(node),
            Held::Shown { node, .. } if !column.is_json() => native(node),
            Held::Shown { .. } => {
                // As the oldest version has it that shows it.
                let Some((view, name)) = self.shows(at) else { return Ok(None) };
                let shown = self.history.sealed(state, self.shape(view.version))?;
                shown.document.as_object().and_then(|object| object.get(name)).cloned()
            }
        })
    }
}

/// Adds what is not declared in an object, unless it is known otherwise.
fn add_extra(state: &mut State, lineage: LineageId, name: &Text, value: &Value) {
    match state.extras.iter_mut().find(|(home, _)| *home == Some(lineage)) {
        Some((_, object)) if object.get(name).is_some() => {}
        Some((_, object)) => object.push(name.clone(), value.clone()),
        None => state.extras.push((Some(lineage), [(name.clone(), value.clone())].into_iter().collect())),
    }
}

/// Whether a column says that something could not be computed.
fn says(known: &Known<'_>, at: usize) -> bool {
    known.columns.contains(&at) && known.values[at] == Some(Value::Bool(true))
}

/// The value at the end of names that lead into objects.
fn inner<'v>(value: Option<&'v Value>, path: &[String]) -> Option<&'v Value> {
    path.iter().fold(value, |value, name| value.and_then(|value| value.as_object()?.get(name)))
}
