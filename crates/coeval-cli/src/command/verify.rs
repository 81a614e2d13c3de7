//! `coeval verify`: whether the records are what the manifest says.

use std::path::{Path, PathBuf};

use coeval_store::backend::Survey;

use crate::error::{Outcome, Result};
use crate::store::Backends;
use crate::ui::Ui;

/// Compares the stores with the manifest: every record is read where it lies and at every version that clients may use
///
/// In a database the tables are compared too, column by column, with what the versions make of them.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write every problem to a file, as JSON lines
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    #[command(flatten)]
    backends: Backends,
}

/// Looks.
pub(super) fn run(args: &Args, folder: Option<&Path>, ui: &mut Ui) -> Result<Outcome> {
    super::survey::run(Survey::Verify, None, args.report.as_deref(), &args.backends, folder, ui)
}
