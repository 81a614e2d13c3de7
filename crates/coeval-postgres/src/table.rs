//! Steps on base tables and their columns.

use coeval_plan::table::{Held, MARKER, Table};
use coeval_plan::{ColumnSpec, Holds, Step};
use coeval_sql::{Dialect, fit, ident, postgres, string};
use coeval_store::event::Tally;
use coeval_store::{Error, Result};

use crate::execute::Job;
use crate::layout::Layout;
use crate::rights::carried;
use crate::{adopted, archive, backfill, catalog, constraint};

/// Takes a table for as long as its definition is changed: as the first of the statements, so that no lock is made stronger.
pub(crate) fn lock(table: &str) -> String {
    format!("LOCK TABLE ONLY {table} IN ACCESS EXCLUSIVE MODE")
}

/// A text as a literal.
pub(crate) fn text(text: &str) -> String {
    string(text, Dialect::Postgres)
}

/// Says that a value has no place in a column.
pub(crate) fn unfit(job: &Job<'_>) -> impl Fn(coeval_sql::Unfit) -> Error + use<> {
    let what = job.step.to_string();
    move |unfit| Error::Unsupported { what: what.clone(), reason: unfit.to_string() }
}

/// Says that a computation is not one of the database's.
pub(crate) fn local(job: &Job<'_>) -> impl Fn(coeval_sql::Local) -> Error + use<> {
    let what = job.step.to_string();
    move |local| Error::Unsupported { what: what.clone(), reason: format!("PostgreSQL cannot compute it: {}", local.reason) }
}

/// Returns whether a table or view is there, by its quoted name.
pub(crate) async fn exists(job: &Job<'_>, name: &str) -> Result<bool> {
    let sql = format!("SELECT pg_catalog.to_regclass({}) IS NOT NULL", text(name));
    Ok(job.ask::<bool>(&sql).await?.unwrap_or_default())
}

async fn comment(job: &Job<'_>, name: &str) -> Result<Option<String>> {
    let sql = format!("SELECT pg_catalog.obj_description(pg_catalog.to_regclass({}), 'pg_class')", text(name));
    Ok(job.ask::<Option<String>>(&sql).await?.flatten())
}

/// The last version of an era that a run comes to.
fn last(layout: &Layout<'_>, high: u32) -> u32 {
    layout.era.end.map_or(high, |end| high.min(end.saturating_sub(1)))
}

/// Where a table is while no version shows it, without its schema.
fn aside(layout: &Layout<'_>, deployment: &str) -> String {
    ident(&fit(&format!("aside {deployment} {}", layout.table_name)))
}

/// What a table says that is set aside: which versions' columns it has.
const ASIDE: &str = "set aside at version ";

/// The comment of a schema that was made here, and goes when it is empty.
const MADE: &str = "Made by coeval.";

/// Renders the creation of a schema that goes again when nothing is in it any more.
pub(crate) async fn create_schema(job: &Job<'_>, schema: &str) -> Result<Vec<String>> {
    let sql = format!("SELECT pg_catalog.to_regnamespace({}) IS NOT NULL", text(schema));
    if job.ask::<bool>(&sql).await?.unwrap_or_default() {
        return Ok(Vec::new());
    }
    Ok(vec![format!("CREATE SCHEMA IF NOT EXISTS {schema}"), format!("COMMENT ON SCHEMA {schema} IS {}", text(MADE))])
}

/// Renders the making of the schema of workings, if it is not there. Everybody may look things up in it, since triggers call functions
/// there with the rights of whoever writes; what lies in it has rights of its own.
pub(crate) async fn create_workings(job: &Job<'_>, schema: &str) -> Result<Vec<String>> {
    let mut made = create_schema(job, schema).await?;
    if !made.is_empty() {
        made.push(format!("GRANT USAGE ON SCHEMA {schema} TO PUBLIC"));
    }
    Ok(made)
}

/// Drops a schema that was made here, if nothing is in it.
pub(crate) async fn drop_schema(job: &Job<'_>, schema: &str) -> Result<()> {
    let sql = format!(
        "SELECT pg_catalog.obj_description(pg_catalog.to_regnamespace({}), 'pg_namespace') = {}",
        text(schema),
        text(MADE)
    );
    if job.ask::<Option<bool>>(&sql).await?.flatten() != Some(true) {
        return Ok(());
    }
    let attempt = format!(
        "DO $coeval$ BEGIN DROP SCHEMA IF EXISTS {schema}; EXCEPTION WHEN dependent_objects_still_exist THEN NULL; END $coeval$"
    );
    job.transact(&[attempt]).await
}

/// Makes the table of a model, or brings back the one that was set aside.
pub(crate) async fn create(job: &Job<'_>) -> Result<Tally> {
    let layout = job.layout()?;
    let to = last(&layout, job.high);
    let table = layout.table(to)?;
    let names = &layout.names;
    let keys = |model: &str| layout.key_type(model);
    let none = Tally { total: Some(0), ..Tally::default() };
    let away = aside(&layout, job.backend.state().deployment());
    let hidden = format!("coeval.{away}");
    let there = exists(job, &names.table).await?;
    if let Some((schema, table_name)) = &layout.adopted {
        adopt(job, (schema, table_name)).await?;
        return Ok(none);
    }
    if !there && !exists(job, &hidden).await? {
        let mut statements = create_schema(job, &names.schema).await?;
        let made = postgres::create_table(&table, &table.columns_up_to(to), names, &keys).map_err(unfit(job))?;
        // The schema's own statement is the first.
        statements.extend(made.into_iter().skip(1));
        if table.views.iter().any(|view| view.marked) {
            statements.push(add_marker(&names.table));
        }
        job.transact(&statements).await?;
        return Ok(none);
    }
    if !there {
        let mut statements = create_schema(job, &names.schema).await?;
        statements.push(format!("ALTER TABLE {hidden} SET SCHEMA {}", names.schema));
        statements.push(format!("ALTER TABLE {}.{away} RENAME TO {}", names.schema, ident(&fit(&layout.table_name))));
        job.transact(&statements).await?;
    }
    // It has the columns of the versions that it was set aside at.
    let said = comment(job, &names.table).await?;
    let Some(was) = said.as_deref().and_then(|said| said.strip_prefix(ASIDE)?.parse::<u32>().ok()) else { return Ok(none) };
    let whole = layout.table(was.max(to))?;
    let changed: Vec<usize> = (0..whole.columns.len()).filter(|at| whole.columns[*at].since > was.min(to)).collect();
    let column_names: Vec<String> = changed.iter().map(|at| whole.columns[*at].name.clone()).collect();
    if was < to {
        let mut statements = vec![lock(&names.table)];
        for at in &changed {
            let add = postgres::add_column(&whole, *at, names, &keys).map_err(unfit(job))?;
            statements.push(add.replacen("ADD COLUMN", "ADD COLUMN IF NOT EXISTS", 1));
        }
        if whole.views.iter().any(|view| view.marked) {
            statements.push(add_marker(&names.table));
        }
        job.transact(&statements).await?;
        backfill::backfill(job, was, to, &column_names).await?;
        for at in &changed {
            constraint::check(job, &layout, &whole, *at).await?;
        }
        let required = changed.iter().filter(|at| constraint::is_required(&whole, **at));
        let required: Vec<String> = required.map(|at| whole.columns[*at].name.clone()).collect();
        constraint::require(job, &layout, &required).await?;
    } else if was > to {
        archive::archive(job, was, to, &column_names).await?;
        let mut statements = vec![lock(&names.table)];
        statements.extend(column_names.iter().map(|name| drop_statement(&names.table, name)));
        job.transact(&statements).await?;
    }
    job.transact(&[lock(&names.table), format!("COMMENT ON TABLE {} IS NULL", names.table)]).await?;
    Ok(none)
}

/// Takes over a table that was there before, as it is: every column of the version must be in it.
async fn adopt(job: &Job<'_>, (schema, name): (&str, &str)) -> Result<()> {
    let Step::CreateTable { columns, .. } = job.step else { return Ok(()) };
    let tables = catalog::tables(job.backend.state().database(), schema).await?;
    let what = || format!("taking over the table `{schema}.{name}`");
    let Some(found) = tables.iter().find(|found| found.name == name) else {
        return Err(Error::failed(what(), "there is no such table"));
    };
    if let Some(reason) = &found.cannot {
        return Err(Error::failed(what(), reason.clone()));
    }
    let missing: Vec<&str> = columns
        .iter()
        .filter(|column| column.holds == Holds::Value && !found.columns.iter().any(|own| own.name == column.name))
        .map(|column| column.name.as_str())
        .collect();
    if !missing.is_empty() {
        let reason =
            format!("it has no column {}", missing.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "));
        let help = "The first version of a model that takes a table over has the table's columns; later versions add others.";
        return Err(Error::Failed { what: what(), reason, help: Some(help.to_owned()) });
    }
    job.transact(&adopted::note(job.backend.state().deployment(), (schema, name), found)).await?;
    match columns.iter().find(|column| column.holds == Holds::Id) {
        Some(column) => adopted::identify(job, &column.name).await,
        None => Ok(()),
    }
}

fn add_marker(table: &str) -> String {
    format!("ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {} integer", ident(MARKER))
}

/// Puts a table where no client sees it; one without rows that was made by a run which is undone goes.
pub(crate) async fn set_aside(job: &Job<'_>) -> Result<()> {
    let layout = job.layout()?;
    let names = &layout.names;
    if let Some((schema, name)) = &layout.adopted {
        // It was there before, and stays as it is, but for the key that it was given.
        let table = layout.table(last(&layout, job.high))?;
        let mut statements = Vec::new();
        for column in table.columns.iter().filter(|column| column.held == Held::Id) {
            if constraint::is_not_null(job, &names.table, &column.name).await?.is_some() {
                statements.extend([lock(&names.table), drop_statement(&names.table, &column.name)]);
            }
        }
        statements.extend(adopted::forget(job.backend.state().deployment(), (schema, name)));
        job.transact(&statements).await?;
        return drop_schema(job, &names.workings).await;
    }
    let away = aside(&layout, job.backend.state().deployment());
    if exists(job, &names.table).await? {
        let rows = job.ask::<bool>(&format!("SELECT EXISTS (SELECT FROM {})", names.table)).await?.unwrap_or_default();
        let mut statements = vec![lock(&names.table)];
        if rows || !job.work.undo {
            let said = format!("{ASIDE}{}", last(&layout, job.high));
            statements.push(format!("COMMENT ON TABLE {} IS {}", names.table, text(&said)));
            statements.push(format!("ALTER TABLE {} RENAME TO {away}", names.table));
            statements.push(format!("ALTER TABLE {}.{away} SET SCHEMA coeval", names.schema));
        } else {
            statements.push(format!("DROP TABLE {}", names.table));
        }
        job.transact(&statements).await?;
    }
    drop_schema(job, &names.schema).await?;
    drop_schema(job, &names.workings).await
}

/// Finds a column of the table as the newer versions have it.
pub(crate) fn find(table: &Table<'_>, name: &str, job: &Job<'_>) -> Result<usize> {
    let found = table.columns.iter().position(|column| column.name == name);
    found.ok_or_else(|| Error::Unknown { message: format!("the manifest knows no column `{name}`: {}", job.step), help: None })
}

/// Returns the table as the run's newer version has it.
pub(crate) fn newer<'c>(layout: &Layout<'c>, job: &Job<'_>) -> Result<Table<'c>> {
    layout.table(last(layout, job.high))
}

/// Adds columns beside what there is.
pub(crate) async fn add_columns(job: &Job<'_>, columns: impl Iterator<Item = &ColumnSpec>) -> Result<()> {
    let layout = job.layout()?;
    let names = &layout.names;
    let table = newer(&layout, job)?;
    let keys = |model: &str| layout.key_type(model);
    let native = adopted::known(job.backend, &layout).await?;
    let mut statements = vec![lock(&names.table)];
    let mut beside = Vec::new();
    for column in columns {
        statements.push(match column.holds {
            Holds::Marker => add_marker(&names.table),
            Holds::Value | Holds::Hidden | Holds::Failure | Holds::Id => {
                let at = find(&table, &column.name, job)?;
                let like = table.alike(at, |other| table.columns[other].since < table.columns[at].since);
                beside.extend(like.map(|like| (table.columns[like].name.clone(), column.name.clone())));
                let add = match adopted::kind(&table, at, &native) {
                    Some(kind) => postgres::add_column_as(&table, at, names, plain(job, kind).await?),
                    None => postgres::add_column(&table, at, names, &keys),
                };
                add.map_err(unfit(job))?.replacen("ADD COLUMN", "ADD COLUMN IF NOT EXISTS", 1)
            }
        });
    }
    statements.extend(carried(job, &names.table, &beside).await?);
    job.transact(&statements).await
}

/// A type, unless a column of it would be written to every row at once while everybody waits.
async fn plain<'k>(job: &Job<'_>, kind: &'k str) -> Result<&'k str> {
    let sql = format!("SELECT typtype = 'd' FROM pg_catalog.pg_type WHERE oid = {}::pg_catalog.regtype", text(kind));
    if job.ask::<bool>(&sql).await? != Some(true) {
        return Ok(kind);
    }
    let reason = format!("its table was there before, and the column that it is to be beside is of the domain {kind}");
    Err(Error::Unsupported { what: job.step.to_string(), reason })
}

fn drop_statement(table: &str, column: &str) -> String {
    format!("ALTER TABLE {table} DROP COLUMN IF EXISTS {}", ident(column))
}

/// Drops columns.
pub(crate) async fn drop_columns(job: &Job<'_>, columns: impl Iterator<Item = &ColumnSpec>) -> Result<()> {
    let layout = job.layout()?;
    let table = &layout.names.table;
    let mut statements = Vec::new();
    let native = adopted::known(job.backend, &layout).await?;
    // One that was there before was not added, and the step that is undone refused it.
    for column in columns.filter(|column| !native.contains_key(&column.name)) {
        // What a run that is undone did not come to needs no lock.
        if constraint::is_not_null(job, table, &column.name).await?.is_some() {
            statements.push(drop_statement(table, &column.name));
        }
    }
    if statements.is_empty() {
        return Ok(());
    }
    statements.insert(0, lock(table));
    statements.push(backfill::note_untended(job, &layout));
    job.transact(&statements).await
}

/// Drops a column that only retired versions had need of.
pub(crate) async fn forget_column(job: &Job<'_>, column: &str) -> Result<()> {
    let model = job.step.model();
    let layouts = job.backend.layouts();
    let layout = layouts.iter().find(|layout| layout.entry.name == model && layout.era.contains(job.high));
    let Some(layout) = layout else { return Ok(()) };
    let table = &layout.names.table;
    job.transact(&[lock(table), drop_statement(table, column)]).await
}

/// Drops the table of a model that only retired versions had, and what was kept of its rows.
pub(crate) async fn forget(job: &Job<'_>) -> Result<()> {
    let model = job.step.model();
    let gone = |layout: &Layout<'_>| layout.entry.name == model && layout.era.end.is_some_and(|end| end <= job.oldest());
    for layout in job.backend.layouts().iter().filter(|layout| gone(layout)) {
        let names = &layout.names;
        let away = format!("coeval.{}", aside(layout, job.backend.state().deployment()));
        let mut statements = Vec::new();
        if layout.adopted.is_none() && exists(job, &names.table).await? {
            statements.push(lock(&names.table));
            statements.push(format!("DROP TABLE {}", names.table));
        }
        statements.push(format!("DROP TABLE IF EXISTS {away}"));
        statements.extend(postgres::drop_functions(names));
        statements.push(format!(
            "DELETE FROM coeval.archive WHERE deployment = {} AND table_name = {}",
            text(job.backend.state().deployment()),
            text(&layout.table_name)
        ));
        job.transact(&statements).await?;
        drop_schema(job, &names.schema).await?;
        drop_schema(job, &names.workings).await?;
    }
    Ok(())
}

/// Returns the key's columns, quoted, with their types as the server writes them in a cast.
pub(crate) fn key(table: &Table<'_>, layout: &Layout<'_>) -> Vec<(String, String)> {
    let keys = |model: &str| layout.key_type(model);
    let column = |at: usize| {
        let column = &table.columns[at];
        let ty = match column.held {
            Held::Hidden { .. } => "pg_catalog.jsonb".to_owned(),
            Held::Shown { .. } | Held::Failed { .. } | Held::Unfit { .. } | Held::Id => {
                coeval_sql::column_type(&column.property.ty, &keys, Dialect::Postgres)
            }
        };
        (ident(&column.name), ty)
    };
    table.key().into_iter().map(column).collect()
}
