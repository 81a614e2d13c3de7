//! Which versions write the same columns of a cluster, so that they share the code for it.

use std::collections::BTreeSet;

use coeval_core::history::NodeId;
use coeval_plan::table::{Cluster, Held, Table, View};

/// Versions that follow one another and write the same columns of a cluster.
#[derive(Debug, Clone)]
pub(crate) struct Group<'t> {
    /// The oldest of them.
    pub(crate) view: &'t View,
    /// The columns of the cluster that they show.
    pub(crate) columns: Vec<usize>,
    /// The nodes of the cluster that they show.
    pub(crate) shown: BTreeSet<NodeId>,
}

/// Returns whether a column is one of those in which versions show what is in a cluster.
pub(crate) fn is_shown_of(table: &Table<'_>, cluster: &Cluster, column: usize) -> bool {
    match table.columns[column].held {
        Held::Shown { node, .. } => cluster.nodes.contains(&node),
        Held::Hidden { .. } | Held::Failed { .. } | Held::Unfit { .. } | Held::Id => false,
    }
}

/// Returns the groups of a cluster among live versions, oldest first.
pub(crate) fn groups<'t>(table: &'t Table<'_>, cluster: &Cluster, live: &[u32]) -> Vec<Group<'t>> {
    let mut groups: Vec<Group<'t>> = Vec::new();
    for view in table.views.iter().filter(|view| live.contains(&view.version)) {
        let columns: Vec<usize> =
            view.entries.iter().map(|(_, column)| *column).filter(|column| is_shown_of(table, cluster, *column)).collect();
        let same = |group: &Group<'_>| group.columns.iter().collect::<BTreeSet<_>>() == columns.iter().collect::<BTreeSet<_>>();
        if groups.last().is_some_and(same) {
            continue;
        }
        let order = table.order(view);
        let shown = order.shown.iter().copied().filter(|node| cluster.nodes.contains(node)).collect();
        groups.push(Group { view, columns, shown });
    }
    groups
}
