//! Steps that make rules: what fulfils none is named first, and what holds everybody up takes a moment only.

use std::collections::BTreeSet;

use coeval_core::schema::Policy;
use coeval_plan::table::{Held, Table};
use coeval_plan::{ColumnSpec, Condition, Step};
use coeval_sql::{Dialect, fit, ident, postgres};
use coeval_store::event::{Event, Failure};
use coeval_store::records::Key;
use coeval_store::{Error, Result};
use tokio_postgres::types::Type;

use crate::adopted;
use crate::error::During;
use crate::execute::Job;
use crate::index::{Index, create_index as make_index};
use crate::layout::Layout;
use crate::policy;
use crate::table::{exists, find, key, lock, newer, text, unfit};

/// Whether every row has to have a value in a column.
pub(crate) fn is_required(table: &Table<'_>, at: usize) -> bool {
    let column = &table.columns[at];
    matches!(column.held, Held::Shown { .. }) && column.is_never_null() && !postgres::is_hiding(table, column)
}

/// How many records in the way are named; all are counted.
const NAMED: u64 = 1000;

/// [`Error::Records`] where a condition on `t` holds for rows, after these were named.
async fn none(job: &Job<'_>, layout: &Layout<'_>, table: &Table<'_>, condition: &str, reason: &str) -> Result<()> {
    let count = named(job, layout, table, condition, ("rejected", reason)).await?;
    if count == 0 { Ok(()) } else { Err(Error::Records { count }) }
}

/// Names the rows that a condition on `t` holds for, with what becomes of them and why, and counts them.
pub(crate) async fn named(
    job: &Job<'_>,
    layout: &Layout<'_>,
    table: &Table<'_>,
    condition: &str,
    (kind, reason): (&'static str, &str),
) -> Result<u64> {
    let keys: Vec<String> = key(table, layout).into_iter().map(|(column, _)| format!("t.{column}::text")).collect();
    let sql = format!("SELECT ARRAY[{}] FROM {} AS t WHERE {condition} ORDER BY 1", keys.join(", "), layout.names.table);
    let what = job.step.to_string();
    let client = job.backend.state().database().client().await?;
    let rows = client.query_typed(&sql, &[]).await.during(&what)?;
    let mut count = 0;
    for row in rows {
        count += 1;
        if count <= NAMED {
            let key = Key(row.try_get(0).during(&what)?);
            let model = layout.entry.name.clone();
            job.work.observer.event(Event::Failure(Failure { model, key: key.to_string(), kind, reason: reason.to_owned() }));
        }
    }
    Ok(count)
}

/// What a rule forbids, and why.
struct Forbidden {
    /// The condition on rows of `t` that violate it.
    condition: String,
    reason: String,
    /// The columns that have to be there.
    columns: Vec<String>,
}

/// Counts and names what violates a rule that a step would make, as far as the columns are there.
pub(crate) async fn violations(job: &Job<'_>, step: &Step) -> Result<u64> {
    let rules = matches!(
        step,
        Step::CreateIndex { unique: true, .. } | Step::AddCondition { .. } | Step::AddForeignKey { .. } | Step::SetNotNull { .. }
    );
    let layouts = job.backend.layouts();
    let layout = layouts.iter().find(|layout| layout.entry.name == step.model() && layout.era.contains(job.high));
    let Some(layout) = layout.filter(|_| rules) else { return Ok(0) };
    if !exists(job, &layout.names.table).await? {
        return Ok(0);
    }
    if let Step::AddCondition { policy: Policy::Repair(_), .. } = step {
        return Ok(policy::foresee(job, layout, step).await?.failed);
    }
    let table = newer(layout, job)?;
    let forbidden = match step {
        Step::CreateIndex { columns, unique: true, .. } => Some(twice(layout, &table, columns)),
        // A run that brings a column fills it in first.
        Step::SetNotNull { column, .. } if job.ledger.open().is_none() && demands(job, layout, column).await? => {
            Some(Forbidden {
                columns: vec![column.clone()],
                condition: format!("t.{} IS NULL", ident(column)),
                reason: format!("`{column}` is required, and there is no value"),
            })
        }
        Step::AddCondition { name, expr, at, policy: Policy::Reject, .. } => Some(broken(job, layout, name, (expr, *at))?),
        Step::AddForeignKey { column, references, .. } => {
            let (other, _) = referred(job, references)?;
            if exists(job, &other.names.table).await? { Some(dangling(job, column, references)?) } else { None }
        }
        _ => None,
    };
    let Some(forbidden) = forbidden else { return Ok(0) };
    if !are_there(job, layout, &forbidden.columns).await? {
        return Ok(0);
    }
    named(job, layout, &table, &forbidden.condition, ("rejected", &forbidden.reason)).await
}

/// Whether a table has columns, all of them.
pub(crate) async fn are_there(job: &Job<'_>, layout: &Layout<'_>, columns: &[String]) -> Result<bool> {
    for column in columns {
        if is_not_null(job, &layout.names.table, column).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Rows of which others have the same values.
fn twice(layout: &Layout<'_>, table: &Table<'_>, names: &[String]) -> Forbidden {
    let columns: Vec<String> = names.iter().map(|column| ident(column)).collect();
    let own: Vec<String> = columns.iter().map(|column| format!("t.{column}")).collect();
    let same: Vec<String> = columns.iter().map(|column| format!("other.{column} = t.{column}")).collect();
    let keys: Vec<String> = key(table, layout).into_iter().map(|(column, _)| column).collect();
    let (mine, theirs): (Vec<String>, Vec<String>) =
        keys.iter().map(|column| (format!("t.{column}"), format!("other.{column}"))).unzip();
    let condition = format!(
        "EXISTS (SELECT FROM {} AS other WHERE {} AND ({}) <> ({}))",
        layout.names.table,
        same.join(" AND "),
        theirs.join(", "),
        mine.join(", ")
    );
    let reason = format!("another record has the same {}, which shall be unique", own.join(", ").replace("t.", ""));
    Forbidden { condition, reason, columns: names.to_vec() }
}

/// Where the records of a model lie that others refer to, and its key.
fn referred<'j>(job: &Job<'j>, references: &str) -> Result<(Layout<'j>, String)> {
    let named = |other: &Layout<'_>| {
        let mut names = other.era.history.versions().filter_map(|version| other.era.history.model(version));
        other.entry.name == references || names.any(|model| model.name == references)
    };
    let layouts = job.backend.layouts().into_iter();
    let other = layouts.filter(|other| other.era.contains(job.high)).find(named);
    let other =
        other.ok_or_else(|| Error::Unknown { message: format!("there is no model `{references}`: {}", job.step), help: None })?;
    let keys = key(&newer(&other, job)?, &other);
    let [(other_key, _)] = keys.as_slice() else {
        let reason = format!("the key of `{references}` has more than one property");
        return Err(Error::Unsupported { what: job.step.to_string(), reason });
    };
    Ok((other, other_key.clone()))
}

/// Rows that refer to none.
fn dangling(job: &Job<'_>, name: &str, references: &str) -> Result<Forbidden> {
    let (other, other_key) = referred(job, references)?;
    let (theirs, column) = (&other.names.table, ident(name));
    let condition =
        format!("t.{column} IS NOT NULL AND NOT EXISTS (SELECT FROM {theirs} AS other WHERE other.{other_key} = t.{column})");
    let reason = format!("{column} refers to a record of `{references}` that is not there");
    Ok(Forbidden { condition, reason, columns: vec![name.to_owned()] })
}

/// Rows that do not fulfil a condition.
fn broken(job: &Job<'_>, layout: &Layout<'_>, name: &str, (expr, at): (&str, u32)) -> Result<Forbidden> {
    let (table, columns) = stated(job, layout, at)?;
    let holds = condition(job, &table, (expr, at), "t")?;
    Ok(Forbidden { condition: format!("({holds}) IS FALSE"), reason: format!("`{name}` does not hold: {expr}"), columns })
}

/// The table as a version has it whose names a condition uses, retired or not, and the columns that it shows.
pub(crate) fn stated<'j>(job: &Job<'_>, layout: &Layout<'j>, at: u32) -> Result<(Table<'j>, Vec<String>)> {
    let table = newer(layout, job)?;
    let shown = table.made(at).into_iter().flat_map(|view| view.entries);
    let columns = shown.map(|(_, column)| table.columns[column].name.clone()).collect();
    Ok((table, columns))
}

fn condition(job: &Job<'_>, table: &Table<'_>, (expr, at): (&str, u32), row: &str) -> Result<String> {
    coeval_sql::condition(table, at, expr, row, Dialect::Postgres).map_err(unfit(job))
}

/// Renders what the conditions of a table to come ask of the database, on another one of its shape.
pub(crate) fn conditions(job: &Job<'_>, layout: &Layout<'_>, on: &str) -> Result<Vec<String>> {
    let (table, _) = stated(job, layout, job.high)?;
    let unsuitable = |e: coeval_plan::table::Unsuitable| Error::Unsupported { what: job.step.to_string(), reason: e.to_string() };
    let all = coeval_plan::conditions(&table, job.high).map_err(unsuitable)?;
    let keys = |model: &str| layout.key_type(model);
    let mut out = Vec::new();
    for (name, known) in all.into_iter().filter(|(_, known)| known.at > job.low) {
        let (at, expr) = (known.at, known.expr.as_str());
        out.push(match known.policy {
            Policy::Reject => {
                let check = condition(job, &table, (expr, at), "")?;
                format!("ALTER TABLE {on} ADD CONSTRAINT {} CHECK ({check})", layout.names.constraint(&name))
            }
            Policy::Quarantine | Policy::Repair(_) => {
                let holds = coeval_sql::holding(&table, at, expr, "", Dialect::Postgres).map_err(unfit(job))?;
                format!("EXPLAIN SELECT FROM {on} WHERE {holds}")
            }
        });
        if let Policy::Repair(_) = known.policy {
            let repair = postgres::repair(&table, &name, &known, &layout.names, &keys).map_err(unfit(job))?;
            out.push(format!("EXPLAIN UPDATE {on} AS t SET {} WHERE {}", repair.set, repair.hopeless));
        }
    }
    Ok(out)
}

/// Makes it a rule that a condition never is false.
pub(crate) async fn add_condition(job: &Job<'_>, name: &str, rule: (&str, u32)) -> Result<()> {
    let layout = job.layout()?;
    let (table, _) = stated(job, &layout, rule.1)?;
    let known = Condition { expr: rule.0.to_owned(), at: rule.1, policy: Policy::Reject };
    if !coeval_plan::stays(&table, &known) {
        // What only retired versions had is not demanded any more.
        return Ok(());
    }
    let forbidden = broken(job, &layout, name, rule)?;
    none(job, &layout, &table, &forbidden.condition, &forbidden.reason).await?;
    let (own, constraint) = (&layout.names.table, layout.names.constraint(name));
    let definition = format!("CHECK ({})", condition(job, &table, rule, "")?);
    let read = coeval_plan::columns_of(&table, &known).into_iter().map(|at| table.columns[at].name.clone()).collect();
    if read_by(job, own, &constraint).await?.is_some_and(|now: BTreeSet<String>| now != read) {
        // Versions that are retired showed it in other columns than those that stay.
        let again = format!("ALTER TABLE {own} DROP CONSTRAINT {constraint}, ADD CONSTRAINT {constraint} {definition} NOT VALID");
        job.transact(&[lock(own), again]).await?;
    }
    add(job, own, &constraint, &definition, lock(own)).await
}

/// The columns that a constraint reads, if it is there.
async fn read_by(job: &Job<'_>, table: &str, name: &str) -> Result<Option<BTreeSet<String>>> {
    let sql = format!(
        "SELECT ARRAY(SELECT attname::text FROM pg_catalog.pg_attribute WHERE attrelid = c.conrelid AND attnum = ANY (c.conkey))
         FROM pg_catalog.pg_constraint c WHERE conrelid = pg_catalog.to_regclass({table})
         AND pg_catalog.quote_ident(conname) IN ({name}, pg_catalog.replace({name}, '\"', ''))",
        table = text(table),
        name = text(name),
    );
    Ok(job.ask::<Vec<String>>(&sql).await?.map(BTreeSet::from_iter))
}

pub(crate) async fn drop_condition(job: &Job<'_>, name: &str) -> Result<()> {
    let layout = job.layout()?;
    let name = layout.names.constraint(name);
    drop(job, &layout, &name).await
}

/// Returns whether a constraint is there, and if so, whether it was proved.
async fn constraint(job: &Job<'_>, table: &str, name: &str) -> Result<Option<bool>> {
    let client = job.backend.state().database().client().await?;
    let sql = "SELECT convalidated FROM pg_catalog.pg_constraint
               WHERE conrelid = pg_catalog.to_regclass($1) AND pg_catalog.quote_ident(conname) IN ($2, pg_catalog.replace($2, '\"', ''))";
    let what = job.step.to_string();
    let row = client.query_typed_opt(sql, &[(&table, Type::TEXT), (&name, Type::TEXT)]).await.during(&what)?;
    row.map(|row| row.try_get(0)).transpose().during(&what)
}

/// Adds a constraint in two transactions: first for what is written from now on, then for what is there.
async fn add(job: &Job<'_>, table: &str, name: &str, definition: &str, first: String) -> Result<()> {
    let there = constraint(job, table, name).await?;
    if there.is_none() {
        job.transact(&[first, format!("ALTER TABLE {table} ADD CONSTRAINT {name} {definition} NOT VALID")]).await?;
    }
    if there != Some(true) {
        job.transact(&[format!("ALTER TABLE {table} VALIDATE CONSTRAINT {name}")]).await?;
    }
    Ok(())
}

/// Makes it a rule that a column holds values of its type, where the column's own type does not see to that.
pub(crate) async fn check(job: &Job<'_>, layout: &Layout<'_>, table: &Table<'_>, at: usize) -> Result<()> {
    let column = &table.columns[at];
    let Some(check) = postgres::column_check(column) else { return Ok(()) };
    let reason = format!("the value of `{}` is not of its type", column.name);
    none(job, layout, table, &format!("NOT ({check})"), &reason).await?;
    let names = &layout.names;
    let name = names.constraint(&format!("{}_check", column.name));
    add(job, &names.table, &name, &format!("CHECK ({check})"), lock(&names.table)).await
}

pub(crate) async fn add_checks(job: &Job<'_>, columns: impl Iterator<Item = &ColumnSpec>) -> Result<()> {
    let layout = job.layout()?;
    let table = newer(&layout, job)?;
    for column in columns {
        let at = find(&table, &column.name, job)?;
        check(job, &layout, &table, at).await?;
    }
    Ok(())
}

pub(crate) async fn drop_checks(job: &Job<'_>, columns: impl Iterator<Item = &ColumnSpec>) -> Result<()> {
    let layout = job.layout()?;
    for column in columns {
        drop(job, &layout, &layout.names.constraint(&format!("{}_check", column.name))).await?;
    }
    Ok(())
}

async fn drop(job: &Job<'_>, layout: &Layout<'_>, name: &str) -> Result<()> {
    let table = &layout.names.table;
    if constraint(job, table, name).await?.is_none() {
        return Ok(());
    }
    job.transact(&[lock(table), format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")]).await
}

/// Returns whether a column is never null; `None` where there is no such column.
pub(crate) async fn is_not_null(job: &Job<'_>, table: &str, column: &str) -> Result<Option<bool>> {
    let sql = format!(
        "SELECT attnotnull FROM pg_catalog.pg_attribute
         WHERE attrelid = pg_catalog.to_regclass({}) AND attname = {} AND NOT attisdropped",
        text(table),
        text(column)
    );
    job.ask::<bool>(&sql).await
}

/// Makes it a rule that columns are never null: proved by a check first, one for all of them, while everybody reads and writes on.
pub(crate) async fn require(job: &Job<'_>, layout: &Layout<'_>, columns: &[String]) -> Result<()> {
    let own = &layout.names.table;
    let mut open = Vec::new();
    for column in columns {
        if is_not_null(job, own, column).await? != Some(true) {
            open.push(column.as_str());
        }
    }
    let [first, ..] = open.as_slice() else { return Ok(()) };
    let table = newer(layout, job)?;
    let each = |what: &dyn Fn(String) -> String, between: &str| {
        open.iter().map(|column| what(ident(column))).collect::<Vec<_>>().join(between)
    };
    let any = format!("SELECT EXISTS (SELECT FROM {own} AS t WHERE {})", each(&|column| format!("t.{column} IS NULL"), " OR "));
    if job.ask::<bool>(&any).await? == Some(true) {
        let mut count = 0;
        for column in &open {
            let reason = format!("`{column}` is required, and there is no value");
            count += named(job, layout, &table, &format!("t.{} IS NULL", ident(column)), ("rejected", &reason)).await?;
        }
        if count > 0 {
            return Err(Error::Records { count });
        }
    }
    let name = layout.names.constraint(&format!("{first}_filled"));
    let check = format!("CHECK ({})", each(&|column| format!("{column} IS NOT NULL"), " AND "));
    add(job, own, &name, &check, lock(own)).await?;
    let set = each(&|column| format!("ALTER COLUMN {column} SET NOT NULL"), ", ");
    let drop = format!("ALTER TABLE {own} DROP CONSTRAINT IF EXISTS {name}");
    job.transact(&[lock(own), format!("ALTER TABLE {own} {set}"), drop]).await
}

pub(crate) async fn set_not_null(job: &Job<'_>, columns: &[String]) -> Result<()> {
    let layout = job.layout()?;
    let mut demanded = Vec::new();
    for column in columns {
        if demands(job, &layout, column).await? {
            demanded.push(column.clone());
        }
    }
    require(job, &layout, &demanded).await
}

/// Whether a column may be asked for values: what a table that was there before let be NULL, it goes on to.
async fn demands(job: &Job<'_>, layout: &Layout<'_>, column: &str) -> Result<bool> {
    Ok(adopted::known(job.backend, layout).await?.get(column).is_none_or(|own| !own.nullable))
}

pub(crate) async fn drop_not_null(job: &Job<'_>, column: &str) -> Result<()> {
    let layout = job.layout()?;
    let table = &layout.names.table;
    let name = layout.names.constraint(&format!("{column}_filled"));
    drop(job, &layout, &name).await?;
    if is_not_null(job, table, column).await? != Some(true) {
        return Ok(());
    }
    job.transact(&[lock(table), format!("ALTER TABLE {table} ALTER COLUMN {} DROP NOT NULL", ident(column))]).await
}

/// The schema of a table and of its indexes, not quoted.
fn schema_name(job: &Job<'_>, layout: &Layout<'_>) -> String {
    layout.adopted.as_ref().map_or_else(|| fit(job.backend.state().deployment()), |(schema, _)| schema.clone())
}

/// The table that an index of a name belongs to, if there is one and it is not that of the layout: of two tables, one may be called
/// like the other and a column of it.
async fn index_of_another(job: &Job<'_>, layout: &Layout<'_>, name: &str) -> Result<Option<String>> {
    let sql = format!(
        "SELECT i.indrelid::pg_catalog.regclass::text FROM pg_catalog.pg_class c
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
         WHERE n.nspname = {} AND c.relname = {} AND i.indrelid IS DISTINCT FROM pg_catalog.to_regclass({})",
        text(&schema_name(job, layout)),
        text(name),
        text(&layout.names.table)
    );
    job.ask::<String>(&sql).await
}

pub(crate) async fn create_index(job: &Job<'_>, name: &str, names: &[String], unique: bool) -> Result<()> {
    let layout = job.layout()?;
    let table = newer(&layout, job)?;
    let stands = |name: &String| (0..table.columns.len()).any(|at| table.columns[at].name == *name && !table.is_gone(at));
    if !names.iter().all(stands) {
        // What only retired versions had is not demanded any more.
        return Ok(());
    }
    if let Some(other) = index_of_another(job, &layout, name).await? {
        return Err(Error::Failed {
            what: job.step.to_string(),
            reason: format!("there is an index `{name}` of the table {other} already"),
            help: Some("Rename a property, or a model.".to_owned()),
        });
    }
    if unique {
        let forbidden = twice(&layout, &table, names);
        none(job, &layout, &table, &forbidden.condition, &forbidden.reason).await?;
    }
    let columns: Vec<String> = names.iter().map(|column| ident(column)).collect();
    let kind = if unique { "UNIQUE INDEX" } else { "INDEX" };
    let schema = schema_name(job, &layout);
    let statement = format!("CREATE {kind} CONCURRENTLY {} ON {} ({})", ident(name), layout.names.table, columns.join(", "));
    let what = job.step.to_string();
    let index = Index { what: &what, schema: &schema, name, statement: &statement };
    make_index(job.backend.state(), &index, job.work).await
}

pub(crate) async fn drop_index(job: &Job<'_>, name: &str) -> Result<()> {
    let layout = job.layout()?;
    let schema = &layout.names.schema;
    if !exists(job, &format!("{schema}.{}", ident(name))).await? || index_of_another(job, &layout, name).await?.is_some() {
        return Ok(());
    }
    job.transact(&[lock(&layout.names.table), format!("DROP INDEX IF EXISTS {schema}.{}", ident(name))]).await
}

pub(crate) async fn add_foreign_key(job: &Job<'_>, name: &str, column: &str, references: &str) -> Result<()> {
    let layout = job.layout()?;
    let table = newer(&layout, job)?;
    let (other, other_key) = referred(job, references)?;
    let forbidden = dangling(job, column, references)?;
    none(job, &layout, &table, &forbidden.condition, &forbidden.reason).await?;
    let (own, theirs, column) = (&layout.names.table, &other.names.table, ident(column));
    let first = format!("LOCK TABLE ONLY {own}, {theirs} IN SHARE ROW EXCLUSIVE MODE");
    let definition = format!("FOREIGN KEY ({column}) REFERENCES {theirs} ({other_key})");
    add(job, own, &ident(name), &definition, first).await
}

pub(crate) async fn drop_foreign_key(job: &Job<'_>, name: &str) -> Result<()> {
    drop(job, &job.layout()?, &ident(name)).await
}
