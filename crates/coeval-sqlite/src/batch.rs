//! All rows of a table, in the order of its key, in parts that take about as long as a client is willing to wait. How far it is is
//! noted in the transaction of each part.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use coeval_store::event::{Event, Failure, Tally};
use coeval_store::work::Work;
use coeval_store::{Error, Result};

use crate::backend::Sqlite;
use crate::layout::Layout;
use crate::row::{self, Row};
use crate::state;
use crate::statement::{Absent, ForeignKeys, How, Session};

/// For how long one part keeps other writers waiting.
const TIME: Duration = Duration::from_millis(200);
/// With how many rows it begins, and how many a part has at most.
const SIZES: (u64, u64) = (500, 100_000);

/// What is done with one row.
pub(crate) type Each<'e> = &'e dyn Fn(&Session<'_>, &Row, &BTreeSet<usize>) -> Result<Tally>;

/// A part of a table.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The key of the last row that was done, as literals.
    after: Option<Vec<String>>,
    /// At most so many rows.
    limit: u64,
    /// Where it ended; `None` at the end of the table.
    next: std::cell::RefCell<Option<Vec<String>>>,
}

impl Batch {
    /// One that takes in so many rows from the beginning, for a look at the table.
    pub(crate) fn look(limit: u64) -> Self {
        Self { after: None, limit, next: std::cell::RefCell::default() }
    }

    /// Whether it is the first.
    pub(crate) fn is_first(&self) -> bool {
        self.after.is_none()
    }

    /// Does something with each row, until the time is over.
    pub(crate) fn each(&self, session: &Session<'_>, layout: &Layout<'_>, each: Each<'_>) -> Result<Tally> {
        let present = layout.present(session)?;
        let (columns, table) = (row::column_list(layout, &present), layout.names.table());
        let key = layout.key().into_iter().map(coeval_sql::ident).collect::<Vec<_>>().join(", ");
        let after = self.after.as_ref().map(|after| format!("WHERE ({key}) > ({})", after.join(", "))).unwrap_or_default();
        let sql = format!("SELECT {columns} FROM {table} {after} ORDER BY {key} LIMIT {}", self.limit);
        let begun = Instant::now();
        let mut statement = session.connection().prepare(&sql).map_err(|error| session.error(&error))?;
        let mut rows = statement.query([]).map_err(|error| session.error(&error))?;
        let mut found = Vec::new();
        while let Some(next) = rows.next().map_err(|error| session.error(&error))? {
            found.push(row::read(layout, &present, next, session)?);
        }
        let (mut tally, mut last) = (Tally::default(), None);
        let all = found.len() as u64;
        for (done, row) in (1..).zip(&found) {
            tally = tally.plus(each(session, row, &present)?);
            last = Some(row.key.clone());
            if begun.elapsed() > TIME && done < all {
                *self.next.borrow_mut() = last;
                return Ok(tally);
            }
        }
        *self.next.borrow_mut() = last.filter(|_| all == self.limit);
        Ok(tally)
    }
}

/// Runs a step over a table, part by part, from where it was left.
pub(crate) async fn run<A>(store: &Sqlite, work: &Work<'_>, doing: &str, act: A) -> Result<Tally>
where
    A: Fn(&Session<'_>, &Batch) -> Result<Tally> + Send + Sync + 'static,
{
    let act = Arc::new(act);
    let rate = work.pace.rate.filter(|rate| *rate > 0.0);
    // A part has no more rows than a second may have.
    let most = rate.map_or(SIZES.1, |rate| whole(rate).clamp(1, SIZES.1));
    let mut limit = SIZES.0.min(most);
    loop {
        work.go_on()?;
        let how =
            How { doing: doing.to_owned(), absent: Absent::Create, foreign_keys: ForeignKeys::Enforced, observer: work.observer };
        let (deployment, run, step) = (Arc::clone(&store.deployment), work.run.to_owned(), work.step.to_owned());
        let act = Arc::clone(&act);
        let part = move |session: &Session<'_>| {
            state::ensure(session)?;
            let cursor = state::cursor(session, &deployment, &run, &step)?;
            if cursor.done {
                return Ok((cursor.tally, cursor.tally, true, Duration::ZERO));
            }
            let begun = Instant::now();
            let batch = Batch { after: cursor.position, limit, next: std::cell::RefCell::default() };
            let tally = act(session, &batch)?;
            let next = batch.next.into_inner();
            let (sum, done) = (cursor.tally.plus(tally), next.is_none());
            state::note(session, &deployment, (&run, &step), next.as_deref(), &sum, done)?;
            Ok((sum, tally, done, begun.elapsed()))
        };
        let (sum, tally, done, took) = store.transaction(&how, work.lock.map(coeval_store::lock::Lock::fence), part).await?;
        work.observer.event(Event::Progress(sum));
        if done {
            return if sum.failed > 0 { Err(Error::Records { count: sum.failed }) } else { Ok(sum) };
        }
        if took < TIME / 2 {
            limit = (limit * 2).min(most);
        }
        // Where there is no hurry to keep back, others get their turn.
        let due = rate.map_or(Duration::ZERO, |rate| {
            Duration::from_secs_f64(f64::from(u32::try_from(tally.seen).unwrap_or(u32::MAX)) / rate)
        });
        rest(work, due.saturating_sub(took).max(Duration::from_millis(2))).await?;
    }
}

/// A number of rows, cut off.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within bounds")]
fn whole(count: f64) -> u64 {
    count.clamp(0.0, 1e9) as u64
}

/// Rests, unless the work is to stop.
async fn rest(work: &Work<'_>, pause: Duration) -> Result<()> {
    let end = Instant::now() + pause;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        tokio::time::sleep(left.min(Duration::from_millis(100))).await;
        work.go_on()?;
    }
    Ok(())
}

/// A record that is in the way, or cannot be shown.
pub(crate) fn failure(layout: &Layout<'_>, row: &Row, kind: &'static str, reason: String) -> Failure {
    Failure { model: layout.model.to_owned(), key: row::key_of(layout, row).to_string(), kind, reason }
}

/// The part after one, of so many rows at most; `None` where there is none.
pub(crate) fn on(batch: Batch, left: u64) -> Option<Batch> {
    let after = batch.next.into_inner()?;
    (left > 0).then(|| Batch { after: Some(after), limit: left, next: std::cell::RefCell::default() })
}
