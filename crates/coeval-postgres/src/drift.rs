//! What differs between a database and what the versions make of it.
//!
//! What should be there is made once more, as temporary things in a transaction that is taken back, and the server's own words on both
//! are compared.

use std::collections::BTreeSet;

use coeval_plan::Step;
use coeval_plan::found::Difference;
use coeval_plan::table::{MARKER, Table, View};
use coeval_sql::postgres::{self, Triggers};
use coeval_sql::{fit, ident};
use coeval_store::backend::Drift;
use coeval_store::{Backend as _, Error, Result};
use deadpool_postgres::Transaction;

use crate::adopted::{self, Native};
use crate::backend::PostgresBackend;
use crate::constraint::is_required;
use crate::error::During;
use crate::facts::{self, Facts};
use crate::layout::{ABILITY, Layout};
use crate::policy;
use crate::trigger::others_on;

const DOING: &str = "comparing the database with the versions";
/// What should be there, made once more.
const TABLE: &str = "pg_temp.coeval_table";
const VIEW: &str = "pg_temp.coeval_view";

/// A table that is looked at.
struct Look<'l> {
    layout: &'l Layout<'l>,
    /// All layouts, for references.
    layouts: &'l [Layout<'l>],
    /// How far the tables are, and the version in force, which is older after a warm rollback.
    made: u32,
    newest: u32,
    table: Table<'l>,
    native: std::collections::BTreeMap<String, Native>,
    deployment: &'l str,
}

/// Compares every table with the versions that the store came to, and the views of live versions.
pub(crate) async fn find(backend: &PostgresBackend) -> Result<Vec<Drift>> {
    let ledger = backend.ledger().await?;
    let (made, newest) = (ledger.made(), ledger.newest().unwrap_or_default());
    let layouts = backend.layouts();
    let mut client = backend.state().database().client().await?;
    let mut out = Vec::new();
    for layout in &layouts {
        let (first, end) = (layout.era.first, layout.era.end.unwrap_or(u32::MAX));
        if first > made || end <= ledger.oldest() {
            continue;
        }
        let table = layout.table(made.min(end - 1))?;
        let native = adopted::known(backend, layout).await?;
        let deployment = backend.state().deployment();
        let look =
            Look { layout, layouts: &layouts, made: made.min(end - 1), newest: newest.min(end - 1), table, native, deployment };
        let transaction = client.transaction().await.during(DOING)?;
        let found = look.all(&transaction, end > newest).await?;
        transaction.rollback().await.during(DOING)?;
        out.extend(found.into_iter().map(|difference| Drift { model: layout.entry.name.clone(), difference }));
    }
    Ok(out)
}

impl Look<'_> {
    async fn all(&self, transaction: &Transaction<'_>, offered: bool) -> Result<Vec<Difference>> {
        let names = &self.layout.names;
        let Some(found) = facts::of(transaction, &names.table).await.during(DOING)? else {
            let what = format!("table `{}`", names.table.replace('"', ""));
            return Ok(vec![Difference::new(what, Some("a table".to_owned()), None)]);
        };
        let triggers = self.triggers()?;
        let mut out = self.functions(transaction, triggers.as_ref()).await?;
        let expected = self.expected(transaction, triggers.as_ref()).await?;
        out.extend(self.compare(&expected, &found));
        if offered {
            for view in self.table.views.iter().filter(|view| view.version <= self.newest) {
                out.extend(self.view(transaction, view).await?);
            }
        }
        Ok(out)
    }

    fn triggers(&self) -> Result<Option<Triggers>> {
        let live: Vec<u32> = self.table.views.iter().map(|view| view.version).collect();
        let keys = |model: &str| self.layout.key_type(model);
        let local = |local: coeval_sql::Local| Error::failed(DOING, local.to_string());
        let made = postgres::triggers(&self.table, &live, &live, &self.layout.names, &keys).map_err(local)?;
        let is_later = |view: &coeval_plan::table::View| view.moved.iter().any(|moved| moved.until > self.newest);
        if !self.table.views.iter().any(is_later) {
            return Ok(made);
        }
        // They look at what newer versions need too, and clients have the views as those are without them.
        let offered = self.layout.table(self.made)?.offered_at(self.newest);
        let offered = postgres::triggers(&offered, &live, &live, &self.layout.names, &keys).map_err(local)?;
        Ok(made.zip(offered).map(|(made, offered)| Triggers { watched: made.watched, ..offered }))
    }

    /// Whether the functions of triggers are what they should be.
    async fn functions(&self, transaction: &Transaction<'_>, triggers: Option<&Triggers>) -> Result<Vec<Difference>> {
        let names = &self.layout.names;
        let mut out = Vec::new();
        for (name, statement) in [
            (names.insert(), triggers.map(|triggers| &triggers.insert)),
            (names.update(), triggers.map(|triggers| &triggers.update)),
        ] {
            let expected = statement.and_then(|statement| statement.split("$coeval$").nth(1)).map(str::to_owned);
            let found = facts::body(transaction, &name).await.during(DOING)?;
            out.extend(function(&name, expected.as_deref(), found.as_deref()));
        }
        for (name, repair) in policy::repairs(self.layout, &self.table, self.made, names)? {
            let (name, expected) = (names.repair(&name), repair.statements.first().and_then(|made| coeval_sql::body_of(made)));
            out.extend(function(&name, expected, facts::body(transaction, &name).await.during(DOING)?.as_deref()));
        }
        Ok(out)
    }

    /// Makes the table once more, and returns what there is to say of it.
    async fn expected(&self, transaction: &Transaction<'_>, triggers: Option<&Triggers>) -> Result<Facts> {
        let mut statements = self.own_table()?;
        let steps = self.rules()?;
        for step in &steps {
            if let Step::CreateIndex { name, columns, unique, .. } = step {
                let columns: Vec<String> = columns.iter().map(|column| ident(column)).collect();
                let kind = if *unique { "UNIQUE INDEX" } else { "INDEX" };
                statements.push(format!("CREATE {kind} {} ON {TABLE} ({})", ident(name), columns.join(", ")));
            }
        }
        statements.extend(policy::checks(self.layout, &self.table, &steps, TABLE)?);
        for statement in &statements {
            transaction.batch_execute(statement).await.during(DOING)?;
        }
        let names = self.layout.names.on(TABLE);
        let mut made = Vec::new();
        if let Some(triggers) = triggers {
            let others = others_on(transaction, &self.layout.names.table).await.during(DOING)?;
            made.extend(postgres::create_triggers(triggers, &names, others));
        }
        let repairs = policy::repairs(self.layout, &self.table, self.made, &names)?;
        made.extend(repairs.into_iter().filter_map(|(_, repair)| repair.statements.into_iter().last()));
        let mut missing = Vec::new();
        for statement in made {
            // Its function may be missing, which was told.
            transaction.batch_execute("SAVEPOINT made").await.during(DOING)?;
            if transaction.batch_execute(&statement).await.is_err() {
                transaction.batch_execute("ROLLBACK TO SAVEPOINT made").await.during(DOING)?;
                missing.extend(statement.split("TRIGGER ").nth(1).and_then(|rest| rest.split(' ').next()).map(str::to_owned));
            }
        }
        let mut out = facts::of(transaction, TABLE).await.during(DOING)?.unwrap_or_default();
        for name in missing {
            out.insert(format!("trigger `{}`", name.replace('"', "")), "a trigger".to_owned());
        }
        for step in &steps {
            let Step::AddForeignKey { name, column, references, .. } = step else { continue };
            if let Some((schema, table)) = self.place(references) {
                out.insert(format!("constraint `{name}`"), format!("FOREIGN KEY ({column}) REFERENCES {schema}.{table}"));
            }
        }
        Ok(out)
    }

    /// Renders the table, with what is its own where it was there before.
    fn own_table(&self) -> Result<Vec<String>> {
        let (table, layout) = (&self.table, self.layout);
        let names = layout.names.on(TABLE);
        let keys = |model: &str| layout.key_type(model);
        let unfit = |unfit: coeval_sql::Unfit| Error::failed(DOING, unfit.to_string());
        let wanted = table.columns_up_to(self.made);
        let mut out = Vec::new();
        if layout.adopted.is_none() {
            let made = postgres::create_table(table, &wanted, &names, &keys).map_err(unfit)?;
            // The schema's own statement is the first.
            out.extend(made.into_iter().skip(1));
        } else {
            let retired = |name: &str| (0..table.columns.len()).any(|at| table.columns[at].name == *name && table.is_gone(at));
            let columns = self.native.iter().filter(|(name, _)| !retired(name)).map(|(name, native)| {
                let null = if native.nullable { "" } else { " NOT NULL" };
                let default = native.default.as_ref().map(|default| format!(" DEFAULT {default}")).unwrap_or_default();
                format!("{} {}{null}{default}", ident(name), native.kind)
            });
            out.push(format!("CREATE TABLE {TABLE} ({})", columns.collect::<Vec<_>>().join(", ")));
            for at in wanted.into_iter().filter(|at| !self.native.contains_key(&table.columns[*at].name)) {
                let column = &table.columns[at];
                if self.is_native(column.since) {
                    continue;
                }
                let add = match adopted::kind(table, at, &self.native) {
                    Some(kind) => postgres::add_column_as(table, at, &names, kind),
                    None => postgres::add_column(table, at, &names, &keys),
                };
                out.push(add.map_err(unfit)?);
                if is_required(table, at) || column.held == coeval_plan::table::Held::Id {
                    out.push(format!("ALTER TABLE {TABLE} ALTER COLUMN {} SET NOT NULL", ident(&column.name)));
                }
                if let Some(check) = postgres::column_check(column) {
                    let name = names.constraint(&format!("{}_check", column.name));
                    out.push(format!("ALTER TABLE {TABLE} ADD CONSTRAINT {name} CHECK ({check})"));
                }
            }
        }
        if layout.whole(self.made)?.views.iter().any(|view| view.marked) {
            out.push(format!("ALTER TABLE {TABLE} ADD COLUMN {} integer", ident(MARKER)));
        }
        out.extend(self.in_force()?);
        Ok(out)
    }

    /// Whether a column was in a table that was taken over before it was noted what such tables are like.
    fn is_native(&self, since: u32) -> bool {
        self.native.is_empty() && since == self.layout.era.first
    }

    /// Renders what the versions in force ask of columns: newer ones may be there, and not be offered.
    fn in_force(&self) -> Result<Vec<String>> {
        let unfit = |unfit: coeval_sql::Unfit| Error::failed(DOING, unfit.to_string());
        let old = self.layout.table(self.newest)?;
        let mut out = Vec::new();
        for (at, column) in old.columns.iter().enumerate() {
            let own = self.native.get(&column.name);
            let known = self.table.columns.iter().any(|known| known.name == column.name);
            if !known || old.is_gone(at) || self.is_native(column.since) {
                continue;
            }
            let alter = format!("ALTER TABLE {TABLE} ALTER COLUMN {}", ident(&column.name));
            if let Some(default) = postgres::column_default(column).map_err(unfit)? {
                out.push(format!("{alter} SET DEFAULT {default}"));
            } else if own.is_none() {
                out.push(format!("{alter} DROP DEFAULT"));
            }
            match own {
                None if is_required(&old, at) != is_required(&self.table, at) => {
                    out.push(format!("{alter} {} NOT NULL", if is_required(&old, at) { "SET" } else { "DROP" }));
                }
                // A row is hidden now where it was refused before.
                Some(own) if !own.nullable && column.is_never_null() && postgres::is_hiding(&old, column) => {
                    out.push(format!("{alter} DROP NOT NULL"));
                }
                Some(_) | None => {}
            }
        }
        Ok(out)
    }

    /// The indexes and references that the versions ask for.
    fn rules(&self) -> Result<Vec<Step>> {
        let (layout, made) = (self.layout, self.made);
        // A table that was there before has its own at its first version.
        let from = layout.adopted.as_ref().map(|_| layout.era.first);
        let steps = coeval_plan::lower(&layout.entry.name, &layout.era.history, &layout.versions(made), from, made, ABILITY);
        let unsuitable = |unsuitable: coeval_plan::table::Unsuitable| Error::failed(DOING, unsuitable.to_string());
        let mut steps = steps.map_err(unsuitable)?;
        // Some goes with versions that are retired.
        let demanded = coeval_plan::demanded(&self.table, made).map_err(unsuitable)?;
        steps.retain(|step| match step {
            Step::CreateIndex { name, .. } | Step::AddForeignKey { name, .. } => demanded.contains(name),
            _ => true,
        });
        Ok(steps)
    }

    fn place(&self, model: &str) -> Option<(String, String)> {
        let named = |other: &&Layout<'_>| {
            let mut names = other.era.history.versions().filter_map(|version| other.era.history.model(version));
            other.entry.name == model || names.any(|known| known.name == model)
        };
        let other = self.layouts.iter().filter(|other| other.era.contains(self.made)).find(named)?;
        let own = || (fit(self.deployment), fit(&other.table_name));
        Some(other.adopted.clone().unwrap_or_else(own))
    }

    fn compare(&self, expected: &Facts, found: &Facts) -> Vec<Difference> {
        let whose = |what: &String| {
            let (kind, _) = what.split_once(' ').unwrap_or((what, ""));
            let own = what.starts_with("trigger `zz_coeval_");
            let foreign = self.layout.adopted.is_some();
            // What people add to a table to find rows faster, or to be told of them, is theirs.
            !matches!(kind, "index" | "trigger") && !foreign || own
        };
        let native = |what: &String| {
            let unknown = self.layout.adopted.is_some() && self.native.is_empty();
            let column = what.strip_prefix("default of ").unwrap_or(what);
            unknown && column.starts_with("column ") && !expected.contains_key(column)
        };
        let all: BTreeSet<&String> = expected.keys().chain(found.keys().filter(|what| whose(what))).collect();
        let default = |what: &String| self.layout.adopted.is_some() && what.starts_with("default of ");
        let more = found.keys().filter(|what| default(what) && !native(what));
        // The default of a column that no version knows goes with the column.
        let more = more.filter(|what| what.strip_prefix("default of ").is_some_and(|column| expected.contains_key(column)));
        let all: BTreeSet<&String> = all.into_iter().chain(more).collect();
        let mut out = Vec::new();
        for what in all {
            let (wanted, there) = (expected.get(what), found.get(what));
            let column = what.strip_prefix("default of ");
            let whole = |column: &str| expected.contains_key(column) && found.contains_key(column);
            if wanted == there || column.is_some_and(|column| !whole(column)) {
                continue;
            }
            let none = |text: Option<&String>| match (text, column) {
                (None, Some(_)) => Some("none".to_owned()),
                (text, _) => text.cloned(),
            };
            out.push(Difference::new(what, none(wanted), none(there)));
        }
        out
    }

    /// Makes a version's view once more, and compares the two.
    async fn view(&self, transaction: &Transaction<'_>, view: &View) -> Result<Vec<Difference>> {
        let names = &self.layout.names;
        let keys = |model: &str| self.layout.key_type(model);
        let unfit = |unfit: coeval_sql::Unfit| Error::failed(DOING, unfit.to_string());
        let old = self.layout.table(self.newest)?;
        let Some(view) = old.view(view.version) else { return Ok(Vec::new()) };
        let made = postgres::create_view(&old, view, names, &keys).map_err(unfit)?;
        let own = postgres::view_defaults(&old, view, &keys).map_err(unfit)?;
        let filled = adopted::filled(&old, view, names, &own, &self.native);
        let guarded = "SELECT relrowsecurity FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass($1)";
        let guarded =
            transaction.query_typed_opt(guarded, &[(&names.table, tokio_postgres::types::Type::TEXT)]).await.during(DOING)?;
        let guarded = guarded.map(|row| row.try_get::<_, bool>(0)).transpose().during(DOING)?.unwrap_or_default();
        let mut out = Vec::new();
        let inner = view.marked.then(|| names.inner(view));
        for relation in inner.into_iter().chain([names.view(view)]) {
            let mut statements: Vec<String> = made.iter().filter_map(|statement| on(statement, &relation)).collect();
            let filled = filled.iter().filter(|filled| !filled.identity && relation == names.view(view));
            let set = |own: &adopted::Filled| {
                format!("ALTER VIEW {VIEW} ALTER COLUMN {} SET DEFAULT {}", ident(&own.column), own.value)
            };
            statements.extend(filled.map(set));
            if guarded {
                statements.push(format!("ALTER VIEW {VIEW} SET (security_invoker = true)"));
            }
            let what = format!("view `{}`", relation.replace('"', ""));
            let Some(found) = facts::of(transaction, &relation).await.during(DOING)? else {
                out.push(Difference::new(what, Some(format!("a view of version {}", view.version)), None));
                continue;
            };
            transaction.batch_execute("SAVEPOINT made").await.during(DOING)?;
            let mut expected = None;
            let mut refused = None;
            for statement in &statements {
                refused = refused.or(transaction.batch_execute(statement).await.err());
            }
            if refused.is_none() {
                expected = facts::of(transaction, VIEW).await.during(DOING)?;
            }
            transaction.batch_execute("ROLLBACK TO SAVEPOINT made").await.during(DOING)?;
            // What it should read is missing, which was told.
            let Some(expected) = expected else { continue };
            let all: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
            for own in all.into_iter().filter(|own| expected.get(*own) != found.get(*own)) {
                let said = if own == "definition" { what.clone() } else { format!("{what}: {own}") };
                out.push(Difference::new(said, expected.get(own).cloned(), found.get(own).cloned()));
            }
        }
        out.extend(self.twin(transaction, view).await?);
        Ok(out)
    }

    /// Whether there is what takes COPY.
    async fn twin(&self, transaction: &Transaction<'_>, view: &View) -> Result<Vec<Difference>> {
        let (twin, function) = (self.layout.names.copy(view), self.layout.names.copy_function(view));
        let what = format!("view `{}`", twin.replace('"', ""));
        let expected = || Some(format!("the view of version {} for COPY", view.version));
        let Some(found) = facts::of(transaction, &twin).await.during(DOING)? else {
            return Ok(vec![Difference::new(what, expected(), None)]);
        };
        let wanted = format!("INSTEAD OF INSERT FOR EACH ROW EXECUTE FUNCTION {}()", function.replace('"', ""));
        let there = found.get("trigger `copy`").map(|there| there.replace('"', ""));
        Ok(if there.as_ref() == Some(&wanted) {
            Vec::new()
        } else {
            vec![Difference::new(format!("{what}: trigger `copy`"), Some(wanted), there)]
        })
    }
}

/// A statement on a view as one on the view that is made once more; `None` for one on another.
fn on(statement: &str, relation: &str) -> Option<String> {
    for begin in ["CREATE OR REPLACE VIEW ", "ALTER VIEW "] {
        if let Some(rest) = statement.strip_prefix(&format!("{begin}{relation} ")) {
            return Some(format!("{begin}{VIEW} {rest}"));
        }
    }
    None
}

/// Compares the bodies of functions; tells the first line that differs.
fn function(name: &str, expected: Option<&str>, found: Option<&str>) -> Option<Difference> {
    if expected == found {
        return None;
    }
    let what = format!("function `{}()`", name.replace('"', ""));
    let (Some(wanted), Some(there)) = (expected, found) else {
        let some = |body: Option<&str>| body.map(|_| "a function of a trigger".to_owned());
        return Some(Difference::new(what, some(expected), some(found)));
    };
    let (mut ours, mut theirs) = (wanted.lines(), there.lines());
    let line = |line: Option<&str>| Some(line.map_or_else(|| "its end".to_owned(), |line| format!("`{}`", line.trim())));
    for nth in 1.. {
        let (wanted, there) = (ours.next(), theirs.next());
        if wanted != there {
            return Some(Difference::new(format!("{what}, line {nth}"), line(wanted), line(there)));
        }
        if wanted.is_none() {
            break;
        }
    }
    None
}
