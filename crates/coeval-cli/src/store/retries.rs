//! Requests that a store did not answer as it should, and that are repeated: told to whoever waits.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use coeval_store::event::{Event, Observer};
use coeval_store::objects::wrap::RetryNotice;

use super::show::Show;

/// Where they are told: beside the progress of a run, else in lines of their own.
#[derive(Debug, Default)]
pub(crate) struct Retries(Mutex<Option<Arc<Show>>>);

impl Retries {
    /// Tells them beside the progress of a run from now on.
    pub(crate) fn show(&self, show: &Arc<Show>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(show));
    }

    /// Tells one.
    pub(crate) fn tell(&self, notice: &RetryNotice) {
        let RetryNotice { what, reason, attempt, wait } = notice.clone();
        let show = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(show) = show {
            show.event(Event::Retry { what, reason, attempt, wait });
        } else {
            let wait = wait.as_secs_f64();
            // Nothing can be told where standard error is closed.
            let _ = writeln!(std::io::stderr().lock(), "{what}: {reason}; asking again in {wait:.1} s (attempt {attempt})");
        }
    }
}
