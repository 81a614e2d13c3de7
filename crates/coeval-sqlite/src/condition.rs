//! Conditions that people demand of records: triggers on the base table, which refuse what makes them false.

use coeval_sql::{Dialect, ident, string};
use coeval_store::event::Failure;
use coeval_store::{Error, Result};

use crate::execute::failures;
use crate::layout::Layout;
use crate::statement::Session;

/// Renders a condition on a row.
fn render(layout: &Layout<'_>, (expr, at): (&str, u32), row: &str) -> Result<String> {
    let unsupported = |unfit: coeval_sql::Unfit| Error::Unsupported {
        what: format!("a condition of `{}` in SQLite", layout.model),
        reason: unfit.to_string(),
    };
    coeval_sql::condition(&layout.table, layout.view(at)?, expr, row, Dialect::Sqlite).map_err(unsupported)
}

/// The columns that have to be there.
pub(crate) fn columns(layout: &Layout<'_>, at: u32) -> Vec<String> {
    let shown = layout.table.view(at).into_iter().flat_map(|view| &view.entries);
    shown.map(|(_, column)| layout.table.columns[*column].name.clone()).collect()
}

/// Names the rows that do not fulfil a condition.
pub(crate) fn broken(session: &Session<'_>, layout: &Layout<'_>, name: &str, rule: (&str, u32)) -> Result<Vec<Failure>> {
    let condition = format!("({}) IS 0", render(layout, rule, "t")?);
    failures(session, layout, &condition, &format!("`{name}` does not hold: {}", rule.0))
}

fn trigger(layout: &Layout<'_>, name: &str, event: &str) -> String {
    ident(&format!("{}_{name}_{event}", layout.names.base()))
}

/// Makes it a rule that a condition never is false.
pub(crate) fn add(session: &Session<'_>, layout: &Layout<'_>, name: &str, rule: (&str, u32)) -> Result<()> {
    let message = string(&format!("{}: `{name}` does not hold: {}", layout.model, rule.0), Dialect::Sqlite);
    let (table, condition) = (layout.names.table(), render(layout, rule, "NEW")?);
    drop(session, layout, name)?;
    for event in ["insert", "update"] {
        session.batch(&format!(
            "CREATE TRIGGER {} BEFORE {} ON {table} WHEN ({condition}) IS 0 BEGIN\n  SELECT RAISE(ABORT, {message});\nEND",
            trigger(layout, name, event),
            event.to_uppercase()
        ))?;
    }
    Ok(())
}

/// Takes the rule back.
pub(crate) fn drop(session: &Session<'_>, layout: &Layout<'_>, name: &str) -> Result<()> {
    for event in ["insert", "update"] {
        session.batch(&format!("DROP TRIGGER IF EXISTS {}", trigger(layout, name, event)))?;
    }
    Ok(())
}
