//! `coeval init`: begins a manifest.

use std::fs;
use std::path::Path;

use coeval_core::Value;
use coeval_manifest::config::Config;
use coeval_manifest::{Diagnostic, Source};

use crate::atomic;
use crate::error::{CommandError, Kind, Outcome, Result};
use crate::ui::Ui;

/// Begins a manifest: writes coeval.yaml and the folder of models
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The manifest's name; schemas in databases are called after it [default: the folder's name]
    name: Option<String>,

    /// Also write a model with comments, to begin from
    #[arg(long)]
    example: bool,
}

const CONFIG: &str = include_str!("init/coeval.yaml");
const MODEL: &str = include_str!("init/task.yaml");

/// Writes the files, unless one of them is there.
pub(super) fn run(args: &Args, folder: Option<&Path>, ui: &mut Ui) -> Result<Outcome> {
    let folder = folder.unwrap_or_else(|| Path::new("."));
    let name = match &args.name {
        Some(name) => name.clone(),
        None => name_of(folder),
    };
    let config = CONFIG.replace("NAME", &name);
    // The name is checked where every other one is.
    Config::read(&Source::new("coeval.yaml", config.as_str())).map_err(|d| {
        let help = d.help.unwrap_or_default();
        CommandError::new(Kind::Usage, Diagnostic::error("invalid-name", d.message).help(help))
    })?;
    let mut files = vec![(folder.join("coeval.yaml"), config)];
    if args.example {
        files.push((folder.join("models/task.yaml"), MODEL.to_owned()));
    }
    if let Some((path, _)) = files.iter().find(|(path, _)| path.exists()) {
        let message = format!("{} is there already", path.strip_prefix(".").unwrap_or(path).display());
        let diagnostic = Diagnostic::error("exists", message).help("`coeval freeze` works on what is there; nothing was written");
        return Err(CommandError::new(Kind::Refused, diagnostic));
    }
    let models = folder.join("models");
    fs::create_dir_all(&models).map_err(|e| CommandError::io(&models.display().to_string(), &e))?;
    atomic::write_all(&files)?;
    for (path, _) in &files {
        ui.say(&format!("wrote {}", path.strip_prefix(".").unwrap_or(path).display()))?;
    }
    ui.say(if args.example {
        "`coeval freeze` makes version 1 of it."
    } else {
        "Describe a model in models/NAME.yaml, or let `coeval import RECORDS.jsonl` do it; `coeval freeze` then makes version 1."
    })?;
    let written = files.iter().map(|(path, _)| Value::from(path.display().to_string().as_str())).collect();
    ui.field("written", Value::List(written));
    Ok(Outcome::Done)
}

/// The folder's name, as far as it does as a manifest's.
fn name_of(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_default();
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name: String = name.chars().map(|c| if c.is_alphanumeric() || c == '_' || c == '-' { c } else { '_' }).collect();
    if name.trim_matches('_').is_empty() { "manifest".to_owned() } else { name }
}
