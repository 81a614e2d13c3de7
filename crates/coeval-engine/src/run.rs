//! Runs: under the lock, from the entry that begins them to the one that ends them.

use coeval_store::Backend;
use coeval_store::event::{Event, Tally};
use coeval_store::ledger::{Action, Entry, Happened, Started};
use coeval_store::lock::{Holder, Lock};
use coeval_store::lower::Aim;
use coeval_store::standalone::pending;
use coeval_store::work::{Mode, Work};
use coeval_store::{Step, ledger::Ledger, lower};

use crate::Result;
use crate::decide::{Begin, Goal, Next, decide};
use crate::enter::{Entered, enter};
use crate::error::{Error, Refusal};
use crate::how::How;
use crate::undo::undo;

/// How a run ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// There was nothing to do.
    Nothing {
        /// The version in force.
        version: u32,
    },
    /// It came to its end.
    Done(Done),
    /// It undid the run that was open.
    Undone {
        /// The run that was undone.
        run: String,
        /// The version in force, as before that run; 0 where there is none.
        version: u32,
    },
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Its id.
    pub run: String,
    /// What it was.
    pub action: Action,
    /// The version that was in force before; 0 where there was none.
    pub from: u32,
    /// The version in force.
    pub to: u32,
    /// What each step did.
    pub steps: Vec<(Step, Tally)>,
    /// Whether another process had begun it.
    pub resumed: bool,
}

impl Done {
    pub(crate) fn new(started: &Started, tallies: Vec<Tally>, resumed: bool) -> Self {
        let steps = started.steps.iter().cloned().zip(tallies).collect();
        Self { run: started.run.clone(), action: started.action, from: started.from, to: started.to, steps, resumed }
    }

    /// Returns what all steps did.
    pub fn tally(&self) -> Tally {
        self.steps.iter().fold(Tally { total: Some(0), ..Tally::default() }, |sum, (_, tally)| sum.plus(*tally))
    }
}

/// Brings a store to a newer version; the newest where none is said. A run that was begun is carried on first.
///
/// Where no version is new, there is nothing to do: records that clients wrote at older versions since stay there, and every
/// version reads them. `scan` moves them too.
///
/// # Errors
/// Why it did not come to its end, and whether anything was changed.
pub async fn migrate(backend: &dyn Backend, to: Option<u32>, scan: bool, how: &How<'_>) -> Result<Outcome> {
    run(backend, Goal::Migrate { to, scan }, how).await
}

/// Brings a store back to an older version: the one before the last migration where none is said. A migration that was begun and
/// not finished is undone instead.
///
/// # Errors
/// As [`migrate`].
pub async fn rollback(backend: &dyn Backend, to: Option<u32>, how: &How<'_>) -> Result<Outcome> {
    run(backend, Goal::Rollback { to }, how).await
}

/// Ends the life of the versions before one, and drops what only they could see: for good. [`crate::trial`] says what that is.
///
/// # Errors
/// As [`migrate`]; what was dropped cannot be undone, so that a run that fails stays open.
pub async fn retire(backend: &dyn Backend, before: u32, how: &How<'_>) -> Result<Outcome> {
    run(backend, Goal::Retire { before }, how).await
}

/// Does what leads to a goal.
///
/// # Errors
/// As [`migrate`].
pub async fn run(backend: &dyn Backend, goal: Goal, how: &How<'_>) -> Result<Outcome> {
    // A history that cannot be read, or is another manifest's, is found out before anything is written.
    let ledger = backend.ledger().await?;
    if let Next::Nothing(version) = decide(backend.catalog(), &ledger, goal)? {
        return Ok(Outcome::Nothing { version });
    }
    backend.probe().await?;
    let me = how.holder(goal.purpose());
    match enter(backend, goal, &me, how).await? {
        Entered::Over(outcome) => Ok(outcome),
        Entered::Lock(lock) => {
            let outcome = Run { backend, how, me: &me, lock: &*lock }.reach(goal).await;
            // What was done is done, and a lock that is not given back goes stale.
            let _ = lock.release().await;
            outcome
        }
    }
}

/// A holder of the lock at work.
pub(crate) struct Run<'r> {
    pub(crate) backend: &'r dyn Backend,
    pub(crate) how: &'r How<'r>,
    pub(crate) me: &'r Holder,
    pub(crate) lock: &'r dyn Lock,
}

impl Run<'_> {
    async fn reach(&self, goal: Goal) -> Result<Outcome> {
        let mut last = None;
        loop {
            // Read again: what was true before the lock was taken need not be true any more.
            let ledger = self.backend.ledger().await?;
            match decide(self.backend.catalog(), &ledger, goal)? {
                Next::Nothing(version) => return Ok(last.unwrap_or(Outcome::Nothing { version })),
                Next::Begin(begin) => {
                    let started = self.begin(&ledger, begin).await?;
                    let outcome = with(last.take(), self.forward(&started, false).await?);
                    if begin.action != Action::Migrate || !self.goes_on(begin.to).await? {
                        return Ok(outcome);
                    }
                    last = Some(outcome);
                }
                Next::Resume(started) => {
                    let outcome = self.forward(&started, true).await?;
                    match goal {
                        // What was begun may have been an older version than the newest.
                        Goal::Migrate { .. } => last = Some(with(last.take(), outcome)),
                        Goal::Rollback { .. } | Goal::Retire { .. } => return Ok(outcome),
                    }
                }
                Next::Undo(started, reason) => {
                    undo(self, &started, started.steps.len(), &reason).await?;
                    let outcome = Outcome::Undone { run: started.run.clone(), version: started.from };
                    match goal {
                        Goal::Migrate { .. } => last = Some(outcome),
                        Goal::Rollback { .. } | Goal::Retire { .. } => return Ok(outcome),
                    }
                }
            }
        }
    }

    /// Whether standalone migrations are left that are runs of their own.
    async fn goes_on(&self, version: u32) -> Result<bool> {
        let ledger = self.backend.ledger().await?;
        Ok(!pending(self.backend.catalog(), &ledger, version).map_err(Refusal::from)?.is_empty())
    }

    async fn begin(&self, ledger: &Ledger, begin: Begin) -> Result<Started> {
        let catalog = self.backend.catalog();
        let Begin { action, from, to, scan } = begin;
        let started = Started {
            run: self.how.clock.id(),
            action,
            from,
            to,
            steps: lower(catalog, self.backend.capabilities(), ledger, Aim { action, from, to, scan, warm: self.how.warm })?,
            policy: self.how.policy,
            versions: catalog.versions.iter().filter(|version| version.number <= from.max(to)).cloned().collect(),
        };
        match action {
            Action::Migrate => self.backend.room(from, to).await?,
            Action::Rollback => self.has_values(&started).await?,
            Action::Retire { .. } => {}
        }
        if let Some(Happened::Finished { run, .. } | Happened::Undone { run, .. }) = ledger.entries().last().map(|e| &e.happened)
        {
            // Who ended the last run may have died before it tidied up; nothing depends on it.
            let _ = self.backend.tidy(run).await;
        }
        self.append(ledger.next(), Happened::Started(started.clone())).await?;
        Ok(started)
    }

    /// Names the records that have no value where the version that comes back needs one, before it is taken from anybody.
    async fn has_values(&self, started: &Started) -> Result<(), coeval_store::Error> {
        let mut count = 0;
        for (index, step) in started.steps.iter().enumerate().filter(|(_, step)| matches!(step, Step::SetNotNull { .. })) {
            let name = index.to_string();
            let work = Work { mode: Mode::Try(None), ..self.how.work(&started.run, &name, self.me, None) };
            count += self.backend.execute(step, &work).await?.failed;
        }
        if count == 0 { Ok(()) } else { Err(coeval_store::Error::Records { count }) }
    }

    /// Adds an entry. One that somebody else added in its place was added by who took this run over.
    pub(crate) async fn append(&self, number: u64, happened: Happened) -> Result<(), coeval_store::Error> {
        if !self.lock.holds() {
            return Err(coeval_store::Error::LockLost { by: None });
        }
        let entry = Entry { number, at: self.how.clock.now(), by: self.how.name.clone(), happened };
        let failure = match self.backend.append(&entry).await {
            Ok(()) => return Ok(()),
            Err(failure) => failure,
        };
        let unsure = matches!(failure, coeval_store::Error::Transient { ambiguous: true, .. });
        if !failure.is_conflict() && !unsure {
            return Err(failure);
        }
        // A request whose answer was lost may have taken effect, and its repetition then finds the entry there.
        let ledger = self.backend.ledger().await?;
        let found = ledger.entries().iter().find(|found| found.number == number);
        match found {
            Some(found) if *found == entry => Ok(()),
            Some(_) => Err(coeval_store::Error::LockLost { by: self.backend.holder().await?.map(Box::new) }),
            None => Err(failure),
        }
    }

    async fn forward(&self, started: &Started, resumed: bool) -> Result<Outcome> {
        let (run, from, to) = (started.run.clone(), started.from, started.to);
        self.how.observer.event(Event::RunStarted { run: run.clone(), from, to, resumed });
        let mut tallies = Vec::with_capacity(started.steps.len());
        while tallies.len() < started.steps.len() {
            match self.next(started, tallies.len()).await {
                Ok(done) => tallies.extend(done),
                Err(failure) => return Err(self.failed(started, failure).await),
            }
        }
        if let Err(failure) = self.end(Happened::Finished { run: run.clone(), tallies: tallies.clone() }).await {
            return Err(open(started, failure, None));
        }
        self.how.observer.event(Event::RunDone { run, version: to });
        Ok(Outcome::Done(Done::new(started, tallies, resumed)))
    }

    /// Executes the step at an index, and those that the backend does along with it.
    async fn next(&self, started: &Started, index: usize) -> Result<Vec<Tally>, coeval_store::Error> {
        let name = index.to_string();
        let work = Work { policy: started.policy, ..self.how.work(&started.run, &name, self.me, Some(self.lock)) };
        work.go_on()?;
        let steps = started.steps.len();
        let begins = |step: usize| {
            let what = started.steps[step].to_string();
            self.how.observer.event(Event::StepStarted { step, steps, what, undo: false });
        };
        begins(index);
        let tallies = self.backend.execute_next(&started.steps[index..], &work).await?;
        for (offset, tally) in tallies.iter().enumerate() {
            if offset > 0 {
                begins(index + offset);
            }
            self.how.observer.event(Event::StepDone { step: index + offset, tally: *tally });
        }
        Ok(tallies)
    }

    /// Ends the open run, and removes what was noted about it.
    pub(crate) async fn end(&self, happened: Happened) -> Result<(), coeval_store::Error> {
        let (Happened::Finished { run, .. } | Happened::Undone { run, .. }) = &happened else { return Ok(()) };
        let run = run.clone();
        let ledger = self.backend.ledger().await?;
        if ledger.open().is_none_or(|open| open.run != run) {
            return Err(coeval_store::Error::LockLost { by: self.backend.holder().await?.map(Box::new) });
        }
        self.append(ledger.next(), happened).await?;
        // The run is over: what is left of its notes is in nobody's way.
        let _ = self.backend.tidy(&run).await;
        Ok(())
    }

    /// Whether every step that was begun can be undone. What is done at most once and fails where it cannot be undone has most often
    /// not taken effect.
    async fn can_go_back(&self, started: &Started) -> bool {
        for (index, step) in started.steps.iter().enumerate().filter(|(_, step)| step.reverse().is_none()) {
            let once = matches!(step, Step::Standalone { .. });
            if !once || !matches!(self.backend.begun(&started.run, &index.to_string()).await, Ok(false)) {
                return false;
            }
        }
        true
    }

    /// Undoes what can be undone by one who still may write.
    ///
    /// All steps are undone, not just those that this process came to: somebody who helps may be further.
    async fn failed(&self, started: &Started, failure: coeval_store::Error) -> Error {
        if leaves_open(&failure) || !self.can_go_back(started).await {
            return open(started, failure, None);
        }
        let reason = failure.to_string();
        match undo(self, started, started.steps.len(), &reason).await {
            Ok(reason) => Error::Undone { run: started.run.clone(), reason, failure: Some(Box::new(failure)) },
            Err(error) => error,
        }
    }
}

/// Adds what a run did to what the ones before it did, that led to the same goal.
fn with(before: Option<Outcome>, outcome: Outcome) -> Outcome {
    match (before, outcome) {
        (Some(Outcome::Done(before)), Outcome::Done(after)) => {
            let steps = before.steps.into_iter().chain(after.steps).collect();
            Outcome::Done(Done { from: before.from, steps, resumed: before.resumed || after.resumed, ..after })
        }
        (_, outcome) => outcome,
    }
}

/// An error that leaves a run open.
pub(crate) fn open(started: &Started, failure: coeval_store::Error, undoing: Option<String>) -> Error {
    Error::Open { started: Box::new(started.clone()), failure: Box::new(failure), undoing }
}

/// Whether a run that failed so stays open: it can be carried on as it is, or whoever it fails for must not write any more.
fn leaves_open(failure: &coeval_store::Error) -> bool {
    use coeval_store::Error as E;
    match failure {
        E::Stopped | E::LockLost { .. } | E::Crashed | E::Transient { .. } | E::Unreadable { .. } => true,
        E::Conflict { .. }
        | E::Failed { .. }
        | E::Unsupported { .. }
        | E::Locked { .. }
        | E::Refused(_)
        | E::BadRecord { .. }
        | E::Unknown { .. }
        | E::Records { .. } => false,
    }
}
