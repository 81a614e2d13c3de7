//! The statements of steps, for people to read before anything runs.

use coeval_core::schema::Policy;
use coeval_plan::table::{Table, View};
use coeval_plan::{Condition, Step};
use coeval_sql::{Dialect, ident, postgres};
use coeval_store::{Backend as _, Error, Result};

use crate::backend::PostgresBackend;
use crate::layout::Layout;
use crate::offer::is_beneath;

/// Returns the statements that a step comes down to, as far as they follow from the versions. What is found out under way is not
/// among them: which rows are in a batch, what is there already.
pub(crate) async fn script(backend: &PostgresBackend, step: &Step) -> Result<Vec<String>> {
    let ledger = backend.ledger().await?;
    let head = backend.catalog().head();
    let layouts: Vec<Layout<'_>> = backend.layouts();
    let unfit = |e: coeval_sql::Unfit| Error::failed(step.to_string(), e.to_string());
    if let Step::CreateViews { from, to } = step {
        let mut out = Vec::new();
        for layout in &layouts {
            let table = layout.table(last(layout, *to))?;
            let keys = |model: &str| layout.key_type(model);
            let now = layout.table(last(layout, *from))?;
            let named = |table: &Table<'_>, at: usize| table.columns[at].name.clone();
            // What older ones show may move to other columns.
            let moves = |view: &View| {
                let now = now.view(view.version).into_iter().flat_map(|view| &view.entries).map(|(_, at)| named(&now, *at));
                view.version <= *from && !now.eq(view.entries.iter().map(|(_, at)| named(&table, *at)))
            };
            let live: Vec<u32> =
                table.views.iter().map(|view| view.version).filter(|version| *version >= ledger.oldest()).collect();
            let mut any_moves = false;
            for view in table.views.iter().filter(|view| live.contains(&view.version) && view.version <= *to) {
                let all = || postgres::create_view(&table, view, &layout.names, &keys).map_err(unfit);
                if view.version > *from {
                    out.extend(all()?);
                } else if moves(view) {
                    out.extend(all()?.into_iter().filter(|made| is_beneath(made, view, &layout.names)));
                    any_moves = true;
                }
            }
            if any_moves {
                let local = |e: coeval_sql::Local| Error::failed(step.to_string(), e.to_string());
                let triggers = postgres::triggers(&table, &live, &live, &layout.names, &keys).map_err(local)?;
                out.extend(triggers.into_iter().flat_map(|triggers| [triggers.insert, triggers.update]));
            }
        }
        return Ok(out);
    }
    let Some(layout) = layouts.iter().rev().find(|layout| layout.entry.name == step.model() && layout.era.first <= head) else {
        return Ok(Vec::new());
    };
    let names = &layout.names;
    let keys = |model: &str| layout.key_type(model);
    let local = |e: coeval_sql::Local| Error::failed(step.to_string(), e.to_string());
    let table = layout.table(last(layout, head))?;
    let find = |name: &str| table.columns.iter().position(|column| column.name == name);
    let alter = |what: String| vec![format!("ALTER TABLE {} {what}", names.table)];
    Ok(match step {
        Step::CreateTable { columns, .. } if layout.adopted.is_none() => {
            let at: Vec<usize> = columns.iter().filter_map(|column| find(&column.name)).collect();
            postgres::create_table(&table, &at, names, &keys).map_err(unfit)?
        }
        Step::AddColumn { column, .. } => match find(&column.name) {
            Some(at) => vec![postgres::add_column(&table, at, names, &keys).map_err(unfit)?],
            None => alter(format!("ADD COLUMN {} integer", ident(&column.name))),
        },
        Step::DropColumn { column, .. } => alter(format!("DROP COLUMN {}", ident(&column.name))),
        Step::ForgetColumn { column, .. } => alter(format!("DROP COLUMN {}", ident(column))),
        Step::RebuildTriggers { to, .. } | Step::WatchColumns { to, .. } => {
            let in_force = ledger.in_force().unwrap_or_default();
            let limit = if matches!(step, Step::WatchColumns { .. }) { *to } else { in_force };
            let table = layout.table(last(layout, *to))?.offered_at(limit);
            let live: Vec<u32> =
                table.views.iter().map(|view| view.version).filter(|version| *version >= ledger.oldest()).collect();
            let watched: Vec<u32> = live.iter().copied().filter(|version| *version <= limit).collect();
            match postgres::triggers(&table, &live, &watched, names, &keys).map_err(local)? {
                None => Vec::new(),
                Some(triggers) if matches!(step, Step::WatchColumns { .. }) => postgres::create_triggers(&triggers, names, false),
                Some(triggers) => {
                    let mut out = triggers.helpers.clone();
                    out.extend([triggers.insert.clone(), triggers.update.clone()]);
                    out.extend(postgres::create_triggers(&triggers, names, false));
                    out
                }
            }
        }
        Step::Backfill { from, to, columns, .. } => {
            let table = layout.table(last(layout, *to))?.offered_at(*from);
            let at: Vec<usize> = (0..table.columns.len()).filter(|at| columns.contains(&table.columns[*at].name)).collect();
            let view = table.views.iter().rev().find(|view| view.version <= *from);
            match view.map(|view| postgres::fill(&table, view, &at, names, &keys)).transpose().map_err(local)?.flatten() {
                Some(fill) if !fill.set.is_empty() => {
                    vec![format!("UPDATE {} AS t SET {} WHERE …a batch of keys…", names.table, fill.set)]
                }
                Some(_) | None => Vec::new(),
            }
        }
        Step::AddCheck { column, .. } => match find(&column.name).and_then(|at| postgres::column_check(&table.columns[at])) {
            Some(check) => {
                let name = names.constraint(&format!("{}_check", column.name));
                let mut out = alter(format!("ADD CONSTRAINT {name} CHECK ({check}) NOT VALID"));
                out.extend(alter(format!("VALIDATE CONSTRAINT {name}")));
                out
            }
            None => Vec::new(),
        },
        Step::AddCondition { name, expr, at, policy, .. } => {
            let whole = layout.whole(last(layout, head))?;
            match policy {
                Policy::Reject => {
                    let check = coeval_sql::condition(&whole, *at, expr, "", Dialect::Postgres).map_err(unfit)?;
                    let name = names.constraint(name);
                    let mut out = alter(format!("ADD CONSTRAINT {name} CHECK ({check}) NOT VALID"));
                    out.extend(alter(format!("VALIDATE CONSTRAINT {name}")));
                    out
                }
                // The views do it.
                Policy::Quarantine => Vec::new(),
                Policy::Repair(_) => {
                    let known = Condition { expr: expr.clone(), at: *at, policy: policy.clone() };
                    let repair = postgres::repair(&whole, name, &known, names, &keys).map_err(unfit)?;
                    let (set, broken) = (repair.set, repair.broken);
                    let mut out = repair.statements;
                    out.push(format!("UPDATE {} AS t SET {set} WHERE {broken} AND …a batch of keys…", names.table));
                    out
                }
            }
        }
        Step::SetNotNull { column, .. } => alter(format!("ALTER COLUMN {} SET NOT NULL", ident(column))),
        Step::DropNotNull { column, .. } => alter(format!("ALTER COLUMN {} DROP NOT NULL", ident(column))),
        Step::CreateIndex { name, columns, unique, .. } => {
            let columns: Vec<String> = columns.iter().map(|column| ident(column)).collect();
            let kind = if *unique { "UNIQUE INDEX" } else { "INDEX" };
            vec![format!("CREATE {kind} CONCURRENTLY {} ON {} ({})", ident(name), names.table, columns.join(", "))]
        }
        Step::CreateTable { .. }
        | Step::MoveRecords { .. }
        | Step::ForgetRecords { .. }
        | Step::SetTableAside { .. }
        | Step::Archive { .. }
        | Step::DropCheck { .. }
        | Step::DropIndex { .. }
        | Step::AddForeignKey { .. }
        | Step::DropForeignKey { .. }
        | Step::DropCondition { .. }
        | Step::CreateViews { .. }
        | Step::DropViews { .. }
        | Step::RetireViews { .. }
        | Step::ForgetTable { .. }
        | Step::Standalone { .. } => Vec::new(),
        Step::Sql { up, .. } => vec![up.clone()],
    })
}

/// Returns what of a step the database cannot compute, and what that means.
pub(crate) async fn remarks(backend: &PostgresBackend, step: &Step) -> Result<Vec<String>> {
    let ledger = backend.ledger().await?;
    let head = backend.catalog().head();
    let layouts = backend.layouts();
    let found = layouts.iter().rev().find(|layout| layout.entry.name == step.model() && layout.era.first <= head);
    let Some(layout) = found else { return Ok(Vec::new()) };
    let keys = |model: &str| layout.key_type(model);
    let local = |e: coeval_sql::Local| Error::failed(step.to_string(), e.reason);
    match step {
        Step::Backfill { from, to, columns, .. } => {
            let table = layout.table(last(layout, *to))?.offered_at(*from);
            let at: Vec<usize> = (0..table.columns.len()).filter(|at| columns.contains(&table.columns[*at].name)).collect();
            let view = table.views.iter().rev().find(|view| view.version <= *from);
            let fill = view.map(|view| postgres::fill(&table, view, &at, &layout.names, &keys)).transpose().map_err(local)?;
            let streamed = fill.flatten().map(|fill| fill.streamed).unwrap_or_default();
            let one = |streamed: &postgres::Streamed| {
                format!("streams `{}` through coeval: {}", table.columns[streamed.column].name, streamed.reason)
            };
            let shown = |streamed: &&postgres::Streamed| !table.is_sign(streamed.column);
            Ok(streamed.iter().filter(shown).map(one).collect())
        }
        Step::RebuildTriggers { to, .. } => {
            let table = layout.table(last(layout, *to))?;
            let live: Vec<u32> =
                table.views.iter().map(|view| view.version).filter(|version| *version >= ledger.oldest()).collect();
            let triggers = postgres::triggers(&table, &live, &live, &layout.names, &keys).map_err(local)?;
            let Some(triggers) = triggers else { return Ok(Vec::new()) };
            let one =
                |(name, reason): &(String, String)| format!("refuses writes in plain SQL that `{name}` follows from: {reason}");
            let mut out: Vec<String> = triggers.local.iter().map(one).collect();
            let partly = triggers.partly.iter().filter(|name| !triggers.local.iter().any(|(known, _)| known == *name));
            out.extend(partly.map(|name| {
                format!("refuses writes in plain SQL that `{name}` follows from, where letters beyond ASCII change their case")
            }));
            Ok(out)
        }
        Step::MoveRecords { .. }
        | Step::ForgetRecords { .. }
        | Step::CreateTable { .. }
        | Step::SetTableAside { .. }
        | Step::AddColumn { .. }
        | Step::DropColumn { .. }
        | Step::Archive { .. }
        | Step::AddCheck { .. }
        | Step::DropCheck { .. }
        | Step::SetNotNull { .. }
        | Step::DropNotNull { .. }
        | Step::CreateIndex { .. }
        | Step::DropIndex { .. }
        | Step::AddForeignKey { .. }
        | Step::DropForeignKey { .. }
        | Step::AddCondition { .. }
        | Step::DropCondition { .. }
        | Step::WatchColumns { .. }
        | Step::CreateViews { .. }
        | Step::DropViews { .. }
        | Step::RetireViews { .. }
        | Step::ForgetColumn { .. }
        | Step::ForgetTable { .. }
        | Step::Sql { .. }
        | Step::Standalone { .. } => Ok(Vec::new()),
    }
}

/// The newest version of an era up to one.
fn last(layout: &Layout<'_>, version: u32) -> u32 {
    layout.era.end.map_or(version, |end| version.min(end.saturating_sub(1)))
}
