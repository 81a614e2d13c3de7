//! What a write through a version costs beside what it writes: the values that other versions show of the same.

use std::collections::BTreeSet;

use super::{Held, Table};

/// What a write of properties costs that depend on one another with others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// The versions that show the same columns of them, oldest first.
    pub versions: Vec<u32>,
    /// What the properties are called at the newest of these versions.
    pub properties: Vec<String>,
    /// How many columns are computed when one of them is written.
    pub computed: usize,
}

impl Table<'_> {
    /// Returns what writes cost, for each part of the table in which values depend on one another, and each way to write it. What is
    /// not named costs nothing.
    pub fn costs(&self) -> Vec<Cost> {
        let mut out: Vec<Cost> = Vec::new();
        for cluster in &self.clusters {
            let stored: BTreeSet<usize> = (0..self.columns.len())
                .filter(|at| !self.is_gone(*at))
                .filter(|at| match self.columns[*at].held {
                    Held::Shown { node, .. } | Held::Hidden { node, .. } => cluster.nodes.contains(&node),
                    Held::Failed { .. } | Held::Unfit { .. } | Held::Id => false,
                })
                .collect();
            let mut sides: Vec<(BTreeSet<usize>, Cost)> = Vec::new();
            for view in &self.views {
                let entries: Vec<&(String, usize)> = view.entries.iter().filter(|(_, at)| stored.contains(at)).collect();
                let shown: BTreeSet<usize> = entries.iter().map(|(_, at)| *at).collect();
                if shown.is_empty() {
                    continue;
                }
                let properties = entries.iter().map(|(name, _)| name.clone()).collect();
                if let Some((_, cost)) = sides.iter_mut().find(|(known, _)| *known == shown) {
                    cost.versions.push(view.version);
                    cost.properties = properties;
                } else {
                    let computed = stored.len() - shown.len();
                    sides.push((shown, Cost { versions: vec![view.version], properties, computed }));
                }
            }
            out.extend(sides.into_iter().map(|(_, cost)| cost).filter(|cost| cost.computed > 0));
        }
        out
    }
}
