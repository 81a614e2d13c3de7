//! How a run goes about its work.

use coeval_store::event::{Observer, Unobserved};
use coeval_store::lock::{Holder, Lock};
use coeval_store::work::{Mode, Pace, Policy, Stop, Work};

use crate::clock::{Clock, SystemClock};

/// What is done where somebody else holds the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wait {
    /// The run refuses, and says who.
    #[default]
    Refuse,
    /// It waits.
    Wait,
    /// It helps, where the other one is at the same goal; else it waits.
    Join,
}

/// How a run goes about its work.
#[derive(Debug, Clone)]
pub struct How<'h> {
    /// Who runs it, for people: program, machine and process.
    pub name: String,
    /// How fast.
    pub pace: Pace,
    /// What becomes of records that are in the way.
    pub policy: Policy,
    /// What is done where somebody else holds the lock.
    pub wait: Wait,
    /// Whether a rollback only takes versions away from clients and keeps what they need, so that they can be back at once.
    pub warm: bool,
    /// Who is told what happens.
    pub observer: &'h dyn Observer,
    /// Whether it should stop.
    pub stop: Stop,
    /// The time and new ids.
    pub clock: &'h dyn Clock,
}

impl How<'static> {
    /// Returns the usual way, without anybody who listens.
    pub fn quietly() -> Self {
        Self {
            name: "coeval".to_owned(),
            pace: Pace::default(),
            policy: Policy::default(),
            wait: Wait::default(),
            warm: false,
            observer: &Unobserved,
            stop: Stop::default(),
            clock: &SystemClock,
        }
    }
}

impl How<'_> {
    /// Returns the one who runs, for the lock and for claims.
    pub(crate) fn holder(&self, purpose: String) -> Holder {
        Holder { id: self.clock.id(), name: self.name.clone(), purpose, since: self.clock.now() }
    }

    /// Returns what a backend is given beside a step.
    pub(crate) fn work<'w>(&'w self, run: &'w str, step: &'w str, me: &'w Holder, lock: Option<&'w dyn Lock>) -> Work<'w> {
        Work {
            run,
            step,
            worker: me,
            lock,
            pace: &self.pace,
            policy: self.policy,
            mode: Mode::Write,
            undo: false,
            observer: self.observer,
            stop: &self.stop,
        }
    }
}
