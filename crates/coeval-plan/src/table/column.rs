//! The columns of a table, and which of them a version shows.

use std::collections::{BTreeMap, BTreeSet};

use coeval_core::Value;
use coeval_core::history::{History, Node, NodeId, Scope, Time};
use coeval_core::schema::{Property, Type};

use super::cluster::{Computed, Growing};
use super::constant::Constants;
use super::face::{Face, FaceEntry, elements_signature, is_json};
use super::name::Names;
use super::sign::need;
use super::total::Failures;
use super::writers::{Turns, turns};
use super::{Ability, ID, Moved, View};

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
    /// A node that no version shows as a moment has it, as JSON.
    Hidden {
        /// The node.
        node: NodeId,
        /// The moment.
        time: Time,
        /// When what is in it and in no other column has ended.
        end: Time,
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
    /// By what it shows, and what follows from writes of it.
    known: BTreeMap<(String, BTreeSet<NodeId>), usize>,
    failed: BTreeMap<Failing, usize>,
    turns: Turns,
    /// What each version shows, in the order of its entries.
    slots: Vec<Vec<Slot>>,
    /// The nodes that no version shows as a moment has them and that have no column so far.
    unseen: Vec<Unseen>,
}

/// A node that no version shows as a moment has it.
#[derive(Debug, Clone, Copy)]
struct Unseen {
    node: NodeId,
    time: Time,
    /// When it, or the elements that nobody shows, have ended.
    end: Time,
}

/// The column of what a version shows.
#[derive(Debug)]
struct Slot {
    column: usize,
    /// What follows from writes of it at the version, and does not at others which show both.
    followers: BTreeSet<NodeId>,
    /// The columns that it had before, each with the version that came then.
    moved: Vec<(u32, usize)>,
}

impl<'h> Columns<'h> {
    pub(super) fn new(
        history: &'h History,
        faces: &[Face<'_>],
        computed: &Computed,
        clusters: &mut Growing<'_>,
        ability: Ability,
    ) -> Self {
        let turns = if ability.knows_writer { Turns::new() } else { turns(history.scope(), faces, computed) };
        let mut names = Names::default();
        names.reserve(MARKER);
        for own in SYSTEM {
            names.reserve(own);
        }
        // A table that was there before has columns that no property stands for.
        let first = history.versions().next().and_then(|first| history.model(first));
        for own in first.as_ref().and_then(|model| super::carries(model)).unwrap_or_default() {
            names.reserve(own);
        }
        let mut all = Self {
            history,
            names,
            all: Vec::new(),
            known: BTreeMap::new(),
            failed: BTreeMap::new(),
            turns,
            slots: Vec::new(),
            unseen: Vec::new(),
        };
        let mut failures = Failures::before(history.scope());
        for (at, face) in faces.iter().enumerate() {
            clusters.grow(at);
            if at == 0 && face.key.is_empty() && !face.entries.iter().any(|entry| entry.name == ID) {
                all.id(face.version);
            }
            all.take(faces, at, &mut failures);
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

    /// Gives what a version shows columns: those of older versions that show the same, where a write of it means the same. Versions
    /// that shared a column and for which it means the same no more, now that this one is there, part: it stays the oldest one's.
    fn take(&mut self, faces: &[Face<'_>], at: usize, failures: &mut Failures<'_>) {
        let face = &faces[at];
        let turns = self.turns.remove(&at).unwrap_or_default();
        let followers = |entry: &FaceEntry<'_>, of: usize| -> BTreeSet<NodeId> {
            let is_key = faces[of].key.iter().any(|name| name == entry.name);
            let turns = turns.iter().filter(|turn| !is_key && turn.face == of && entry.nodes.contains(&turn.source));
            turns.map(|turn| turn.follower).collect()
        };
        let mut parting = BTreeSet::new();
        for of in turns.iter().map(|turn| turn.face).filter(|of| *of < at).collect::<BTreeSet<_>>() {
            for (slot, entry) in self.slots[of].iter_mut().zip(&faces[of].entries) {
                let more = followers(entry, of);
                if !more.is_subset(&slot.followers) {
                    slot.followers.extend(more);
                    parting.insert(slot.column);
                }
            }
        }
        self.part(faces, at, &parting);
        let mut slots = Vec::new();
        for entry in &face.entries {
            let followers = followers(entry, at);
            let key = (entry.signature.clone(), followers.clone());
            let known = self.known.get(&key).copied();
            let column = known.unwrap_or_else(|| self.show(face, entry, face.version));
            if known.is_none() {
                self.known.insert(key, column);
                self.failing(failures, face, entry, face.version);
            }
            slots.push(Slot { column, followers, moved: Vec::new() });
        }
        self.slots.push(slots);
    }

    /// Gives the versions that part from the oldest one which shows a column others.
    fn part(&mut self, faces: &[Face<'_>], at: usize, parting: &BTreeSet<usize>) {
        if parting.is_empty() {
            return;
        }
        self.known.retain(|_, column| !parting.contains(column));
        let mut parts: BTreeMap<(usize, BTreeSet<NodeId>), usize> = BTreeMap::new();
        let mut first = BTreeSet::new();
        for (of, face) in faces[..at].iter().enumerate() {
            for (nth, entry) in face.entries.iter().enumerate() {
                let slot = &self.slots[of][nth];
                let (old, followers) = (slot.column, slot.followers.clone());
                if !parting.contains(&old) {
                    continue;
                }
                let part = (old, followers);
                let column = match parts.get(&part) {
                    Some(column) => *column,
                    None if first.insert(old) => old,
                    None => self.show(face, entry, faces[at].version),
                };
                if column != old {
                    let slot = &mut self.slots[of][nth];
                    slot.column = column;
                    slot.moved.push((faces[at].version, old));
                }
                self.known.entry((entry.signature.clone(), part.1.clone())).or_insert(column);
                parts.insert(part, column);
            }
        }
    }

    fn show(&mut self, face: &Face<'_>, entry: &FaceEntry<'_>, since: u32) -> usize {
        self.all.push(Column {
            name: self.names.give(entry.name, since),
            held: Held::Shown { node: entry.node, time: face.time },
            property: entry.property.clone(),
            since,
            constant: None,
            key: face.key.iter().any(|name| name == entry.name),
        });
        self.all.len() - 1
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
            Held::Hidden { node, .. } => Some((node, column.name.clone())),
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

    /// Gives the nodes that no version shows columns of their own, where something is computed with them; lists and maps too that no version
    /// shows as they were at a moment between two.
    fn hidden(&mut self, faces: &[Face<'_>], at: usize, clusters: &mut Growing<'_>, failures: &mut Failures<'_>) {
        let scope = self.history.scope();
        let (from, to) = (at.checked_sub(1).map_or(0, |before| faces[before].time), faces[at].time);
        let ended = |(_, node): &(usize, &Node)| node.born > from && node.end <= to;
        let ended = scope.nodes.iter().enumerate().filter(ended).map(|(id, _)| id).filter(|id| !is_link(scope, *id));
        self.unseen.extend(ended.map(|id| Unseen { node: id, time: scope.nodes[id].born, end: scope.nodes[id].end }));
        for (id, node) in scope.nodes.iter().enumerate().filter(|(_, node)| node.born <= to) {
            unseen_elements((id, node), node, (from, to), node.end, &mut self.unseen);
        }
        let (now, later): (Vec<_>, _) =
            std::mem::take(&mut self.unseen).into_iter().partition(|unseen| clusters.has(unseen.node));
        self.unseen = later;
        for Unseen { node: id, time, end } in now {
            let shape = elements_signature(scope, id, time);
            let known = self.all.iter_mut().find_map(|column| match &mut column.held {
                Held::Hidden { node, time, end } if *node == id && elements_signature(scope, id, *time) == shape => Some(end),
                Held::Hidden { .. } | Held::Shown { .. } | Held::Failed { .. } | Held::Unfit { .. } | Held::Id => None,
            });
            if let Some(known) = known {
                *known = end.max(*known);
                continue;
            }
            let node = &scope.nodes[id];
            let wanted = node.key.split('@').next().unwrap_or_default().replace(['.', '[', ']', '{', '}'], "_");
            let property = node.property(time).as_ref().clone();
            let held = Held::Hidden { node: id, time, end };
            let since = faces[at].version;
            let name = self.names.give(&wanted, since);
            self.all.push(Column { name, held, property, since, constant: None, key: false });
            let mut after = faces[..at].iter().map(|face| Failures::after(scope, face.time));
            if failures.can_fail(id) || after.any(|mut after| after.can_fail(id)) {
                self.fail((id, None), Held::Failed { node: id }, &wanted, since);
            }
            let mut after = faces[..at].iter().map(|face| Failures::after(scope, face.time));
            if failures.can_be_unfit(id, time) || after.any(|mut after| after.can_be_unfit(id, time)) {
                self.fail((id, Some(need(scope, id, time))), Held::Unfit { node: id, time }, &wanted, since);
            }
        }
    }

    /// Returns what each version shows.
    pub(super) fn views(&mut self, faces: &[Face<'_>], marks: &[bool]) -> Vec<View> {
        self.constants(faces);
        let id = self.all.iter().position(|column| column.held == Held::Id);
        let view = |(at, face): (usize, &Face<'_>)| {
            let mut entries: Vec<(String, usize)> = id.map(|id| (ID.to_owned(), id)).into_iter().collect();
            let mut moved = Vec::new();
            for (entry, slot) in face.entries.iter().zip(&self.slots[at]) {
                let until = |(until, column): &(u32, usize)| Moved { entry: entries.len(), until: *until, column: *column };
                moved.extend(slot.moved.iter().map(until));
                entries.push((entry.name.to_owned(), slot.column));
            }
            let failing = face.entries.iter().flat_map(|entry| &entry.nodes);
            let failing =
                failing.flat_map(|node| [None, Some(need(self.history.scope(), *node, face.time))].map(|need| (*node, need)));
            let hiding = failing.filter_map(|failing| self.failed.get(&failing).copied()).collect();
            let name = face.model.to_owned();
            View { version: face.version, time: face.time, name, entries, moved, hiding, carried: Vec::new(), marked: marks[at] }
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

/// Gathers the moments of nodes in the elements of a list or map which came after one version and ended before the next, or with the list.
fn unseen_elements(list: (NodeId, &Node), node: &Node, (from, to): (Time, Time), end: Time, out: &mut Vec<Unseen>) {
    let Some(scope) = node.elements.as_deref() else { return };
    for (id, inner) in scope.nodes.iter().enumerate() {
        let end = end.min(inner.end);
        if inner.born > from && end <= to && !is_link(scope, id) {
            out.push(Unseen { node: list.0, time: list.1.nearest(inner.born), end });
        }
        unseen_elements(list, inner, (from, to), end, out);
    }
}

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
