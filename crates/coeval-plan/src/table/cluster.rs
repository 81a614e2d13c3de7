//! Clusters: nodes whose values depend on one another. What lies in different clusters is written independently.

use std::collections::{BTreeMap, BTreeSet};

use coeval_core::history::{Gate, Hidden, NodeId, Scope, Time};

use super::constant::Constants;
use super::face::Face;

/// Nodes whose values depend on one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// The nodes.
    pub nodes: BTreeSet<NodeId>,
    /// What versions show of it, oldest first; versions that follow one another and show the same are one side.
    pub sides: Vec<Side>,
}

/// What some versions show of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// The moments of the versions.
    pub times: BTreeSet<Time>,
    /// The nodes that they show.
    pub shown: BTreeSet<NodeId>,
}

impl Cluster {
    /// Returns the side that the version of a moment is on.
    pub fn side(&self, time: Time) -> Option<&Side> {
        self.sides.iter().find(|side| side.times.contains(&time))
    }
}

/// For each moment the nodes that are hidden and have to be computed: all but those that begin with a constant, the same for every
/// version that hides them. With each the number of the version from which on that is so.
pub(super) type Computed = BTreeMap<Time, BTreeMap<NodeId, usize>>;

/// Returns what has to be computed.
pub(super) fn computed(scope: &Scope, faces: &[Face<'_>]) -> Computed {
    let mut constants = Constants::new(scope, faces);
    let mut first = BTreeMap::new();
    let mut out = BTreeMap::new();
    let newest = faces.last().map_or(0, |face| face.time);
    for (at, face) in faces.iter().enumerate() {
        let order = scope.order(face.time);
        let mut since = |hidden: &Hidden| {
            // An object that begins with a constant begins with all that is in it.
            let top = top(scope, hidden.node);
            let since = match constants.of(&order, top, at) {
                Some(value) if *first.entry(top).or_insert_with(|| value.clone()) == value => constants.end(&order, top, at)?,
                Some(_) | None => at,
            };
            // What versions to come bring is none of those before.
            Some(since.max(faces.partition_point(|face| face.time < scope.nodes[hidden.node].born)))
        };
        let known = order.hidden.iter().filter(|hidden| scope.nodes[hidden.node].born <= newest);
        let nodes = known.filter_map(|hidden| Some((hidden.node, since(hidden)?)));
        out.entry(face.time).or_insert_with(|| nodes.collect());
    }
    out
}

/// The node at the top in which a node lay at its birth, if it never lay elsewhere; else itself.
fn top(scope: &Scope, node: NodeId) -> NodeId {
    let mut at = node;
    loop {
        let places = &scope.nodes[at].places;
        match places.first().and_then(|(_, place)| place.parent) {
            Some(parent) if places.iter().all(|(_, place)| place.parent == Some(parent)) => at = parent,
            Some(_) => return node,
            None if places.iter().any(|(_, place)| place.parent.is_some()) => return node,
            None => return at,
        }
    }
}

/// Clusters, as versions come.
pub(super) struct Growing<'a> {
    scope: &'a Scope,
    faces: &'a [Face<'a>],
    union: Union,
    /// What is computed from the version of a number on, at a moment.
    pending: BTreeMap<usize, Vec<(Time, NodeId)>>,
    shapes: BTreeMap<NodeId, &'a str>,
}

impl<'a> Growing<'a> {
    pub(super) fn new(scope: &'a Scope, faces: &'a [Face<'a>], computed: &Computed) -> Self {
        let mut pending: BTreeMap<usize, Vec<(Time, NodeId)>> = BTreeMap::new();
        for (time, nodes) in computed {
            for (node, since) in nodes {
                let first = faces.partition_point(|face| face.time < *time);
                pending.entry(first.max(*since)).or_default().push((*time, *node));
            }
        }
        Self { scope, faces, union: Union::new(scope.nodes.len()), pending, shapes: BTreeMap::new() }
    }

    /// Takes the next version in, which has a number.
    pub(super) fn grow(&mut self, at: usize) {
        for (time, node) in self.pending.remove(&at).unwrap_or_default() {
            let order = self.scope.order(time);
            let Some(hidden) = order.index[node].map(|at| &order.hidden[at]) else { continue };
            self.union.activate(node);
            for dep in hidden.deps.iter().copied().chain(hidden.gate.iter().flat_map(Gate::deps)) {
                self.union.join(node, dep);
            }
        }
        for entry in &self.faces[at].entries {
            for node in &entry.nodes {
                self.union.join(entry.node, *node);
                // Columns that hold the same nodes in different shapes follow one another.
                if *self.shapes.entry(*node).or_insert(&entry.signature) != entry.signature {
                    self.union.activate(*node);
                }
            }
        }
    }

    /// Returns whether something is computed among what a node depends on, and what depends on it.
    pub(super) fn has(&mut self, node: NodeId) -> bool {
        let root = self.union.find(node);
        self.union.active[root]
    }

    /// Returns the clusters in which something is computed, in the order of their first nodes.
    pub(super) fn finish(mut self) -> Vec<Cluster> {
        let mut members: BTreeMap<NodeId, BTreeSet<NodeId>> = BTreeMap::new();
        for node in (0..self.scope.nodes.len()).filter(|node| self.has(*node)).collect::<Vec<_>>() {
            members.entry(self.union.find(node)).or_default().insert(node);
        }
        members.into_values().map(|nodes| Cluster { sides: sides(&nodes, self.faces), nodes }).collect()
    }
}

/// Returns for each version whether it matters which version a new row comes from, as far as the versions up to it go.
pub(super) fn marks(faces: &[Face<'_>], computed: &Computed) -> Vec<bool> {
    let mut shown: BTreeSet<NodeId> = BTreeSet::new();
    let (mut hidden, mut later) = (BTreeSet::new(), BTreeSet::new());
    let mut shapes: BTreeMap<NodeId, &str> = BTreeMap::new();
    let mut marked = false;
    let mut marks = Vec::new();
    for (at, face) in faces.iter().enumerate() {
        later.extend(computed[&face.time].iter().map(|(node, since)| (*since, *node)));
        let others = later.split_off(&(at + 1, 0));
        hidden.extend(std::mem::replace(&mut later, others).into_iter().map(|(_, node)| node));
        for entry in &face.entries {
            shown.extend(&entry.nodes);
            for node in &entry.nodes {
                marked |= *shapes.entry(*node).or_insert(&entry.signature) != entry.signature;
            }
        }
        marked |= !hidden.is_disjoint(&shown);
        marks.push(marked);
    }
    marks
}

fn sides(nodes: &BTreeSet<NodeId>, faces: &[Face<'_>]) -> Vec<Side> {
    let mut sides: Vec<Side> = Vec::new();
    for face in faces {
        let shown: BTreeSet<NodeId> =
            face.entries.iter().flat_map(|entry| &entry.nodes).copied().filter(|node| nodes.contains(node)).collect();
        match sides.last_mut() {
            Some(side) if side.shown == shown => {
                side.times.insert(face.time);
            }
            _ => sides.push(Side { times: BTreeSet::from([face.time]), shown }),
        }
    }
    sides
}

/// Sets that grow together, each active or not.
struct Union {
    parents: Vec<usize>,
    active: Vec<bool>,
}

impl Union {
    fn new(count: usize) -> Self {
        Self { parents: (0..count).collect(), active: vec![false; count] }
    }

    fn find(&mut self, node: usize) -> usize {
        let mut root = node;
        while self.parents[root] != root {
            root = self.parents[root];
        }
        let mut at = node;
        while self.parents[at] != root {
            at = std::mem::replace(&mut self.parents[at], root);
        }
        root
    }

    fn activate(&mut self, node: usize) {
        let root = self.find(node);
        self.active[root] = true;
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        let (low, high) = (a.min(b), a.max(b));
        self.active[low] |= self.active[high];
        self.parents[high] = low;
    }
}
