//! What the columns that a version does not show become, and what is refused since the database cannot compute it.

use std::collections::BTreeSet;

use coeval_core::history::{Hidden, NodeId};
use coeval_plan::table::Held;

use super::{At, LOCAL, Names, Row, Writer, text, too_deep};
use crate::compute::{Computed, stored};
use crate::expr::Local;
use crate::expr::sqlite::fits;
use crate::name::ident;

impl<'c> Writer<'c, '_> {
    /// Refuses a write that would need a node to be computed, which the database cannot do.
    pub(super) fn cannot(&mut self, node: NodeId, local: Local, condition: Option<&str>) -> String {
        let out = self.refuse(node, &local, condition);
        if !self.local.iter().any(|(known, _)| *known == node) {
            self.local.push((node, local));
        }
        out
    }

    fn refuse(&self, node: NodeId, local: &Local, condition: Option<&str>) -> String {
        let name = self.table().scope().nodes[node].key.split('@').next().unwrap_or_default();
        let message = format!("{}: {LOCAL} `{name}` ({}): write this record with coeval", Names::view(self.view), local.reason);
        let raise = format!("RAISE(ABORT, {})", text(&message));
        match condition {
            None => format!("  SELECT {raise};\n"),
            Some(condition) => {
                let (scratch, side) = (self.scratch(), self.side());
                format!("  SELECT {raise} FROM {scratch} WHERE {side} = 1 AND ({condition});\n")
            }
        }
    }

    /// What the columns that the version does not show become, where a write can change them; and what comes before, where that
    /// cannot be computed.
    pub(super) fn puts(&mut self) -> (String, Vec<(usize, String)>) {
        let (mut before, mut out) = (String::new(), Vec::new());
        for at in self.unseen() {
            let own = format!("n.{}", ident(&self.table().columns[at].name));
            let value = match self.table().columns[at].held {
                Held::Shown { node, .. } | Held::Hidden { node, .. } if self.direct(node) != Some(at) => match self.put(at) {
                    Ok(kept) => kept.unwrap_or(own),
                    Err(local) => {
                        before.push_str(&self.cannot_put(at, node, local));
                        own
                    }
                },
                Held::Unfit { node, time } => self.compute.misfit(node, time, &At(self, Row::New)).unwrap_or(own),
                Held::Shown { .. } | Held::Hidden { .. } | Held::Failed { .. } | Held::Id => own,
            };
            out.push((at, value));
        }
        (before, out)
    }

    /// Who writes.
    fn writer(&self) -> stored::Writer<'c> {
        stored::Writer { view: self.view, new: "n", old: self.is_update.then_some("o"), kept: None }
    }

    /// What a column becomes that the version does not show.
    fn put(&self, at: usize) -> Result<Option<String>, Local> {
        if let Some(local) = self.table().nodes_in(at).iter().find_map(|node| self.blind.get(node)) {
            return Err(local.clone());
        }
        let kept = self.compute.kept(at, &At(self, Row::New), &self.writer())?;
        match kept {
            Some(kept) if !fits(&kept) => Err(too_deep()),
            kept => Ok(kept),
        }
    }

    /// Refuses a write that changes anything in a column which the database cannot put together.
    fn cannot_put(&mut self, at: usize, node: NodeId, local: Local) -> String {
        if !self.is_update {
            return self.cannot(node, local, None);
        }
        let nodes = self.table().nodes_in(at);
        let mut changed: BTreeSet<String> = nodes.iter().filter_map(|node| self.dirty.get(node)).flatten().cloned().collect();
        let mut sets = Vec::new();
        for node in nodes {
            let written = |row| self.compute.written_undeclared(&self.writer(), at, node, row);
            let Some((new, old)) = written("n").zip(written("o")) else { continue };
            let flag = self.extra('u', node);
            changed.insert(self.at(Row::Own, &flag));
            sets.push((ident(&flag), format!("{new} IS NOT {old}")));
        }
        let condition = if changed.is_empty() { "0".to_owned() } else { changed.into_iter().collect::<Vec<_>>().join(" OR ") };
        self.compare(&sets) + &self.cannot(node, local, Some(&condition))
    }

    /// Refuses a write where a node, or what it is computed from, cannot be computed, and no column says so: what follows from it is
    /// not computed here.
    pub(super) fn refuse_failed(&self, hidden: &Hidden, computed: &Computed, condition: Option<&str>) -> String {
        let says = |node: &NodeId| self.failed_column(*node).map(|column| format!("{}.{column} IS 1", self.scratch()));
        if self.failed_column(hidden.node).is_some() {
            return String::new();
        }
        let mut failed: Vec<String> = hidden.deps.iter().filter_map(says).collect();
        failed.extend(computed.failed.clone());
        if failed.is_empty() {
            return String::new();
        }
        let failed = failed.join(" OR ");
        let when = condition.map_or_else(|| failed.clone(), |condition| format!("({condition}) AND ({failed})"));
        self.refuse(hidden.node, &Local::new("what it follows from could not be computed", &(0..0)), Some(&when))
    }
}
