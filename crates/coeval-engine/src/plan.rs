//! What a run would do, as a value: what a person reviews is what runs.

use coeval_core::classify::{self, Class};
use coeval_plan::RecordStep;
use coeval_store::ledger::{Action, Ledger, Started, VersionId};
use coeval_store::lower::Aim;
use coeval_store::{Capabilities, Catalog, Phase, Step, lower};

use crate::Result;
use crate::decide::{Begin, Goal, Next, decide};

/// What a run would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What it is.
    pub action: Action,
    /// The version in force; 0 where there is none.
    pub from: u32,
    /// The version that is in force afterwards.
    pub to: u32,
    /// The run that it carries on, where one is open.
    pub resumes: Option<String>,
    /// Whether the open run is undone.
    pub undoes: bool,
    /// The versions that come into force, or that are left, oldest first.
    pub versions: Vec<VersionId>,
    /// The steps in order.
    pub steps: Vec<Planned>,
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The step.
    pub step: Step,
    /// When it is done.
    pub phase: Phase,
    /// What the change means, found out by running it on sample values; `None` where there is nothing to compare.
    pub class: Option<Class>,
}

/// Returns what has to be done to reach a goal; `None` where nothing has.
///
/// # Errors
/// Why it would not be right.
pub fn plan(catalog: &Catalog, capabilities: Capabilities, ledger: &Ledger, goal: Goal) -> Result<Option<Plan>> {
    let open = |started: &Started, undoes: bool| {
        let steps = started.steps.iter();
        let steps = if undoes { steps.rev().filter_map(Step::reverse).collect() } else { steps.cloned().collect() };
        let (from, to) = (started.from, if undoes { started.from } else { started.to });
        (started.action, from, to, Some(started.run.clone()), steps)
    };
    let (undoes, (action, from, to, resumes, steps)) = match decide(catalog, ledger, goal)? {
        Next::Nothing(_) => return Ok(None),
        Next::Begin(Begin { action, from, to, scan }) => {
            (false, (action, from, to, None, lower(catalog, capabilities, ledger, Aim { action, from, to, scan, warm: false })?))
        }
        Next::Resume(started) => (false, open(&started, false)),
        Next::Undo(started, _) => (true, open(&started, true)),
    };
    let (low, high) = (from.min(to), from.max(to));
    let versions = catalog.versions.iter().filter(|v| v.number > low && v.number <= high).cloned().collect();
    let planned = |step: Step| Planned { phase: step.phase(), class: class(catalog, &step), step };
    // In the order in which they are done, which for what is taken back is not that of the phases.
    let steps = steps.into_iter().map(planned).collect();
    Ok(Some(Plan { action, from, to, resumes, undoes, versions, steps }))
}

/// Says what a step means for clients, and whether it loses anything.
fn class(catalog: &Catalog, step: &Step) -> Option<Class> {
    match step.on_records()? {
        RecordStep::Move { model, from, to } if from != to => {
            let era = catalog.era(model, to).ok()?;
            classify::between(&era.history, from.min(to), from.max(to), &[])
        }
        RecordStep::Move { .. } | RecordStep::Forget { .. } => None,
    }
}
