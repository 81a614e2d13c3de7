//! `coeval status`: where the stores are.

use std::path::Path;

use coeval_core::{Object, Value};
use coeval_engine::{How, Status, Surveyed, status, survey};
use coeval_manifest::Diagnostic;
use coeval_store::backend::Survey;
use coeval_store::ledger::Action;

use crate::error::{Outcome, Result};
use crate::store::{self, Backends, block_on, counts, open_all, records};
use crate::ui::{Ui, number};
use crate::workspace::Workspace;

/// Says where the stores are: the version in force, what is pending, what is open, and who is running
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also count the records: at which versions they are stored, and which a version cannot show
    #[arg(long)]
    scan: bool,

    #[command(flatten)]
    backends: Backends,
}

/// Looks.
pub(super) fn run(args: &Args, folder: Option<&Path>, ui: &mut Ui) -> Result<Outcome> {
    let workspace = Workspace::open(folder, ui)?;
    block_on(async {
        let stores = open_all(&workspace, args.backends.backend.as_deref())?;
        let (mut values, mut outcome) = (Vec::new(), Outcome::Done);
        for store in &stores {
            let found = status(&*store.backend).await.map_err(|e| store::failed(&e, &store.name))?;
            let surveyed = if args.scan && found.refusal.is_none() {
                let how = How::quietly();
                survey(&*store.backend, Survey::Verify, None, &how).await.map_err(|e| store::failed(&e, &store.name))?
            } else {
                Vec::new()
            };
            show(&store.name, &found, &surveyed, ui)?;
            if let Some(diagnostic) = wrong(&store.name, &found) {
                ui.finding(&diagnostic)?;
                outcome = Outcome::Findings;
            }
            values.push(value(&store.name, &found, &surveyed));
        }
        ui.field("backends", Value::List(values));
        Ok(outcome)
    })
}

fn show(name: &str, found: &Status, surveyed: &[Surveyed], ui: &Ui) -> Result<()> {
    let version = match found.in_force {
        None => "no version is in force".to_owned(),
        Some(version) => format!("version {version} is in force"),
    };
    ui.say(&ui.paint("1", &format!("{name} ({}): {version}", found.store)))?;
    if let Some(newest) = found.newest {
        let range = if newest == found.oldest { newest.to_string() } else { format!("{} to {newest}", found.oldest) };
        ui.say(&format!("  clients may use  {range}"))?;
    }
    if !found.pending.is_empty() {
        let pending: Vec<String> = found.pending.iter().map(|version| version.number.to_string()).collect();
        ui.say(&format!("  pending          {}", pending.join(", ")))?;
    }
    if !found.applied.is_empty() || !found.waiting.is_empty() {
        let count = found.applied.len();
        ui.say(&format!("  migrations       {count} applied{}", last(&found.applied)))?;
    }
    if !found.waiting.is_empty() {
        ui.say(&format!("  to be applied    {}", found.waiting.join(", ")))?;
    }
    if let Some(holder) = &found.holder {
        ui.say(&format!("  lock             {}, since {}, to {}", holder.name, holder.since, holder.purpose))?;
    }
    for model in &found.models {
        let last = model.last.as_ref().map(counts);
        let live = if model.live || found.in_force.is_none() { "" } else { " (not in this version)" };
        let line = format!("  {}{live}  {}", model.name, last.map(|last| format!("last run: {last}")).unwrap_or_default());
        ui.say(line.trim_end())?;
        let Some(survey) = surveyed.iter().find(|s| s.model == model.name) else { continue };
        ui.say(&format!("    {}", records(survey.found.records)))?;
        for (version, count) in &survey.found.stored {
            ui.say(&format!("    {count} stored at version {version}"))?;
        }
        for (version, count) in survey.found.quarantined.iter().filter(|(_, count)| **count > 0) {
            ui.say(&format!("    {count} cannot be shown at version {version}"))?;
        }
    }
    Ok(())
}

/// Says which standalone migration came last.
fn last(applied: &[String]) -> String {
    applied.last().map(|id| format!(", the last one {id}")).unwrap_or_default()
}

/// What keeps runs from beginning, or waits to be ended.
fn wrong(name: &str, found: &Status) -> Option<Diagnostic> {
    if let Some(refusal) = &found.refusal {
        return Some(Diagnostic::error(refusal.code(), format!("{name}: {refusal}")).help(refusal.help()));
    }
    let (open, undoing) = found.open.as_ref()?;
    let message = match undoing {
        Some(reason) => format!("{name}: run {} is being undone: {reason}", open.run),
        None => format!("{name}: run {} from version {} to {} is open", open.run, open.from, open.to),
    };
    let help = match (open.action, undoing) {
        (Action::Migrate, None) => format!("`coeval migrate --to {}` resumes it, `coeval rollback` undoes it", open.to),
        (Action::Migrate, Some(_)) | (Action::Rollback, _) => "`coeval rollback` brings it to its end".to_owned(),
        (Action::Retire { before }, _) => format!("`coeval retire --before {before} --yes` brings it to its end"),
    };
    Some(Diagnostic::warning("run-open", message).help(help))
}

fn value(name: &str, found: &Status, surveyed: &[Surveyed]) -> Value {
    let version = |version: Option<u32>| version.map_or(Value::Null, |version| i64::from(version).into());
    let mut out = Object::new();
    out.insert("backend", name.into());
    out.insert("store", found.store.as_str().into());
    out.insert("version", version(found.in_force));
    out.insert("oldest", i64::from(found.oldest).into());
    out.insert("newest", version(found.newest));
    out.insert("head", i64::from(found.head).into());
    out.insert("pending", Value::List(found.pending.iter().map(|v| i64::from(v.number).into()).collect()));
    let ids = |ids: &[String]| Value::List(ids.iter().map(|id| id.as_str().into()).collect());
    if !found.applied.is_empty() || !found.waiting.is_empty() {
        out.insert("migrations", ids(&found.applied));
        out.insert("pending_migrations", ids(&found.waiting));
    }
    if let Some((open, undoing)) = &found.open {
        let mut run = Object::new();
        run.insert("run", open.run.as_str().into());
        run.insert("action", open.action.name().into());
        run.insert("from", i64::from(open.from).into());
        run.insert("to", i64::from(open.to).into());
        run.insert("undoing", Value::Bool(undoing.is_some()));
        out.insert("open", run.into());
    }
    if let Some(holder) = &found.holder {
        out.insert("lock", holder.to_value());
    }
    let by_version = |counts: &std::collections::BTreeMap<u32, u64>| -> Value {
        let counts = counts.iter().map(|(version, count)| (version.to_string().into(), count_value(*count)));
        counts.collect::<Object>().into()
    };
    let models = found.models.iter().map(|model| {
        let mut out = Object::new();
        out.insert("model", model.name.as_str().into());
        if let Some(survey) = surveyed.iter().find(|s| s.model == model.name) {
            out.insert("records", count_value(survey.found.records));
            out.insert("stored", by_version(&survey.found.stored));
            out.insert("quarantined", by_version(&survey.found.quarantined));
        }
        out.into()
    });
    out.insert("models", Value::List(models.collect()));
    out.insert("entries", number(found.ledger.entries().len()));
    out.into()
}

fn count_value(count: u64) -> Value {
    i64::try_from(count).unwrap_or(i64::MAX).into()
}
