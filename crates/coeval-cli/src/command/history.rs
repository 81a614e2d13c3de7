//! `coeval history`: what happened to a store, or to a record.

use std::path::Path;

use coeval_core::{Object, Value};
use coeval_store::event::Tally;
use coeval_store::ledger::{Action, Entry, Happened};
use coeval_store::records::Key;

use crate::error::{Outcome, Result};
use crate::store::{self, Backends, block_on, counts, migrations, open_all, open_model};
use crate::ui::Ui;
use crate::workspace::Workspace;

/// Says what happened to the stores; with a key, which states a record had
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The key of a record, each of its parts
    #[arg(long, value_name = "KEY", num_args = 1.., requires = "model")]
    record: Vec<String>,

    /// The record's model
    #[arg(long, requires = "record")]
    model: Option<String>,

    #[command(flatten)]
    backends: Backends,
}

/// Looks.
pub(super) fn run(args: &Args, folder: Option<&Path>, ui: &mut Ui) -> Result<Outcome> {
    let workspace = Workspace::open(folder, ui)?;
    block_on(async {
        if let Some(model) = &args.model {
            return revisions(&workspace, model, &Key(args.record.clone()), ui).await;
        }
        let mut values = Vec::new();
        let stores = open_all(&workspace, args.backends.backend.as_deref())?;
        for store in &stores {
            let ledger = store.backend.ledger().await.map_err(|e| store::refused(&e, &store.name))?;
            ui.say(&ui.paint("1", &format!("{} ({})", store.name, store.backend.name())))?;
            if ledger.entries().is_empty() {
                ui.say("  nothing happened yet")?;
            }
            for entry in ledger.entries() {
                ui.say(&format!("  {}  {}  {}", entry.number, entry.at, told(entry)))?;
            }
            let mut value = Object::new();
            value.insert("backend", store.name.as_str().into());
            value.insert("entries", Value::List(ledger.entries().iter().map(Entry::to_value).collect()));
            values.push(value.into());
        }
        ui.field("backends", Value::List(values));
        Ok(Outcome::Done)
    })
}

fn told(entry: &Entry) -> String {
    match &entry.happened {
        Happened::Started(started) => {
            let what = match started.action {
                Action::Migrate => format!("migrate from version {} to {}", started.from, started.to),
                Action::Rollback => format!("rollback from version {} to {}", started.from, started.to),
                Action::Retire { before } => format!("retire what lies before version {before}"),
            };
            format!("{what}{}, by {}", migrations(started.steps.iter()), entry.by)
        }
        Happened::Finished { tallies, .. } => {
            let sum = tallies.iter().fold(Tally::default(), |sum, tally| sum.plus(*tally));
            format!("done: {}", counts(&sum))
        }
        Happened::Undoing { reason, .. } => format!("undoing it: {reason}"),
        Happened::Undone { reason, .. } => format!("undone: {reason}"),
        Happened::Adopted { version, source, .. } => format!("taken over from {source} at version {version}"),
    }
}

async fn revisions(workspace: &Workspace, model: &str, key: &Key, ui: &mut Ui) -> Result<Outcome> {
    let store = open_model(workspace, model)?;
    let revisions = store.backend.records().revisions(model, key).await.map_err(|e| store::refused(&e, &store.name))?;
    if revisions.is_empty() {
        ui.say(&format!("no revision of {key} is kept; a model keeps them that says `revisions: true`"))?;
    }
    for revision in &revisions {
        let now = if revision.current { "  now" } else { "" };
        ui.say(&format!("{}  {}  version {}  {}{now}", revision.id, revision.at, revision.stored, revision.by))?;
    }
    let value = |revision: &coeval_store::records::Revision| {
        let mut out = Object::new();
        out.insert("id", revision.id.as_str().into());
        out.insert("at", revision.at.as_str().into());
        out.insert("by", revision.by.as_str().into());
        out.insert("version", i64::from(revision.stored).into());
        out.insert("current", Value::Bool(revision.current));
        out.into()
    };
    ui.field("revisions", Value::List(revisions.iter().map(value).collect()));
    Ok(Outcome::Done)
}
