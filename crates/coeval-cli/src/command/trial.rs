//! What a dry run found, told.

use coeval_core::{Object, Value};
use coeval_engine::Goal;

use crate::error::{Outcome, Result};
use crate::store::{Speed, Store, Watch, try_out, would};
use crate::ui::{Ui, count};

/// Tries out what leads to a goal; whether records are in the way is what is found.
pub(super) async fn run(
    stores: &[Store],
    goal: Goal,
    sample: Option<u64>,
    speed: &Speed,
    watch: &Watch,
    ui: &mut Ui,
) -> Result<Outcome> {
    let mut failed = 0;
    let mut values = Vec::new();
    for (name, trial) in try_out(stores, goal, sample, speed, watch, ui).await? {
        let mut value = Object::from_iter([("backend".into(), name.as_str().into())]);
        match trial {
            None => ui.say(&format!("{name}: nothing to do"))?,
            Some(trial) => {
                let tally = trial.tally();
                failed += tally.failed;
                ui.say(&format!("{name}: to version {}: {}; nothing was written", trial.plan.to, would(&tally)))?;
                value.insert("from", i64::from(trial.plan.from).into());
                value.insert("to", i64::from(trial.plan.to).into());
                for (name, count) in [
                    ("records", tally.seen),
                    ("written", tally.written),
                    ("quarantined", tally.quarantined),
                    ("failed", tally.failed),
                ] {
                    value.insert(name, i64::try_from(count).unwrap_or(i64::MAX).into());
                }
            }
        }
        values.push(Value::from(value));
    }
    ui.field("tried", Value::List(values));
    if failed == 0 {
        return Ok(Outcome::Done);
    }
    let failed = usize::try_from(failed).unwrap_or(usize::MAX);
    ui.say(&format!("{} in the way; the migration would be undone", count(failed, "record")))?;
    Ok(Outcome::Findings)
}
