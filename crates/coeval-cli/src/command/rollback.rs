//! `coeval rollback`: brings stores back to an older version.

use std::path::Path;

use coeval_engine::Goal;

use crate::error::{Outcome, Result};
use crate::store::{self, Backends, Speed, Watch, block_on, open_all};
use crate::ui::Ui;
use crate::version::Wanted;
use crate::workspace::Workspace;

/// Brings the stores back to an older version, or undoes a migration that did not come to its end
///
/// Nothing is lost: what only the newer versions know is kept beside the records, and migrating again brings it back.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The version [default: the one before the last migration]
    #[arg(long, value_name = "VERSION")]
    to: Option<Wanted>,

    /// Only take the newer versions away from clients, and keep what they need: migrating again offers them at once
    #[arg(long)]
    warm: bool,

    #[command(flatten)]
    backends: Backends,

    #[command(flatten)]
    speed: Speed,

    #[command(flatten)]
    watch: Watch,
}

/// Rolls back.
pub(super) fn run(args: &Args, folder: Option<&Path>, ui: &mut Ui) -> Result<Outcome> {
    ui.events();
    let workspace = Workspace::open(folder, ui)?;
    let to = args.to.map(|wanted| workspace.version(wanted)).transpose()?;
    block_on(async {
        let stores = open_all(&workspace, args.backends.backend.as_deref())?;
        store::run(&stores, Goal::Rollback { to }, args.warm, &args.speed, &args.watch, ui).await
    })
}
