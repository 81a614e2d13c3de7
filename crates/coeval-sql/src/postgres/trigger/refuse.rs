//! Writes that triggers refuse.

use std::fmt::Write as _;

use coeval_core::history::NodeId;

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
        for at in group.columns.iter().filter(|at| columns[**at].is_never_null()) {
            let own = group.view.entries.iter().find(|(_, column)| column == at);
            let (name, column) = (own.map_or(&columns[*at].name, |(name, _)| name), self.column(*at, "NEW"));
            // Of a row that the version cannot show, somebody else writes something.
            let mut missing = vec![format!("{column} IS NULL")];
            missing
                .extend(self.table().signs_of(*at).into_iter().map(|sign| format!("{} IS NOT TRUE", self.column(sign, "NEW"))));
            let missing = missing.join(" AND ");
            let message = format!("null value in column \"{name}\" of relation \"{relation}\" violates not-null constraint");
            let (message, name) = (string(&message, Dialect::Postgres), string(name, Dialect::Postgres));
            let _ = writeln!(
                out,
                "    IF {missing} THEN RAISE EXCEPTION USING ERRCODE = '23502', COLUMN = {name}, MESSAGE = {message}; END IF;"
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
        let raise = raise(&format!("{LOCAL} `{name}`: {}", local.reason));
        frame.local.entry(name).or_insert_with(|| local.reason.clone());
        match when {
            Truth::Never => String::new(),
            Truth::Always => format!("    {raise}\n"),
            Truth::When(condition) => format!("    IF ({condition}) THEN {raise} END IF;\n"),
        }
    }

    /// Puts into a variable whether a node could not be computed: what follows from it asks, and so does what follows from that. Where
    /// no column would say so, the write is refused.
    pub(super) fn tell(&self, node: NodeId, failed: &str, frame: &mut Frame, out: &mut String) -> String {
        let name = format!("f{node}");
        frame.variables.insert(name.clone(), "pg_catalog.bool".to_owned());
        // Writing to a string cannot fail.
        let _ = writeln!(out, "    {name} := {failed};");
        if self.failed_column(node).is_none() && !self.table().homes(node).is_empty() {
            let reason = format!("{LOCAL} `{}`: what it follows from could not be computed", self.name(node));
            let _ = writeln!(out, "    IF {name} THEN {} END IF;", raise(&reason));
        }
        name
    }

    /// The column that says that a node could not be computed.
    pub(super) fn failed_column(&self, node: NodeId) -> Option<usize> {
        self.table().failed(node)
    }

    pub(super) fn failed_before(&self, node: NodeId) -> String {
        let column = self.failed_column(node);
        column.map_or_else(|| "NULL".to_owned(), |column| self.column(column, "OLD"))
    }
}

fn raise(message: &str) -> String {
    let message = string(message, Dialect::Postgres);
    format!("RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = {message}, HINT = '{HINT}';")
}
