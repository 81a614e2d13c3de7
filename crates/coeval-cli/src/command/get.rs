//! `coeval get`: one record at a version.

use std::path::Path;

use coeval_manifest::Diagnostic;
use coeval_store::records::Key;

use crate::error::{CommandError, Kind, Outcome, Result};
use crate::store::{self, block_on, open_model};
use crate::ui::Ui;
use crate::version::Wanted;
use crate::workspace::Workspace;

/// Reads a record as clients of a version do
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

    /// Read a state that it had: an id that `coeval history --record` tells
    #[arg(long, value_name = "ID")]
    revision: Option<String>,

    /// Also write its state, for `put --if-match`, to standard error
    #[arg(long)]
    state: bool,
}

/// Reads it.
pub(super) fn run(args: &Args, folder: Option<&Path>, ui: &mut Ui) -> Result<Outcome> {
    let workspace = Workspace::open(folder, ui)?;
    let at = workspace.version(args.at)?;
    let key = Key(args.key.clone());
    let found = block_on(async {
        let store = open_model(&workspace, &args.model)?;
        let records = store.backend.records();
        let found = match &args.revision {
            Some(id) => records.revision(&args.model, &key, id, at).await,
            None => records.get(&args.model, &key, at).await,
        };
        found.map_err(|e| store::refused(&e, &store.name))
    })?;
    let Some(found) = found else {
        let what = args.revision.as_ref().map_or(String::new(), |id| format!(" with a revision {id}"));
        let diagnostic = Diagnostic::error("no-record", format!("`{}` has no record {key}{what}", args.model));
        return Err(CommandError::new(Kind::Findings, diagnostic));
    };
    ui.stdout_holds_records();
    ui.text(&found.text)?;
    if !found.text.ends_with('\n') {
        ui.text("\n")?;
    }
    if args.state {
        ui.note(&format!("state: {}", found.state.0));
    }
    ui.field("state", found.state.0.as_str());
    if let Some(stored) = found.stored {
        ui.field("stored", i64::from(stored));
    }
    Ok(Outcome::Done)
}
