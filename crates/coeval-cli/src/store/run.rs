//! Running what leads all stores to a goal, one store after the other.

use std::sync::Arc;

use coeval_core::{Object, Value};
use coeval_engine::{Done, Goal, How, Outcome as Ended, SystemClock, Trial, Wait};
use coeval_store::Step;
use coeval_store::event::Tally;
use coeval_store::ledger::Action;
use coeval_store::work::Stop;

use super::event::put_tally;
use super::fail::failed;
use super::open::Store;
use super::options::{Speed, Watch};
use super::show::Show;
use crate::error::{CommandError, Kind, Outcome, Result};
use crate::ui::Ui;

/// Says which standalone migrations are applied or taken back among steps.
pub(crate) fn migrations<'s>(steps: impl Iterator<Item = &'s Step>) -> String {
    let (mut ids, mut how) = (Vec::new(), "with");
    for step in steps {
        if let Step::Standalone { id, back, .. } = step {
            ids.push(format!("`{id}`"));
            how = if *back { "without" } else { "with" };
        }
    }
    match ids.as_slice() {
        [] => String::new(),
        [one] => format!(", {how} the migration {one}"),
        several => format!(", {how} the migrations {}", several.join(", ")),
    }
}

/// Says how many records.
pub(crate) fn records(count: u64) -> String {
    match count {
        0 => "no records".to_owned(),
        1 => "1 record".to_owned(),
        count => format!("{count} records"),
    }
}

/// Says what was counted, in a line.
pub(crate) fn counts(tally: &Tally) -> String {
    said(tally, ["written", "values dropped"])
}

/// Says what would be counted.
pub(crate) fn would(tally: &Tally) -> String {
    said(tally, ["would be written", "values would be dropped"])
}

fn said(tally: &Tally, [written, dropped]: [&'static str; 2]) -> String {
    let mut parts = vec![records(tally.seen)];
    if tally.seen == 0 {
        return parts.remove(0);
    }
    parts.push(format!("{} {written}", tally.written));
    for (count, what) in [
        (tally.unchanged, "as they should be"),
        (tally.quarantined, "left where they are"),
        (tally.failed, "in the way"),
        (tally.dropped, dropped),
        (tally.conflicts, "done again since somebody else wrote"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    parts.join(", ")
}

/// Returns who runs, for people.
pub(crate) fn whom() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    let host = host.map(|host| host.trim().to_owned()).filter(|host| !host.is_empty());
    let host = host.map(|host| format!(" on {host}")).unwrap_or_default();
    format!("coeval {}{host}, process {}", env!("CARGO_PKG_VERSION"), std::process::id())
}

fn how<'s>(speed: &Speed, watch: &Watch, show: &'s Show, stop: &Stop) -> How<'s> {
    let wait = match (speed.workers, speed.wait) {
        (Some(_), _) => Wait::Join,
        (None, true) => Wait::Wait,
        (None, false) => Wait::Refuse,
    };
    How {
        name: whom(),
        pace: speed.pace(),
        policy: watch.on_fail.policy(),
        wait,
        warm: false,
        observer: show,
        stop: stop.clone(),
        clock: &SystemClock,
    }
}

/// Stops at the first interruption when what was begun is done, at the second at once.
fn listen(stop: &Stop, json: bool) {
    let stop = stop.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_err() {
            return;
        }
        stop.stop();
        if !json {
            let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), b"stopping; once more stops at once\n");
        }
        if tokio::signal::ctrl_c().await.is_ok() {
            #[allow(clippy::exit, reason = "the person asked twice; a run survives it")]
            std::process::exit(i32::from(Kind::Unfinished.code()));
        }
    });
}

/// Leads all stores to a goal. What the first ones did is undone where a later one fails.
///
/// # Errors
/// How the one that failed did.
pub(crate) async fn run(stores: &[Store], goal: Goal, warm: bool, speed: &Speed, watch: &Watch, ui: &mut Ui) -> Result<Outcome> {
    let show = Arc::new(Show::start(ui.is_json(), watch.report.as_deref())?);
    for store in stores {
        store.retries.show(&show);
    }
    let stop = Stop::default();
    listen(&stop, ui.is_json());
    let how = How { warm, ..how(speed, watch, &show, &stop) };
    let (mut ended, mut failure) = (Vec::new(), None);
    for store in stores {
        show.store(&store.name);
        show.tables(store.backend.capabilities().schema);
        match coeval_engine::run(&*store.backend, goal, &how).await {
            Ok(outcome) => ended.push((store, outcome)),
            Err(error) => {
                failure = Some(failed(&error, &store.name));
                break;
            }
        }
    }
    if let Some(mut failure) = failure {
        // A run that is only open is carried on later, and these with it.
        if failure.kind != Kind::Unfinished {
            back(&ended, &how, &show, &mut failure).await;
        }
        show.end()?;
        return Err(failure);
    }
    let count = show.end()?;
    ui.field("failures", crate::ui::number(count));
    let values = ended.iter().map(|(store, outcome)| outcome_value(store, outcome)).collect();
    ui.field("backends", Value::List(values));
    for (store, outcome) in &ended {
        if let Ended::Done(Done { from: 0, action: Action::Migrate, .. }) = outcome
            && !outcome_has_records(outcome)
            && !store.backend.capabilities().schema
        {
            let address = store.backend.name();
            let message = format!("{}: no record was found in {address}", store.name);
            let help = "is the address right, and `objects:` in the models? A store that is new has none";
            let mut warning = coeval_manifest::Diagnostic::error("no-records", message).help(help);
            warning.severity = coeval_manifest::Severity::Warning;
            ui.problem(&warning);
        }
        ui.say(&format!("{}: {}", store.name, told(outcome)))?;
    }
    Ok(Outcome::Done)
}

/// Brings the stores that came to their goal back to where they were: a deployment is done in all or in none.
async fn back(ended: &[(&Store, Ended)], how: &How<'_>, show: &Show, failure: &mut CommandError) {
    for (store, outcome) in ended.iter().rev() {
        let Ended::Done(Done { action: Action::Migrate, from, to, steps, .. }) = outcome else { continue };
        show.store(&store.name);
        show.line(&format!("{}: going back to version {from}, since another backend failed", store.name));
        // A run that brought no version is the last one, if it did anything else.
        if from == to && !steps.iter().any(|(step, _)| matches!(step, Step::Standalone { .. })) {
            continue;
        }
        let goal = Goal::Rollback { to: (from != to).then_some(*from) };
        if let Err(error) = coeval_engine::run(&*store.backend, goal, how).await {
            failure.diagnostics.extend(failed(&error, &store.name).diagnostics);
            failure.kind = Kind::Unfinished;
        }
    }
}

fn version(number: u32) -> String {
    if number == 0 { "no version".to_owned() } else { format!("version {number}") }
}

fn told(outcome: &Ended) -> String {
    match outcome {
        Ended::Nothing { version } => format!("nothing to do; version {version} is in force"),
        Ended::Undone { version: at, .. } => format!("the open run was undone; {} is in force, as before", version(*at)),
        Ended::Done(done) => {
            let what = match done.action {
                Action::Retire { before } => format!("what lies before version {before} is retired"),
                Action::Migrate | Action::Rollback if done.from == done.to => format!("version {} is in force", done.to),
                Action::Migrate | Action::Rollback => {
                    format!("{} is in force, {} before", version(done.to), version(done.from))
                }
            };
            let what = format!("{what}{}", migrations(done.steps.iter().map(|(step, _)| step)));
            // A run that only changed tables came upon no record.
            let only_tables = done.steps.iter().all(|(step, _)| step.on_records().is_none()) && !done.steps.is_empty();
            if only_tables && done.tally().seen == 0 { what } else { format!("{what}: {}", counts(&done.tally())) }
        }
    }
}

/// Whether a run came upon any record; one that had no step did not look.
fn outcome_has_records(outcome: &Ended) -> bool {
    match outcome {
        Ended::Done(done) => done.steps.is_empty() || done.tally().seen > 0,
        Ended::Nothing { .. } | Ended::Undone { .. } => true,
    }
}

fn outcome_value(store: &Store, outcome: &Ended) -> Value {
    let mut out = Object::new();
    out.insert("backend", store.name.as_str().into());
    match outcome {
        Ended::Nothing { version } => {
            out.insert("outcome", "nothing".into());
            out.insert("version", i64::from(*version).into());
        }
        Ended::Undone { run, version } => {
            out.insert("outcome", "undone".into());
            out.insert("run", run.as_str().into());
            out.insert("version", i64::from(*version).into());
        }
        Ended::Done(done) => {
            out.insert("outcome", "done".into());
            out.insert("run", done.run.as_str().into());
            out.insert("from", i64::from(done.from).into());
            out.insert("version", i64::from(done.to).into());
            put_tally(&mut out, &done.tally());
        }
    }
    out.into()
}

/// Tries out what leads all stores to a goal, and writes nothing.
///
/// # Errors
/// What would keep a run from beginning.
pub(crate) async fn try_out(
    stores: &[Store],
    goal: Goal,
    sample: Option<u64>,
    speed: &Speed,
    watch: &Watch,
    ui: &mut Ui,
) -> Result<Vec<(String, Option<Trial>)>> {
    let show = Arc::new(Show::start(ui.is_json(), watch.report.as_deref())?);
    for store in stores {
        store.retries.show(&show);
    }
    show.trial();
    let stop = Stop::default();
    listen(&stop, ui.is_json());
    let how = how(speed, watch, &show, &stop);
    let mut out = Vec::new();
    for store in stores {
        show.store(&store.name);
        let trial = coeval_engine::trial(&*store.backend, goal, sample, &how).await;
        match trial {
            Ok(trial) => out.push((store.name.clone(), trial)),
            Err(error) => {
                show.end()?;
                return Err(failed(&error, &store.name));
            }
        }
    }
    show.end()?;
    Ok(out)
}
