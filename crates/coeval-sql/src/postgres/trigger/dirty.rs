//! Which nodes a write changes, as conditions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use coeval_core::history::{Gate, Hidden, NodeId};

use super::{Frame, Part};
use crate::group::Group;

/// Whether something changed, as far as it is known beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Truth {
    Never,
    Always,
    When(String),
}

impl Truth {
    pub(super) fn sql(&self) -> String {
        match self {
            Self::Never => "FALSE".to_owned(),
            Self::Always => "TRUE".to_owned(),
            Self::When(condition) => condition.clone(),
        }
    }
}

/// Which nodes a write changes.
pub(super) struct Dirty(pub(super) BTreeMap<NodeId, Truth>);

impl Dirty {
    /// The shown nodes: those whose values differ.
    pub(super) fn new(part: &Part<'_, '_>, group: &Group<'_>, frame: &mut Frame, out: &mut String) -> Self {
        if group.shown.len() == 1 {
            return Self(group.shown.iter().map(|only| (*only, Truth::Always)).collect());
        }
        let mut known = BTreeMap::new();
        for node in &group.shown {
            let Some(spot) = part.table().spot(group.view, *node) else { continue };
            let flag = format!("d{node}");
            let old = part.compute.stored(*node, spot.column, &spot.path, "OLD");
            let [now, old] = [part.slot(*node), format!("({old})")].map(|value| part.compute.exact(*node, value));
            let _ = writeln!(out, "    {flag} := {now} IS DISTINCT FROM {old};");
            frame.variables.insert(flag.clone(), "pg_catalog.bool".to_owned());
            known.insert(*node, Truth::When(flag));
        }
        Self(known)
    }

    /// Whether something changed that a node follows from.
    pub(super) fn by(&self, hidden: &Hidden) -> Truth {
        self.any(hidden.deps.iter().copied().chain(hidden.gate.iter().flat_map(Gate::deps)))
    }

    pub(super) fn any(&self, nodes: impl Iterator<Item = NodeId>) -> Truth {
        let mut conditions = BTreeSet::new();
        for node in nodes {
            match self.0.get(&node) {
                None | Some(Truth::Never) => {}
                Some(Truth::Always) => return Truth::Always,
                Some(Truth::When(condition)) => {
                    conditions.insert(condition.clone());
                }
            }
        }
        if conditions.is_empty() { Truth::Never } else { Truth::When(conditions.into_iter().collect::<Vec<_>>().join(" OR ")) }
    }
}
