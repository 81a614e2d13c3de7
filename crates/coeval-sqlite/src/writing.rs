//! The views of versions and the triggers on them.

use std::collections::BTreeSet;

use coeval_plan::table::View;
use coeval_sql::ident;
use coeval_sql::sqlite::{Names, create_view, scratch_columns, triggers};
use coeval_store::Result;

use crate::layout::Layout;
use crate::statement::Session;

/// Returns whether there is a view of this name.
fn is_view(session: &Session<'_>, name: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'view' AND name = ?1 COLLATE nocase";
    Ok(session.row(sql, [name], |_| Ok(()))?.is_some())
}

/// Makes the views of versions that are not there.
pub(crate) fn offer(session: &Session<'_>, layout: &Layout<'_>, after: u32, up_to: u32) -> Result<()> {
    for view in layout.table.views.iter().filter(|view| view.version > after && view.version <= up_to) {
        if !is_view(session, &Names::view(view))? {
            session.batch(&create_view(&layout.table, view, &layout.names))?;
        }
    }
    Ok(())
}

/// Takes the views of versions away.
pub(crate) fn withdraw(session: &Session<'_>, layout: &Layout<'_>, which: impl Fn(&View) -> bool) -> Result<()> {
    for view in layout.table.views.iter().filter(|view| which(view)) {
        session.batch(&format!("DROP VIEW IF EXISTS {}", ident(&Names::view(view))))?;
    }
    Ok(())
}

/// Makes the triggers of all views that are there anew, for these columns of the base table.
pub(crate) fn renew(session: &Session<'_>, layout: &Layout<'_>, present: &BTreeSet<usize>) -> Result<()> {
    let keys = |model: &str| layout.key_type(model);
    let mut statements = Vec::new();
    let mut slots = BTreeSet::new();
    for view in &layout.table.views {
        if !is_view(session, &Names::view(view))? {
            continue;
        }
        let writing = triggers(&layout.table, view, present, &layout.names, &keys);
        let writing = writing.map_err(|unfit| session.failed(unfit.to_string(), None))?;
        for event in ["insert", "update", "delete"] {
            statements.push(format!("DROP TRIGGER IF EXISTS {}", ident(&Names::trigger(view, event))));
        }
        statements.extend(writing.lookups);
        statements.extend(writing.statements);
        slots.extend(writing.scratch);
    }
    let scratch = ident(&layout.names.scratch());
    session.batch(&format!("DROP TABLE IF EXISTS {scratch}"))?;
    if !statements.is_empty() {
        let columns = scratch_columns(&layout.table, present, &slots, &keys);
        session.batch(&format!("CREATE TABLE {scratch} ({})", columns.join(", ")))?;
    }
    for statement in &statements {
        session.batch(statement)?;
    }
    Ok(())
}
