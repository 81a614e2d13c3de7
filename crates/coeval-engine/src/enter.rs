//! Getting the lock: at once, after waiting, or never, since helping was enough.

use std::time::Duration;

use coeval_store::Backend;
use coeval_store::event::Event;
use coeval_store::ledger::{Action, Happened, Ledger, Started};
use coeval_store::lock::{Holder, Lock};
use coeval_store::work::Work;

use crate::Result;
use crate::decide::Goal;
use crate::error::Error;
use crate::how::{How, Wait};
use crate::run::{Done, Outcome};

/// How it ended.
pub(crate) enum Entered {
    /// With the lock.
    Lock(Box<dyn Lock>),
    /// The run that was helped with is over.
    Over(Outcome),
}

/// How often a waiting process looks.
fn patience(how: &How<'_>) -> Duration {
    (how.pace.stale / 8).clamp(Duration::from_millis(5), Duration::from_secs(1))
}

/// Takes the lock, waits for it, or helps whoever holds it.
pub(crate) async fn enter(backend: &dyn Backend, goal: Goal, me: &Holder, how: &How<'_>) -> Result<Entered> {
    let mut told: Option<String> = None;
    let mut helped: Option<Started> = None;
    loop {
        if how.stop.is_stopped() {
            return Err(coeval_store::Error::Stopped.into());
        }
        if let Some(started) = &helped
            && let Some(over) = over(&backend.ledger().await?, started)
        {
            return over.map(Entered::Over);
        }
        let holder = match backend.lock(me, how.pace.stale).await {
            Ok(lock) => {
                if let Some(holder) = lock.previous() {
                    how.observer.event(Event::TakenOver { holder: holder.clone() });
                }
                return Ok(Entered::Lock(lock));
            }
            Err(coeval_store::Error::Locked { holder }) => holder,
            Err(other) => return Err(other.into()),
        };
        if how.wait == Wait::Refuse {
            return Err(coeval_store::Error::Locked { holder }.into());
        }
        if how.wait == Wait::Join {
            let ledger = backend.ledger().await?;
            match ledger.open() {
                Some(open) if helped.as_ref() != Some(open) && ledger.undoing().is_none() && is(goal, open) => {
                    help(backend, open, me, how).await?;
                    helped = Some(open.clone());
                    continue;
                }
                _ => {}
            }
        }
        if told.as_ref() != Some(&holder.id) && helped.is_none() {
            told = Some(holder.id.clone());
            how.observer.event(Event::Waiting { holder: *holder });
        }
        tokio::time::sleep(patience(how)).await;
    }
}

/// Whether a run is what is wanted.
fn is(goal: Goal, open: &Started) -> bool {
    match (goal, open.action) {
        (Goal::Migrate { to, .. }, Action::Migrate) | (Goal::Rollback { to }, Action::Rollback) => {
            to.is_none_or(|to| to == open.to)
        }
        (Goal::Retire { before }, Action::Retire { before: theirs }) => before == theirs,
        (Goal::Migrate { .. } | Goal::Rollback { .. } | Goal::Retire { .. }, _) => false,
    }
}

/// How a run ended, if it did.
fn over(ledger: &Ledger, started: &Started) -> Option<Result<Outcome>> {
    ledger.entries().iter().rev().find_map(|entry| match &entry.happened {
        Happened::Finished { run, tallies } if *run == started.run => {
            Some(Ok(Outcome::Done(Done::new(started, tallies.clone(), false))))
        }
        Happened::Undone { run, reason } if *run == started.run => {
            Some(Err(Error::Undone { run: run.clone(), reason: reason.clone(), failure: None }))
        }
        _ => None,
    })
}

/// Executes the steps of a run that somebody else leads, as long as they lead it forward.
async fn help(backend: &dyn Backend, started: &Started, me: &Holder, how: &How<'_>) -> Result<()> {
    let stop = how.stop.part();
    let work = async {
        for (index, step) in started.steps.iter().enumerate() {
            let name = index.to_string();
            let work = Work { stop: &stop, policy: started.policy, ..how.work(&started.run, &name, me, None) };
            how.observer.event(Event::StepStarted {
                step: index,
                steps: started.steps.len(),
                what: step.to_string(),
                undo: false,
            });
            let tally = backend.execute(step, &work).await?;
            how.observer.event(Event::StepDone { step: index, tally });
        }
        Ok::<(), coeval_store::Error>(())
    };
    tokio::pin!(work);
    let outcome = loop {
        tokio::select! {
            outcome = &mut work => break outcome,
            () = tokio::time::sleep(how.pace.stale / 4) => {
                let goes_on = backend.ledger().await.is_ok_and(|ledger| {
                    ledger.undoing().is_none() && ledger.open().is_some_and(|open| open.run == started.run)
                });
                if !goes_on {
                    stop.stop();
                }
            }
        }
    };
    match outcome {
        Err(coeval_store::Error::Crashed) => Err(coeval_store::Error::Crashed.into()),
        Err(coeval_store::Error::Stopped) if how.stop.is_stopped() => Err(coeval_store::Error::Stopped.into()),
        // Whatever else went wrong, the one who holds the lock decides what becomes of the run.
        Ok(()) | Err(_) => Ok(()),
    }
}
