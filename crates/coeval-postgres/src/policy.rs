//! Conditions that older versions may break: what breaks one is hidden at the versions that have it, or repaired.

use coeval_core::schema::Policy;
use coeval_plan::table::{Table, Unsuitable};
use coeval_plan::{Condition, Step};
use coeval_sql::Dialect;
use coeval_sql::postgres::{self, Names, Repair};
use coeval_store::event::Tally;
use coeval_store::{Error, Result};

use crate::constraint::{are_there, named, stated};
use crate::execute::Job;
use crate::layout::Layout;
use crate::offer::{is_offered, secured};
use crate::row::Lens;
use crate::table::{create_workings, drop_schema, key, newer, unfit};
use crate::walk::{Act, KeyColumns, Range, Walk};

/// A condition that a step is about, on a table.
struct Ruled<'l> {
    layout: &'l Layout<'l>,
    /// With the versions that were retired.
    table: Table<'l>,
    /// The columns of the version whose names it uses.
    columns: Vec<String>,
    name: &'l str,
    known: Condition,
}

impl<'l> Ruled<'l> {
    /// `None` where the step is about no condition.
    fn new(job: &Job<'_>, layout: &'l Layout<'l>, step: &'l Step) -> Result<Option<Self>> {
        let (Step::AddCondition { name, expr, at, policy, .. } | Step::DropCondition { name, expr, at, policy, .. }) = step
        else {
            return Ok(None);
        };
        let (table, columns) = stated(job, layout, *at)?;
        let known = Condition { expr: expr.clone(), at: *at, policy: policy.clone() };
        Ok(Some(Self { layout, table, columns, name, known }))
    }

    fn says(&self) -> String {
        format!("`{}` does not hold: {}", self.name, self.known.expr)
    }

    /// Renders the condition on rows `t` that break it.
    fn broken(&self, job: &Job<'_>) -> Result<String> {
        let holds = coeval_sql::holding(&self.table, self.known.at, &self.known.expr, "t", Dialect::Postgres);
        Ok(format!("({}) IS FALSE", holds.map_err(unfit(job))?))
    }

    fn repair(&self, job: &Job<'_>) -> Result<Repair> {
        let keys = |model: &str| self.layout.key_type(model);
        postgres::repair(&self.table, self.name, &self.known, &self.layout.names, &keys).map_err(unfit(job))
    }

    /// Names the rows that break it, with what becomes of them, and counts them; there may be no such columns yet.
    async fn count(&self, job: &Job<'_>) -> Result<Tally> {
        if !are_there(job, self.layout, &self.columns).await? {
            return Ok(Tally { total: Some(0), ..Tally::default() });
        }
        let Policy::Repair(with) = &self.known.policy else {
            let (condition, reason) = (self.broken(job)?, self.says());
            let quarantined = named(job, self.layout, &self.table, &condition, ("quarantined", &reason)).await?;
            return Ok(Tally { quarantined, seen: quarantined, total: Some(quarantined), ..Tally::default() });
        };
        let Repair { broken, hopeless, .. } = self.repair(job)?;
        let (hopeless, mended) = (format!("{broken} AND {hopeless}"), format!("{broken} AND NOT {hopeless}"));
        let reason = format!("{}, and what repairs it does not either: {with}", self.says());
        let failed = named(job, self.layout, &self.table, &hopeless, ("rejected", &reason)).await?;
        let reason = format!("{}; it is repaired: {with}", self.says());
        let written = named(job, self.layout, &self.table, &mended, ("repaired", &reason)).await?;
        Ok(Tally { failed, written, seen: failed + written, total: Some(failed + written), ..Tally::default() })
    }
}

/// Says what would become of the rows of a table by a step, and changes nothing.
pub(crate) async fn foresee(job: &Job<'_>, layout: &Layout<'_>, step: &Step) -> Result<Tally> {
    match Ruled::new(job, layout, step)? {
        Some(ruled) => ruled.count(job).await,
        None => Ok(Tally { total: Some(0), ..Tally::default() }),
    }
}

/// Lets older versions break a condition: what does is counted, or repaired.
pub(crate) async fn add(job: &Job<'_>) -> Result<Tally> {
    let layout = job.layout()?;
    let none = Tally { total: Some(0), ..Tally::default() };
    let ruled = Ruled::new(job, &layout, job.step)?;
    // What only retired versions had is not demanded any more.
    let Some(ruled) = ruled.filter(|ruled| coeval_plan::stays(&ruled.table, &ruled.known)) else { return Ok(none) };
    if ruled.known.policy == Policy::Quarantine {
        // Of what is undone, nothing stays where it should not be: it was there all the time.
        if job.work.undo {
            return Ok(none);
        }
        let found = ruled.count(job).await?;
        render(job, &ruled, true).await?;
        return Ok(found);
    }
    let found = ruled.count(job).await?;
    if found.failed > 0 {
        return Err(Error::Records { count: found.failed });
    }
    let repair = ruled.repair(job)?;
    let names = &layout.names;
    let mut statements = vec![format!("LOCK TABLE ONLY {} IN SHARE ROW EXCLUSIVE MODE", names.table)];
    statements.extend(create_workings(job, &names.workings).await?);
    statements.extend(repair.statements.iter().cloned());
    job.transact(&statements).await?;
    let key = key(&newer(&layout, job)?, &layout);
    let act = Mending { table: names.table.clone(), key: key.clone(), repair };
    Walk { job, layout: &layout, table: &names.table, key, act }.all().await
}

/// Takes it back: there are no triggers any more, and no view goes by what is no more in the table.
pub(crate) async fn drop(job: &Job<'_>) -> Result<()> {
    let layout = job.layout()?;
    let Some(ruled) = Ruled::new(job, &layout, job.step)? else { return Ok(()) };
    if let Policy::Repair(_) = ruled.known.policy {
        let mut statements = vec![crate::table::lock(&layout.names.table)];
        statements.extend(postgres::drop_repair(ruled.name, &layout.names));
        job.transact(&statements).await?;
        drop_schema(job, &layout.names.workings).await?;
    }
    render(job, &ruled, false).await
}

/// Renders the views anew that go by a condition, or do no more, where versions that are retired showed what it reads otherwise.
async fn render(job: &Job<'_>, ruled: &Ruled<'_>, guarded: bool) -> Result<()> {
    let layout = ruled.layout;
    let unsuitable = |e: Unsuitable| Error::failed(job.step.to_string(), e.to_string());
    let table = layout.table(layout.era.end.map_or(job.high, |end| job.high.min(end.saturating_sub(1))))?;
    let keys = |model: &str| layout.key_type(model);
    let mut statements = Vec::new();
    for view in &table.views {
        let held = coeval_plan::conditions(&table, view.version).map_err(unsuitable)?.get(ruled.name) == Some(&ruled.known);
        let guards = || coeval_plan::guards(&table, view).map(|guards| guards.iter().any(|(name, _)| name == ruled.name));
        if !held || guards().map_err(unsuitable)? != guarded || !is_offered(job, view.version).await? {
            continue;
        }
        statements.extend(postgres::create_view(&table, view, &layout.names, &keys).map_err(unfit(job))?);
    }
    job.transact(&secured(job, statements).await?).await
}

/// Gives the rows that break a condition another value.
struct Mending {
    table: String,
    key: KeyColumns,
    repair: Repair,
}

impl Act for Mending {
    fn statements(&self, range: &Range) -> Vec<String> {
        let condition = range.condition(&self.key);
        vec![format!("UPDATE {} AS t SET {} WHERE {condition} AND {}", self.table, self.repair.set, self.repair.broken)]
    }
}

const RENDERING: &str = "rendering the conditions of a table";

/// Renders the conditions that steps make rules for all versions, as constraints of another table, as far as the columns are there.
pub(crate) fn checks(layout: &Layout<'_>, table: &Table<'_>, steps: &[Step], on: &str) -> Result<Vec<String>> {
    let mut out = Vec::new();
    for step in steps {
        let Step::AddCondition { name, expr, at, policy: Policy::Reject, .. } = step else { continue };
        let known = Condition { expr: expr.clone(), at: *at, policy: Policy::Reject };
        if coeval_plan::stays(table, &known) {
            let check = coeval_sql::condition(table, *at, expr, "", Dialect::Postgres);
            let check = check.map_err(|unfit| Error::failed(RENDERING, unfit.to_string()))?;
            out.push(format!("ALTER TABLE {on} ADD CONSTRAINT {} CHECK ({check})", layout.names.constraint(name)));
        }
    }
    Ok(out)
}

/// Renders what repairs the conditions that hold at a version, by their names, on a table that has the names given.
pub(crate) fn repairs(layout: &Layout<'_>, table: &Table<'_>, made: u32, names: &Names) -> Result<Vec<(String, Repair)>> {
    let unsuitable = |e: Unsuitable| Error::failed(RENDERING, e.to_string());
    let keys = |model: &str| layout.key_type(model);
    let mut out = Vec::new();
    for (name, known) in coeval_plan::conditions(table, made).map_err(unsuitable)? {
        if !coeval_plan::mending(table, 0, &name, &known).map_err(unsuitable)?.is_empty() {
            let repair = postgres::repair(table, &name, &known, names, &keys);
            out.push((name, repair.map_err(|unfit| Error::failed(RENDERING, unfit.to_string()))?));
        }
    }
    Ok(out)
}

/// Renders what is asked of a row `t` that was written at a version: whether it breaks what the version's own clients are held to.
pub(crate) fn asked(lens: &Lens<'_>) -> Vec<String> {
    lens.guards.iter().map(|guard| format!("({}) IS FALSE", guard.sql)).collect()
}
