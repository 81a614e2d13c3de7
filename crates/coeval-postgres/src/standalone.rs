//! Standalone migrations: what somebody wrote is executed at most once.
//!
//! What can be in a transaction is in one, together with the note that it is done. Around each other statement is a note of how far
//! it came. Names without a schema are found as the user's own sessions find them.

use std::ops::Range;
use std::time::{Duration, Instant};

use coeval_plan::Step;
use coeval_plan::standalone::{Act, Transaction, together};
use coeval_sql::{Dialect, string};
use coeval_store::event::{Event, Tally};
use coeval_store::work::Work;
use coeval_store::{Error, Result};
use tokio_postgres::types::Type;

use crate::error::During;
use crate::index::alone_on;
use crate::state::State;
use crate::statement::{Group, Part, gave_up, own_path, pause, rest, transact_parts};
use crate::watch::Seen;

/// How long another process rests before it looks again whether it is done.
const REST: Duration = Duration::from_millis(200);

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// How many acts are done.
    position: usize,
    done: bool,
}

/// Executes the acts of a migration, or what is left of them. Whoever does not hold the lock waits until it is done.
pub(crate) async fn execute(state: &State, step: &Step, acts: &[Act], work: &Work<'_>) -> Result<Tally> {
    let nothing = Tally { total: Some(0), ..Tally::default() };
    if work.lock.is_none() {
        while !place(state, work.run, work.step).await?.is_some_and(|place| place.done) {
            rest(work, REST).await?;
        }
        return Ok(nothing);
    }
    let forward = work.step.strip_prefix("undo-").filter(|_| work.undo);
    let partly = match forward {
        Some(step) => !place(state, work.run, step).await?.is_some_and(|place| place.done),
        None => false,
    };
    let job = Job { state, what: &step.to_string(), acts, work, partly };
    let at = place(state, work.run, work.step).await?;
    if at.is_some_and(|place| place.done) {
        return Ok(nothing);
    }
    let begun = at.map_or(0, |place| place.position);
    for range in together(acts).into_iter().filter(|range| range.end > begun) {
        work.go_on()?;
        job.group(range).await?;
    }
    if acts.is_empty() {
        job.transact(&[Part::Run(&job.note(0))]).await?;
    }
    Ok(nothing)
}

/// Returns whether anything of a step was begun.
pub(crate) async fn begun(state: &State, run: &str, step: &str) -> Result<bool> {
    Ok(place(state, run, step).await?.is_some())
}

async fn place(state: &State, run: &str, step: &str) -> Result<Option<Place>> {
    let what = state.doing("reading how far a migration is");
    let client = state.database().control().await?;
    let sql = "SELECT position::text, done FROM coeval.cursor WHERE deployment = $1 AND run = $2 AND step = $3";
    let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
        [(&state.deployment(), Type::TEXT), (&run, Type::TEXT), (&step, Type::TEXT)];
    let Some(row) = client.query_typed_opt(sql, &values).await.during(&what)? else { return Ok(None) };
    let (position, done): (Option<String>, bool) = (row.try_get(0).during(&what)?, row.try_get(1).during(&what)?);
    let position = position.map_or(Ok(0), |position| position.parse());
    let unreadable =
        |_| Error::Unreadable { what: "coeval.cursor".to_owned(), reason: "a place that is none".to_owned(), newer: false };
    Ok(Some(Place { position: position.map_err(unreadable)?, done }))
}

/// A migration that is executed.
struct Job<'j> {
    state: &'j State,
    what: &'j str,
    acts: &'j [Act],
    work: &'j Work<'j>,
    /// Whether it takes back what was done in part, so that some of what it takes back is not there.
    partly: bool,
}

impl Job<'_> {
    /// Does acts that are done together.
    async fn group(&self, range: Range<usize>) -> Result<()> {
        let (before, after) = (self.note(range.start), self.note(range.end));
        let acts = &self.acts[range];
        if let [Act::Sql { text, transaction }] = acts
            && *transaction != Transaction::Either
        {
            self.transact(&[Part::Run(&before)]).await?;
            self.outside(text).await?;
            return self.transact(&[Part::Run(&after)]).await;
        }
        // First, since what a user's SQL sets for its transaction could forbid it.
        let mut parts = vec![Part::Run(after.as_str())];
        for act in acts {
            parts.push(match act {
                Act::Sql { text, .. } if self.partly => Part::Lenient(text),
                Act::Sql { text, .. } => Part::Run(text),
                Act::Check(check) => Part::Check(check),
                Act::Operations { .. } | Act::Update(_) | Act::Exec(_) => {
                    return Err(Error::failed(self.what, "only SQL is executed on a database"));
                }
            });
        }
        self.transact(&parts).await
    }

    async fn transact(&self, parts: &[Part<'_>]) -> Result<()> {
        transact_parts(self.state, &Group { what: self.what, statements: &[], raw: true }, parts, self.work).await
    }

    /// Executes a statement that must not be in a transaction.
    async fn outside(&self, text: &str) -> Result<()> {
        let patience = self.state.database().patience();
        let begin = Instant::now();
        for attempt in 1.. {
            self.work.go_on()?;
            let client = self.state.database().client().await?;
            client.batch_execute(&own_path(false)).await.during(self.what)?;
            let done = alone_on(self.state, &client, self.what, text, patience.total, self.work).await;
            // What holds for this session must not hold for others.
            drop(deadpool_postgres::Object::take(client));
            let reason = match done {
                Ok(None) => return Ok(()),
                Ok(Some(reason)) => reason,
                // Nothing says that it was there.
                Err(Error::Failed { reason, .. }) if self.partly && reason.contains("does not exist") => return Ok(()),
                Err(error) => return Err(error),
            };
            let pause = pause(patience.lock_timeout, attempt);
            if begin.elapsed() + pause >= patience.total {
                return Err(gave_up(self.what, begin.elapsed(), attempt, &reason, &Seen::default()));
            }
            self.work.observer.event(Event::Retry { what: self.what.to_owned(), reason, attempt, wait: pause });
            rest(self.work, pause).await?;
        }
        Err(Error::failed(self.what, "it was tried too often"))
    }

    /// The statement that notes how many acts are done.
    fn note(&self, position: usize) -> String {
        let text = |text: &str| string(text, Dialect::Postgres);
        format!(
            "INSERT INTO coeval.cursor (deployment, run, step, position, counts, done) VALUES ({}, {}, {}, '{position}', '{{}}', {})
             ON CONFLICT (deployment, run, step) DO UPDATE SET position = excluded.position, done = excluded.done",
            text(self.state.deployment()),
            text(self.work.run),
            text(self.work.step),
            position == self.acts.len()
        )
    }
}
