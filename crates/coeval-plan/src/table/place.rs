//! Where the value of a node lies.

use std::collections::BTreeMap;

use coeval_core::history::{NodeId, Tree};

use super::{Held, Table};

/// A place of a node's value: a column, and the names that lead to it within the column's JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// The column.
    pub column: usize,
    /// The names; none where the column is the value.
    pub path: Vec<String>,
}

pub(super) fn homes(table: &Table<'_>) -> BTreeMap<NodeId, Vec<Spot>> {
    let mut homes = BTreeMap::new();
    for (at, column) in table.columns.iter().enumerate() {
        match column.held {
            Held::Shown { node, time } => walk(&table.scope().tree(node, time), at, &mut Vec::new(), &mut homes),
            Held::Hidden { node, .. } => homes.entry(node).or_insert_with(Vec::new).push(Spot { column: at, path: Vec::new() }),
            Held::Failed { .. } | Held::Unfit { .. } | Held::Id => {}
        }
    }
    homes
}

fn walk(tree: &Tree, column: usize, path: &mut Vec<String>, homes: &mut BTreeMap<NodeId, Vec<Spot>>) {
    homes.entry(tree.node()).or_default().push(Spot { column, path: path.clone() });
    if let Tree::Object(_, children) = tree {
        for (name, child) in children {
            path.push(name.clone());
            walk(child, column, path, homes);
            path.pop();
        }
    }
}
