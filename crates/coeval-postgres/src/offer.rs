//! Steps that offer versions to clients, and take them away: the views of all models at once.

use std::collections::{BTreeMap, BTreeSet};

use coeval_plan::table::{Table, View};
use coeval_sql::postgres;
use coeval_sql::{fit, ident};
use coeval_store::{Error, Result};
use tokio_postgres::types::Type;

use crate::adopted::{self, Native};
use crate::archive;
use crate::constraint::is_required;
use crate::error::During;
use crate::execute::Job;
use crate::layout::Layout;
use crate::table::{create_schema, drop_schema, lock, text, unfit};

/// How many statements go to the server at once.
const AT_ONCE: usize = 100;

/// A right that somebody has on a view or a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    /// The role, quoted.
    role: String,
    privilege: String,
    passes_on: bool,
}

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

async fn schema_exists(job: &Job<'_>, schema: &str) -> Result<bool> {
    let sql = format!("SELECT pg_catalog.to_regnamespace({}) IS NOT NULL", text(schema));
    Ok(job.ask::<bool>(&sql).await?.unwrap_or_default())
}

/// Returns whether a version is there for clients.
pub(crate) async fn is_offered(job: &Job<'_>, version: u32) -> Result<bool> {
    schema_exists(job, &schema(job, version)).await
}

/// Returns who else than its owner has which rights on a table or view.
async fn rights(job: &Job<'_>, relation: &str) -> Result<BTreeSet<Right>> {
    let what = job.step.to_string();
    let client = job.backend.state().database().client().await?;
    let sql =
        "SELECT CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE acl.grantee::regrole::text END, acl.privilege_type, acl.is_grantable
               FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) acl
               WHERE c.oid = pg_catalog.to_regclass($1) AND acl.grantee <> c.relowner
               AND acl.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')";
    let rows = client.query_typed(sql, &[(&relation, Type::TEXT)]).await.during(&what)?;
    let right = |row: &tokio_postgres::Row| -> Result<Right, tokio_postgres::Error> {
        Ok(Right { role: row.try_get(0)?, privilege: row.try_get(1)?, passes_on: row.try_get(2)? })
    };
    rows.iter().map(right).collect::<Result<_, _>>().during(&what)
}

/// Returns whether rows of a table are guarded one by one, which a view must not get around.
async fn is_guarded(job: &Job<'_>, table: &str) -> Result<bool> {
    let sql = format!("SELECT relrowsecurity FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass({})", text(table));
    if job.ask::<bool>(&sql).await? != Some(true) {
        return Ok(false);
    }
    let version = job.ask::<i32>("SELECT pg_catalog.current_setting('server_version_num')::int4").await?.unwrap_or_default();
    if version < 150_000 {
        let reason = format!("row-level security guards {table}, and before PostgreSQL 15 views get around it");
        return Err(Error::Unsupported { what: job.step.to_string(), reason });
    }
    Ok(true)
}

/// A change of what older versions offer, since a newer one comes or goes.
struct Change {
    /// On views, before anything on the table.
    views: Vec<String>,
    /// On the table.
    table: Vec<String>,
}

/// Views that are replaced lose their settings, and with them what guards rows one by one.
pub(crate) async fn secured(job: &Job<'_>, layout: &Layout<'_>, mut views: Vec<String>) -> Result<Vec<String>> {
    let relation = |made: &String| made.strip_prefix("CREATE OR REPLACE VIEW ")?.split(" AS SELECT ").next().map(str::to_owned);
    let replaced: Vec<String> = views.iter().filter_map(relation).collect();
    if !replaced.is_empty() && is_guarded(job, &layout.names.table).await? {
        views.extend(replaced.iter().map(|view| format!("ALTER VIEW {view} SET (security_invoker = true)")));
    }
    Ok(views)
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
    let mut change = Change { views: Vec::new(), table: Vec::new() };
    let keys = |model: &str| layout.key_type(model);
    let names = &layout.names;
    let common = |view: &&View| view.version >= job.oldest() && old.view(view.version).is_some();
    for view in new.views.iter().filter(common) {
        let Some(before) = old.view(view.version) else { continue };
        let named =
            |table: &Table<'_>, at: &[usize]| at.iter().map(|at| table.columns[*at].name.clone()).collect::<BTreeSet<_>>();
        if named(new, &view.hiding) != named(old, &before.hiding) {
            let made = postgres::create_view(new, view, names, &keys).map_err(unfit(job))?;
            change.views.extend(made.into_iter().filter(|statement| statement.starts_with("CREATE")));
        }
        let was: BTreeMap<String, String> =
            postgres::view_defaults(old, before, &keys).map_err(unfit(job))?.into_iter().collect();
        let is: BTreeMap<String, String> = postgres::view_defaults(new, view, &keys).map_err(unfit(job))?.into_iter().collect();
        for name in was.keys().chain(is.keys()).collect::<BTreeSet<_>>() {
            let (was, is) = (was.get(name), is.get(name));
            if was == is {
                continue;
            }
            let verb = is.map_or_else(|| "DROP DEFAULT".to_owned(), |default| format!("SET DEFAULT {default}"));
            for relation in [names.view(view), names.copy(view)] {
                change.views.push(format!("ALTER VIEW {relation} ALTER COLUMN {} {verb}", ident(name)));
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
        // A row may be hidden from now on where it was refused before.
        let required =
            |table: &Table<'_>| table.columns.iter().position(|c| c.name == column.name).is_some_and(|at| is_required(table, at));
        if required(old) != required(new) && own.is_none_or(|own| !own.nullable) {
            let verb = if required(new) { "SET NOT NULL" } else { "DROP NOT NULL" };
            change.table.push(format!("ALTER TABLE {} ALTER COLUMN {} {verb}", names.table, ident(&column.name)));
        }
    }
    Ok(change)
}

/// The models that are there at both versions.
fn staying<'c>(job: &Job<'c>, low: u32, high: u32) -> Vec<Layout<'c>> {
    let stays = |layout: &Layout<'_>| layout.era.contains(low) && layout.era.first < high;
    job.backend.layouts().into_iter().filter(stays).collect()
}

/// Offers versions: all that lie after one, up to another.
pub(crate) async fn create(job: &Job<'_>, from: u32, to: u32) -> Result<()> {
    for layout in staying(job, from, to) {
        let (old, new) = (layout.table(from)?, layout.table(last(&layout, to))?);
        let native = adopted::known(job.backend, &layout).await?;
        let change = beside(job, &layout, (&old, &new), &native)?;
        if change.views.is_empty() && change.table.is_empty() {
            continue;
        }
        let mut statements = secured(job, &layout, change.views).await?;
        if !change.table.is_empty() {
            statements.push(lock(&layout.names.table));
            statements.extend(change.table);
        }
        job.transact(&statements).await?;
    }
    let mut models = Vec::new();
    for layout in job.backend.layouts() {
        let reaches = layout.era.first <= to && layout.era.end.is_none_or(|end| end > from + 1);
        if reaches {
            models.push(Offered::new(job, layout, from, to).await?);
        }
    }
    let mut statements = Vec::new();
    let versions = job.backend.catalog_versions(|version| version > from && version <= to && version >= job.oldest());
    for version in versions {
        if !schema_exists(job, &schema(job, version)).await? {
            statements.extend(offer(job, version, &models).await?);
        }
    }
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
    given: BTreeSet<Right>,
}

impl<'c> Offered<'c> {
    async fn new(job: &Job<'_>, layout: Layout<'c>, from: u32, to: u32) -> Result<Self> {
        let table = layout.table(last(&layout, to))?;
        let guarded = is_guarded(job, &layout.names.table).await?;
        let given = match table.views.iter().rev().find(|older| older.version <= from && older.version >= job.oldest()) {
            Some(older) => rights(job, &layout.names.view(older)).await?,
            None => rights(job, &layout.names.table).await?,
        };
        Ok(Self { layout, table, guarded, given })
    }
}

/// Renders the views of a version, the rights on them, and what they are.
async fn offer(job: &Job<'_>, version: u32, models: &[Offered<'_>]) -> Result<Vec<String>> {
    let deployment = job.backend.state().deployment();
    let (own, twins) = (schema(job, version), copy_schema(job, version));
    let workings = ident(&fit(&format!("{deployment}_w")));
    let mut out = vec![
        format!("CREATE SCHEMA {own}"),
        format!("COMMENT ON SCHEMA {own} IS {}", text(&format!("Version {version} of {deployment}."))),
        format!("CREATE SCHEMA {twins}"),
        format!("COMMENT ON SCHEMA {twins} IS {}", text(&format!("Version {version} of {deployment}, for COPY FROM."))),
    ];
    out.extend(create_schema(job, &workings).await?);
    let mut roles = BTreeSet::new();
    for Offered { layout, table, guarded, given } in models.iter().filter(|model| model.layout.era.contains(version)) {
        let Some(view) = table.view(version) else { continue };
        let names = &layout.names;
        let keys = |model: &str| layout.key_type(model);
        out.extend(postgres::create_view(table, view, names, &keys).map_err(unfit(job))?);
        out.extend(postgres::copy_view(table, view, names, &keys).map_err(unfit(job))?);
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
        for right in given {
            let more = if right.passes_on { " WITH GRANT OPTION" } else { "" };
            let mut relations = vec![names.view(view), names.copy(view)];
            // Whoever goes through a view with rights of their own needs them on what is beneath it.
            relations.extend((*guarded && view.marked).then(|| names.inner(view)));
            for relation in relations {
                out.push(format!("GRANT {} ON {relation} TO {}{more}", right.privilege, right.role));
            }
            roles.insert(right.role.clone());
        }
    }
    for role in roles {
        out.push(format!("GRANT USAGE ON SCHEMA {own}, {twins}, {workings} TO {role}"));
    }
    Ok(out)
}

/// Renders the drop of a version's views. What somebody else built on them keeps them from being dropped.
fn withdraw(job: &Job<'_>, version: u32, up_to: u32) -> Result<Vec<String>> {
    let mut out = Vec::new();
    for layout in job.backend.layouts().iter().filter(|layout| layout.era.contains(version)) {
        let table = layout.whole(last(layout, up_to))?;
        let Some(view) = table.view(version) else { continue };
        out.extend(postgres::drop_copy(view, &layout.names));
        out.extend(postgres::drop_view(view, &layout.names));
    }
    out.push(format!("DROP SCHEMA IF EXISTS {}", copy_schema(job, version)));
    out.push(format!("DROP SCHEMA IF EXISTS {}", schema(job, version)));
    Ok(out)
}

/// Takes versions away: all that lie after one, from another down.
pub(crate) async fn drop(job: &Job<'_>, from: u32, to: u32) -> Result<()> {
    let mut statements = Vec::new();
    for version in job.backend.catalog_versions(|version| version > to && version <= from).into_iter().rev() {
        if schema_exists(job, &schema(job, version)).await? {
            statements.extend(withdraw(job, version, from)?);
        }
    }
    if job.work.undo && !statements.is_empty() {
        statements.push(archive::note_offered(job));
    }
    job.transact(&statements).await?;
    for layout in staying(job, to, from) {
        let (old, new) = (layout.table(to)?, layout.table(last(&layout, from))?);
        let native = adopted::known(job.backend, &layout).await?;
        let change = beside(job, &layout, (&new, &old), &native)?;
        let mut statements = secured(job, &layout, change.views).await?;
        if !change.table.is_empty() {
            statements.push(lock(&layout.names.table));
            statements.extend(change.table);
        }
        job.transact(&statements).await?;
    }
    let deployment = job.backend.state().deployment();
    drop_schema(job, &ident(&fit(&format!("{deployment}_w")))).await
}

/// Takes the views of retired versions away, for good.
pub(crate) async fn retire(job: &Job<'_>, before: u32) -> Result<()> {
    let mut statements = Vec::new();
    for version in job.backend.catalog_versions(|version| version < before) {
        if schema_exists(job, &schema(job, version)).await? {
            statements.extend(withdraw(job, version, job.high)?);
        }
    }
    job.transact(&statements).await
}
