//! `coeval man`: manual pages.

use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;

use super::reference;
use crate::args::Cli;
use crate::atomic;
use crate::error::{CommandError, Outcome, Result};
use crate::ui::Ui;

/// Writes the manual page to standard output, or the pages of all commands to a folder
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder to write to
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Write the reference in Markdown instead, as it stands in the documentation
    #[arg(long, conflicts_with = "dir")]
    markdown: bool,
}

/// Writes them.
pub(super) fn run(args: &Args, ui: &mut Ui) -> Result<Outcome> {
    let mut command = Cli::command();
    command.build();
    if args.markdown {
        ui.text(&reference::markdown(&command))?;
        ui.stdout_holds_records();
        return Ok(Outcome::Done);
    }
    let Some(dir) = &args.dir else {
        ui.text(&page(command)?)?;
        ui.stdout_holds_records();
        return Ok(Outcome::Done);
    };
    fs::create_dir_all(dir).map_err(|e| CommandError::io(&dir.display().to_string(), &e))?;
    let mut files = Vec::new();
    pages(&command, "coeval", dir, &mut files)?;
    atomic::write_all(&files)?;
    ui.say(&format!("wrote {} pages to {}", files.len(), dir.display()))?;
    Ok(Outcome::Done)
}

fn pages(command: &clap::Command, name: &str, dir: &Path, files: &mut Vec<(PathBuf, String)>) -> Result<()> {
    files.push((dir.join(format!("{name}.1")), page(command.clone())?));
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help" && !sub.is_hide_set()) {
        pages(sub, &format!("{name}-{}", sub.get_name()), dir, files)?;
    }
    Ok(())
}

fn page(command: clap::Command) -> Result<String> {
    let mut out = Vec::new();
    clap_mangen::Man::new(command).render(&mut out).map_err(|e| CommandError::io("the manual page", &e))?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}
