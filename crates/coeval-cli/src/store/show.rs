//! A run as it goes on: a bar on a terminal, lines elsewhere, events for programs.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use coeval_store::event::{Event, Observer, Tally};
use indicatif::{ProgressBar, ProgressStyle};

use super::event;
use super::report::Report;
use super::run::{counts, would};
use crate::error::Result;

/// How many failures a person is told one by one.
const TOLD: usize = 20;
/// How often a line says how far it is, where there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

/// Shows runs.
pub(crate) struct Show {
    json: bool,
    bar: Option<ProgressBar>,
    inner: Mutex<Inner>,
}

struct Inner {
    store: String,
    report: Report,
    steps: String,
    since: Instant,
    line: Instant,
    retry: Option<Instant>,
    /// The step that is going on; several workers tell of each.
    step: Option<(usize, bool)>,
    done: Option<(usize, bool)>,
    /// Whether nothing is written.
    trial: bool,
    /// Whether most steps change tables, and look at no record.
    tables: bool,
    /// What went wrong when a program was told something.
    unheard: Option<std::io::Error>,
}

impl fmt::Debug for Show {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Show").field("json", &self.json).finish_non_exhaustive()
    }
}

impl Show {
    /// Begins. Failures go into the file at `report` too, where one is named.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn start(json: bool, report: Option<&Path>) -> Result<Self> {
        let bar = (!json && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{bar:24} {human_pos}/{human_len} records  {per_sec}  {eta} left  {msg}");
            let bar = ProgressBar::new(0);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        let now = Instant::now();
        let inner = Inner {
            store: String::new(),
            report: Report::new(report)?,
            steps: String::new(),
            since: now,
            line: now,
            retry: None,
            step: None,
            done: None,
            trial: false,
            tables: false,
            unheard: None,
        };
        Ok(Self { json, bar, inner: Mutex::new(inner) })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A poisoned lock only means that another thread panicked while it told something.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that nothing is written.
    pub(crate) fn trial(&self) {
        self.inner().trial = true;
    }

    /// Says which store is next.
    pub(crate) fn store(&self, name: &str) {
        let mut inner = self.inner();
        inner.tables = false;
        name.clone_into(&mut inner.store);
        (inner.step, inner.done) = (None, None);
    }

    /// Says that the store has tables: a step that looks at no record says only that it is done.
    pub(crate) fn tables(&self, tables: bool) {
        self.inner().tables = tables;
    }

    /// Ends, and returns how many records could not be dealt with.
    ///
    /// # Errors
    /// The report could not be written.
    pub(crate) fn end(&self) -> Result<usize> {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let mut inner = self.inner();
        let count = inner.report.count();
        inner.report.end()?;
        if let Some(error) = inner.unheard.take() {
            return Err(crate::error::CommandError::io("standard output", &error));
        }
        drop(inner);
        if !self.json && count > TOLD {
            self.line(&format!("and {} more; `--report FILE` takes all of them", count - TOLD));
        }
        Ok(count)
    }

    /// Writes a line for a person who waits.
    pub(crate) fn line(&self, line: &str) {
        // Nothing can be told where standard error is closed.
        let write = || drop(writeln!(std::io::stderr().lock(), "{line}"));
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn tell(&self, event: &Event, inner: &mut Inner) {
        let store = inner.store.clone();
        match event {
            Event::RunStarted { from, to, resumed, .. } => {
                let begun = if *resumed { ", which was begun before" } else { "" };
                let way = match *from {
                    0 => format!("to version {to}"),
                    from if from == *to => format!("at version {to}"),
                    from => format!("from version {from} to version {to}"),
                };
                self.line(&format!("{store}: {way}{begun}"));
            }
            Event::Waiting { holder } => {
                self.line(&format!("{store}: waiting for {}, who holds the lock since {}", holder.name, holder.since));
            }
            Event::TakenOver { holder } => {
                self.line(&format!("{store}: {} did not show up any more; its lock was taken over", holder.name));
            }
            Event::StepStarted { step, steps, what, undo } => {
                if inner.step.replace((*step, *undo)) == Some((*step, *undo)) {
                    return;
                }
                inner.steps = format!("{store}: {}/{steps}", step + 1);
                inner.since = Instant::now();
                let undo = if *undo { "undoing: " } else { "" };
                let trial = if inner.trial { "trying to " } else { "" };
                self.line(&format!("{}: {undo}{trial}{what}", inner.steps));
                if let Some(bar) = &self.bar {
                    bar.reset();
                    bar.set_length(0);
                }
            }
            Event::Progress(tally) => self.progress(tally, inner),
            Event::Failure(failure) => {
                if inner.report.count() <= TOLD {
                    self.line(&format!("record {} of `{}`: {}: {}", failure.key, failure.model, failure.kind, failure.reason));
                }
            }
            Event::Retry { what, reason, attempt, wait } => {
                if inner.retry.is_some_and(|last| last.elapsed() < Duration::from_secs(1)) {
                    return;
                }
                inner.retry = Some(Instant::now());
                let wait = wait.as_secs_f64();
                self.line(&format!("{store}: {what}: {reason}; asking again in {wait:.1} s (attempt {attempt})"));
            }
            Event::StepDone { step, tally } => {
                let now = inner.step.filter(|(at, _)| at == step);
                if inner.done == now && now.is_some() {
                    return;
                }
                inner.done = now;
                let told = match (inner.trial, inner.tables && tally.seen == 0) {
                    (_, true) => "done".to_owned(),
                    (true, false) => would(tally),
                    (false, false) => counts(tally),
                };
                self.line(&format!("{}: {told}", inner.steps));
            }
            Event::RunDone { .. } => {}
            Event::Undoing { reason } => self.line(&format!("{store}: {reason}; undoing what was done")),
        }
    }

    fn progress(&self, tally: &Tally, inner: &mut Inner) {
        if let Some(bar) = &self.bar {
            bar.set_length(tally.total.unwrap_or(tally.seen));
            bar.set_position(tally.seen);
            if tally.failed > 0 {
                bar.set_message(format!("{} failed", tally.failed));
            }
            return;
        }
        if inner.line.elapsed() < EVERY {
            return;
        }
        inner.line = Instant::now();
        #[allow(clippy::cast_precision_loss, reason = "for people")]
        let rate = tally.seen as f64 / inner.since.elapsed().as_secs_f64().max(0.001);
        #[allow(clippy::cast_precision_loss, reason = "for people")]
        let left = tally.total.map(|total| total.saturating_sub(tally.seen) as f64 / rate.max(0.001));
        let left = left.map(|left| format!(", {left:.0} s left")).unwrap_or_default();
        let of = tally.total.map(|total| format!(" of {total}")).unwrap_or_default();
        let failed = if tally.failed > 0 { format!(", {} failed", tally.failed) } else { String::new() };
        self.line(&format!("{}: {}{of} records, {rate:.0} a second{left}{failed}", inner.steps, tally.seen));
    }
}

impl Observer for Show {
    fn event(&self, event: Event) {
        let mut inner = self.inner();
        if let Event::Failure(failure) = &event {
            let store = inner.store.clone();
            if !inner.report.add(&store, failure) {
                return;
            }
        }
        if self.json {
            // The run goes on; what could not be told is an error in the end.
            if let Err(error) = writeln!(std::io::stdout().lock(), "{}", event::value(&inner.store, &event)) {
                inner.unheard.get_or_insert(error);
            }
        } else {
            self.tell(&event, &mut inner);
        }
    }
}
