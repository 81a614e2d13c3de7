//! Writes that triggers refuse.

use std::fmt::Write as _;

use coeval_core::history::NodeId;

use super::super::table::is_hiding;
use super::dirty::Truth;
use super::{Frame, Part};
use crate::dialect::Dialect;
use crate::expr::Local;
use crate::group::Group;
use crate::name::string;

/// What a write is refused with that would need something computed which the database cannot.
pub const LOCAL: &str = "PostgreSQL cannot compute";

/// What to do about it.
pub(crate) const HINT: &str = "Write this record with coeval, which computes it.";

impl Part<'_, '_> {
    /// Refuses a write without what its own version requires, as the table would. The table would name another version's column
    /// first, which has no value because this one has none.
    pub(super) fn require(&self, group: &Group<'_>) -> String {
        let mut out = String::new();
        let (columns, relation) = (&self.table().columns, &self.table().name);
        let required = |at: &&usize| columns[**at].is_never_null() && !is_hiding(self.table(), &columns[**at]);
        for at in group.columns.iter().filter(required) {
            let (name, column) = (&columns[*at].name, self.column(*at, "NEW"));
            let message = format!("null value in column \"{name}\" of relation \"{relation}\" violates not-null constraint");
            let (message, name) = (string(&message, Dialect::Postgres), string(name, Dialect::Postgres));
            let _ = writeln!(
                out,
                "    IF {column} IS NULL THEN\n      RAISE EXCEPTION USING ERRCODE = '23502', COLUMN = {name}, MESSAGE = {message};\n    END IF;"
            );
        }
        out
    }

    /// The name of a node's property.
    fn name(&self, node: NodeId) -> String {
        self.table().scope().nodes[node].key.split('@').next().unwrap_or_default().to_owned()
    }

    /// Notes it where a text may refuse to compute a node.
    pub(super) fn note(&self, node: NodeId, sql: &str, frame: &mut Frame) {
        if self.compute.helpers.beyond().is_some_and(|refusal| sql.contains(&refusal)) {
            frame.partly.insert(self.name(node));
        }
    }

    /// Refuses a write that would need a node to be computed, which the database cannot do.
    pub(super) fn cannot(&self, node: NodeId, local: &Local, when: &Truth, frame: &mut Frame) -> String {
        let name = self.name(node);
        let message = string(&format!("{LOCAL} `{name}`: {}", local.reason), Dialect::Postgres);
        frame.local.entry(name).or_insert_with(|| local.reason.clone());
        let raise = format!("RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = {message}, HINT = '{HINT}';");
        match when {
            Truth::Never => String::new(),
            Truth::Always => format!("    {raise}\n"),
            Truth::When(condition) => format!("    IF ({condition}) THEN\n      {raise}\n    END IF;\n"),
        }
    }
}
