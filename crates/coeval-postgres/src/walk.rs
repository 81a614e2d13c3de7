//! Going through a table in batches by its key, each in a transaction of its own together with the note how far it is.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use coeval_core::json::{self, Style};
use coeval_core::lens::Stored;
use coeval_core::{Object, Value};
use coeval_sql::{Dialect, string};
use coeval_store::event::{Event, Failure, Tally};
use coeval_store::records::Key;
use coeval_store::{Error, Result};
use deadpool_postgres::Transaction;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use crate::broken::Broken;
use crate::error::{During, tell, words};
use crate::execute::Job;
use crate::layout::Layout;
use crate::lock;
use crate::row::Lens;
use crate::statement::{is_passing, pause, rest};
use crate::stream::Stream;

/// How long a batch should take.
const TARGET: Duration = Duration::from_millis(100);
/// With how many rows it begins, and how many a batch has at most.
const SIZES: (usize, usize) = (1_000, 50_000);
/// Of how many rows it is asked at once why they cannot be shown.
const EXPLAINED: usize = 500;
/// How far replicas may be behind before a backfill lets them catch up, in seconds.
const LAG: f64 = 10.0;

/// A part of a table: what comes after one key, up to another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) after: Option<Vec<String>>,
    pub(crate) up_to: Option<Vec<String>>,
}

/// The columns of a key, quoted, with their types.
pub(crate) type KeyColumns = Vec<(String, String)>;

impl Range {
    /// Renders the condition on the rows of `t`.
    pub(crate) fn condition(&self, key: &KeyColumns) -> String {
        let columns: Vec<String> = key.iter().map(|(column, _)| format!("t.{column}")).collect();
        let row = |values: &[String]| {
            let cast = |(value, (_, ty)): (&String, &(String, String))| format!("{}::{ty}", string(value, Dialect::Postgres));
            values.iter().zip(key).map(cast).collect::<Vec<_>>().join(", ")
        };
        let mut conditions = Vec::new();
        conditions.extend(self.after.as_ref().map(|after| format!("({}) > ({})", columns.join(", "), row(after))));
        conditions.extend(self.up_to.as_ref().map(|up_to| format!("({}) <= ({})", columns.join(", "), row(up_to))));
        if conditions.is_empty() { "TRUE".to_owned() } else { conditions.join(" AND ") }
    }

    fn one(previous: Option<Vec<String>>, key: &[String]) -> Self {
        Self { after: previous, up_to: Some(key.to_vec()) }
    }
}

/// What is done with the rows of a batch.
pub(crate) trait Act: Sync {
    /// What happens before the first batch, in its transaction.
    fn first(&self) -> Vec<String> {
        Vec::new()
    }

    /// The statements for the rows of a range; the rows that the first one counts are those that were written.
    fn statements(&self, range: &Range) -> Vec<String>;

    /// The same for a single row where the others failed; `None` where there is nothing else to try.
    fn otherwise(&self, _range: &Range) -> Option<Vec<String>> {
        None
    }

    /// What the database cannot compute, after the statements; `None` where it can.
    fn stream(&self) -> Option<&Stream<'_>> {
        None
    }

    /// What a version to come makes of rows: what the core says why it cannot show them. `None` where nothing is converted.
    fn why(&self) -> Option<(&Lens<'_>, u32)> {
        None
    }

    /// Asks which rows of a range are in the way although nothing failed: a query for the key's texts, the kind and the reason.
    fn wrong(&self, _range: &Range) -> Option<String> {
        None
    }

    /// Writes a range and asks both in one statement, which does not read the rows again; `None` where that cannot be. Its rows are those
    /// of [`Act::wrong`], after one that has only the number of rows that were written, which comes fourth.
    fn at_once(&self, _range: &Range) -> Option<String> {
        None
    }
}

/// A walk through a table.
pub(crate) struct Walk<'w, A> {
    pub(crate) job: &'w Job<'w>,
    pub(crate) layout: &'w Layout<'w>,
    /// The table that is walked through, quoted.
    pub(crate) table: &'w str,
    pub(crate) key: KeyColumns,
    pub(crate) act: A,
}

/// Where a walk is.
#[derive(Debug, Clone, Default)]
struct Place {
    after: Option<Vec<String>>,
    tally: Tally,
    begun: bool,
    done: bool,
}

/// Settings of a transaction that does a batch: it waits for nobody for long, and writes texts the same way always.
pub(crate) const SETTINGS: &str = "SET LOCAL lock_timeout = '200ms'; SET LOCAL statement_timeout = 0;
    SET LOCAL idle_in_transaction_session_timeout = '30s'; SET LOCAL search_path = pg_catalog, pg_temp;
    SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL extra_float_digits = 1";

/// What a batch came to.
enum Batch {
    Done { up_to: Option<Vec<String>>, tally: Tally, failures: Vec<Failure> },
    Again(String),
}

impl<A: Act> Walk<'_, A> {
    /// Goes through all rows, or what is left of them.
    ///
    /// # Errors
    /// [`Error::Records`] where rows are in the way, after all of them were told.
    pub(crate) async fn all(&self) -> Result<Tally> {
        let mut place = self.read().await?;
        let (mut size, mut attempt) = (SIZES.0, 0);
        let begin = Instant::now();
        while !place.done {
            self.job.work.go_on()?;
            self.wait_for_replicas().await?;
            let limit = self.job.work.pace.rate.map_or(SIZES.1, |rate| rows(rate).clamp(1, SIZES.1));
            size = size.min(limit);
            let started = Instant::now();
            match self.batch(&place, size, false).await? {
                Batch::Done { up_to, tally, failures } => {
                    attempt = 0;
                    for failure in failures {
                        self.job.work.observer.event(Event::Failure(failure));
                    }
                    place = Place { done: up_to.is_none(), after: up_to, tally: place.tally.plus(tally), begun: true };
                    self.job.work.observer.event(Event::Progress(place.tally));
                    let took = started.elapsed();
                    size = next_size(size, took);
                    if let Some(rate) = self.job.work.pace.rate.filter(|rate| *rate > 0.0) {
                        let wanted = Duration::from_secs_f64(f64::from(u32::try_from(tally.seen).unwrap_or(u32::MAX)) / rate);
                        rest(self.job.work, wanted.saturating_sub(took)).await?;
                    }
                }
                Batch::Again(reason) => {
                    attempt += 1;
                    size = (size / 2).max(1);
                    let patience = self.job.backend.state().database().patience();
                    let wait = pause(patience.lock_timeout, attempt);
                    if attempt > 8 && begin.elapsed() > patience.total {
                        return Err(Error::failed(
                            self.job.step.to_string(),
                            format!("gave up after {attempt} attempts: {reason}"),
                        ));
                    }
                    let what = self.job.step.to_string();
                    self.job.work.observer.event(Event::Retry { what, reason, attempt, wait });
                    rest(self.job.work, wait).await?;
                }
            }
        }
        if place.tally.failed > 0 { Err(Error::Records { count: place.tally.failed }) } else { Ok(place.tally) }
    }

    /// Does one batch and takes it back: what it would do to rows that lie in `table`, for this transaction only.
    ///
    /// # Errors
    /// What the database refuses about the computation itself.
    pub(crate) async fn attempt(&self, transaction: &Transaction<'_>) -> Result<(Tally, Vec<Failure>)> {
        let what = self.job.step.to_string();
        let range = Range::default();
        transaction.batch_execute("SAVEPOINT attempt").await.during(&what)?;
        let (tally, failures) = match self.execute(transaction, &range).await {
            Ok(done) => done,
            Err(error) if error.of_data().is_some() => {
                transaction.batch_execute("ROLLBACK TO SAVEPOINT attempt").await.during(&what)?;
                self.narrow(transaction, &range).await?
            }
            Err(error) => return Err(error.tell(&what)),
        };
        Ok((tally, self.explain(transaction, failures).await?))
    }

    /// Puts the core's reasons in the place of the database's, which does not say what a version makes of a record.
    async fn explain(&self, transaction: &Transaction<'_>, mut failures: Vec<(Key, Failure)>) -> Result<Vec<Failure>> {
        let what = self.job.step.to_string();
        if let Some((lens, to)) = self.act.why() {
            for part in failures.chunks_mut(EXPLAINED) {
                let keys: Result<Vec<String>> = part.iter().map(|(key, _)| Ok(format!("({})", lens.key_values(key)?))).collect();
                let columns: Vec<String> = self.key.iter().map(|(column, _)| format!("t.{column}")).collect();
                let texts: Vec<String> = columns.iter().map(|column| format!("{column}::text")).collect();
                let (selected, columns, keys) = (lens.selected(), columns.join(", "), keys?.join(", "));
                let sql = format!(
                    "SELECT {selected}, ARRAY[{}] FROM {} AS t WHERE ({columns}) IN ({keys})",
                    texts.join(", "),
                    self.table
                );
                for row in transaction.query_typed(&sql, &[]).await.during(&what)? {
                    let texts = Key(row.try_get(row.len() - 1).during(&what)?);
                    let read = lens.read(&row, &what)?;
                    let history = &lens.layout.era.history;
                    let stored = Stored::plain(lens.shape, read.document);
                    let refused = history.move_to(&stored, lens.layout.era.shape(to).unwrap_or(to)).err();
                    if let (Some(unmoved), Some((_, failure))) = (refused, part.iter_mut().find(|(key, _)| *key == texts)) {
                        failure.reason = unmoved.to_string();
                        failure.key = read.key.to_string();
                    }
                }
            }
        }
        Ok(failures.into_iter().map(|(_, failure)| failure).collect())
    }

    async fn batch(&self, place: &Place, size: usize, narrow: bool) -> Result<Batch> {
        let state = self.job.backend.state();
        let what = self.job.step.to_string();
        let mut client = state.database().client().await?;
        let transaction = client.transaction().await.during(&what)?;
        transaction.batch_execute(SETTINGS).await.during(&what)?;
        if let Some(lock) = self.job.work.lock {
            lock::hold(state, &transaction, lock.fence()).await?;
        }
        let again = |error: &tokio_postgres::Error| error.as_db_error().map(words).unwrap_or_default();
        if !place.begun {
            for statement in self.act.first() {
                match transaction.batch_execute(&statement).await {
                    Err(error) if is_passing(&error) => return Ok(Batch::Again(again(&error))),
                    done => done.during(&what)?,
                }
            }
        }
        let keys: Vec<String> = self.key.iter().map(|(column, _)| format!("t.{column}")).collect();
        let texts: Vec<String> = keys.iter().map(|column| format!("{column}::text")).collect();
        let open = Range { after: place.after.clone(), up_to: None };
        let sql = format!(
            "SELECT ARRAY[{}] FROM {} AS t WHERE {} ORDER BY {} OFFSET {} LIMIT 1",
            texts.join(", "),
            self.table,
            open.condition(&self.key),
            keys.join(", "),
            size - 1
        );
        let last = transaction.query_typed_opt(&sql, &[]).await.during(&what)?;
        let up_to: Option<Vec<String>> = last.map(|row| row.try_get(0)).transpose().during(&what)?;
        let range = Range { after: place.after.clone(), up_to: up_to.clone() };
        let (tally, failures) = if narrow {
            self.narrow(&transaction, &range).await?
        } else {
            match self.execute(&transaction, &range).await {
                Ok(done) => done,
                Err(error) if error.of_data().is_some() => {
                    transaction.rollback().await.during(&what)?;
                    std::mem::drop(client);
                    return Box::pin(self.batch(place, size, true)).await;
                }
                Err(error) => {
                    return error.passing().map_or_else(|| Err(error.tell(&what)), |reason| Ok(Batch::Again(reason)));
                }
            }
        };
        let failures = self.explain(&transaction, failures).await?;
        let now = Place { done: up_to.is_none(), after: up_to.clone(), tally: place.tally.plus(tally), begun: true };
        self.note(&transaction, &now).await?;
        match transaction.commit().await {
            Ok(()) => Ok(Batch::Done { up_to, tally, failures }),
            Err(error) if is_passing(&error) => Ok(Batch::Again(again(&error))),
            Err(error) => Err(tell(&what, &error)),
        }
    }

    /// Does what is to be done with the rows of a range.
    async fn execute(
        &self,
        transaction: &Transaction<'_>,
        range: &Range,
    ) -> std::result::Result<(Tally, Vec<(Key, Failure)>), Broken> {
        let (mut written, mut found) = (0, Vec::new());
        let at_once = self.act.at_once(range);
        if let Some(statement) = &at_once {
            found = transaction.query_typed(statement, &[]).await?;
            written = found.remove(0).try_get::<_, i64>(3)?.unsigned_abs();
        } else {
            for (nth, statement) in self.act.statements(range).into_iter().enumerate() {
                let rows = transaction.execute_typed(&statement, &[]).await?;
                if nth == 0 {
                    written = rows;
                }
            }
        }
        let mut tally = Tally { seen: written, written, ..Tally::default() };
        let mut failures: Vec<(Key, Failure)> = Vec::new();
        if let Some(stream) = self.act.stream() {
            for (key, reason) in stream.run(transaction, range).await? {
                (tally.failed, tally.written) = (tally.failed + 1, tally.written.saturating_sub(1));
                failures.push(self.failure(key, "rejected", reason));
            }
        }
        if let Some(wrong) = self.act.wrong(range).filter(|_| at_once.is_none()) {
            found = transaction.query_typed(&wrong, &[]).await?;
        }
        let told: BTreeSet<Vec<String>> = failures.iter().map(|(key, _)| key.0.clone()).collect();
        for row in found {
            let (key, quarantined, reason): (Vec<String>, bool, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            if told.contains(&key) {
                continue;
            }
            let kind = if quarantined { "quarantined" } else { "rejected" };
            if quarantined {
                tally.quarantined += 1;
            } else {
                tally.failed += 1;
            }
            tally.written = tally.written.saturating_sub(1);
            failures.push(self.failure(key, kind, reason));
        }
        Ok((tally, failures))
    }

    fn failure(&self, key: Vec<String>, kind: &'static str, reason: String) -> (Key, Failure) {
        let key = Key(key);
        let failure = Failure { model: self.layout.entry.name.clone(), key: key.to_string(), kind, reason };
        (key, failure)
    }

    /// Does the rows of a range by halves, so that those are found that fail.
    async fn narrow(&self, transaction: &Transaction<'_>, range: &Range) -> Result<(Tally, Vec<(Key, Failure)>)> {
        let what = self.job.step.to_string();
        let columns: Vec<String> = self.key.iter().map(|(column, _)| format!("t.{column}")).collect();
        let texts: Vec<String> = columns.iter().map(|column| format!("{column}::text")).collect();
        let sql = format!(
            "SELECT ARRAY[{}] FROM {} AS t WHERE {} ORDER BY {}",
            texts.join(", "),
            self.table,
            range.condition(&self.key),
            columns.join(", ")
        );
        let rows = transaction.query_typed(&sql, &[]).await.during(&what)?;
        let keys: Vec<Vec<String>> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().during(&what)?;
        let (mut tally, mut failures) = (Tally::default(), Vec::new());
        let mut open = vec![(0, keys.len())];
        while let Some((begin, end)) = open.pop() {
            self.job.work.go_on()?;
            if begin == end {
                continue;
            }
            let before = if begin == 0 { range.after.clone() } else { Some(keys[begin - 1].clone()) };
            let part = Range::one(before, &keys[end - 1]);
            transaction.batch_execute("SAVEPOINT part").await.during(&what)?;
            let error = match self.execute(transaction, &part).await {
                Ok((done, found)) => {
                    transaction.batch_execute("RELEASE SAVEPOINT part").await.during(&what)?;
                    tally = tally.plus(done);
                    failures.extend(found);
                    continue;
                }
                Err(error) => error,
            };
            transaction.batch_execute("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part").await.during(&what)?;
            let Some(said) = error.of_data().map(|error| match error.as_db_error() {
                Some(said) => said.message().to_owned(),
                None => error.to_string(),
            }) else {
                return Err(error.tell(&what));
            };
            if end - begin > 1 {
                let middle = begin + (end - begin) / 2;
                open.push((middle, end));
                open.push((begin, middle));
                continue;
            }
            if let Some(statements) = self.act.otherwise(&part) {
                for statement in statements {
                    transaction.batch_execute(&statement).await.during(&what)?;
                }
                (tally.seen, tally.written) = (tally.seen + 1, tally.written + 1);
                continue;
            }
            (tally.seen, tally.failed) = (tally.seen + 1, tally.failed + 1);
            failures.push(self.failure(keys[begin].clone(), "rejected", said));
        }
        tally.total = None;
        Ok((tally, failures))
    }

    async fn read(&self) -> Result<Place> {
        let what = self.job.step.to_string();
        let state = self.job.backend.state();
        let client = state.database().control().await?;
        let sql = "SELECT position::text, counts::text, done FROM coeval.cursor WHERE deployment = $1 AND run = $2 AND step = $3";
        let (deployment, run, step) = (state.deployment(), self.job.work.run, self.job.work.step);
        let row = client.query_typed_opt(sql, &[(&deployment, Type::TEXT), (&run, Type::TEXT), (&step, Type::TEXT)]).await;
        let Some(row) = row.during(&what)? else { return Ok(Place::default()) };
        let unreadable = |reason: String| Error::Unreadable { what: format!("coeval.cursor of {what}"), reason, newer: false };
        let (position, counts): (Option<String>, String) = (row.try_get(0).during(&what)?, row.try_get(1).during(&what)?);
        let counts = json::parse(counts.as_bytes()).map_err(|e| unreadable(e.message))?;
        let counts = counts.as_object().cloned().unwrap_or_default();
        let tally = Tally::read(&counts).map_err(|e| unreadable(e.message))?;
        let after = match position {
            Some(position) => {
                let value = json::parse(position.as_bytes()).map_err(|e| unreadable(e.message))?;
                let texts = value.as_list().map(|list| list.iter().map(|part| part.as_str().map(str::to_owned)).collect());
                texts.ok_or_else(|| unreadable("it is no list of texts".to_owned()))?
            }
            None => None,
        };
        Ok(Place { after, tally, begun: true, done: row.try_get(2).during(&what)? })
    }

    /// Notes how far it is, in the transaction of the batch.
    async fn note(&self, transaction: &Transaction<'_>, place: &Place) -> Result<()> {
        let state = self.job.backend.state();
        let mut counts = Object::new();
        place.tally.write(&mut counts);
        let counts = Style::Compact.write(&counts.into());
        let position = place
            .after
            .as_ref()
            .map(|after| Style::Compact.write(&Value::List(after.iter().map(|part| part.as_str().into()).collect())));
        let sql = "INSERT INTO coeval.cursor (deployment, run, step, position, counts, done)
                   VALUES ($1, $2, $3, $4::text::json, $5::text::json, $6)
                   ON CONFLICT (deployment, run, step) DO UPDATE SET position = excluded.position, counts = excluded.counts, done = excluded.done";
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 6] = [
            (&state.deployment(), Type::TEXT),
            (&self.job.work.run, Type::TEXT),
            (&self.job.work.step, Type::TEXT),
            (&position, Type::TEXT),
            (&counts, Type::TEXT),
            (&place.done, Type::BOOL),
        ];
        transaction.execute_typed(sql, &parameters).await.during(&self.job.step.to_string())?;
        Ok(())
    }

    /// Waits while replicas are far behind.
    async fn wait_for_replicas(&self) -> Result<()> {
        let what = self.job.step.to_string();
        let mut attempt = 0;
        loop {
            let client = self.job.backend.state().database().control().await?;
            let sql = "SELECT pg_catalog.max(extract(epoch FROM replay_lag))::float8 FROM pg_catalog.pg_stat_replication";
            let row = client.query_typed_one(sql, &[]).await.during(&what)?;
            std::mem::drop(client);
            let lag: Option<f64> = row.try_get(0).during(&what)?;
            let Some(lag) = lag.filter(|lag| *lag > LAG) else { return Ok(()) };
            attempt += 1;
            let (reason, wait) = (format!("a replica is {lag:.0} s behind"), Duration::from_secs(1));
            self.job.work.observer.event(Event::Retry { what: what.clone(), reason, attempt, wait });
            rest(self.job.work, wait).await?;
        }
    }
}

/// A number of rows, cut off.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within bounds")]
fn rows(count: f64) -> usize {
    count.clamp(0.0, 1e9) as usize
}

/// The number of rows that would have taken as long as a batch should.
fn next_size(size: usize, took: Duration) -> usize {
    let factor = (TARGET.as_secs_f64() / took.as_secs_f64().max(0.001)).clamp(0.25, 4.0);
    rows(f64::from(u32::try_from(size).unwrap_or(u32::MAX)) * factor).clamp(100, SIZES.1)
}

/// Whether an error is about the value of some row.
pub(crate) fn is_data(error: &tokio_postgres::Error) -> bool {
    let Some(code) = error.code() else { return false };
    code.code().starts_with("22") || code.code().starts_with("23") || *code == SqlState::RAISE_EXCEPTION
}
