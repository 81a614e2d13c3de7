//! `coeval diff`: what the drafts change, or what changed between two versions.

use std::path::Path;

use coeval_core::op::Operation;
use coeval_core::{Model, Value, classify};
use coeval_manifest::freeze::{Freeze, Request, freeze};
use coeval_manifest::question::Refusal;
use coeval_manifest::{Diagnostic, ModelFile};

use super::changes::{Changes, class_value, show_all};
use crate::error::{CommandError, Outcome, Result};
use crate::ui::Ui;
use crate::version::Wanted;
use crate::workspace::Workspace;

/// Says what the drafts change, or what changed between two versions, and what it means for clients
///
/// `compatible for readers`: clients of the older version can read what newer ones write, as it stands. `for writers`: what
/// clients of the older version write does for newer ones. `lossy`: some values cannot be told again from what they become; they
/// are kept beside the record. Coeval converts in any case; the class says what holds without it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The models to compare [default: all]
    #[arg(value_name = "MODEL")]
    models: Vec<String>,

    /// The older version [default: compare the drafts with the newest version]
    #[arg(long, value_name = "VERSION")]
    from: Option<Wanted>,

    /// The newer version
    #[arg(long, value_name = "VERSION", default_value = "latest", requires = "from")]
    to: Wanted,
}

/// Compares.
pub(super) fn run(args: &Args, folder: Option<&Path>, ui: &mut Ui) -> Result<Outcome> {
    let workspace = Workspace::open(folder, ui)?;
    match args.from {
        None => drafts(args, &workspace, ui),
        Some(from) => versions(args, from, &workspace, ui),
    }
}

/// What a freeze would find: of all drafts together, else of each that can be frozen alone.
pub(super) fn pending(workspace: &Workspace, models: &[String]) -> (Vec<Freeze>, Vec<Diagnostic>) {
    // Neither date nor id is seen by anyone.
    let one = |models: &[String]| -> std::result::Result<Freeze, Refusal> {
        let mut request = Request::new("", "", workspace.context());
        request.models = models;
        freeze(&workspace.manifest, &request)
    };
    if let Ok(frozen) = one(models) {
        return (vec![frozen], Vec::new());
    }
    let mut found: Vec<Diagnostic> = if models.is_empty() { workspace.manifest.broken.clone() } else { Vec::new() };
    let mut frozen = Vec::new();
    let all = workspace.manifest.files.iter().map(|file| match workspace.manifest.draft(file) {
        Ok(draft) => Ok(draft.name),
        Err(wrong) => Err(wrong),
    });
    let names: Vec<_> = if models.is_empty() { all.collect() } else { models.iter().cloned().map(Ok).collect() };
    for name in names {
        match name.map_err(Refusal::from).and_then(|name| one(&[name])) {
            Ok(one) => frozen.push(one),
            Err(refusal) => found.extend(refusal.diagnostics().filter(|d| !found.contains(d)).cloned().collect::<Vec<_>>()),
        }
    }
    (frozen, found)
}

fn drafts(args: &Args, workspace: &Workspace, ui: &mut Ui) -> Result<Outcome> {
    for name in &args.models {
        workspace.model(Some(name))?;
    }
    let (frozen, found) = pending(workspace, &args.models);
    let context = workspace.context();
    let models = frozen.iter().flat_map(|frozen| &frozen.models);
    let changes: Vec<Changes> = models.map(|m| Changes::of(&m.name, m.before.as_ref(), &m.operations, &context)).collect();
    let head = workspace.head();
    ui.field("from", i64::from(head));
    ui.field("to", "draft");
    if changes.is_empty() && found.is_empty() {
        ui.say(&format!("no draft differs from version {head}"))?;
    } else if head == 0 {
        ui.say("drafts, before the first version:")?;
    } else if !changes.is_empty() {
        ui.say(&format!("drafts against version {head}:"))?;
    }
    show_all(&changes, ui)?;
    for diagnostic in &found {
        ui.finding(diagnostic)?;
    }
    Ok(if found.is_empty() { Outcome::Done } else { Outcome::Findings })
}

fn versions(args: &Args, from: Wanted, workspace: &Workspace, ui: &mut Ui) -> Result<Outcome> {
    let (from, to) = (workspace.version(from)?, workspace.version(args.to)?);
    if from > to {
        let help = format!("say `--from {to} --to {from}`");
        return Err(CommandError::usage("order", "the older version comes first", help));
    }
    let files: Vec<&ModelFile> = match args.models.as_slice() {
        [] => workspace.manifest.files.iter().collect(),
        names => names.iter().map(|name| workspace.model(Some(name))).collect::<Result<_>>()?,
    };
    ui.field("from", i64::from(from));
    ui.field("to", i64::from(to));
    ui.say(&format!("version {from} to version {to}:"))?;
    let mut changes = Vec::new();
    let mut classes = Vec::new();
    for file in files {
        let eras = workspace.compile(file)?;
        let Ok(history) = workspace.manifest.history(file) else { continue };
        let touched = history.versions.iter().filter(|version| version.number > from && version.number <= to);
        let operations: Vec<Operation> = touched.flat_map(|version| version.operations.iter().cloned()).collect();
        if operations.is_empty() {
            continue;
        }
        let before: Option<Model> = history.at(from);
        let name = history.at(to).or_else(|| before.clone()).map_or_else(String::new, |model| model.name);
        changes.push(Changes::of(&name, before.as_ref(), &operations, &workspace.context()));
        let whole = eras.iter().find(|era| era.contains(from) && era.contains(to));
        if let Some(class) = whole.and_then(|era| classify::between(&era.history, from, to, &classify::words(&operations))) {
            classes.push((name, class));
        }
    }
    if changes.is_empty() {
        ui.say("  nothing changed")?;
    }
    show_all(&changes, ui)?;
    for (name, class) in &classes {
        ui.say(&format!("{name} as a whole: {class}"))?;
    }
    let classes: coeval_core::Object = classes.iter().map(|(name, class)| (name.as_str().into(), class_value(*class))).collect();
    ui.field("classes", Value::Object(classes));
    Ok(Outcome::Done)
}
