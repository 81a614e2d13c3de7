//! `coeval migrate`: brings stores to a newer version.

use std::path::Path;

use coeval_engine::Goal;

use crate::error::{Outcome, Result};
use crate::store::{self, Backends, Speed, Watch, block_on, open_all, refuse_unsupported};
use crate::ui::Ui;
use crate::version::Wanted;
use crate::workspace::Workspace;

/// Brings the stores to a newer version: every record is stored in its shape, and stays readable at all others
///
/// What is killed or stopped is resumed by the next `migrate` and undone by `rollback`. Where a record is in the way, everything is
/// undone. Clients go on reading and writing meanwhile; the new version is theirs when the run has come to its end.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The version [default: the newest]
    #[arg(long, value_name = "VERSION")]
    to: Option<Wanted>,

    /// Convert every record, and write nothing
    #[arg(long)]
    dry_run: bool,

    /// Try only so many records, spread over all
    #[arg(long, value_name = "N", requires = "dry_run")]
    sample: Option<u64>,

    /// Also move records that clients of older versions wrote since
    #[arg(long)]
    scan: bool,

    #[command(flatten)]
    backends: Backends,

    #[command(flatten)]
    speed: Speed,

    #[command(flatten)]
    watch: Watch,
}

/// Migrates, or tries to.
pub(super) fn run(args: &Args, folder: Option<&Path>, ui: &mut Ui) -> Result<Outcome> {
    ui.events();
    let workspace = Workspace::open(folder, ui)?;
    let to = args.to.map(|wanted| workspace.version(wanted)).transpose()?;
    // A run to the newest version carries on whatever was begun before; one to a certain version does not.
    let to = if args.to == Some(Wanted::Latest) { None } else { to };
    let goal = Goal::Migrate { to, scan: args.scan };
    block_on(async {
        let stores = open_all(&workspace, args.backends.backend.as_deref())?;
        refuse_unsupported(&workspace, args.backends.backend.as_deref(), &stores, ui)?;
        if args.dry_run {
            return super::trial::run(&stores, goal, args.sample, &args.speed, &args.watch, ui).await;
        }
        store::run(&stores, goal, false, &args.speed, &args.watch, ui).await
    })
}
