//! The views of versions and the triggers on them.

use std::collections::BTreeSet;

use coeval_plan::table::View;
use coeval_sql::ident;
use coeval_sql::sqlite::{Names, create_view, scratch_columns, triggers};
use coeval_store::Result;

use crate::layout::Layout;
use crate::statement::Session;
use crate::{adopted, condition};

/// Returns the text of a view; `None` where there is none of this name.
pub(crate) fn text(session: &Session<'_>, name: &str) -> Result<Option<String>> {
    let sql = "SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?1 COLLATE nocase";
    session.row(sql, [name], |row| row.get(0))
}

/// Returns whether the view of a version is there.
pub(crate) fn is_offered(session: &Session<'_>, layout: &Layout<'_>, version: u32) -> Result<bool> {
    let view = layout.table.views.iter().find(|view| view.version == version);
    view.map_or(Ok(false), |view| Ok(text(session, &Names::view(view))?.is_some()))
}

/// Renders a view.
pub(crate) fn text_of(session: &Session<'_>, layout: &Layout<'_>, view: &View, present: &BTreeSet<usize>) -> Result<String> {
    let made = create_view(&layout.table, view, present, &layout.names);
    made.map_err(|unfit| session.failed(unfit.to_string(), None))
}

/// Makes the views of versions that are not there.
pub(crate) fn offer(session: &Session<'_>, layout: &Layout<'_>, after: u32, up_to: u32) -> Result<()> {
    let present = layout.present(session)?;
    for view in layout.table.views.iter().filter(|view| view.version > after && view.version <= up_to) {
        if text(session, &Names::view(view))?.is_none() {
            session.batch(&text_of(session, layout, view, &present)?)?;
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

/// Makes all views that are there anew, with their triggers, for these columns of the base table.
pub(crate) fn renew(session: &Session<'_>, layout: &Layout<'_>, present: &BTreeSet<usize>) -> Result<()> {
    let keys = |model: &str| layout.key_type(model);
    let names = adopted::names(session, layout)?;
    let mut statements = Vec::new();
    let mut slots = BTreeSet::new();
    let mending = condition::mending(session, layout)?;
    // What repairs goes before what it writes through, and comes after it.
    statements.extend(mending.triggers.iter().map(|(name, _)| format!("DROP TRIGGER IF EXISTS {}", ident(name))));
    let through =
        session.rows("SELECT name FROM sqlite_schema WHERE type = 'view' AND name GLOB ?1", [Names::ALL_MENDING], |row| {
            row.get::<_, String>(0)
        })?;
    let own: BTreeSet<String> = layout.table.views.iter().map(|view| Names::view(&Names::mending(view))).collect();
    let kept: BTreeSet<String> = mending.views.iter().map(Names::view).collect();
    statements.extend(
        through
            .iter()
            .filter(|name| own.contains(*name) && !kept.contains(*name))
            .map(|name| format!("DROP VIEW {}", ident(name))),
    );
    for view in layout.table.views.iter().chain(&mending.views) {
        let before = text(session, &Names::view(view))?;
        if before.is_none() && !Names::is_mending(view) {
            continue;
        }
        // A newer version may bring what says that an older one cannot show a row.
        let now = text_of(session, layout, view, present)?;
        if before.as_ref() != Some(&now) {
            statements.extend([format!("DROP VIEW IF EXISTS {}", ident(&Names::view(view))), now]);
        }
        let writing = triggers(&layout.table, view, present, &names, &keys);
        let writing = writing.map_err(|unfit| session.failed(unfit.to_string(), None))?;
        for event in ["insert", "update", "delete"] {
            statements.push(format!("DROP TRIGGER IF EXISTS {}", ident(&Names::trigger(view, event))));
        }
        statements.extend(writing.lookups);
        statements.extend(writing.statements);
        slots.extend(writing.scratch);
    }
    statements.extend(mending.triggers.into_iter().map(|(_, made)| made));
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
