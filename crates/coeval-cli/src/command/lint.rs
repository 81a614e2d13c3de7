//! `coeval lint`: looks a manifest through.

use std::path::Path;

use coeval_core::classify::{self, Way};
use coeval_core::op::{Context, Operation};
use coeval_core::schema::Type;
use coeval_core::{Invalid, Model, Object, Path as Property, Segment, Value};
use coeval_manifest::detect::pointer;
use coeval_manifest::draft::Draft;
use coeval_manifest::freeze::FrozenModel;
use coeval_manifest::{Diagnostic, ModelFile, Severity};

use super::diff::pending;
use crate::error::{CommandError, Kind, Outcome, Result};
use crate::ui::{Ui, count as counted, number};
use crate::workspace::Workspace;

/// Looks a manifest through: everything is loaded, every expression of every version compiled, every draft tried
///
/// Warns of what can still be put right: drafts that leave questions, conversions that refuse values, and values kept under
/// lists whose items nothing tells apart.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The models to look at [default: all]
    #[arg(value_name = "MODEL")]
    models: Vec<String>,
}

/// Looks, and tells what it finds.
pub(super) fn run(args: &Args, folder: Option<&Path>, ui: &mut Ui) -> Result<Outcome> {
    let found = match Workspace::open(folder, ui) {
        Ok(workspace) => look(args, &workspace)?,
        // What keeps a manifest from being loaded is what was looked for.
        Err(CommandError { kind: Kind::Refused, diagnostics }) => diagnostics,
        Err(error) => return Err(error),
    };
    for diagnostic in &found {
        ui.finding(diagnostic)?;
    }
    let count = |severity: Severity| found.iter().filter(|d| d.severity == severity).count();
    let (errors, questions, warnings) = (count(Severity::Error), count(Severity::Question), count(Severity::Warning));
    ui.field("errors", number(errors));
    ui.field("questions", number(questions));
    ui.field("warnings", number(warnings));
    if found.is_empty() {
        ui.say("nothing to complain about")?;
        return Ok(Outcome::Done);
    }
    let all = [(errors, "error"), (questions, "question"), (warnings, "warning")];
    let told: Vec<String> = all.into_iter().filter(|(n, _)| *n > 0).map(|(n, noun)| counted(n, noun)).collect();
    ui.say(&told.join(", "))?;
    Ok(Outcome::Findings)
}

fn look(args: &Args, workspace: &Workspace) -> Result<Vec<Diagnostic>> {
    let manifest = &workspace.manifest;
    let files: Vec<&ModelFile> = match args.models.as_slice() {
        [] => manifest.files.iter().collect(),
        names => names.iter().map(|name| workspace.model(Some(name))).collect::<Result<_>>()?,
    };
    let mut found = Vec::new();
    let mut add = |more: Vec<Diagnostic>| {
        for diagnostic in more {
            if !found.contains(&diagnostic) {
                found.push(diagnostic);
            }
        }
    };
    if args.models.is_empty() {
        add(manifest.check());
        add(manifest.shared_types().err().map(<[Diagnostic]>::to_vec).unwrap_or_default());
        add(manifest.migrations().err().unwrap_or_default());
    }
    for file in &files {
        match workspace.compile(file) {
            Ok(_) => {}
            Err(error) => add(error.diagnostics),
        }
    }
    let (frozen, questions) = pending(workspace, &args.models);
    add(questions);
    for model in frozen.iter().flat_map(|frozen| &frozen.models) {
        let Some(file) = files.iter().find(|file| *file.source.path == *model.path) else { continue };
        if let Ok(draft) = manifest.draft(file) {
            add(warnings(file, &draft, model, &workspace.context()));
        }
    }
    Ok(found)
}

/// What is worth knowing about changes before they are frozen.
fn warnings(file: &ModelFile, draft: &Draft, frozen: &FrozenModel, context: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    let Some(mut working) = frozen.before.clone() else { return out };
    for operation in &frozen.operations {
        if let (Ok(class), Ok(lens)) = (classify::operation(&working, operation, context), operation.lens(&working, context)) {
            let invalid = placed(draft, operation);
            let lossy = class.up != Way::Lossless || class.down != Way::Lossless;
            if let Some(list) = lossy.then(|| keyless(&working, &lens.within)).flatten() {
                let what = format!("`{list}` keeps values of its items, and nothing tells its items apart");
                let help = format!(
                    "declare what does: `{list}: {{type: array, key: NAME, …}}`; else items are matched by their content, \
                     and an item that an older client changes may lose what is kept with it"
                );
                out.push(warning(file, "list-without-key", &invalid, what, help));
            }
            if (class.up == Way::Partial || class.down == Way::Partial) && !says_on_fail(operation) {
                let what =
                    format!("{}: some values cannot be converted, and records that hold them are refused", operation.describe());
                let help = "say `on_fail: quarantine`, or `on_fail: {fallback: VALUE}`, if that is not what should happen";
                out.push(warning(file, "refuses-values", &invalid, what, help.to_owned()));
            }
        }
        operation.apply(&mut working);
    }
    out
}

fn warning(file: &ModelFile, code: &'static str, at: &Invalid, message: String, help: String) -> Diagnostic {
    let mut out = file.place(0, at);
    (out.severity, out.code, out.message, out.help) = (Severity::Warning, code, message, Some(help));
    out
}

/// The innermost list around what an operation changes, if it declares no key.
fn keyless(model: &Model, within: &Property) -> Option<Property> {
    let at = within.segments().iter().rposition(|segment| *segment == Segment::Items)?;
    let list = Property::from(within.segments()[..at].to_vec());
    matches!(&model.at(&list)?.ty, Type::Array { key: None, .. }).then_some(list)
}

fn fields(operation: &Operation) -> Option<Object> {
    operation.to_value().as_object()?.iter().next()?.1.as_object().cloned()
}

fn says_on_fail(operation: &Operation) -> bool {
    fields(operation).is_some_and(|fields| fields.get("on_fail").is_some())
}

/// Where an operation stands in the draft: among its `operations`, else at the property that it is about.
fn placed(draft: &Draft, operation: &Operation) -> Invalid {
    let name = operation.name();
    let about = |fields: Option<&Object>| fields.and_then(|fields| fields.get("path").or_else(|| fields.get("from")).cloned());
    let own = fields(operation);
    let path = about(own.as_ref());
    let written = |value: &Value| {
        let written = value.as_object().and_then(|object| object.get(name));
        written.is_some_and(|fields| about(fields.as_object()) == path)
    };
    let mut out = Invalid::new("");
    out.at = if let Some(index) = draft.operations.iter().position(written) {
        format!("/operations/{index}")
    } else {
        let path = path.as_ref().and_then(Value::as_str).and_then(|text| Property::parse(text).ok());
        path.map(|path| pointer(&path)).unwrap_or_default()
    };
    out
}
