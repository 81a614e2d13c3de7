//! Steps. Each is done in one transaction, or in several that leave a note of how far they are.

use std::sync::Arc;

use coeval_core::schema::Policy;
use coeval_sql::ident;
use coeval_sql::sqlite::{Reference, TableText};
use coeval_store::catalog::ModelEntry;
use coeval_store::event::{Event, Failure, Tally};
use coeval_store::ledger::Ledger;
use coeval_store::work::{Mode, Work};
use coeval_store::{Backend as _, Catalog, Error, Result, Step};

use crate::backend::Sqlite;
use crate::layout::{Layout, era_between, names};
use crate::statement::{Absent, ForeignKeys, How, Session};
use crate::{adopted, archive, backfill, catalog, condition, layout, shape, standalone, writing};

/// For which versions a step is executed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// The version that there was before the run.
    pub(crate) from: u32,
    /// The version that there will be.
    pub(crate) to: u32,
    /// The oldest version that is not retired, or about to be.
    oldest: u32,
    /// How far the tables were before it: further than the version in force after a warm rollback.
    made: u32,
}

impl Span {
    /// The versions of the open run; of one that is undone, the other way round.
    pub(crate) fn new(ledger: &Ledger, undo: bool) -> Self {
        let in_force = ledger.in_force().unwrap_or_default();
        let (from, to) = ledger.open().map_or((in_force, in_force), |open| (open.from, open.to));
        let (from, to) = if undo { (to, from) } else { (from, to) };
        Self { from, to, oldest: ledger.oldest(), made: ledger.made() }
    }

    /// The newest version that the tables may have columns for.
    pub(crate) fn newest(&self) -> u32 {
        self.from.max(self.to).max(self.made)
    }
}

/// Executes a step, or what is left of it.
pub(crate) async fn execute(store: &Sqlite, step: &Step, work: &Work<'_>) -> Result<Tally> {
    work.go_on()?;
    let ledger = store.ledger().await?;
    let span = Span::new(&ledger, work.undo);
    match step {
        Step::MoveRecords { .. } | Step::ForgetRecords { .. } => {
            let reason = "records in a database have columns for every version; nothing is moved".to_owned();
            return Err(Error::Unsupported { what: step.to_string(), reason });
        }
        Step::Backfill { model, from, to, columns } => return backfill::backfill(store, model, *from, *to, columns, work).await,
        Step::Archive { model, from, to, columns } => return archive::archive(store, model, *from, *to, columns, work).await,
        Step::Standalone { up, .. } if work.mode == Mode::Write => return standalone::execute(store, step, up, work).await,
        _ if work.mode != Mode::Write => return attempt(store, step, span, work).await,
        _ => {}
    }
    let keys = match step {
        Step::SetNotNull { model, .. }
        | Step::DropNotNull { model, .. }
        | Step::AddCheck { model, .. }
        | Step::DropCheck { model, .. }
        | Step::AddForeignKey { model, .. }
        | Step::DropForeignKey { model, .. } => {
            let (entry, era) = era_between(&store.catalog, model, span.from, span.to)?;
            // A table that was there before is never replaced.
            if layout::adopted(era).is_some() {
                return own(store, &ledger, step, span, work, ForeignKeys::Enforced).await;
            }
            ForeignKeys::Checked(vec![names(&store.catalog, entry, era).base().to_owned()])
        }
        _ => ForeignKeys::Enforced,
    };
    own(store, &ledger, step, span, work, keys).await
}

/// Executes a step in one transaction.
async fn own(store: &Sqlite, ledger: &Ledger, step: &Step, span: Span, work: &Work<'_>, keys: ForeignKeys) -> Result<Tally> {
    let how = How { doing: step.to_string(), absent: Absent::Create, foreign_keys: keys, observer: work.observer };
    let (catalog, own, alike) = (Arc::clone(&store.catalog), step.clone(), alike(ledger, step, work));
    let undone = work.undo.then(|| (Arc::clone(&store.deployment), work.run.to_owned()));
    let act = move |session: &Session<'_>| {
        if let (Step::DropViews { from, .. }, Some((deployment, run))) = (&own, &undone)
            && is_offered(session, &catalog, *from)?
        {
            archive::note_offered(session, deployment, run)?;
        }
        act(session, &catalog, &own, &alike, span)
    };
    let failures = store.transaction(&how, work.lock.map(coeval_store::lock::Lock::fence), act).await?;
    let tally = told(failures, work);
    match tally.failed {
        // Of what is undone nothing stays where it should not be.
        0 if work.undo => Ok(Tally::default()),
        0 => Ok(tally),
        count => Err(Error::Records { count }),
    }
}

/// Names records, and counts them by what becomes of them.
fn told(failures: Vec<Failure>, work: &Work<'_>) -> Tally {
    let mut tally = Tally { seen: failures.len() as u64, ..Tally::default() };
    for failure in failures {
        match failure.kind {
            "quarantined" => tally.quarantined += 1,
            "repaired" => tally.written += 1,
            _ => tally.failed += 1,
        }
        work.observer.event(Event::Failure(failure));
    }
    tally
}

/// Whether a step takes or gives up that every row has a value: the model, the column, and which of both.
fn nullness(step: &Step) -> Option<(&str, &str, bool)> {
    match step {
        Step::SetNotNull { model, column } => Some((model, column, true)),
        Step::DropNotNull { model, column } => Some((model, column, false)),
        _ => None,
    }
}

/// The columns of steps that follow a step in its run at once and ask the same of the same table, which is copied once for all of
/// them: each finds it done. Where it is undone, they were undone before it, and find the same.
fn alike(ledger: &Ledger, step: &Step, work: &Work<'_>) -> Vec<String> {
    let index = work.step.rsplit('-').next().and_then(|index| index.parse::<usize>().ok());
    let steps = index.zip(ledger.open()).and_then(|(index, open)| open.steps.get(index..)).unwrap_or_default();
    let Some((first, (model, column, _))) = steps.first().and_then(nullness).zip(nullness(step)) else { return Vec::new() };
    if (first.0, first.1) != (model, column) {
        return Vec::new();
    }
    let same = |step: &Step| {
        nullness(step).filter(|(of, _, set)| (*of, *set) == (first.0, first.2)).map(|(_, column, _)| column.to_owned())
    };
    steps.iter().skip(1).map_while(same).collect()
}

/// Looks whether records would be in the way of a step, and changes nothing.
async fn attempt(store: &Sqlite, step: &Step, span: Span, work: &Work<'_>) -> Result<Tally> {
    if !matches!(step, Step::CreateIndex { unique: true, .. } | Step::AddCondition { .. } | Step::SetNotNull { .. }) {
        return Ok(Tally::default());
    }
    let (catalog, step) = (Arc::clone(&store.catalog), step.clone());
    let found = store.database.read("looking for what violates a rule", move |session| {
        // No run is open, and what is to come is in no span.
        let newest = span.newest().max(condition::of(&step).map_or(0, |(_, known)| known.at));
        let (entry, era) = era_between(&catalog, step.model(), span.from, newest)?;
        let layout = Layout::new(&catalog, entry, era, last(era, newest))?;
        // What is not there yet violates nothing.
        let there = catalog::table(session, layout.names.base())?;
        let known = |name: &String| there.as_ref().is_some_and(|table| table.columns.iter().any(|column| column.name == *name));
        match &step {
            Step::CreateIndex { columns, .. } if columns.iter().all(known) => twice(session, &layout, columns),
            Step::SetNotNull { column, .. } if known(column) && !layout.table.is_adopted() => nulls(session, &layout, column),
            step => match condition::of(step) {
                Some((name, asked)) if condition::columns(&layout, asked.at).iter().all(known) => {
                    condition::broken(session, &layout, name, &asked)
                }
                Some(_) | None => Ok(Vec::new()),
            },
        }
    });
    Ok(told(found.await?.unwrap_or_default(), work))
}

/// The newest version of an era up to one.
pub(crate) fn last(era: &coeval_store::Era, version: u32) -> u32 {
    era.end.map_or(version, |end| version.min(end.saturating_sub(1)))
}

fn act(session: &Session<'_>, catalog: &Catalog, step: &Step, alike: &[String], span: Span) -> Result<Vec<Failure>> {
    match step {
        Step::CreateViews { .. } | Step::DropViews { .. } | Step::RetireViews { .. } => {
            views(session, catalog, step, span)?;
            return Ok(Vec::new());
        }
        Step::Sql { up, .. } => {
            session.batch(up)?;
            return Ok(Vec::new());
        }
        _ => {}
    }
    let (entry, era) = era_between(catalog, step.model(), span.from, span.to)?;
    let layout = |up_to: u32| Layout::new(catalog, entry, era, last(era, up_to));
    let newest = layout(span.newest())?;
    let keys = |model: &str| newest.key_type(model);
    #[allow(clippy::match_same_arms, reason = "some have nothing to do here, others are done elsewhere")]
    match step {
        Step::CreateTable { columns, .. } if newest.table.is_adopted() => adopted::adopt(session, &newest, columns)?,
        Step::SetTableAside { .. } if newest.table.is_adopted() => adopted::leave(session, &newest)?,
        Step::CreateTable { columns, key, .. } => create(session, &newest, columns, key)?,
        Step::SetTableAside { .. } => set_aside(session, &newest)?,
        Step::AddColumn { column, .. } => {
            let mut text = shape::column(session, column, &newest.names, &keys)?;
            let all = newest.table.columns.iter().map(|other| other.name.as_str());
            text.not_null = text.default.is_some() && is_never_null(column) && !is_hiding(&newest, &column.name, all);
            if !newest.has_column(session, &column.name)? {
                session.batch(&format!("ALTER TABLE {} ADD COLUMN {}", newest.names.table(), text.text()))?;
            }
        }
        // One that was there before was not added, and the step that is undone refused it.
        Step::DropColumn { column, .. } if adopted::own(session, &newest, &column.name)?.is_some() => {}
        Step::DropColumn { column, .. } => drop_column(session, &layout(span.to)?, &column.name)?,
        Step::ForgetColumn { column, .. } => drop_column(session, &newest, column)?,
        Step::RebuildTriggers { to, .. } => {
            let layout = layout(*to)?;
            writing::renew(session, &layout, &layout.present(session)?)?;
        }
        // A column has its check from the beginning, and the views know who writes.
        Step::AddCheck { .. } | Step::DropCheck { .. } | Step::WatchColumns { .. } => {}
        Step::SetNotNull { column, .. } => {
            let found = nulls(session, &newest, column)?;
            if !found.is_empty() {
                return Ok(found);
            }
            let mut columns = vec![column];
            for other in alike {
                // What is in the way of another one, its own step says.
                if newest.has_column(session, other)? && nulls(session, &newest, other)?.is_empty() {
                    columns.push(other);
                }
            }
            if !newest.table.is_adopted() {
                let names = &newest.names;
                shape::alter(session, names, |table| columns.into_iter().for_each(|column| not_null(table, column, true)))?;
            }
        }
        Step::DropNotNull { column, .. } => {
            if newest.has_column(session, column)? && !newest.table.is_adopted() {
                let columns = alike.iter().chain([column]);
                shape::alter(session, &newest.names, |table| columns.for_each(|column| not_null(table, column, false)))?;
            }
        }
        // What only retired versions had is not demanded any more.
        Step::CreateIndex { columns, .. } if !newest.has_all(session, columns)? => {}
        Step::CreateIndex { name, columns, unique, .. } => {
            if *unique {
                let found = twice(session, &newest, columns)?;
                if !found.is_empty() {
                    return Ok(found);
                }
            }
            if let Some(other) = index_of(session, name)?.filter(|other| !other.eq_ignore_ascii_case(newest.names.base())) {
                let reason = format!("there is an index `{name}` of the table `{other}` already");
                return Err(session.failed(reason, Some("Rename a property, or a model.")));
            }
            let columns: Vec<String> = columns.iter().map(|column| ident(column)).collect();
            let (kind, table) = (if *unique { "UNIQUE INDEX" } else { "INDEX" }, newest.names.table());
            session.batch(&format!("CREATE {kind} IF NOT EXISTS {} ON {table} ({})", ident(name), columns.join(", ")))?;
        }
        Step::DropIndex { name, .. } => {
            if index_of(session, name)?.is_some_and(|table| table.eq_ignore_ascii_case(newest.names.base())) {
                session.batch(&format!("DROP INDEX {}", ident(name)))?;
            }
        }
        Step::AddForeignKey { .. } if newest.table.is_adopted() => {
            let reason = "SQLite adds a reference only by making the table anew, and this one was there before".to_owned();
            return Err(Error::Unsupported { what: step.to_string(), reason });
        }
        Step::AddForeignKey { name, column, references, .. } => {
            let (_, other) = era_between(catalog, references, span.from, span.to)?;
            let (other_entry, up_to) = (catalog.model(references)?, last(other, span.from.max(span.to)));
            let other = Layout::new(catalog, other_entry, other, up_to)?;
            let key = other.key().first().map(|key| (*key).to_owned()).unwrap_or_default();
            let reference = Reference { name: name.clone(), column: column.clone(), table: other.names.base().to_owned(), key };
            shape::alter(session, &newest.names, |table| {
                table.references.retain(|known| known.name != reference.name);
                table.references.push(reference);
            })?;
        }
        Step::DropForeignKey { name, .. } => {
            if catalog::table(session, newest.names.base())?.is_some() && !newest.table.is_adopted() {
                shape::alter(session, &newest.names, |table| table.references.retain(|known| known.name != *name))?;
            }
        }
        Step::ForgetTable { .. } if newest.table.is_adopted() => {
            adopted::leave(session, &newest)?;
            archive::forget(session, newest.names.base())?;
        }
        Step::AddCondition { .. } | Step::DropCondition { .. } => return condition(session, &newest, &layout, step, span),
        Step::ForgetTable { .. } => forget(session, catalog, entry, span.oldest)?,
        Step::MoveRecords { .. }
        | Step::ForgetRecords { .. }
        | Step::Backfill { .. }
        | Step::Archive { .. }
        | Step::CreateViews { .. }
        | Step::DropViews { .. }
        | Step::RetireViews { .. }
        | Step::Sql { .. }
        | Step::Standalone { .. } => {}
    }
    Ok(Vec::new())
}

/// Makes a condition a rule, or takes it back; returns which rows break it, with what becomes of them.
fn condition<'c>(
    session: &Session<'_>,
    newest: &Layout<'c>,
    layout: &impl Fn(u32) -> Result<Layout<'c>>,
    step: &Step,
    span: Span,
) -> Result<Vec<Failure>> {
    let Some((name, known)) = condition::of(step) else { return Ok(Vec::new()) };
    if let Step::DropCondition { .. } = step {
        condition::drop_triggers(session, newest, name, &known)?;
        if let Policy::Repair(_) = known.policy {
            // Views leave out now what is repaired no more.
            let layout = tended(session, layout(span.to)?, layout(span.newest())?)?;
            writing::renew(session, &layout, &layout.present(session)?)?;
        }
        return Ok(Vec::new());
    }
    let columns = coeval_plan::columns_of(&newest.table, &known);
    if !columns.is_subset(&newest.present(session)?) {
        // What only retired versions had is not demanded any more.
        return Ok(Vec::new());
    }
    let found = condition::broken(session, newest, name, &known)?;
    if found.iter().all(|failure| failure.kind != "rejected") {
        condition::add(session, newest, name, &known)?;
    }
    Ok(found)
}

/// For which versions writes fill columns: as long as there are those of newer ones, for these.
fn tended<'c>(session: &Session<'_>, older: Layout<'c>, newest: Layout<'c>) -> Result<Layout<'c>> {
    let same = older.present(session)?.len() == newest.present(session)?.len();
    // What repairs writes at a version, whether clients have it or not.
    let repaired = condition::mending(session, &older)?.triggers.len() == condition::mending(session, &newest)?.triggers.len();
    Ok(if same && repaired { older } else { newest })
}

pub(crate) fn is_never_null(column: &coeval_plan::ColumnSpec) -> bool {
    let property = &column.property;
    column.holds == coeval_plan::Holds::Value
        && property.required
        && !property.nullable
        && property.ty != coeval_core::schema::Type::Json
}

/// Whether a row is hidden rather than refused where a column has no value: one of others says that there is none.
pub(crate) fn is_hiding<'o>(layout: &Layout<'_>, column: &str, mut others: impl Iterator<Item = &'o str>) -> bool {
    let at = |name: &str| layout.table.columns.iter().position(|column| column.name == name);
    let signs = at(column).map(|at| layout.table.signs_of(at)).unwrap_or_default();
    others.any(|other| at(other).is_some_and(|at| signs.contains(&at)))
}

fn not_null(table: &mut TableText, column: &str, value: bool) {
    for known in table.columns.iter_mut().filter(|known| known.name == column) {
        known.not_null = value;
    }
}

/// The table that an index belongs to.
fn index_of(session: &Session<'_>, name: &str) -> Result<Option<String>> {
    let sql = "SELECT tbl_name FROM sqlite_schema WHERE type = 'index' AND name = ?1 COLLATE nocase";
    session.row(sql, [name], |row| row.get(0))
}

fn create(session: &Session<'_>, layout: &Layout<'_>, columns: &[coeval_plan::ColumnSpec], key: &[String]) -> Result<()> {
    let names = &layout.names;
    if catalog::table(session, names.base())?.is_some() {
        return match shape::read(session, names)? {
            Some(found) if found.key.as_ref().is_some_and(|(_, found)| found == key) || key.is_empty() => Ok(()),
            _ => Err(session.failed(format!("there is a table `{}` already", names.base()), Some("Rename it, or the model."))),
        };
    }
    if catalog::table(session, &names.aside())?.is_some() {
        session.batch(&format!("ALTER TABLE {} RENAME TO {}", ident(&names.aside()), names.table()))?;
        return Ok(());
    }
    let keys = |model: &str| layout.key_type(model);
    let mut texts = Vec::new();
    for column in columns {
        let mut text = shape::column(session, column, names, &keys)?;
        let hides = is_hiding(layout, &column.name, layout.table.columns.iter().map(|other| other.name.as_str()));
        text.not_null = key.contains(&column.name) || is_never_null(column) && !hides;
        texts.push(text);
    }
    let key = (!key.is_empty()).then(|| (names.primary_key(), key.to_vec()));
    let text = TableText { name: names.base().to_owned(), columns: texts, key, references: Vec::new() };
    session.batch(&text.text())
}

/// Drops the tables of the eras of a model that ended by a version.
fn forget(session: &Session<'_>, catalog: &Catalog, entry: &ModelEntry, by: u32) -> Result<()> {
    for era in entry.eras.iter().filter(|era| era.end.is_some_and(|end| end <= by)) {
        let names = names(catalog, entry, era);
        for name in [names.base().to_owned(), names.aside(), names.scratch()] {
            session.batch(&format!("DROP TABLE IF EXISTS {}", ident(&name)))?;
        }
        archive::forget(session, names.base())?;
    }
    Ok(())
}

fn set_aside(session: &Session<'_>, layout: &Layout<'_>) -> Result<()> {
    let names = &layout.names;
    session.batch(&format!("DROP TABLE IF EXISTS {}", ident(&names.scratch())))?;
    if catalog::table(session, names.base())?.is_none() {
        return Ok(());
    }
    let rows = session.row(&format!("SELECT 1 FROM {} LIMIT 1", names.table()), [], |_| Ok(()))?;
    if rows.is_none() {
        return session.batch(&format!("DROP TABLE {}", names.table()));
    }
    session.batch(&format!("ALTER TABLE {} RENAME TO {}", names.table(), ident(&names.aside())))
}

fn drop_column(session: &Session<'_>, layout: &Layout<'_>, name: &str) -> Result<()> {
    if !layout.has_column(session, name)? {
        return Ok(());
    }
    let mut present = layout.present(session)?;
    present.retain(|at| !layout.table.columns[*at].name.eq_ignore_ascii_case(name));
    writing::renew(session, layout, &present)?;
    session.batch(&format!("ALTER TABLE {} DROP COLUMN {}", layout.names.table(), ident(name)))
}

fn views(session: &Session<'_>, catalog: &Catalog, step: &Step, span: Span) -> Result<()> {
    for entry in &catalog.models {
        for era in &entry.eras {
            let layout = |up_to: u32| Layout::new(catalog, entry, era, last(era, up_to));
            match step {
                Step::CreateViews { from, to } if era.first <= *to && era.end.is_none_or(|end| end > *from) => {
                    let layout = layout(span.made.max(*to))?;
                    writing::offer(session, &layout, *from, *to)?;
                    writing::renew(session, &layout, &layout.present(session)?)?;
                }
                Step::DropViews { from, to } if era.first <= *from && era.end.is_none_or(|end| end > *to) => {
                    let newest = layout(span.newest())?;
                    writing::withdraw(session, &newest, |view| view.version > *to)?;
                    let layout = tended(session, layout(*to)?, newest)?;
                    writing::renew(session, &layout, &layout.present(session)?)?;
                }
                Step::RetireViews { before } if era.first < *before => {
                    let layout = layout(span.newest())?;
                    writing::withdraw(session, &layout, |view| view.version < *before)?;
                    writing::renew(session, &layout, &layout.present(session)?)?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether a version is there for clients.
fn is_offered(session: &Session<'_>, catalog: &Catalog, version: u32) -> Result<bool> {
    for entry in &catalog.models {
        for era in entry.eras.iter().filter(|era| era.contains(version)) {
            let layout = Layout::new(catalog, entry, era, last(era, version))?;
            if writing::is_offered(session, &layout, version)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The key of a row as people read it, as an expression.
fn key_text(layout: &Layout<'_>) -> String {
    let parts: Vec<String> = layout.key().into_iter().map(|name| format!("CAST({} AS TEXT)", ident(name))).collect();
    if parts.is_empty() { "''".to_owned() } else { parts.join(" || '/' || ") }
}

/// Names the rows `t` that a condition holds for, with what becomes of them and why.
pub(crate) fn failures(
    session: &Session<'_>,
    layout: &Layout<'_>,
    condition: &str,
    (kind, reason): (&'static str, &str),
) -> Result<Vec<Failure>> {
    let sql = format!("SELECT {} FROM {} AS t WHERE {condition}", key_text(layout), layout.names.table());
    let keys = session.rows(&sql, [], |row| row.get::<_, String>(0))?;
    let failure = |key| Failure { model: layout.model.to_owned(), key, kind, reason: reason.to_owned() };
    Ok(keys.into_iter().map(failure).collect())
}

fn nulls(session: &Session<'_>, layout: &Layout<'_>, column: &str) -> Result<Vec<Failure>> {
    failures(session, layout, &format!("{} IS NULL", ident(column)), ("rejected", &format!("`{column}` has no value")))
}

fn twice(session: &Session<'_>, layout: &Layout<'_>, columns: &[String]) -> Result<Vec<Failure>> {
    let list = columns.iter().map(|column| ident(column)).collect::<Vec<_>>().join(", ");
    let same: Vec<String> = columns.iter().map(|column| format!("o.{0} = t.{0}", ident(column))).collect();
    // By the key, since a property can be called `rowid`.
    let other: Vec<String> = layout.key().into_iter().map(|column| format!("o.{0} IS NOT t.{0}", ident(column))).collect();
    let condition =
        format!("EXISTS (SELECT 1 FROM {} AS o WHERE {} AND ({}))", layout.names.table(), same.join(" AND "), other.join(" OR "));
    let reason = format!("another record has the same value of {}", list.replace('"', "`"));
    failures(session, layout, &condition, ("rejected", &reason))
}
