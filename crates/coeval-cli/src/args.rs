//! What every command takes.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::command::Command;

/// Evolves the schema and the data of an application: every version stays readable and writable, and no value is lost.
#[derive(Debug, Parser)]
#[command(name = "coeval", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done, 1 findings, 2 usage, 3 refused, 4 failed and as before, 5 failed: `migrate` resumes, `rollback` undoes.\nBegin with `coeval demo` or `coeval init --example`."
)]
pub(crate) struct Cli {
    /// The folder that holds coeval.yaml [default: the nearest one upward]
    #[arg(short = 'C', long = "manifest", value_name = "DIR", global = true)]
    pub(crate) manifest: Option<PathBuf>,

    /// What to write: text for people, or one JSON document (of runs, one JSON object a line); of `lint`, annotations too
    #[arg(long, value_name = "FORMAT", global = true, default_value = "text")]
    pub(crate) format: Format,

    /// When to use colours; `NO_COLOR` is respected
    #[arg(long, value_name = "WHEN", global = true, default_value = "auto")]
    pub(crate) color: Colour,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// For whom output is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
    /// Annotations of a workflow on GitHub; only of `lint`
    Github,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    Auto,
    Always,
    Never,
}
