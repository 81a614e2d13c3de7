//! The columns of a table, and which of them a version shows.

use std::collections::{BTreeMap, BTreeSet};

use coeval_core::Value;
use coeval_core::history::{HiddenRule, History, NodeId, Scope, Time};
use coeval_core::schema::{Property, Type};

use super::cluster::{Cluster, computed};
use super::constant::Constants;
use super::face::{Face, FaceEntry, is_json};
use super::name::Names;
use super::sign::need;
use super::total::Failures;
use super::{Ability, ID, View};

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub held: Held,
    /// Its type and facets, as the first version that shows it declares them.
    pub property: Property,
    /// The version that brought it.
    pub since: u32,
    /// What a row begins with that is born at a version which hides the column, where that is always the same; the inner `None`
    /// is absence.
    #[allow(clippy::option_option, reason = "unknown, absent, or a value")]
    pub constant: Option<Option<Value>>,
    /// Whether it is part of the key.
    pub key: bool,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// A property at the top, an object with all that is in it, as a moment has it.
    Shown {
        /// The node at the top.
        node: NodeId,
        /// The moment.
        time: Time,
    },
    /// A node that no version shows, as JSON.
    Hidden {
        /// The node.
        node: NodeId,
    },
    /// Whether a node's value could not be computed, so that versions which show it cannot show the row.
    Failed {
        /// The node.
        node: NodeId,
    },
    /// Whether what versions of a moment need of a node does not fit, though it did not fail itself, so that they cannot show the row: an
    /// element of a list or map could not be computed, or it is missing, or has a value, in an object that has another one elsewhere.
    Unfit {
        /// The node.
        node: NodeId,
        /// The moment.
        time: Time,
    },
    /// The key of a model that declares none.
    Id,
}

impl Column {
    /// Returns whether its values are JSON, in which absent (NULL) and null can be told apart.
    pub fn is_json(&self) -> bool {
        match self.held {
            Held::Hidden { .. } => true,
            Held::Shown { .. } | Held::Failed { .. } | Held::Unfit { .. } | Held::Id => is_json(&self.property.ty),
        }
    }

    /// Returns whether every row has a value in it, once all were filled. What no version shows may lie in an object that is not there.
    pub fn is_never_null(&self) -> bool {
        let hidden = matches!(self.held, Held::Hidden { .. });
        self.property.required && !self.property.nullable && self.property.ty != Type::Json && !hidden
    }
}

/// What a column says to have failed: a node, or what moments need of it.
type Failing = (NodeId, Option<(Option<String>, Option<NodeId>)>);

/// Gathers columns in the order of versions.
#[derive(Debug)]
pub(super) struct Columns<'h> {
    history: &'h History,
    names: Names,
    all: Vec<Column>,
    /// By signature and writers.
    known: BTreeMap<(String, BTreeSet<NodeId>), usize>,
    failed: BTreeMap<Failing, usize>,
    writers: Vec<BTreeMap<NodeId, BTreeSet<NodeId>>>,
}

impl<'h> Columns<'h> {
    pub(super) fn new(history: &'h History, faces: &[Face<'_>], clusters: &[Cluster], ability: Ability) -> Self {
        let writers = if ability.knows_writer {
            faces.iter().map(|_| BTreeMap::new()).collect()
        } else {
            writers(history.scope(), faces, clusters)
        };
        let mut names = Names::default();
        names.reserve(MARKER);
        for own in SYSTEM {
            names.reserve(own);
        }
        let mut all = Self { history, names, all: Vec::new(), known: BTreeMap::new(), failed: BTreeMap::new(), writers };
        let mut failures = Failures::before(history.scope());
        for (at, face) in faces.iter().enumerate() {
            if at == 0 && face.key.is_empty() && !face.entries.iter().any(|entry| entry.name == ID) {
                all.id(face.version);
            }
            for entry in &face.entries {
                all.take(at, face, entry, &mut failures);
            }
            all.hidden(faces, at, clusters, &mut failures);
            all.ended(&faces[..at], face);
        }
        all
    }

    fn id(&mut self, version: u32) {
        let property = Property::new(Type::Uuid).required();
        let name = self.names.give(ID, version);
        self.all.push(Column { name, held: Held::Id, property, since: version, constant: None, key: true });
    }

    fn key_of(&self, at: usize, face: &Face<'_>, entry: &FaceEntry<'_>) -> (String, BTreeSet<NodeId>) {
        let is_key = face.key.iter().any(|name| name == entry.name);
        let writers = entry.nodes.iter().filter(|_| !is_key).filter_map(|node| self.writers[at].get(node)).flatten();
        (entry.signature.clone(), writers.copied().collect())
    }

    fn take(&mut self, at: usize, face: &Face<'_>, entry: &FaceEntry<'_>, failures: &mut Failures<'_>) {
        let key = self.key_of(at, face, entry);
        if self.known.contains_key(&key) {
            return;
        }
        self.known.insert(key, self.all.len());
        let node = entry.node;
        self.all.push(Column {
            name: self.names.give(entry.name, face.version),
            held: Held::Shown { node, time: face.time },
            property: entry.property.clone(),
            since: face.version,
            constant: None,
            key: face.key.iter().any(|name| name == entry.name),
        });
        self.failing(failures, face, entry, face.version);
    }

    /// Gives what can fail of an entry, as a version shows it, columns that say so.
    fn failing(&mut self, failures: &mut Failures<'_>, face: &Face<'_>, entry: &FaceEntry<'_>, since: u32) {
        for node in &entry.nodes {
            if failures.can_fail(*node) {
                self.fail((*node, None), Held::Failed { node: *node }, entry.name, since);
            }
            if failures.can_be_unfit(*node, face.time) || failures.can_be_misplaced(*node, face.time) {
                let need = need(self.history.scope(), *node, face.time);
                self.fail((*node, Some(need)), Held::Unfit { node: *node, time: face.time }, entry.name, since);
            }
        }
    }

    /// Gives the nodes that a version hides which can then fail to have a value, a column that says so: from that version on.
    fn ended(&mut self, before: &[Face<'_>], face: &Face<'_>) {
        let mut failures = Failures::after(self.history.scope(), face.time);
        for older in before {
            for entry in &older.entries {
                self.failing(&mut failures, older, entry, face.version);
            }
        }
        // Others follow from what no version shows.
        let hidden = self.all.iter().filter_map(|column| match column.held {
            Held::Hidden { node } => Some((node, column.name.clone())),
            Held::Shown { .. } | Held::Failed { .. } | Held::Unfit { .. } | Held::Id => None,
        });
        for (node, name) in hidden.collect::<Vec<_>>() {
            if failures.can_fail(node) {
                self.fail((node, None), Held::Failed { node }, &name, face.version);
            }
        }
    }

    fn fail(&mut self, failing: Failing, held: Held, name: &str, since: u32) {
        if self.failed.contains_key(&failing) {
            return;
        }
        self.failed.insert(failing, self.all.len());
        self.all.push(Column {
            name: self.names.give(&format!("{name}_failed"), since),
            held,
            property: Property::new(Type::Boolean),
            since,
            constant: Some(None),
            key: false,
        });
    }

    /// Gives the nodes that no version shows, and that ended since the last version, columns of their own.
    fn hidden(&mut self, faces: &[Face<'_>], at: usize, clusters: &[Cluster], failures: &mut Failures<'_>) {
        let scope = self.history.scope();
        let (from, to) = (at.checked_sub(1).map_or(0, |before| faces[before].time), faces[at].time);
        for (id, node) in scope.nodes.iter().enumerate() {
            let unseen = node.born > from && node.end <= to;
            if unseen && clusters.iter().any(|cluster| cluster.nodes.contains(&id)) && !is_link(scope, id) {
                let wanted = node.key.split('@').next().unwrap_or_default().replace(['.', '[', ']', '{', '}'], "_");
                let property = node.property(node.born).as_ref().clone();
                let held = Held::Hidden { node: id };
                let name = self.names.give(&wanted, faces[at].version);
                let since = faces[at].version;
                self.all.push(Column { name, held, property, since, constant: None, key: false });
                if failures.can_fail(id) {
                    self.fail((id, None), Held::Failed { node: id }, &wanted, since);
                }
            }
        }
    }

    /// Returns what each version shows.
    pub(super) fn views(&mut self, faces: &[Face<'_>], marks: &[bool]) -> Vec<View> {
        self.constants(faces);
        let id = self.all.iter().position(|column| column.held == Held::Id);
        let view = |(at, face): (usize, &Face<'_>)| {
            let mut entries: Vec<(String, usize)> = id.map(|id| (ID.to_owned(), id)).into_iter().collect();
            for entry in &face.entries {
                let key = self.key_of(at, face, entry);
                entries.push((entry.name.to_owned(), self.known[&key]));
            }
            let failing = face.entries.iter().flat_map(|entry| &entry.nodes);
            let failing =
                failing.flat_map(|node| [None, Some(need(self.history.scope(), *node, face.time))].map(|need| (*node, need)));
            let hiding = failing.filter_map(|failing| self.failed.get(&failing).copied()).collect();
            let name = face.model.to_owned();
            View { version: face.version, time: face.time, name, entries, hiding, marked: marks[at] }
        };
        faces.iter().enumerate().map(view).collect()
    }

    fn constants(&mut self, faces: &[Face<'_>]) {
        let scope = self.history.scope();
        let mut constants = Constants::new(scope, faces);
        for column in &mut self.all {
            let Held::Shown { node, .. } = column.held else { continue };
            let hides = |face: &Face<'_>| !face.entries.iter().any(|entry| entry.node == node);
            let brought = faces.iter().position(|face| face.version == column.since).unwrap_or_default();
            let hiding = faces.iter().position(hides);
            column.constant = hiding.and_then(|hiding| constants.of(&scope.order(faces[hiding].time), node, hiding.max(brought)));
        }
    }

    pub(super) fn finish(self) -> Vec<Column> {
        self.all
    }
}

/// The column that carries the version of the writer into the triggers. It never holds anything.
pub const MARKER: &str = "_w";

/// Columns that every table of a database has by itself, so that none of ours can be called so; a view can have them.
const SYSTEM: [&str; 9] = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid", "rowid", "oid", "_rowid_"];

/// Returns whether a node is only a link of a chain: one thing gives it, it gives one thing, both ways, and nobody else reads
/// it. It is computed whenever its neighbours change, and nothing of it is kept (rule R8).
fn is_link(scope: &Scope, node: NodeId) -> bool {
    let one = |recipe: Option<(usize, usize)>| {
        recipe.is_some_and(|(recipe, _)| {
            let recipe = &scope.recipes[recipe];
            recipe.is_single() && !recipe.sticky && recipe.deps.len() == 1
        })
    };
    let readers = scope.recipes.iter().filter(|recipe| recipe.deps.contains(&node)).count();
    let places = &scope.nodes[node].places;
    let stays = places.iter().all(|(_, place)| place.parent == places[0].1.parent);
    one(scope.nodes[node].up) && one(scope.nodes[node].down) && readers == 2 && stays && scope.nodes[node].lineage.is_none()
}

/// For each version and each node that it shows: the nodes that follow from it, are hidden from the version, and are shown by
/// another version that shows it too. A write of the node means different things at the two.
fn writers(scope: &Scope, faces: &[Face<'_>], clusters: &[Cluster]) -> Vec<BTreeMap<NodeId, BTreeSet<NodeId>>> {
    let computed = computed(scope, faces);
    let shown: Vec<BTreeSet<NodeId>> =
        faces.iter().map(|face| face.entries.iter().flat_map(|entry| entry.nodes.iter().copied()).collect()).collect();
    let one = |(at, face): (usize, &Face<'_>)| {
        let order = scope.order(face.time);
        let mut follow: BTreeMap<NodeId, BTreeSet<NodeId>> = BTreeMap::new();
        let mut reached: BTreeMap<NodeId, BTreeSet<NodeId>> = BTreeMap::new();
        for hidden in &order.hidden {
            if !clusters.iter().any(|cluster| cluster.nodes.contains(&hidden.node)) {
                continue;
            }
            // Presence alone is not a value that a version shows in a column of its own.
            let from: BTreeSet<NodeId> = match hidden.rule {
                HiddenRule::Recipe(..) | HiddenRule::Lineage { .. } | HiddenRule::Kids { .. } => hidden
                    .deps
                    .iter()
                    .flat_map(|dep| reached.get(dep).cloned().unwrap_or_else(|| BTreeSet::from([*dep])))
                    .collect(),
            };
            if computed[&face.time].contains_key(&hidden.node) {
                for dep in from.iter().filter(|dep| shown[at].contains(dep)) {
                    follow.entry(*dep).or_default().insert(hidden.node);
                }
            }
            reached.insert(hidden.node, from);
        }
        for (dep, nodes) in &mut follow {
            nodes.retain(|node| shown.iter().any(|other| other.contains(dep) && other.contains(node)));
        }
        follow.retain(|_, nodes| !nodes.is_empty());
        follow
    };
    faces.iter().enumerate().map(one).collect()
}
