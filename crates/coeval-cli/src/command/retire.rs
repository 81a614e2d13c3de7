//! `coeval retire`: ends the life of old versions, for good.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use coeval_engine::Goal;
use coeval_manifest::Diagnostic;

use crate::error::{CommandError, Kind, Outcome, Result};
use crate::store::{self, Backends, Speed, Watch, block_on, open_all, records, try_out, would};
use crate::ui::Ui;
use crate::version::Wanted;
use crate::workspace::Workspace;

/// Ends the life of the versions before one, and drops what only they could see: for good
///
/// Shows first how many values that is, and wants `--yes`; on a terminal it asks. Clients of the older versions are refused from the
/// beginning on.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The oldest version that stays
    #[arg(long, value_name = "VERSION")]
    before: Wanted,

    /// Drop it
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    backends: Backends,

    #[command(flatten)]
    speed: Speed,

    #[command(flatten)]
    watch: Watch,
}

/// Shows what would be lost, and retires if that is wanted.
pub(super) fn run(args: &Args, folder: Option<&Path>, ui: &mut Ui) -> Result<Outcome> {
    ui.events();
    let workspace = Workspace::open(folder, ui)?;
    let before = workspace.version(args.before)?;
    let goal = Goal::Retire { before };
    block_on(async {
        let stores = open_all(&workspace, args.backends.backend.as_deref())?;
        let (mut lost, mut failed, mut left) = (0, 0, false);
        for (name, trial) in try_out(&stores, goal, None, &args.speed, &args.watch, ui).await? {
            let Some(trial) = trial else {
                ui.say(&format!("{name}: nothing lies before version {before}"))?;
                continue;
            };
            let tally = trial.tally();
            (lost, failed, left) = (lost + tally.dropped, failed + tally.failed, true);
            ui.say(&format!("{name}: before version {before}: {}", would(&tally)))?;
        }
        ui.field("lost", i64::try_from(lost).unwrap_or(i64::MAX));
        if !left {
            return Ok(Outcome::Done);
        }
        if failed > 0 && args.watch.on_fail == store::OnFail::Reject {
            let message =
                format!("{} in the way: the versions from {before} on cannot show what is to be moved", records(failed));
            let help = "correct them, or say `--on-fail quarantine` to leave them where they are; nothing was changed";
            return Err(CommandError::new(Kind::Refused, Diagnostic::error("records", message).help(help)));
        }
        if !args.yes && !asked(lost, ui)? {
            let message = match lost {
                0 => "no value would be lost; records at versions that end would move".to_owned(),
                1 => "1 value would be lost for good".to_owned(),
                lost => format!("{lost} values would be lost for good"),
            };
            let diagnostic = Diagnostic::error("needs-yes", message).help("say `--yes` to drop them; nothing was changed");
            return Err(CommandError::new(Kind::Refused, diagnostic));
        }
        store::run(&stores, goal, false, &args.speed, &args.watch, ui).await
    })
}

/// Asks on a terminal; false where nobody can be asked.
fn asked(lost: u64, ui: &Ui) -> Result<bool> {
    if ui.is_json() || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(false);
    }
    let fail = |e: io::Error| CommandError::io("the terminal", &e);
    let mut to = io::stderr().lock();
    write!(to, "Drop {lost} values for good? Type `yes`: ").and_then(|()| to.flush()).map_err(fail)?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(fail)?;
    Ok(line.trim() == "yes")
}
