//! What differs between a database and what the versions make of it: columns, indexes, references, views and triggers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use coeval_plan::found::{Difference, Expected, drift};
use coeval_plan::table::{Ability, Held};
use coeval_plan::{ColumnSpec, Step};
use coeval_sql::ident;
use coeval_sql::sqlite::{Names, triggers};
use coeval_store::backend::Drift;
use coeval_store::{Catalog, Error, Result};

use crate::backend::Sqlite;
use crate::catalog::Table;
use crate::layout::Layout;
use crate::statement::Session;
use crate::{adopted, catalog, condition, execute, found, shape, state, writing};

/// Compares every table with the versions that the store came to, and the views of live versions.
pub(crate) async fn find(store: &Sqlite) -> Result<Vec<Drift>> {
    let (catalog, deployment, retired) = (Arc::clone(&store.catalog), Arc::clone(&store.deployment), Arc::clone(&store.retired));
    let look = move |session: &Session<'_>| -> Result<Vec<Drift>> {
        let ledger = state::ledger(session, &deployment)?;
        let whole = catalog;
        let catalog = retired.catalog(&whole, ledger.oldest());
        let (made, newest) = (ledger.made().min(catalog.head()), ledger.newest().unwrap_or_default());
        let mut out = Vec::new();
        for entry in &catalog.models {
            for era in entry.eras.iter().filter(|era| era.first <= made && era.end.is_none_or(|end| end > ledger.oldest())) {
                let layout = Layout::new(&catalog, entry, era, execute::last(era, made))?;
                let gone = gone(&whole, &layout, made, ledger.oldest())?;
                let live = (ledger.oldest(), newest);
                let differences = table(session, &catalog, (&layout, &gone), execute::last(era, made), live)?;
                out.extend(differences.into_iter().map(|difference| Drift { model: entry.name.clone(), difference }));
            }
        }
        Ok(out)
    };
    Ok(store.database.read("comparing the database with the versions", look).await?.unwrap_or_default())
}

/// The columns that only retired versions had need of.
fn gone(whole: &Catalog, layout: &Layout<'_>, made: u32, oldest: u32) -> Result<BTreeSet<String>> {
    let mut out = BTreeSet::new();
    let entry = whole.model(layout.model)?;
    for era in entry.eras.iter().filter(|era| era.first <= made) {
        let all = Layout::new(whole, entry, era, execute::last(era, made))?;
        if all.names == layout.names {
            let needed = coeval_plan::needed(&all.table, oldest);
            let columns = all.table.columns.iter().enumerate().filter(|(at, _)| !needed.contains(at));
            out.extend(columns.map(|(_, column)| column.name.clone()));
        }
    }
    Ok(out)
}

fn table(
    session: &Session<'_>,
    catalog: &Catalog,
    (layout, gone): (&Layout<'_>, &BTreeSet<String>),
    made: u32,
    (oldest, newest): (u32, u32),
) -> Result<Vec<Difference>> {
    let base = layout.names.base();
    let Some(there) = catalog::table(session, base)? else {
        return Ok(vec![Difference::new(format!("table `{base}`"), Some("a table".to_owned()), None)]);
    };
    let (era, ability) = (layout.era, Ability { knows_writer: true });
    let versions = coeval_store::lower::versions(catalog, era, made);
    let steps = coeval_plan::lower(layout.model, &era.history, &versions, None, made, ability);
    let unsuitable = |unsuitable: coeval_plan::table::Unsuitable| {
        Error::failed("comparing the database with the versions", unsuitable.to_string())
    };
    let steps = steps.map_err(unsuitable)?;
    let mut out = columns(session, layout, &there, &steps, gone)?;
    let live = coeval_plan::table::Table::new(&era.history, &versions, ability).map_err(unsuitable)?.retire(oldest);
    let demanded = coeval_plan::demanded(&live, made).map_err(unsuitable)?;
    out.extend(rules(&there, base, &steps, &demanded));
    let present = layout.present(session)?;
    for view in layout.table.views.iter().filter(|view| view.version >= oldest && view.version <= newest) {
        let name = Names::view(view);
        let found = writing::text(session, &name)?;
        let wanted = writing::text_of(session, layout, view, &present)?;
        if found.as_ref() != Some(&wanted) {
            out.push(Difference::new(format!("view `{name}`"), Some(wanted), found.clone()));
        }
        if found.is_none() {
            continue;
        }
        let keys = |model: &str| layout.key_type(model);
        let names = adopted::names(session, layout)?;
        let writing = triggers(&layout.table, view, &present, &names, &keys);
        let writing = writing.map_err(|unfit| session.failed(unfit.to_string(), None))?;
        for (event, wanted) in ["insert", "update", "delete"].into_iter().zip(&writing.statements) {
            out.extend(trigger(session, &Names::trigger(view, event), wanted, "a trigger of the version's view")?);
        }
    }
    let mut demanded = BTreeMap::new();
    for step in &steps {
        match (step, condition::of(step)) {
            (Step::DropCondition { .. }, Some((name, _))) => drop(demanded.remove(name)),
            (_, Some((name, known))) => drop(demanded.insert(name, known)),
            (_, None) => {}
        }
    }
    for (name, known) in demanded {
        if !coeval_plan::stays(&live, &known) {
            continue;
        }
        for (trigger_name, wanted) in condition::triggers(session, layout, name, &known)? {
            out.extend(trigger(session, &trigger_name, &wanted, &format!("a trigger that demands `{name}`"))?);
        }
    }
    Ok(out)
}

/// Compares a trigger with what it should be.
fn trigger(session: &Session<'_>, name: &str, wanted: &str, what: &str) -> Result<Option<Difference>> {
    let sql = "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND name = ?1 COLLATE nocase";
    let found: Option<String> = session.row(sql, [name], |row| row.get(0))?;
    Ok(text(&format!("trigger `{name}`"), wanted, found.as_deref(), what))
}

/// Compares two texts; tells the first line that differs.
fn text(what: &str, wanted: &str, found: Option<&str>, missing: &str) -> Option<Difference> {
    let Some(found) = found else {
        return Some(Difference::new(what, Some(missing.to_owned()), None));
    };
    let nth = wanted.lines().zip(found.lines()).position(|(wanted, found)| wanted != found);
    let nth =
        nth.or((wanted.lines().count() != found.lines().count()).then(|| wanted.lines().count().min(found.lines().count())))?;
    let line = |text: &str| Some(text.lines().nth(nth).map_or_else(|| "its end".to_owned(), |line| format!("`{}`", line.trim())));
    Some(Difference::new(format!("{what}, line {}", nth + 1), line(wanted), line(found)))
}

/// The columns and their checks.
fn columns(
    session: &Session<'_>,
    layout: &Layout<'_>,
    there: &Table,
    steps: &[Step],
    retired: &BTreeSet<String>,
) -> Result<Vec<Difference>> {
    let keys = |model: &str| layout.key_type(model);
    let native = adopted::known(session, layout)?;
    let mut specs: BTreeMap<&str, &ColumnSpec> = BTreeMap::new();
    for step in steps {
        if let Step::CreateTable { columns, .. } = step {
            specs.extend(columns.iter().map(|column| (column.name.as_str(), column)));
        } else if let Step::AddColumn { column, .. } = step {
            specs.insert(&column.name, column);
        }
    }
    let key = layout.key();
    let hides = |name: &str| execute::is_hiding(layout, name, specs.keys().copied());
    let (mut expected, mut out) = (Vec::new(), Vec::new());
    let gone = |name: &str| {
        let at = layout.table.columns.iter().position(|column| column.name == *name);
        at.is_none_or(|at| layout.table.is_gone(at) || layout.table.columns[at].held == Held::Id && layout.table.is_adopted())
    };
    for (name, spec) in &specs {
        if native.contains_key(*name) || gone(name) || retired.contains(*name) {
            continue;
        }
        let text = shape::column(session, spec, &layout.names, &keys)?;
        // A table that was there before is not made anew for what its views see to.
        let required = key.contains(name) || execute::is_never_null(spec) && !hides(name) && !layout.table.is_adopted();
        let required = required || layout.table.is_adopted() && text.default.is_some() && execute::is_never_null(spec);
        let default = text
            .default
            .map(|default| default.strip_prefix('(').and_then(|d| d.strip_suffix(')')).map_or(default.clone(), str::to_owned));
        expected.push(Expected { name: (*name).to_owned(), native: text.kind, nullable: !required, default: Some(default) });
        let Some((name, wanted)) = text.check else { continue };
        let found = there.checks.iter().find(|check| check.name.as_deref() == Some(&name)).map(|check| check.expression.clone());
        if found.as_ref() != Some(&wanted) && there.columns.iter().any(|column| column.name == spec.name) {
            out.push(Difference::new(format!("check `{name}`"), Some(wanted), found));
        }
    }
    for (name, column) in native.iter().filter(|(name, _)| !retired.contains(*name)) {
        expected.push(Expected {
            name: name.clone(),
            native: column.kind.clone(),
            nullable: !column.not_null,
            default: Some(column.default.clone()),
        });
    }
    let mut as_found = found::found(there);
    for (own, column) in as_found.columns.iter_mut().zip(&there.columns) {
        own.nullable = !column.not_null;
        own.default.clone_from(&column.default);
    }
    // What somebody adds to a table of their own is theirs.
    let foreign = |difference: &Difference| layout.table.is_adopted() && difference.expected.is_none();
    out.splice(0..0, drift(&expected, &as_found).into_iter().filter(|difference| !foreign(difference)));
    Ok(out)
}

/// Indexes and references.
fn rules(there: &Table, base: &str, steps: &[Step], demanded: &BTreeSet<String>) -> Vec<Difference> {
    let mut out = Vec::new();
    for step in steps {
        if let Step::CreateIndex { name, columns, unique, .. } = step
            && demanded.contains(name)
        {
            let columns: Vec<String> = columns.iter().map(|column| ident(column)).collect();
            let kind = if *unique { "UNIQUE INDEX" } else { "INDEX" };
            let wanted = format!("CREATE {kind} {} ON {} ({})", ident(name), ident(base), columns.join(", "));
            let found = there.indexes.iter().find(|index| index.name == *name).map(|index| index.sql.clone().unwrap_or_default());
            if found.as_ref() != Some(&wanted) {
                out.push(Difference::new(format!("index `{name}`"), Some(wanted), found));
            }
        } else if let Step::AddForeignKey { name, column, references, .. } = step
            && demanded.contains(name)
        {
            let is = |key: &catalog::ForeignKey| matches!(key.columns.as_slice(), [(own, _)] if own == column);
            if !there.foreign_keys.iter().any(is) {
                let what = format!("reference of column `{column}`");
                out.push(Difference::new(what, Some(format!("a key of `{references}`")), None));
            }
        }
    }
    out
}
