//! `coeval check`: the laws, on the user's own records.

use std::path::{Path, PathBuf};

use coeval_store::backend::Survey;

use crate::error::{Outcome, Result};
use crate::store::Backends;
use crate::ui::Ui;

/// Checks the laws on the records of the stores: there and back gives the same bytes, writing back what was read changes nothing
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Check only so many records of each model
    #[arg(long, value_name = "N")]
    sample: Option<u64>,

    /// Write every problem to a file, as JSON lines
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    #[command(flatten)]
    backends: Backends,
}

/// Checks.
pub(super) fn run(args: &Args, folder: Option<&Path>, ui: &mut Ui) -> Result<Outcome> {
    super::survey::run(Survey::Laws, args.sample, args.report.as_deref(), &args.backends, folder, ui)
}
