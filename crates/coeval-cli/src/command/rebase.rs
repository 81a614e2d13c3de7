//! `coeval rebase`: puts one of two lines of versions after the other.

use std::path::{Path, PathBuf};

use coeval_core::Value;
use coeval_manifest::rebase::rebase;

use crate::atomic;
use crate::era::compile;
use crate::error::{Outcome, Result};
use crate::ui::Ui;
use crate::workspace::Workspace;

/// Puts one of two lines of versions after the other, where they touch different properties
///
/// Two people who freeze on different branches both make, say, version 4. The line that was begun first stays as it is; the
/// versions of the other get new numbers and ids. Stores that have applied one of these do not know it any more.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Say what would be done, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Rebases.
pub(super) fn run(args: &Args, folder: Option<&Path>, ui: &mut Ui) -> Result<Outcome> {
    let workspace = Workspace::open(folder, ui)?;
    let texts = rebase(&workspace.manifest, &mut || uuid::Uuid::now_v7().to_string())?;
    ui.field("written", !args.dry_run && !texts.is_empty());
    ui.field("files", Value::List(texts.iter().map(|(path, _)| ui.path(path).as_str().into()).collect()));
    if texts.is_empty() {
        ui.say("nothing to rebase: there is one line of versions")?;
        return Ok(Outcome::Done);
    }
    // What is written must load and compile as a whole.
    let manifest = workspace.with(&texts)?;
    let found = manifest.check();
    if !found.is_empty() {
        return Err(found.into());
    }
    for file in &manifest.files {
        compile(&manifest, file, &workspace.context())?;
    }
    if !args.dry_run {
        let files: Vec<(PathBuf, String)> = texts.iter().map(|(path, text)| (workspace.root.join(path), text.clone())).collect();
        atomic::write_all(&files)?;
    }
    let head = manifest.versions.head().map_or(0, |version| version.number);
    let verb = if args.dry_run { "would rebase" } else { "rebased" };
    ui.say(&format!("{verb}: the newest version is {head}"))?;
    for (path, _) in &texts {
        ui.say(&format!("  {}", ui.path(path)))?;
    }
    ui.field("head", i64::from(head));
    Ok(Outcome::Done)
}
