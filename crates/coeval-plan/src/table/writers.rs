//! Where it matters which version wrote: a write of the same node means different things at versions that show other things beside it.

use std::collections::{BTreeMap, BTreeSet};

use coeval_core::history::{NodeId, Scope, Time};

use super::cluster::Computed;
use super::face::Face;

/// From some version on a node follows from what another version shows, which hides it, while a third one shows both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// The number of the version at which it follows.
    pub(super) face: usize,
    /// What it follows from.
    pub(super) source: NodeId,
    /// The node.
    pub(super) follower: NodeId,
}

/// By the number of the version from which on it is so.
pub(super) type Turns = BTreeMap<usize, Vec<Turn>>;

/// Returns where it matters which version wrote.
pub(super) fn turns(scope: &Scope, faces: &[Face<'_>], computed: &Computed) -> Turns {
    let mut shown: BTreeMap<NodeId, BTreeSet<usize>> = BTreeMap::new();
    for (at, face) in faces.iter().enumerate() {
        for node in face.entries.iter().flat_map(|entry| &entry.nodes) {
            shown.entry(*node).or_default().insert(at);
        }
    }
    let both = |a: NodeId, b: NodeId| shown.get(&a)?.intersection(shown.get(&b)?).next().copied();
    let mut known: BTreeMap<Time, Vec<(NodeId, NodeId, usize)>> = BTreeMap::new();
    let mut turns = Turns::new();
    for (at, face) in faces.iter().enumerate() {
        let pairs = known.entry(face.time).or_insert_with(|| {
            let follow = follow(scope, face.time, &computed[&face.time]).into_iter();
            follow.filter_map(|(source, node, since)| Some((source, node, since.max(both(source, node)?)))).collect()
        });
        for (source, follower, since) in pairs {
            turns.entry(at.max(*since)).or_default().push(Turn { face: at, source: *source, follower: *follower });
        }
    }
    turns
}

/// What follows from what a moment shows, with the number of the version from which on it does. Nothing follows from what is not
/// computed at the moment.
fn follow(scope: &Scope, time: Time, computed: &BTreeMap<NodeId, usize>) -> Vec<(NodeId, NodeId, usize)> {
    let order = scope.order(time);
    let mut reached: BTreeMap<NodeId, BTreeMap<NodeId, usize>> = BTreeMap::new();
    let mut out = Vec::new();
    for hidden in &order.hidden {
        let Some(own) = computed.get(&hidden.node) else { continue };
        let mut from: BTreeMap<NodeId, usize> = BTreeMap::new();
        let mut add = |source: NodeId, since: usize| {
            let known = from.entry(source).or_insert(since);
            *known = since.min(*known);
        };
        for dep in &hidden.deps {
            if order.index[*dep].is_none() {
                add(*dep, *own);
            }
            for (source, since) in reached.get(dep).into_iter().flatten() {
                add(*source, (*since).max(*own));
            }
        }
        out.extend(from.iter().map(|(source, since)| (*source, hidden.node, *since)));
        reached.insert(hidden.node, from);
    }
    out
}
