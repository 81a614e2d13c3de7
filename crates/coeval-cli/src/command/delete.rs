//! `coeval delete`: removes one record.

use std::path::Path;

use coeval_core::Value;
use coeval_manifest::Diagnostic;
use coeval_store::records::{Expect, Key, State};

use crate::error::{CommandError, Kind, Outcome, Result};
use crate::store::{self, block_on, open_model};
use crate::ui::Ui;
use crate::version::Wanted;
use crate::workspace::Workspace;

/// Deletes a record, with all that any version could see of it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model
    model: String,

    /// The record's key, each of its parts
    #[arg(required = true)]
    key: Vec<String>,

    /// The version: a number, or `latest`
    #[arg(long, value_name = "VERSION")]
    at: Wanted,

    /// Only if the record is in the state that `get --state` told
    #[arg(long, value_name = "STATE")]
    if_match: Option<String>,
}

/// Deletes it.
pub(super) fn run(args: &Args, folder: Option<&Path>, ui: &mut Ui) -> Result<Outcome> {
    let workspace = Workspace::open(folder, ui)?;
    let at = workspace.version(args.at)?;
    let key = Key(args.key.clone());
    let expect = args.if_match.as_ref().map_or(Expect::Anything, |state| Expect::Unchanged(State(state.clone())));
    let there = block_on(async {
        let store = open_model(&workspace, &args.model)?;
        let done = store.backend.records().delete(&args.model, &key, at, &expect).await;
        done.map_err(|e| store::refused(&e, &store.name))
    })?;
    ui.field("deleted", Value::Bool(there));
    if !there {
        let diagnostic = Diagnostic::error("no-record", format!("`{}` has no record {key}", args.model));
        return Err(CommandError::new(Kind::Findings, diagnostic));
    }
    ui.say(&format!("deleted {key}"))?;
    Ok(Outcome::Done)
}
