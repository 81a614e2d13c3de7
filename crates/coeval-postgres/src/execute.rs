//! Steps: each is found done or does what is left, so that it can be executed again.

use coeval_core::schema::Policy;
use coeval_plan::{ColumnSpec, Phase, Step};
use coeval_store::event::Tally;
use coeval_store::ledger::Ledger;
use coeval_store::work::{Mode, Work};
use coeval_store::{Backend as _, Error, Result};

use crate::backend::PostgresBackend;
use crate::layout::Layout;
use crate::statement::{Group, transact};
use crate::{archive, backfill, constraint, offer, policy, preflight, standalone, table, trigger};

/// A step that is executed.
#[derive(Clone, Copy)]
pub(crate) struct Job<'j> {
    pub(crate) backend: &'j PostgresBackend,
    pub(crate) work: &'j Work<'j>,
    pub(crate) step: &'j Step,
    pub(crate) ledger: &'j Ledger,
    /// The older and the newer one of the versions that the run leads from and to.
    pub(crate) low: u32,
    pub(crate) high: u32,
}

impl<'j> Job<'j> {
    /// Executes statements in one transaction; see [`transact`].
    pub(crate) async fn transact(&self, statements: &[String]) -> Result<()> {
        if statements.is_empty() {
            return Ok(());
        }
        let what = self.step.to_string();
        transact(self.backend.state(), &Group { what: &what, statements, raw: false }, self.work).await
    }

    /// Returns where the records of the step's model lie at the versions of the run: in one table for each of its eras.
    fn touched(&self) -> Vec<Layout<'j>> {
        let model = self.step.model();
        let layouts = self.backend.layouts().into_iter().filter(|layout| layout.entry.name == model);
        layouts.filter(|layout| layout.era.first <= self.high && layout.era.end.is_none_or(|end| end > self.low)).collect()
    }

    /// Returns where the records lie that the step is about.
    pub(crate) fn layout(&self) -> Result<Layout<'j>> {
        let model = self.step.model();
        let mut touched = self.touched();
        if touched.len() > 1 {
            let mut matching = Vec::new();
            for layout in touched {
                if layout.has(self.step, self.low, self.high)? {
                    matching.push(layout);
                }
            }
            touched = matching;
        }
        let none =
            || Error::Unknown { message: format!("there is no model `{model}` that a step is about: {}", self.step), help: None };
        touched.into_iter().next().ok_or_else(none)
    }

    /// Returns the oldest version that is live.
    pub(crate) fn oldest(&self) -> u32 {
        self.ledger.oldest()
    }

    /// Asks something that has one answer.
    pub(crate) async fn ask<T>(&self, sql: &str) -> Result<Option<T>>
    where
        T: for<'a> tokio_postgres::types::FromSql<'a>,
    {
        use crate::error::During as _;
        let client = self.backend.state().database().client().await?;
        let what = self.step.to_string();
        let row = client.query_typed_opt(sql, &[]).await.during(&what)?;
        row.map(|row| row.try_get(0)).transpose().during(&what)
    }
}

/// Executes a step, or what is left of it.
pub(crate) async fn execute(backend: &PostgresBackend, step: &Step, work: &Work<'_>) -> Result<Tally> {
    let tallies = execute_next(backend, std::slice::from_ref(step), work).await?;
    Ok(tallies.into_iter().fold(Tally { total: Some(0), ..Tally::default() }, Tally::plus))
}

/// How many steps are executed at one go, so that nobody waits for long.
const AT_ONCE: usize = 100;

/// Returns how many of some steps are changes of one table that are made at one go: a table of many versions is laid out once for them.
fn together(steps: &[Step]) -> usize {
    let Some(first) = steps.first() else { return 0 };
    let goes_along = |step: &&Step| {
        let alike = matches!(
            (first, step),
            (Step::AddColumn { .. }, Step::AddColumn { .. })
                | (Step::DropColumn { .. }, Step::DropColumn { .. })
                | (Step::AddCheck { .. }, Step::AddCheck { .. })
                | (Step::SetNotNull { .. }, Step::SetNotNull { .. })
                | (Step::DropCheck { .. }, Step::DropCheck { .. })
        );
        alike && step.model() == first.model()
    };
    1 + steps[1..].iter().take(AT_ONCE - 1).take_while(goes_along).count()
}

/// Executes the first of some steps, or what is left of it, and those that are done with it.
pub(crate) async fn execute_next(backend: &PostgresBackend, steps: &[Step], work: &Work<'_>) -> Result<Vec<Tally>> {
    work.go_on()?;
    let Some(step) = steps.first() else { return Ok(Vec::new()) };
    let ledger = backend.ledger().await?;
    let (low, high) = match ledger.open() {
        // After a rollback that took views away only, the tables are further than the version in force.
        Some(open) => (open.from.min(open.to), open.from.max(open.to).max(ledger.made())),
        None => span(step, &ledger, backend),
    };
    let job = Job { backend, work, step, ledger: &ledger, low, high };
    if let Mode::Try(sample) = work.mode {
        return Ok(vec![tried(&job, sample).await?]);
    }
    if work.step == "0" && !work.undo && !matches!(step, Step::Standalone { .. }) {
        preflight::preflight(&job).await?;
    }
    // A run that is undone may not have come to the table.
    let of_table =
        matches!(step.phase(), Phase::Expand | Phase::Backfill | Phase::Validate) || matches!(step, Step::WatchColumns { .. });
    let made = matches!(step, Step::CreateTable { .. } | Step::SetTableAside { .. } | Step::Sql { .. });
    if work.undo && of_table && !made && !table::exists(&job, &job.layout()?.names.table).await? {
        return Ok(vec![Tally { total: Some(0), ..Tally::default() }]);
    }
    // A model that went and came has several tables.
    let steps = &steps[..if job.touched().len() == 1 { together(steps) } else { 1 }];
    Ok(match act(&job, steps).await? {
        Some(tally) => vec![tally],
        None => vec![Tally { total: Some(0), ..Tally::default() }; steps.len()],
    })
}

/// The columns that steps add, drop and check.
fn columns(steps: &[Step]) -> impl Iterator<Item = &ColumnSpec> {
    steps.iter().filter_map(|step| match step {
        Step::AddColumn { column, .. }
        | Step::DropColumn { column, .. }
        | Step::AddCheck { column, .. }
        | Step::DropCheck { column, .. } => Some(column),
        _ => None,
    })
}

/// Executes the job's step, and those that are done with it; returns what is counted.
async fn act(job: &Job<'_>, steps: &[Step]) -> Result<Option<Tally>> {
    let Job { backend, work, step, .. } = *job;
    match step {
        Step::MoveRecords { .. } | Step::ForgetRecords { .. } => {
            return Err(Error::Unsupported {
                what: step.to_string(),
                reason: "records in tables are at no single version".to_owned(),
            });
        }
        Step::CreateTable { .. } => return table::create(job).await.map(Some),
        Step::SetTableAside { .. } => table::set_aside(job).await?,
        Step::AddColumn { .. } => table::add_columns(job, columns(steps)).await?,
        Step::DropColumn { .. } => table::drop_columns(job, columns(steps)).await?,
        // A run that died after it offered its versions: it was done with the triggers, and they follow what their clients write.
        Step::RebuildTriggers { from, to, .. } if from < to && offer::is_offered(job, *to).await? => {}
        Step::RebuildTriggers { from, to, .. } => trigger::rebuild(job, *from, *to).await?,
        Step::WatchColumns { from, to, .. } => trigger::watch(job, *from, *to).await?,
        Step::Backfill { from, to, columns, .. } => return backfill::backfill(job, *from, *to, columns).await.map(Some),
        Step::Archive { from, to, columns, .. } => return archive::archive(job, *from, *to, columns).await.map(Some),
        Step::AddCheck { .. } => constraint::add_checks(job, columns(steps)).await?,
        Step::DropCheck { .. } => constraint::drop_checks(job, columns(steps)).await?,
        Step::SetNotNull { .. } => {
            let column = |step: &'_ Step| if let Step::SetNotNull { column, .. } = step { Some(column.clone()) } else { None };
            constraint::set_not_null(job, &steps.iter().filter_map(column).collect::<Vec<_>>()).await?;
        }
        Step::DropNotNull { column, .. } => constraint::drop_not_null(job, column).await?,
        Step::CreateIndex { name, columns, unique, .. } => constraint::create_index(job, name, columns, *unique).await?,
        Step::DropIndex { name, .. } => constraint::drop_index(job, name).await?,
        Step::AddForeignKey { name, column, references, .. } => {
            constraint::add_foreign_key(job, name, column, references).await?;
        }
        Step::DropForeignKey { name, .. } => constraint::drop_foreign_key(job, name).await?,
        Step::AddCondition { name, expr, at, policy: Policy::Reject, .. } => {
            constraint::add_condition(job, name, (expr, *at)).await?;
        }
        Step::DropCondition { name, policy: Policy::Reject, .. } => constraint::drop_condition(job, name).await?,
        Step::AddCondition { .. } => return policy::add(job).await.map(Some),
        Step::DropCondition { .. } => policy::drop(job).await?,
        Step::CreateViews { from, to } => offer::create(job, *from, *to).await?,
        Step::DropViews { from, to } => offer::drop(job, *from, *to).await?,
        Step::RetireViews { before } => offer::retire(job, *before).await?,
        Step::ForgetColumn { column, .. } => table::forget_column(job, column).await?,
        Step::ForgetTable { .. } => table::forget(job).await?,
        Step::Standalone { up, .. } => return standalone::execute(backend.state(), step, up, work).await.map(Some),
        Step::Sql { up, .. } => {
            let what = step.to_string();
            let statements = [up.clone()];
            transact(backend.state(), &Group { what: &what, statements: &statements, raw: true }, work).await?;
        }
    }
    Ok(None)
}

/// The versions that a step of no open run leads between.
fn span(step: &Step, ledger: &Ledger, backend: &PostgresBackend) -> (u32, u32) {
    match step {
        Step::RebuildTriggers { from, to, .. }
        | Step::WatchColumns { from, to, .. }
        | Step::Backfill { from, to, .. }
        | Step::Archive { from, to, .. }
        | Step::CreateViews { from, to }
        | Step::DropViews { from, to } => (*from.min(to), *from.max(to)),
        _ => (ledger.in_force().unwrap_or_default(), backend.catalog().head()),
    }
}

/// What a step would do to the records, without a change.
async fn tried(job: &Job<'_>, sample: Option<u64>) -> Result<Tally> {
    match job.step {
        Step::Backfill { from, to, columns, .. } => backfill::attempt(job, *from, *to, columns, sample).await,
        Step::RebuildTriggers { .. } => {
            preflight::preflight(job).await?;
            Ok(Tally { total: Some(0), ..Tally::default() })
        }
        Step::AddCondition { policy: Policy::Quarantine | Policy::Repair(_), .. } => {
            let layout = job.layout()?;
            let there = table::exists(job, &layout.names.table).await?;
            if there { policy::foresee(job, &layout, job.step).await } else { Ok(Tally { total: Some(0), ..Tally::default() }) }
        }
        Step::CreateIndex { .. } | Step::AddForeignKey { .. } | Step::AddCondition { .. } | Step::SetNotNull { .. } => {
            let failed = constraint::violations(job, job.step).await?;
            Ok(Tally { failed, total: Some(failed), seen: failed, ..Tally::default() })
        }
        _ => Ok(Tally { total: Some(0), ..Tally::default() }),
    }
}
