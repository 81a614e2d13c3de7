//! A dry run: every step over the real records, and nothing written.

use coeval_store::Backend;
use coeval_store::event::{Event, Tally};
use coeval_store::work::{Mode, Work};

use crate::Result;
use crate::decide::Goal;
use crate::how::How;
use crate::plan::{Plan, plan};

/// What a run would do, tried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// What it would do.
    pub plan: Plan,
    /// What each of its steps would do to the records.
    pub tallies: Vec<Tally>,
}

impl Trial {
    /// Returns what all steps would do.
    pub fn tally(&self) -> Tally {
        self.tallies.iter().fold(Tally { total: Some(0), ..Tally::default() }, |sum, tally| sum.plus(*tally))
    }
}

/// Tries out what leads to a goal: on all records, or on a sample. Takes no lock and leaves no trace. `None` where nothing has to be
/// done.
///
/// # Errors
/// As [`crate::run`], before it begins.
pub async fn trial(backend: &dyn Backend, goal: Goal, sample: Option<u64>, how: &How<'_>) -> Result<Option<Trial>> {
    let ledger = backend.ledger().await?;
    let Some(plan) = plan(backend.catalog(), backend.capabilities(), &ledger, goal)? else { return Ok(None) };
    let me = how.holder(goal.purpose());
    let run = how.clock.id();
    let mut tallies = Vec::with_capacity(plan.steps.len());
    let steps = plan.steps.len();
    for (index, planned) in plan.steps.iter().enumerate() {
        let name = index.to_string();
        let work = Work { mode: Mode::Try(sample), undo: plan.undoes, ..how.work(&run, &name, &me, None) };
        work.go_on()?;
        how.observer.event(Event::StepStarted { step: index, steps, what: planned.step.to_string(), undo: plan.undoes });
        let tally = match backend.execute(&planned.step, &work).await {
            Ok(tally) => tally,
            // They were told one by one.
            Err(coeval_store::Error::Records { count }) => Tally { seen: count, failed: count, ..Tally::default() },
            Err(other) => return Err(other.into()),
        };
        how.observer.event(Event::StepDone { step: index, tally });
        tallies.push(tally);
    }
    Ok(Some(Trial { plan, tallies }))
}
