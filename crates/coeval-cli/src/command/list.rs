//! `coeval list`: the records that a version shows.

use std::path::Path;

use coeval_core::json::{self, Style};

use crate::error::{Outcome, Result};
use crate::store::{self, block_on, open_model};
use crate::ui::{Ui, number};
use crate::version::Wanted;
use crate::workspace::Workspace;

/// How many records are asked for at once.
const PAGE: usize = 1000;
/// How many records that cannot be shown are told one by one.
const TOLD: usize = 20;

/// Lists records as clients of a version read them, one JSON document a line
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model
    model: String,

    /// The version: a number, or `latest`
    #[arg(long, value_name = "VERSION")]
    at: Wanted,

    /// At most so many records [default: all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    /// Go on where a list with a limit ended; it was told there
    #[arg(long, value_name = "PLACE")]
    after: Option<String>,
}

/// Lists them.
pub(super) fn run(args: &Args, folder: Option<&Path>, ui: &mut Ui) -> Result<Outcome> {
    let workspace = Workspace::open(folder, ui)?;
    let at = workspace.version(args.at)?;
    ui.stdout_holds_records();
    let (mut after, mut shown, mut hidden) = (args.after.clone(), 0, 0);
    block_on(async {
        let store = open_model(&workspace, &args.model)?;
        loop {
            let left = args.limit.map_or(PAGE, |limit| (limit - shown).min(PAGE));
            if left == 0 {
                return Ok(());
            }
            let page = store.backend.records().list(&args.model, at, after.as_deref(), left).await;
            let page = page.map_err(|e| store::refused(&e, &store.name))?;
            let mut lines = String::new();
            for found in &page.records {
                // A record may be written over several lines.
                let value = json::parse(found.text.as_bytes());
                lines.push_str(&value.map_or_else(|_| found.text.clone(), |value| Style::Compact.write(&value)));
                lines.push('\n');
            }
            ui.text(&lines)?;
            for (key, reason) in page.hidden.iter().take(TOLD.saturating_sub(hidden)) {
                ui.note(&format!("record {key} is not shown: {reason}"));
            }
            (shown, hidden, after) = (shown + page.records.len(), hidden + page.hidden.len(), page.next);
            if after.is_none() {
                return Ok(());
            }
        }
    })?;
    if hidden > TOLD {
        ui.note(&format!("{hidden} records are not shown at version {at}"));
    }
    if let Some(after) = &after {
        ui.note(&format!("there is more: --after '{after}'"));
        ui.field("next", after.as_str());
    }
    ui.field("records", number(shown));
    ui.field("hidden", number(hidden));
    Ok(Outcome::Done)
}
