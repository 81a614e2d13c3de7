//! Undoing a run: its steps in reverse, and the entry that says so.

use coeval_store::Step;
use coeval_store::event::Event;
use coeval_store::ledger::{Happened, Started};
use coeval_store::work::{Policy, Work};

use crate::Result;
use crate::run::{Run, open};

/// Undoes the first steps of a run, last one first. From the first entry on, nothing else may happen to the run.
///
/// Returns why it was undone, and what could not be.
pub(crate) async fn undo(run: &Run<'_>, started: &Started, steps: usize, reason: &str) -> Result<String> {
    let fail = |failure: coeval_store::Error| open(started, failure, Some(reason.to_owned()));
    run.how.observer.event(Event::Undoing { reason: reason.to_owned() });
    let ledger = run.backend.ledger().await.map_err(fail)?;
    if ledger.undoing().is_none() {
        let undoing = Happened::Undoing { run: started.run.clone(), reason: reason.to_owned() };
        run.append(ledger.next(), undoing).await.map_err(|failure| open(started, failure, None))?;
    }
    let mut left = 0;
    for (index, step) in started.steps.iter().enumerate().take(steps).rev() {
        // What is done once is undone only if it was done.
        let once = matches!(step, Step::Standalone { .. });
        if once && !run.backend.begun(&started.run, &index.to_string()).await.map_err(fail)? {
            continue;
        }
        let Some(step) = step.reverse() else {
            let failure = coeval_store::Error::failed(step.to_string(), "it cannot be undone");
            return Err(fail(failure));
        };
        let name = format!("undo-{index}");
        // What cannot go back stays where it is, and is counted: there is no other way to go.
        let policy = Policy::Quarantine;
        let work = Work { undo: true, policy, ..run.how.work(&started.run, &name, run.me, Some(run.lock)) };
        work.go_on().map_err(fail)?;
        let (steps, what) = (started.steps.len(), step.to_string());
        run.how.observer.event(Event::StepStarted { step: index, steps, what, undo: true });
        let tally = run.backend.execute(&step, &work).await.map_err(fail)?;
        run.how.observer.event(Event::StepDone { step: index, tally });
        left += tally.quarantined;
    }
    let reason = match left {
        0 => reason.to_owned(),
        1 => format!("{reason}; 1 record could not be taken back and stays where it is"),
        left => format!("{reason}; {left} records could not be taken back and stay where they are"),
    };
    run.end(Happened::Undone { run: started.run.clone(), reason: reason.clone() }).await.map_err(fail)?;
    Ok(reason)
}
