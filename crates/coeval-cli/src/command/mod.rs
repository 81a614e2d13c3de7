//! The commands, one a file.

mod bytes;
mod changes;
mod check;
mod completions;
mod convert;
mod delete;
mod demo;
mod diff;
mod explain;
mod freeze;
mod get;
mod history;
mod import;
mod init;
mod lint;
mod list;
mod man;
mod migrate;
mod plan;
mod put;
mod rebase;
mod reference;
mod retire;
mod rollback;
mod status;
mod survey;
mod trial;
mod validate;
mod verify;

use std::ffi::OsString;
use std::path::Path;

use clap::{Parser, Subcommand};
use coeval_manifest::Diagnostic;

use crate::args::{Cli, Colour, Format};
use crate::error::{CommandError, Kind, Outcome, Result};
use crate::ui::Ui;

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(init::Args),
    Import(import::Args),
    Freeze(freeze::Args),
    Diff(diff::Args),
    Lint(lint::Args),
    Rebase(rebase::Args),
    Validate(validate::Args),
    Convert(convert::Args),
    Migrate(migrate::Args),
    Rollback(rollback::Args),
    Retire(retire::Args),
    Plan(plan::Args),
    Status(status::Args),
    History(history::Args),
    Verify(verify::Args),
    Check(check::Args),
    Get(get::Args),
    Put(put::Args),
    List(list::Args),
    Delete(delete::Args),
    Demo(demo::Args),
    Explain(explain::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Command {
    fn name(&self) -> &'static str {
        match self {
            Self::Init(_) => "init",
            Self::Import(_) => "import",
            Self::Freeze(_) => "freeze",
            Self::Diff(_) => "diff",
            Self::Lint(_) => "lint",
            Self::Rebase(_) => "rebase",
            Self::Validate(_) => "validate",
            Self::Convert(_) => "convert",
            Self::Migrate(_) => "migrate",
            Self::Rollback(_) => "rollback",
            Self::Retire(_) => "retire",
            Self::Plan(_) => "plan",
            Self::Status(_) => "status",
            Self::History(_) => "history",
            Self::Verify(_) => "verify",
            Self::Check(_) => "check",
            Self::Get(_) => "get",
            Self::Put(_) => "put",
            Self::List(_) => "list",
            Self::Delete(_) => "delete",
            Self::Demo(_) => "demo",
            Self::Explain(_) => "explain",
            Self::Completions(_) => "completions",
            Self::Man(_) => "man",
        }
    }

    fn run(&self, folder: Option<&Path>, ui: &mut Ui) -> Result<Outcome> {
        match self {
            Self::Init(args) => init::run(args, folder, ui),
            Self::Import(args) => import::run(args, folder, ui),
            Self::Freeze(args) => freeze::run(args, folder, ui),
            Self::Diff(args) => diff::run(args, folder, ui),
            Self::Lint(args) => lint::run(args, folder, ui),
            Self::Rebase(args) => rebase::run(args, folder, ui),
            Self::Validate(args) => validate::run(args, folder, ui),
            Self::Convert(args) => convert::run(args, folder, ui),
            Self::Migrate(args) => migrate::run(args, folder, ui),
            Self::Rollback(args) => rollback::run(args, folder, ui),
            Self::Retire(args) => retire::run(args, folder, ui),
            Self::Plan(args) => plan::run(args, folder, ui),
            Self::Status(args) => status::run(args, folder, ui),
            Self::History(args) => history::run(args, folder, ui),
            Self::Verify(args) => verify::run(args, folder, ui),
            Self::Check(args) => check::run(args, folder, ui),
            Self::Get(args) => get::run(args, folder, ui),
            Self::Put(args) => put::run(args, folder, ui),
            Self::List(args) => list::run(args, folder, ui),
            Self::Delete(args) => delete::run(args, folder, ui),
            Self::Demo(args) => demo::run(args, ui),
            Self::Explain(args) => explain::run(args, ui),
            Self::Completions(args) => completions::run(args, ui),
            Self::Man(args) => man::run(args, ui),
        }
    }
}

/// Runs what the arguments ask for, and returns the exit code.
pub(crate) fn run(arguments: &[OsString]) -> u8 {
    match Cli::try_parse_from(arguments) {
        Ok(cli) => {
            let mut ui = Ui::new(cli.format, cli.color);
            let annotates = cli.format != Format::Github || matches!(cli.command, Command::Lint(_));
            let result = if annotates {
                cli.command.run(cli.manifest.as_deref(), &mut ui)
            } else {
                Err(CommandError::usage(
                    "usage",
                    "`--format github` is for `coeval lint`",
                    "leave it out, or take `--format json`",
                ))
            };
            ui.end(cli.command.name(), &result)
        }
        Err(error) if error.use_stderr() && asks_for_json(arguments) => {
            let text = error.render().to_string();
            let message = text.trim_start_matches("error: ").split("\n\n").next().unwrap_or_default().to_owned();
            let diagnostic = Diagnostic::error("usage", message).help("`coeval help` lists commands and options");
            Ui::new(Format::Json, Colour::Never).end("", &Err(CommandError::new(Kind::Usage, diagnostic)))
        }
        Err(error) => {
            // Help and versions come this way too; nothing can be told where the stream is closed.
            let _ = error.print();
            if error.use_stderr() { Kind::Usage.code() } else { 0 }
        }
    }
}

fn asks_for_json(arguments: &[OsString]) -> bool {
    arguments.iter().any(|a| a == "--format=json") || arguments.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "json")
}
