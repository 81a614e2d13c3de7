//! Processes that fail, or die, at a chosen change.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};

/// How a change goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is refused, and the process goes on.
    Fail,
    /// The process dies before the change takes effect.
    DieBefore,
    /// The process dies after the change took effect, and before it is told so.
    DieAfter,
}

/// One process.
#[derive(Debug, Default)]
pub(super) struct Process {
    dead: AtomicBool,
    changes: AtomicU64,
    armed: Mutex<Option<(u64, Fault)>>,
}

impl Process {
    pub(super) fn arm(&self, nth: u64, fault: Fault) {
        let at = self.changes() + nth;
        *self.armed.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, fault));
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    pub(super) fn lives(&self) -> Result<()> {
        if self.dead.load(Ordering::SeqCst) { Err(Error::Crashed) } else { Ok(()) }
    }

    /// Counts a change; whether the process dies once it took effect.
    pub(super) fn next(&self) -> Result<bool> {
        self.lives()?;
        let now = self.changes.fetch_add(1, Ordering::SeqCst) + 1;
        let armed = *self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        match armed.filter(|(at, _)| *at == now) {
            None => Ok(false),
            Some((_, Fault::Fail)) => Err(Error::failed(format!("change {now}"), "it fails, as the test wanted")),
            Some((_, Fault::DieBefore)) => {
                self.dead.store(true, Ordering::SeqCst);
                Err(Error::Crashed)
            }
            Some((_, Fault::DieAfter)) => {
                self.dead.store(true, Ordering::SeqCst);
                Ok(true)
            }
        }
    }
}
