//! What a version's own clients are held to, where older ones are not.

use std::fmt::Write as _;

use super::{Names, Writer, text};
use crate::literal::Unfit;
use crate::name::ident;
use crate::sqlite::view::held;

impl Writer<'_, '_> {
    /// Refuses a write that breaks a condition of the version, before it is done: what is written is `values`, by columns.
    pub(super) fn guard(&self, values: &[(usize, String)]) -> Result<String, Unfit> {
        let mut out = String::new();
        for guard in held(self.table(), self.view, "n", self.present)? {
            let message = text(&format!("{}: {}", Names::view(self.view), guard.violation()));
            let read = values.iter().filter(|(at, _)| guard.columns.contains(at));
            let row: Vec<String> =
                read.map(|(at, value)| format!("{value} AS {}", ident(&self.table().columns[*at].name))).collect();
            let row = if row.is_empty() { "1".to_owned() } else { row.join(", ") };
            // Writing to a string cannot fail.
            let _ = writeln!(
                out,
                "  SELECT RAISE(ABORT, {message}) FROM (SELECT {row} FROM {}) AS n WHERE ({}) IS 0;",
                self.rows(),
                guard.sql
            );
        }
        Ok(out)
    }

    /// Refuses a write of what the table computes by itself and the view only shows.
    pub(super) fn carried(&self, is_update: bool) -> String {
        let refuse = |name: &String| {
            let message = text(&format!("{}: the database computes `{name}`, and nobody writes it", Names::view(self.view)));
            let column = ident(name);
            let was = if is_update { format!("OLD.{column}") } else { "NULL".to_owned() };
            format!("  SELECT RAISE(ABORT, {message}) WHERE NEW.{column} IS NOT {was};\n")
        };
        self.view.carried.iter().map(refuse).collect()
    }
}
