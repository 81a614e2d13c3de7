//! Steps that offer versions to clients, and take them away: the views of all models at once.

use std::collections::{BTreeMap, BTreeSet};

use coeval_plan::table::{Table, View};
use coeval_sql::postgres::{self, Names};
use coeval_sql::{fit, ident};
use coeval_store::Result;
use tokio_postgres::types::Type;

use crate::adopted::{self, Native};
use crate::archive;
use crate::error::During;
use crate::execute::Job;
use crate::layout::Layout;
use crate::rights::{Given, Relation, guarded, invoked, ordinal, rights};
use crate::table::{create_workings, drop_schema, lock, text, unfit};
use crate::trigger;

/// How many statements go to the server at once.
const AT_ONCE: usize = 100;

/// The versions of an era up to one that is offered.
fn last(layout: &Layout<'_>, version: u32) -> u32 {
    layout.era.end.map_or(version, |end| version.min(end.saturating_sub(1)))
}

/// The name of a schema of a version, not quoted.
fn schema(job: &Job<'_>, version: u32) -> String {
    ident(&fit(&format!("{}_v{version}", job.backend.state().deployment())))
}

fn copy_schema(job: &Job<'_>, version: u32) -> String {
    ident(&fit(&format!("{}_v{version}_copy", job.backend.state().deployment())))
}

/// Returns which of some versions are there for clients.
async fn offered(job: &Job<'_>, versions: &[u32]) -> Result<BTreeSet<u32>> {
    let schemas: Vec<String> = versions.iter().map(|version| schema(job, *version)).collect();
    let sql =
        "SELECT n FROM pg_catalog.unnest($1) WITH ORDINALITY AS s (name, n) WHERE pg_catalog.to_regnamespace(name) IS NOT NULL";
    let what = job.step.to_string();
    let client = job.backend.state().database().client().await?;
    let rows = client.query_typed(sql, &[(&schemas, Type::TEXT_ARRAY)]).await.during(&what)?;
    let found: Vec<usize> = rows.iter().map(ordinal).collect::<Result<_, _>>().during(&what)?;
    Ok(versions.iter().enumerate().filter(|(at, _)| found.contains(at)).map(|(_, version)| *version).collect())
}

/// Returns whether a version is there for clients.
pub(crate) async fn is_offered(job: &Job<'_>, version: u32) -> Result<bool> {
    Ok(!offered(job, &[version]).await?.is_empty())
}

/// A change of what older versions offer, since a newer one comes or goes.
struct Change {
    /// What has to be at the same moment as that clients are offered the newer one, or are not any more: what an older version shows is
    /// in another column.
    at_once: Vec<String>,
    /// On views, before anything on the table.
    views: Vec<String>,
    /// On the table.
    table: Vec<String>,
}

/// Views that are replaced lose their settings, and with them what guards rows one by one.
pub(crate) async fn secured(job: &Job<'_>, mut views: Vec<String>) -> Result<Vec<String>> {
    let relation = |made: &String| made.strip_prefix("CREATE OR REPLACE VIEW ")?.split(" AS SELECT ").next().map(str::to_owned);
    let replaced: Vec<String> = views.iter().filter_map(relation).collect();
    if !replaced.is_empty() {
        let invoked = invoked(job, &replaced).await?.into_iter();
        views.extend(invoked.map(|at| format!("ALTER VIEW {} SET (security_invoker = true)", replaced[at])));
    }
    Ok(views)
}

/// Whether a statement makes what a view reads from: what clients name stays as it is where there is something between it and the table.
pub(crate) fn is_beneath(made: &str, view: &View, names: &Names) -> bool {
    let relation = if view.marked { names.inner(view) } else { names.view(view) };
    made.starts_with(&format!("CREATE OR REPLACE VIEW {relation} "))
}

/// What the views up to the older version, and the table's defaults, have to be with the newer one beside them.
///
/// What a table that was taken over had of its own, which is in `native`, it has again where no version asks for something else.
fn beside(
    job: &Job<'_>,
    layout: &Layout<'_>,
    (old, new): (&Table<'_>, &Table<'_>),
    native: &BTreeMap<String, Native>,
) -> Result<Change> {
    let mut change = Change { at_once: Vec::new(), views: Vec::new(), table: Vec::new() };
    let keys = |model: &str| layout.key_type(model);
    let names = &layout.names;
    let common = |view: &&View| view.version >= job.oldest() && old.view(view.version).is_some();
    for view in new.views.iter().filter(common) {
        let Some(before) = old.view(view.version) else { continue };
        let named =
            |table: &Table<'_>, at: &[usize]| at.iter().map(|at| table.columns[*at].name.clone()).collect::<BTreeSet<_>>();
        let shown = |table: &Table<'_>, view: &View| -> Vec<String> {
            view.entries.iter().map(|(_, at)| table.columns[*at].name.clone()).collect()
        };
        let moves = shown(new, view) != shown(old, before);
        if moves || named(new, &view.hiding) != named(old, &before.hiding) {
            let made = postgres::create_view(new, view, names, &keys).map_err(unfit(job))?;
            let made = made.into_iter().filter(|made| is_beneath(made, view, names));
            if moves { change.at_once.extend(made) } else { change.views.extend(made) }
        }
        let defaults = |table: &Table<'_>, view: &View| -> Result<BTreeMap<String, [Option<String>; 2]>> {
            let all = postgres::view_defaults(table, view, &keys).map_err(unfit(job))?;
            let filled = adopted::filled(table, view, names, &all, native).into_iter();
            let filled = filled.map(|own| (own.column, [Some(own.value.clone()).filter(|_| !own.identity), Some(own.value)]));
            let all = all.into_iter();
            let all = all.map(|own| (own.column, [Some(own.value.clone()), Some(own.value).filter(|_| own.fills)]));
            Ok(all.chain(filled).collect())
        };
        let (was, is) = (defaults(old, before)?, defaults(new, view)?);
        for name in was.keys().chain(is.keys()).collect::<BTreeSet<_>>() {
            for (at, relation) in [names.view(view), names.copy(view)].into_iter().enumerate() {
                let value = |all: &BTreeMap<String, [Option<String>; 2]>| all.get(name).and_then(|both| both[at].clone());
                let (was, is) = (value(&was), value(&is));
                if was != is {
                    let verb = is.map_or_else(|| "DROP DEFAULT".to_owned(), |default| format!("SET DEFAULT {default}"));
                    change.views.push(format!("ALTER VIEW {relation} ALTER COLUMN {} {verb}", ident(name)));
                }
            }
        }
    }
    for column in &old.columns {
        let Some(now) = new.columns.iter().find(|now| now.name == column.name) else { continue };
        let own = native.get(&column.name);
        let default = |column| -> Result<Option<String>> {
            let wanted = postgres::column_default(column).map_err(unfit(job))?;
            Ok(wanted.or_else(|| own.and_then(|own| own.default.clone())))
        };
        let (was, is) = (default(column)?, default(now)?);
        if was != is {
            let verb = is.map_or_else(|| "DROP DEFAULT".to_owned(), |default| format!("SET DEFAULT {default}"));
            change.table.push(format!("ALTER TABLE {} ALTER COLUMN {} {verb}", names.table, ident(&column.name)));
        }
    }
    Ok(change)
}

impl Change {
    /// Returns what has to be at the same moment, with `offered` as the newest version that clients have.
    async fn at_once(&mut self, job: &Job<'_>, layout: &Layout<'_>, offered: u32) -> Result<Vec<String>> {
        let views = std::mem::take(&mut self.at_once);
        if views.is_empty() {
            return Ok(views);
        }
        let mut statements = secured(job, views).await?;
        statements.extend(trigger::functions(job, layout, offered)?);
        Ok(statements)
    }

    async fn apply(self, job: &Job<'_>, layout: &Layout<'_>) -> Result<()> {
        let mut statements = secured(job, self.views).await?;
        if !self.table.is_empty() {
            statements.push(lock(&layout.names.table));
            statements.extend(self.table);
        }
        job.transact(&statements).await
    }
}

/// Whether a model is there at both of two versions.
fn stays(layout: &Layout<'_>, low: u32, high: u32) -> bool {
    layout.era.contains(low) && layout.era.first < high
}

/// Offers versions: all that lie after one, up to another.
pub(crate) async fn create(job: &Job<'_>, from: u32, to: u32) -> Result<()> {
    let models = Offered::all(job, from, to).await?;
    let mut at_once = Vec::new();
    for Offered { layout, table, .. } in models.iter().filter(|model| stays(&model.layout, from, to)) {
        let native = adopted::known(job.backend, layout).await?;
        let mut change = beside(job, layout, (&layout.table(from)?, table), &native)?;
        at_once.extend(change.at_once(job, layout, to).await?);
        change.apply(job, layout).await?;
    }
    let versions = job.backend.catalog_versions(|version| version > from && version <= to && version >= job.oldest());
    let there = offered(job, &versions).await?;
    let missing: Vec<u32> = versions.into_iter().filter(|version| !there.contains(version)).collect();
    let mut statements = if missing.is_empty() { Vec::new() } else { create_workings(job, &workings(job)).await? };
    let at_once = at_once.into_iter().filter(|_| !missing.is_empty());
    for version in &missing {
        statements.extend(offer(job, *version, &models)?);
    }
    // Last, since clients of older versions wait from here on.
    statements.extend(at_once);
    // There may be tens of thousands, and a journey for each takes longer than what it does.
    let journeys: Vec<String> = statements.chunks(AT_ONCE).map(|statements| statements.join(";\n")).collect();
    job.transact(&journeys).await
}

/// A model whose views are offered, with what holds for all of them.
struct Offered<'c> {
    layout: Layout<'c>,
    table: Table<'c>,
    /// Whether rows are guarded one by one.
    guarded: bool,
    /// Who has which rights on the view of the version before, or on the table.
    given: Given,
    /// The columns that the table had when it was taken over.
    native: BTreeMap<String, Native>,
}

impl<'c> Offered<'c> {
    /// Returns the models that there are at the versions that lie after one, up to another.
    async fn all(job: &Job<'c>, from: u32, to: u32) -> Result<Vec<Self>> {
        let reaches = |layout: &Layout<'_>| layout.era.first <= to && layout.era.end.is_none_or(|end| end > from + 1);
        let older = |table: &Table<'_>| {
            let older = table.views.iter().rev().find(|older| older.version <= from && older.version >= job.oldest());
            older.map(|older| older.version)
        };
        let (mut models, mut tables, mut sources) = (Vec::new(), Vec::new(), Vec::new());
        for layout in job.backend.layouts().into_iter().filter(reaches) {
            let table = layout.table(last(&layout, to))?;
            let view = older(&table).and_then(|older| table.view(older));
            tables.push(layout.names.table.clone());
            sources.push(view.map_or_else(|| layout.names.table.clone(), |view| layout.names.view(view)));
            models.push((layout, table));
        }
        let guarded = guarded(job, &tables).await?;
        let rights = rights(job, &sources).await?;
        let mut out = Vec::new();
        for (at, ((layout, table), rights)) in models.into_iter().zip(rights).enumerate() {
            let given = Given::new(&table, older(&table), rights);
            let native = adopted::known(job.backend, &layout).await?;
            out.push(Self { layout, table, guarded: guarded.contains(&at), given, native });
        }
        Ok(out)
    }
}

/// The schema of what is between views and tables.
fn workings(job: &Job<'_>) -> String {
    ident(&fit(&format!("{}_w", job.backend.state().deployment())))
}

/// Renders the views of a version, the rights on them, and what they are.
fn offer(job: &Job<'_>, version: u32, models: &[Offered<'_>]) -> Result<Vec<String>> {
    let deployment = job.backend.state().deployment();
    let (own, twins, workings) = (schema(job, version), copy_schema(job, version), workings(job));
    let mut out = vec![
        format!("CREATE SCHEMA {own}"),
        format!("COMMENT ON SCHEMA {own} IS {}", text(&format!("Version {version} of {deployment}."))),
        format!("CREATE SCHEMA {twins}"),
        format!("COMMENT ON SCHEMA {twins} IS {}", text(&format!("Version {version} of {deployment}, for COPY FROM."))),
    ];
    let mut roles = BTreeSet::new();
    for Offered { layout, table, guarded, given, native } in models.iter().filter(|model| model.layout.era.contains(version)) {
        let Some(view) = table.view(version) else { continue };
        let names = &layout.names;
        let keys = |model: &str| layout.key_type(model);
        out.extend(postgres::create_view(table, view, names, &keys).map_err(unfit(job))?);
        out.extend(postgres::copy_view(table, view, names, &keys).map_err(unfit(job))?);
        let own = if native.is_empty() { Vec::new() } else { postgres::view_defaults(table, view, &keys).map_err(unfit(job))? };
        for filled in adopted::filled(table, view, names, &own, native) {
            let relations = [Some(names.view(view)).filter(|_| !filled.identity), Some(names.copy(view))];
            let set =
                |relation| format!("ALTER VIEW {relation} ALTER COLUMN {} SET DEFAULT {}", ident(&filled.column), filled.value);
            out.extend(relations.into_iter().flatten().map(set));
        }
        if *guarded {
            let mut relations = vec![names.view(view), names.copy(view)];
            relations.extend(view.marked.then(|| names.inner(view)));
            out.extend(relations.iter().map(|relation| format!("ALTER VIEW {relation} SET (security_invoker = true)")));
        }
        if let Some(model) = table.model(view)
            && let Some(description) = model.options.get("description").and_then(coeval_core::Value::as_str)
        {
            out.push(format!("COMMENT ON VIEW {} IS {}", names.view(view), text(description)));
        }
        for (name, property) in table.model(view).iter().flat_map(|model| model.properties.iter()) {
            if let Some(description) = &property.description {
                out.push(format!("COMMENT ON COLUMN {}.{} IS {}", names.view(view), ident(&fit(name)), text(description)));
            }
        }
        let mut relations = vec![(names.view(view), Relation::View), (names.copy(view), Relation::Copy)];
        // Whoever goes through a view with rights of their own needs them on what is beneath it.
        relations.extend((*guarded && view.marked).then(|| (names.inner(view), Relation::Beneath)));
        for (name, relation) in &relations {
            out.extend(given.grants(table, view, name, *relation));
        }
        roles.extend(given.roles(table, view));
    }
    for role in roles {
        out.push(format!("GRANT USAGE ON SCHEMA {own}, {twins}, {workings} TO {role}"));
    }
    Ok(out)
}

/// Renders the drops of versions' views, in order. What somebody else built on them keeps them from being dropped.
fn withdraw(job: &Job<'_>, versions: &[u32], up_to: u32) -> Result<Vec<String>> {
    let layouts = job.backend.layouts();
    let mut models = Vec::new();
    for layout in layouts.iter().filter(|layout| versions.iter().any(|version| layout.era.contains(*version))) {
        models.push((layout, layout.whole(last(layout, up_to))?));
    }
    let mut out = Vec::new();
    for version in versions {
        for (layout, table) in models.iter().filter(|(layout, _)| layout.era.contains(*version)) {
            let Some(view) = table.view(*version) else { continue };
            out.extend(postgres::drop_copy(view, &layout.names));
            out.extend(postgres::drop_view(view, &layout.names));
        }
        out.push(format!("DROP SCHEMA IF EXISTS {}", copy_schema(job, *version)));
        out.push(format!("DROP SCHEMA IF EXISTS {}", schema(job, *version)));
    }
    Ok(out)
}

/// Takes versions away: all that lie after one, from another down.
pub(crate) async fn drop(job: &Job<'_>, from: u32, to: u32) -> Result<()> {
    let mut versions = job.backend.catalog_versions(|version| version > to && version <= from);
    let there = offered(job, &versions).await?;
    versions.retain(|version| there.contains(version));
    versions.reverse();
    let mut statements = withdraw(job, &versions, from)?;
    if job.work.undo && !statements.is_empty() {
        statements.push(archive::note_offered(job));
    }
    let layouts = job.backend.layouts();
    let mut changes = Vec::new();
    for layout in layouts.iter().filter(|layout| stays(layout, to, from)) {
        let (old, new) = (layout.table(to)?, layout.table(last(layout, from))?);
        let native = adopted::known(job.backend, layout).await?;
        let mut change = beside(job, layout, (&new, &old), &native)?;
        let at_once = change.at_once(job, layout, to).await?;
        statements.extend(at_once.into_iter().filter(|_| !versions.is_empty()));
        changes.push((layout, change));
    }
    job.transact(&statements).await?;
    for (layout, change) in changes {
        change.apply(job, layout).await?;
    }
    drop_schema(job, &workings(job)).await
}

/// Takes the views of retired versions away, for good.
pub(crate) async fn retire(job: &Job<'_>, before: u32) -> Result<()> {
    let mut versions = job.backend.catalog_versions(|version| version < before);
    let there = offered(job, &versions).await?;
    versions.retain(|version| there.contains(version));
    job.transact(&withdraw(job, &versions, job.high)?).await
}
