//! The rights that were given on one version, or on a table that was taken over, and what they are on the next version.

use std::collections::BTreeSet;

use coeval_plan::table::{Held, Table, View};
use coeval_sql::postgres::inner_names;
use coeval_sql::{fit, ident};
use coeval_store::{Error, Result};
use tokio_postgres::types::Type;

use crate::error::During;
use crate::execute::Job;

/// A right that somebody has on a view or a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Right {
    /// The role, quoted.
    role: String,
    privilege: String,
    passes_on: bool,
    /// The column that it is limited to, not quoted.
    column: Option<String>,
}

/// The place in a list of what a row is about, which its first column counts from 1.
pub(crate) fn ordinal(row: &tokio_postgres::Row) -> Result<usize, tokio_postgres::Error> {
    let ordinal: i64 = row.try_get(0)?;
    Ok(usize::try_from(ordinal - 1).unwrap_or(usize::MAX))
}

/// Returns who else than its owner has which rights on each of some tables and views.
pub(crate) async fn rights(job: &Job<'_>, relations: &[String]) -> Result<Vec<Vec<Right>>> {
    let what = job.step.to_string();
    let client = job.backend.state().database().client().await?;
    let sql = "WITH r AS (SELECT n, pg_catalog.to_regclass(name) AS id FROM pg_catalog.unnest($1) WITH ORDINALITY AS r (name, n)),
               given AS (
                   SELECT r.n, c.relowner, NULL::text AS column_name, acl.*
                   FROM r JOIN pg_catalog.pg_class c ON c.oid = r.id, pg_catalog.aclexplode(c.relacl) acl
                   WHERE acl.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
                   UNION ALL
                   SELECT r.n, c.relowner, a.attname::text, acl.*
                   FROM r JOIN pg_catalog.pg_class c ON c.oid = r.id
                   JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped,
                   pg_catalog.aclexplode(a.attacl) acl
                   WHERE acl.privilege_type IN ('SELECT', 'INSERT', 'UPDATE'))
               SELECT n, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END, privilege_type, is_grantable, column_name
               FROM given WHERE grantee <> relowner ORDER BY 1, 2, 3, 4, 5";
    let rows = client.query_typed(sql, &[(&relations, Type::TEXT_ARRAY)]).await.during(&what)?;
    let right = |row: &tokio_postgres::Row| -> Result<(usize, Right), tokio_postgres::Error> {
        let right =
            Right { role: row.try_get(1)?, privilege: row.try_get(2)?, passes_on: row.try_get(3)?, column: row.try_get(4)? };
        Ok((ordinal(row)?, right))
    };
    let mut out = vec![Vec::new(); relations.len()];
    for (at, right) in rows.iter().map(right).collect::<Result<Vec<_>, _>>().during(&what)? {
        if let Some(rights) = out.get_mut(at) {
            rights.push(right);
        }
    }
    Ok(out)
}

/// Renders the rights on columns of a table that others beside them are to have too, each after the one that it shows the same as:
/// clients whose view is read with their own rights need them.
pub(crate) async fn carried(job: &Job<'_>, table: &String, beside: &[(String, String)]) -> Result<Vec<String>> {
    if beside.is_empty() {
        return Ok(Vec::new());
    }
    let given = rights(job, std::slice::from_ref(table)).await?.into_iter().flatten();
    let grants = given.flat_map(|right| {
        let more = if right.passes_on { " WITH GRANT OPTION" } else { "" };
        let is_its = |(like, _): &&(String, String)| right.column.as_ref() == Some(like);
        let one = |(_, column): &(String, String)| {
            format!("GRANT {} ({}) ON {table} TO {}{more}", right.privilege, ident(column), right.role)
        };
        beside.iter().filter(is_its).map(one).collect::<Vec<_>>()
    });
    Ok(grants.collect())
}

/// Returns which of some views are read with the rights of whoever reads them.
pub(crate) async fn invoked(job: &Job<'_>, views: &[String]) -> Result<BTreeSet<usize>> {
    let what = job.step.to_string();
    let sql = "SELECT r.n FROM pg_catalog.unnest($1) WITH ORDINALITY AS r (name, n), pg_catalog.pg_class c
               WHERE c.oid = pg_catalog.to_regclass(r.name) AND EXISTS (SELECT FROM pg_catalog.pg_options_to_table(c.reloptions)
               WHERE option_name = 'security_invoker' AND option_value::pg_catalog.bool)";
    let client = job.backend.state().database().client().await?;
    let rows = client.query_typed(sql, &[(&views, Type::TEXT_ARRAY)]).await.during(&what)?;
    rows.iter().map(ordinal).collect::<Result<_, _>>().during(&what)
}

/// Returns which of some tables guard their rows one by one, which a view must not get around.
pub(crate) async fn guarded(job: &Job<'_>, tables: &[String]) -> Result<BTreeSet<usize>> {
    let what = job.step.to_string();
    let sql = "SELECT r.n, pg_catalog.current_setting('server_version_num')::int4
               FROM pg_catalog.unnest($1) WITH ORDINALITY AS r (name, n), pg_catalog.pg_class c
               WHERE c.oid = pg_catalog.to_regclass(r.name) AND c.relrowsecurity";
    let client = job.backend.state().database().client().await?;
    let rows = client.query_typed(sql, &[(&tables, Type::TEXT_ARRAY)]).await.during(&what)?;
    for row in &rows {
        if row.try_get::<_, i32>(1).during(&what)? < 150_000 {
            let table = tables.get(ordinal(row).during(&what)?).map_or("a table", String::as_str);
            let reason = format!("row-level security guards {table}, and before PostgreSQL 15 views get around it");
            return Err(Error::Unsupported { what, reason });
        }
    }
    rows.iter().map(ordinal).collect::<Result<_, _>>().during(&what)
}

/// What belongs to a version's view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    /// The view itself.
    View,
    /// Its twin for COPY, which has the properties only.
    Copy,
    /// What is between it and the table, which has names of its own.
    Beneath,
}

/// What was given on a version's view, or on the table, in terms of the table's columns.
pub(crate) struct Given {
    rights: Vec<(Right, Limit)>,
}

/// What a right is limited to.
enum Limit {
    No,
    /// A column, and the name that it had where the right was given.
    To(usize, String),
    /// A column that versions show beside their properties.
    Carried(String),
    /// Something that no version shows.
    Nothing,
}

impl Given {
    /// Takes the rights on the view of a version, or on the table where there is no version before.
    pub(crate) fn new(table: &Table<'_>, older: Option<u32>, rights: Vec<Right>) -> Self {
        let view = older.and_then(|older| table.view(older));
        let limit = |right: &Right| {
            let Some(name) = &right.column else { return Limit::No };
            let column = match view {
                Some(view) => view.entries.iter().find(|(shown, _)| fit(shown) == *name).map(|(_, at)| *at),
                None => table.columns.iter().position(|column| column.name == *name),
            };
            let carried = || table.views.iter().any(|view| view.carried.contains(name));
            let other = || if carried() { Limit::Carried(name.clone()) } else { Limit::Nothing };
            column.map_or_else(other, |at| Limit::To(at, name.clone()))
        };
        let limited = rights.into_iter().map(|right| {
            let limit = limit(&right);
            (right, limit)
        });
        Self { rights: limited.collect() }
    }

    /// Returns who has any right on a view.
    pub(crate) fn roles(&self, table: &Table<'_>, view: &View) -> BTreeSet<String> {
        let has = |limit: &Limit| match limit {
            Limit::No => true,
            Limit::To(at, name) => shown(table, view, *at, name).is_some(),
            Limit::Carried(name) => view.carried.contains(name),
            Limit::Nothing => false,
        };
        self.rights.iter().filter(|(_, limit)| has(limit)).map(|(right, _)| right.role.clone()).collect()
    }

    /// Renders the grants on what belongs to a version's view.
    pub(crate) fn grants(&self, table: &Table<'_>, view: &View, name: &str, relation: Relation) -> Vec<String> {
        let grant = |(right, limit): &(Right, Limit)| {
            let columns = match limit {
                Limit::No => String::new(),
                Limit::To(at, name) => {
                    let (shown, at) = shown(table, view, *at, name)?;
                    let place =
                        view.entries.iter().position(|(_, column)| *column == at).filter(|_| relation == Relation::Beneath);
                    let column = place.and_then(|place| inner_names(view).into_iter().nth(place));
                    format!(" ({})", ident(&column.unwrap_or_else(|| fit(shown))))
                }
                Limit::Carried(column) if view.carried.contains(column) && relation != Relation::Copy => {
                    format!(" ({})", ident(column))
                }
                Limit::Carried(_) | Limit::Nothing => return None,
            };
            let more = if right.passes_on { " WITH GRANT OPTION" } else { "" };
            Some(format!("GRANT {}{columns} ON {name} TO {}{more}", right.privilege, right.role))
        };
        self.rights.iter().filter_map(grant).collect()
    }
}

/// Returns what a view shows of a column that was called `name` in another one: the column itself, or another one of the same node, or
/// what follows from it and has its name. A column of the same name that has nothing to do with it is another one.
fn shown<'v>(table: &Table<'_>, view: &'v View, at: usize, name: &str) -> Option<(&'v str, usize)> {
    let node = |column: usize| match table.columns[column].held {
        Held::Shown { node, .. } => Some(node),
        Held::Hidden { .. } | Held::Failed { .. } | Held::Unfit { .. } | Held::Id => None,
    };
    let follows = |column: usize| {
        let (these, those) = (table.nodes_in(at), table.nodes_in(column));
        table.clusters.iter().any(|cluster| {
            these.iter().any(|node| cluster.nodes.contains(node)) && those.iter().any(|node| cluster.nodes.contains(node))
        })
    };
    let find = |is: &dyn Fn(&str, usize) -> bool| view.entries.iter().find(|(shown, column)| is(shown, *column));
    let own = find(&|_, column| column == at)
        .or_else(|| find(&|_, column| node(column).is_some() && node(column) == node(at)))
        .or_else(|| find(&|shown, column| fit(shown) == name && follows(column)));
    own.map(|(name, column)| (name.as_str(), *column))
}
