//! Events for programs: one JSON object a line.

use coeval_core::{Object, Value};
use coeval_store::event::{Event, Tally};
use coeval_store::lock::Holder;

use super::report;

/// Returns an event as an object; `event` says which.
pub(super) fn value(store: &str, event: &Event) -> Value {
    let mut out = Object::new();
    out.insert("event", name(event).into());
    out.insert("backend", store.into());
    match event {
        Event::RunStarted { run, from, to, resumed } => {
            out.insert("run", run.as_str().into());
            out.insert("from", i64::from(*from).into());
            out.insert("to", i64::from(*to).into());
            out.insert("resumed", Value::Bool(*resumed));
        }
        Event::Waiting { holder } | Event::TakenOver { holder } => drop(out.insert("holder", holder_value(holder))),
        Event::StepStarted { step, steps, what, undo } => {
            out.insert("step", crate::ui::number(step + 1));
            out.insert("steps", crate::ui::number(*steps));
            out.insert("what", what.as_str().into());
            out.insert("undo", Value::Bool(*undo));
        }
        Event::Progress(tally) => put_tally(&mut out, tally),
        Event::Failure(failure) => {
            for (name, value) in &report::value(store, failure) {
                out.insert(name.as_str(), value.clone());
            }
        }
        Event::Retry { what, reason, attempt, wait } => {
            out.insert("what", what.as_str().into());
            out.insert("reason", reason.as_str().into());
            out.insert("attempt", i64::from(*attempt).into());
            out.insert("wait_ms", i64::try_from(wait.as_millis()).unwrap_or(i64::MAX).into());
        }
        Event::StepDone { step, tally } => {
            out.insert("step", crate::ui::number(step + 1));
            put_tally(&mut out, tally);
        }
        Event::RunDone { run, version } => {
            out.insert("run", run.as_str().into());
            out.insert("version", i64::from(*version).into());
        }
        Event::Undoing { reason } => drop(out.insert("reason", reason.as_str().into())),
    }
    out.into()
}

const fn name(event: &Event) -> &'static str {
    match event {
        Event::RunStarted { .. } => "run-started",
        Event::Waiting { .. } => "waiting",
        Event::TakenOver { .. } => "taken-over",
        Event::StepStarted { .. } => "step-started",
        Event::Progress(_) => "progress",
        Event::Failure(_) => "failure",
        Event::Retry { .. } => "retry",
        Event::StepDone { .. } => "step-done",
        Event::RunDone { .. } => "run-done",
        Event::Undoing { .. } => "undoing",
    }
}

/// Returns a holder for a program.
pub(super) fn holder_value(holder: &Holder) -> Value {
    holder.to_value()
}

/// Adds what was counted.
pub(super) fn put_tally(out: &mut Object, tally: &Tally) {
    for (name, count) in tally.counts() {
        // People and programs are told of records, whatever was done with them.
        out.insert(if name == "seen" { "records" } else { name }, count_value(count));
    }
    if let Some(total) = tally.total {
        out.insert("total", count_value(total));
    }
}

/// Returns a count as a value.
pub(super) fn count_value(count: u64) -> Value {
    i64::try_from(count).unwrap_or(i64::MAX).into()
}
