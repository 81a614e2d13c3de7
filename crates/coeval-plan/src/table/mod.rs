//! Tables: how the nodes of a model's history lie in the columns of one table, and which columns each version's view shows.
//!
//! A property at the top of a model is one column, the same for every version that shows the same node. An object is one JSON
//! column for each shape that versions give it, and so is a list or map with operations beneath it: what lies in it has nodes of
//! its own, which several such columns hold. A node that no version shows has a column of its own, and so has a list or map in a shape
//! that it has between two versions only, unless it is only a link of a chain and can be computed again whenever its neighbours change
//! (rule R8).
//!
//! Everything here follows from the history alone, in the order of versions, so that a later version never changes the columns
//! of an earlier one.

mod cluster;
mod column;
mod constant;
mod cost;
mod elements;
mod face;
mod name;
mod place;
mod record;
mod room;
mod sign;
mod total;
mod writers;

use std::collections::{BTreeMap, BTreeSet};

use coeval_core::history::{History, NodeId, Order, Scope, Time};
use coeval_core::{Model, Value};

pub use cluster::{Cluster, Side};
pub use column::{Column, Held, MARKER};
pub use cost::Cost;
pub use face::{elements_signature, is_json};
pub use name::fit;
pub use place::Spot;
pub use record::Known;
pub use room::Own;
pub use sign::Demand;

/// Why a model cannot lie in a table, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unsuitable {
    /// What is in the way.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// What a table depends on beside the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ability {
    /// Whether the store tells at which version a row is updated. Where it does not, columns that versions share are doubled
    /// where it matters which of them wrote.
    pub knows_writer: bool,
}

/// A model over its versions, as one table.
#[derive(Debug)]
pub struct Table<'h> {
    /// The model's history.
    pub history: &'h History,
    /// Its name: the model's at the first version of its era.
    pub name: String,
    /// The columns, in the order in which versions brought them.
    pub columns: Vec<Column>,
    /// What each version shows, oldest first.
    pub views: Vec<View>,
    /// The parts of the table in which values depend on one another.
    pub clusters: Vec<Cluster>,
    homes: BTreeMap<NodeId, Vec<Spot>>,
    gone: BTreeSet<usize>,
    /// The views of versions that were retired.
    past: Vec<View>,
}

/// What a version shows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The version.
    pub version: u32,
    /// Its moment.
    pub time: Time,
    /// The model's name at the version.
    pub name: String,
    /// The names and the columns, in order.
    pub entries: Vec<(String, usize)>,
    /// The columns that entries had before newer versions came, oldest first.
    pub moved: Vec<Moved>,
    /// The columns that say that this version cannot show the row.
    pub hiding: Vec<usize>,
    /// The columns that it shows beside: those of a table that was there before which no property stands for.
    pub carried: Vec<String>,
    /// Whether rows that come through this view carry the version's number, because it matters.
    pub marked: bool,
}

/// A column that a version showed something in before a newer version came, for which writes of it mean something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// The place of the entry.
    pub entry: usize,
    /// The version that came.
    pub until: u32,
    /// The column.
    pub column: usize,
}

impl View {
    /// Returns the names and the columns, as they were when a version was the newest.
    pub fn entries_at(&self, newest: u32) -> Vec<(String, usize)> {
        let then = |entry: usize| self.moved.iter().find(|moved| moved.entry == entry && moved.until > newest);
        let entries = self.entries.iter().enumerate();
        entries.map(|(at, (name, column))| (name.clone(), then(at).map_or(*column, |moved| moved.column))).collect()
    }

    /// Returns every column that it shows or showed.
    pub fn columns(&self) -> impl Iterator<Item = usize> + '_ {
        self.entries.iter().map(|(_, column)| *column).chain(self.moved.iter().map(|moved| moved.column))
    }
}

/// The names that a model says with `carries`; `None` where it says nothing, or no list of names.
fn carries(model: &Model) -> Option<Vec<&str>> {
    let Value::List(names) = model.options.get(CARRIES)? else { return None };
    names.iter().map(Value::as_str).collect()
}

/// The columns of the table that a version shows beside its properties: those that its model says with `carries`, but for one that has
/// the name of a property.
fn carried(table: &Table<'_>, view: &View) -> Result<Vec<String>, Unsuitable> {
    let Some(model) = table.model(view) else { return Ok(Vec::new()) };
    if model.options.get(CARRIES).is_none() {
        return Ok(Vec::new());
    }
    let unsuitable = |message: String, help: &str| Unsuitable { message, help: help.to_owned() };
    let names = carries(model).ok_or_else(|| {
        let message = format!("`{CARRIES}` of the model `{}` is no list of names", model.name);
        unsuitable(message, "it names columns of the table: `carries: [search, tags]`")
    })?;
    if !table.is_adopted() {
        let message = format!("`{CARRIES}` of the model `{}` names columns of a table that coeval makes", model.name);
        return Err(unsuitable(
            message,
            "only a table that was there before, and is named with `table:`, has columns of its own",
        ));
    }
    let is_free = |name: &&str| !view.entries.iter().any(|(shown, _)| shown == name);
    Ok(names.into_iter().filter(is_free).map(str::to_owned).collect())
}

impl<'h> Table<'h> {
    /// Lays out the table of a model for the versions given, in order. Versions that leave the model alone have views too.
    ///
    /// # Errors
    /// What a table cannot hold: a property that may be both absent and null.
    pub fn new(history: &'h History, versions: &[u32], ability: Ability) -> Result<Self, Unsuitable> {
        let first = history.versions().next().unwrap_or_default();
        let name = history.model(first).map(|model| model.name.clone()).unwrap_or_default();
        let faces = face::faces(history, versions)?;
        let computed = cluster::computed(history.scope(), &faces);
        let mut clusters = cluster::Growing::new(history.scope(), &faces, &computed);
        let mut columns = column::Columns::new(history, &faces, &computed, &mut clusters, ability);
        let clusters = clusters.finish();
        let views = columns.views(&faces, &cluster::marks(&faces, &computed));
        let mut table = Self {
            history,
            name,
            columns: columns.finish(),
            views,
            clusters,
            homes: BTreeMap::new(),
            gone: BTreeSet::new(),
            past: Vec::new(),
        };
        table.homes = place::homes(&table);
        let carried = table.views.iter().map(|view| carried(&table, view)).collect::<Result<Vec<_>, _>>()?;
        for (view, carried) in table.views.iter_mut().zip(carried) {
            view.carried = carried;
        }
        Ok(table)
    }

    /// Returns the table without the versions before one, and without the columns that only they had need of.
    #[must_use]
    pub fn retire(mut self, before: u32) -> Self {
        if self.views.iter().all(|view| view.version >= before) {
            return self;
        }
        let needed = crate::needed(&self, before);
        self.gone = (0..self.columns.len()).filter(|at| !needed.contains(at)).collect();
        let gone = &self.gone;
        for spots in self.homes.values_mut() {
            spots.retain(|spot| !gone.contains(&spot.column));
        }
        let (past, live): (Vec<View>, Vec<View>) = self.views.into_iter().partition(|view| view.version < before);
        self.past.extend(past);
        self.views = live;
        self
    }

    /// Returns the table with the views up to a version as clients have them while it is the newest that is offered: later ones may move
    /// what they show to other columns.
    #[must_use]
    pub fn offered_at(mut self, newest: u32) -> Self {
        for view in self.past.iter_mut().chain(&mut self.views).filter(|view| view.version <= newest) {
            view.entries = view.entries_at(newest);
            view.moved.retain(|moved| moved.until <= newest);
        }
        self
    }

    /// Returns whether a column is there no more, since only retired versions had need of it.
    pub fn is_gone(&self, column: usize) -> bool {
        self.gone.contains(&column)
    }

    /// Returns whether a version shows lists or maps with operations beneath: which of their items is which decides what becomes of them.
    pub fn shows_elements(&self, view: &View) -> bool {
        let has_elements = |node: &NodeId| self.scope().nodes[*node].elements.is_some();
        view.entries.iter().any(|(_, column)| self.nodes_in(*column).iter().any(has_elements))
    }

    /// Returns the column that goes on to show what one does: itself, or, where only retired versions had need of it, another one in which
    /// live versions show the same. `None` where none does.
    pub fn standing(&self, column: usize) -> Option<usize> {
        self.alike(column, |at| !self.gone.contains(&at))
    }

    /// Returns a column of some that shows the same as one does: itself, if it is one of them.
    pub fn alike(&self, column: usize, among: impl Fn(usize) -> bool) -> Option<usize> {
        if among(column) {
            return Some(column);
        }
        let (own, nodes) = (&self.columns[column], self.nodes_in(column));
        let is_twin = |at: &usize| {
            let other = &self.columns[*at];
            matches!(other.held, Held::Shown { .. }) && other.property.ty == own.property.ty && self.nodes_in(*at) == nodes
        };
        (0..self.columns.len()).filter(|at| among(*at)).find(is_twin)
    }

    /// Returns the nodes.
    pub fn scope(&self) -> &'h Scope {
        self.history.scope()
    }

    /// Returns whether the table was there before its first version, which takes it over: its columns have types of their own.
    pub fn is_adopted(&self) -> bool {
        let first = self.history.versions().next().and_then(|first| self.history.model(first));
        first.is_some_and(|model| model.options.get("table").is_some())
    }

    /// Returns the view of a version.
    pub fn view(&self, version: u32) -> Option<&View> {
        self.views.iter().find(|view| view.version == version)
    }

    /// Returns the views of all versions, those that were retired too.
    pub fn stated(&self) -> impl Iterator<Item = &View> {
        self.past.iter().chain(&self.views)
    }

    /// Returns what a version showed when it was made, retired or not, in the columns that go on to show it.
    pub fn made(&self, version: u32) -> Option<View> {
        let view = self.stated().find(|view| view.version == version)?;
        let entries = view.entries_at(version).into_iter();
        let entries = entries.filter_map(|(name, at)| Some((name, self.standing(at)?))).collect();
        Some(View { entries, moved: Vec::new(), ..view.clone() })
    }

    /// Returns what is shown at a version's moment, and how the rest follows.
    pub fn order(&self, view: &View) -> std::sync::Arc<Order> {
        self.scope().order(view.time)
    }

    /// Returns the model at a view's version.
    pub fn model(&self, view: &View) -> Option<&'h Model> {
        self.history.model(view.version).map(AsRef::as_ref)
    }

    /// Returns whether a row that is born at the version of an order has no value in a property at the top, whatever else it holds.
    pub(crate) fn begins_with_nothing(&self, order: &Order, node: NodeId) -> bool {
        constant::begins_with_nothing(self.scope(), order, node)
    }

    /// Returns everywhere that a node's value lies.
    pub fn homes(&self, node: NodeId) -> &[Spot] {
        self.homes.get(&node).map_or(&[], Vec::as_slice)
    }

    /// Returns where a node's value lies in the columns of a view.
    pub fn spot(&self, view: &View, node: NodeId) -> Option<&Spot> {
        self.homes(node).iter().find(|spot| view.entries.iter().any(|(_, column)| *column == spot.column))
    }

    /// Returns the nodes whose values lie in a column.
    pub fn nodes_in(&self, column: usize) -> Vec<NodeId> {
        let mut nodes = Vec::new();
        match self.columns[column].held {
            Held::Shown { node, time } => self.scope().tree(node, time).nodes(&mut nodes),
            Held::Hidden { node, .. } => nodes.push(node),
            Held::Failed { .. } | Held::Unfit { .. } | Held::Id => {}
        }
        nodes
    }

    /// Returns the columns that hold the key, in the key's order.
    pub fn key(&self) -> Vec<usize> {
        let Some(view) = self.views.first() else { return Vec::new() };
        let names: Vec<&str> = match self.model(view) {
            Some(model) if !model.key.is_empty() => model.key.iter().map(String::as_str).collect(),
            _ => vec![ID],
        };
        names.iter().filter_map(|name| view.entries.iter().find(|(n, _)| n == name)).map(|(_, column)| *column).collect()
    }

    /// Returns the columns that the views up to a version have need of.
    pub fn columns_up_to(&self, version: u32) -> Vec<usize> {
        (0..self.columns.len()).filter(|at| self.columns[*at].since <= version && !self.gone.contains(at)).collect()
    }
}

/// The key of a model that declares none.
pub const ID: &str = "_id";

/// The option of a model that names columns of a table that was there before which versions show beside their properties.
pub const CARRIES: &str = "carries";
