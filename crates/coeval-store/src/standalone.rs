//! Standalone migrations: which are to be applied, and which to be taken back.

use std::collections::BTreeSet;

use coeval_plan::Step;
use coeval_plan::standalone::{Applied, Ordered, Refusal, Run, back};

use crate::catalog::Catalog;
use crate::ledger::{Action, Ledger};

fn applied(ledger: &Ledger) -> Vec<Applied> {
    ledger.standalone().into_iter().map(|(_, applied)| applied).collect()
}

/// Returns the standalone migrations that a migration to a version applies, as steps in order. It ends with the first that cannot be
/// undone: whatever comes after it could fail, and is a run of its own.
///
/// # Errors
/// Why none is applied.
pub fn pending(catalog: &Catalog, ledger: &Ledger, to: u32) -> Result<Vec<Step>, Refusal> {
    let Some(ordered) = &catalog.standalone else { return Ok(Vec::new()) };
    let steps = ordered.due(&applied(ledger), to)?.into_iter().map(Run::into_step);
    let mut steps = steps.collect::<Result<Vec<_>, _>>()?;
    let cut = steps.iter().position(|step| step.reverse().is_none());
    steps.truncate(cut.map_or(steps.len(), |at| at + 1));
    Ok(steps)
}

/// Returns what takes back the standalone migrations that a rollback takes back, as steps in order: those of all runs that came to
/// a newer version than the one that stays. A rollback to where a store is takes back those of the last run that applied any.
///
/// # Errors
/// Why none is taken back.
pub fn taken_back(catalog: &Catalog, ledger: &Ledger, from: u32, to: u32) -> Result<Vec<Step>, Refusal> {
    let all = ledger.standalone();
    let last = last_alone(ledger, from);
    let goes = |run: &str, came_to: u32| if from == to { last == Some(run) } else { came_to > to };
    let undo: BTreeSet<String> =
        all.iter().filter(|(started, _)| goes(&started.run, started.to)).map(|(_, applied)| applied.id.clone()).collect();
    let known: &[_] = catalog.standalone.as_ref().map_or(&[], |Ordered { migrations, .. }| migrations);
    let Some(dialect) = catalog.standalone.as_ref().map(|ordered| ordered.dialect) else {
        // Nobody knows any more how to undo them.
        return undo.into_iter().next().map_or_else(|| Ok(Vec::new()), |id| Err(Refusal::Gone { id }));
    };
    back(known, &applied(ledger), &undo, dialect)?.into_iter().map(Run::into_step).collect()
}

/// Returns the run that applied standalone migrations and brought no version, if nothing came to the version in force after it.
pub fn last_alone(ledger: &Ledger, in_force: u32) -> Option<&str> {
    let all = ledger.standalone();
    let last = ledger.finished().rfind(|started| {
        let applied = || all.iter().any(|(by, _)| by.run == started.run);
        started.action == Action::Migrate && started.to == in_force && (started.from < started.to || applied())
    })?;
    (last.from == last.to).then_some(last.run.as_str())
}

#[cfg(test)]
mod tests;
