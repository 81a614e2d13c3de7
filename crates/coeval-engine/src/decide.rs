//! What is to be done next: from what happened to a store and what is wanted of it.

use coeval_store::Catalog;
use coeval_store::ledger::{Action, Ledger, Started};
use coeval_store::standalone::{last_alone, pending, taken_back};

use crate::error::Refusal;
use crate::guard::guard;

/// What is wanted of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// A newer version.
    Migrate {
        /// Which; the newest where `None`.
        to: Option<u32>,
        /// Whether records that are at older versions are moved even where no version is new.
        scan: bool,
    },
    /// An older version.
    Rollback {
        /// Which; the one before the last migration where `None`.
        to: Option<u32>,
    },
    /// An end of the versions before one.
    Retire {
        /// The oldest that stays.
        before: u32,
    },
}

impl Goal {
    /// Says it in a word or three, for whoever waits for the lock.
    pub(crate) fn purpose(self) -> String {
        match self {
            Self::Migrate { to: Some(to), .. } => format!("migrate to version {to}"),
            Self::Migrate { to: None, .. } => "migrate".to_owned(),
            Self::Rollback { to: Some(to) } => format!("rollback to version {to}"),
            Self::Rollback { to: None } => "rollback".to_owned(),
            Self::Retire { before } => format!("retire what lies before version {before}"),
        }
    }
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing: the version in force is the one that is wanted.
    Nothing(u32),
    /// A run begins.
    Begin(Begin),
    /// The open run goes on.
    Resume(Started),
    /// The open run is undone.
    Undo(Started, String),
}

/// A run that may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Begin {
    pub(crate) action: Action,
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) scan: bool,
}

/// Decides.
pub(crate) fn decide(catalog: &Catalog, ledger: &Ledger, goal: Goal) -> Result<Next, Refusal> {
    let head = catalog.head();
    if head == 0 {
        return Err(Refusal::NothingFrozen);
    }
    guard(catalog, ledger)?;
    if let Some(open) = ledger.open() {
        return with_open(open, ledger.undoing(), goal);
    }
    match goal {
        Goal::Migrate { to, scan } => migrate(catalog, ledger, to, scan),
        Goal::Rollback { to } => {
            let next = rollback(ledger, head, to)?;
            if let Next::Begin(Begin { from, to, .. }) = next {
                taken_back(catalog, ledger, from, to)?;
            }
            Ok(next)
        }
        Goal::Retire { before } => retire(ledger, head, before),
    }
}

fn with_open(open: &Started, undoing: Option<&str>, goal: Goal) -> Result<Next, Refusal> {
    let refused = || Err(Refusal::RunOpen(Box::new(open.clone())));
    let resume = || Ok(Next::Resume(open.clone()));
    let undo = |reason: &str| Ok(Next::Undo(open.clone(), reason.to_owned()));
    match (goal, open.action, undoing) {
        (Goal::Migrate { to, .. }, Action::Migrate, None) if to.is_none_or(|to| to == open.to) => resume(),
        (Goal::Migrate { .. }, Action::Migrate, Some(reason)) | (Goal::Rollback { .. }, Action::Rollback, Some(reason)) => {
            undo(reason)
        }
        (Goal::Rollback { to }, Action::Migrate, undoing) if to.is_none_or(|to| to == open.from) => {
            undo(undoing.unwrap_or("it was rolled back"))
        }
        (Goal::Rollback { to }, Action::Rollback, None) if to.is_none_or(|to| to == open.to) => resume(),
        (Goal::Retire { before }, Action::Retire { before: open_before }, None) if before == open_before => resume(),
        (Goal::Migrate { .. } | Goal::Rollback { .. } | Goal::Retire { .. }, _, _) => refused(),
    }
}

fn exists(asked: u32, head: u32) -> Result<u32, Refusal> {
    if asked > head { Err(Refusal::NoVersion { asked, head }) } else { Ok(asked) }
}

fn migrate(catalog: &Catalog, ledger: &Ledger, to: Option<u32>, scan: bool) -> Result<Next, Refusal> {
    let head = catalog.head();
    let to = exists(to.unwrap_or(head), head)?;
    let from = ledger.in_force().unwrap_or_default();
    if to < ledger.oldest() {
        return Err(Refusal::Retired { asked: to, oldest: ledger.oldest() });
    }
    if to < from {
        return Err(Refusal::Newer { in_force: from, asked: to });
    }
    // What is wrong with a standalone migration is said before anything runs.
    let alone = !pending(catalog, ledger, to)?.is_empty();
    if to == from && !scan && !alone {
        return Ok(Next::Nothing(from));
    }
    Ok(Next::Begin(Begin { action: Action::Migrate, from, to, scan }))
}

fn rollback(ledger: &Ledger, head: u32, to: Option<u32>) -> Result<Next, Refusal> {
    let from = ledger.in_force().ok_or(Refusal::NothingInForce)?;
    let oldest = ledger.oldest();
    let named = to.is_some();
    if !named && last_alone(ledger, from).is_some() {
        // The last migration brought no version: what it did is taken back, and no version with it.
        return Ok(Next::Begin(Begin { action: Action::Rollback, from, to: from, scan: false }));
    }
    let to = match to {
        Some(to) => exists(to, head)?,
        None => before_last(ledger, from).max(oldest),
    };
    match to {
        to if to > from => Err(Refusal::Older { in_force: from, asked: to }),
        // Nothing is older than the records that were there before the first migration, which are at version 1.
        0 if oldest == 1 => Ok(Next::Begin(Begin { action: Action::Rollback, from, to, scan: false })),
        to if to < oldest => Err(Refusal::Retired { asked: to, oldest }),
        // Whoever names the version is content to be there.
        to if to == from && from == oldest && !named => Err(Refusal::Oldest(from)),
        to if to == from => Ok(Next::Nothing(from)),
        to => Ok(Next::Begin(Begin { action: Action::Rollback, from, to, scan: false })),
    }
}

/// The version that was in force before the last migration that came to the one in force.
fn before_last(ledger: &Ledger, in_force: u32) -> u32 {
    use coeval_store::ledger::Happened;
    let finished = |run: &str| {
        ledger.entries().iter().any(|entry| matches!(&entry.happened, Happened::Finished { run: done, .. } if done == run))
    };
    let mut started = ledger.entries().iter().rev().filter_map(|entry| match &entry.happened {
        Happened::Started(started) if finished(&started.run) => Some(started),
        _ => None,
    });
    let last = started.find(|s| s.action == Action::Migrate && s.to == in_force && s.from < s.to);
    last.map_or(in_force.saturating_sub(1), |started| started.from).max(1)
}

fn retire(ledger: &Ledger, head: u32, before: u32) -> Result<Next, Refusal> {
    exists(before, head)?;
    let from = ledger.in_force().ok_or(Refusal::NothingInForce)?;
    if before > from {
        return Err(Refusal::Older { in_force: from, asked: before });
    }
    if before <= ledger.oldest() {
        return Ok(Next::Nothing(from));
    }
    Ok(Next::Begin(Begin { action: Action::Retire { before }, from, to: from, scan: false }))
}
