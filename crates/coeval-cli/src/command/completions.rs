//! `coeval completions`: completions for a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::error::{Outcome, Result};
use crate::ui::Ui;

/// Writes completions for a shell to standard output
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

/// Writes them.
pub(super) fn run(args: &Args, ui: &mut Ui) -> Result<Outcome> {
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "coeval", &mut out);
    ui.text(&String::from_utf8_lossy(&out))?;
    ui.stdout_holds_records();
    Ok(Outcome::Done)
}
