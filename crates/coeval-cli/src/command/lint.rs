//! `coeval lint`: looks a manifest through, and SQL.

mod sql;

use std::path::Path;

use coeval_core::classify::{self, Way};
use coeval_core::op::{Context, Operation};
use coeval_core::schema::Type;
use coeval_core::{Invalid, Model, Object, Path as Property, Segment, Value};
use coeval_manifest::detect::pointer;
use coeval_manifest::draft::Draft;
use coeval_manifest::freeze::FrozenModel;
use coeval_manifest::{Diagnostic, ModelFile, Severity};
use coeval_plan::SqlDialect;
use coeval_plan::lint::page;

use super::diff::pending;
use crate::error::{CommandError, Kind, Outcome, Result};
use crate::ui::{Ui, count as counted, number};
use crate::workspace::Workspace;

/// Looks a manifest through: everything is loaded, every expression of every version compiled, every draft tried
///
/// Warns of what can still be put right: drafts that leave questions, conversions that refuse values, and values kept under
/// lists whose items nothing tells apart. Looks through SQL that people wrote for what is dangerous on a database in use: the
/// `sql` of standalone migrations, raw `sql` operations of drafts, and files. docs/lint.md lists what it finds there.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The models, files of the manifest, and files of SQL to look at [default: all of the manifest]
    #[arg(value_name = "MODEL|FILE")]
    names: Vec<String>,

    /// Whose SQL it is [default: as the address of the backend says]
    #[arg(long, value_name = "DATABASE", value_enum)]
    dialect: Option<Dialect>,

    /// Write the manual of the rules for SQL instead, as it stands in the documentation
    #[arg(long, conflicts_with_all = ["names", "dialect"])]
    rules: bool,
}

/// Whose SQL a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Dialect {
    Postgres,
    #[value(name = "mysql", alias = "mariadb")]
    MySql,
    Sqlite,
}

impl From<Dialect> for SqlDialect {
    fn from(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Postgres => Self::Postgres,
            Dialect::MySql => Self::MySql,
            Dialect::Sqlite => Self::Sqlite,
        }
    }
}

/// Looks, and tells what it finds.
pub(super) fn run(args: &Args, folder: Option<&Path>, ui: &mut Ui) -> Result<Outcome> {
    if args.rules {
        ui.text(&page())?;
        ui.stdout_holds_records();
        return Ok(Outcome::Done);
    }
    let (files, names): (Vec<&str>, Vec<&str>) = args.names.iter().map(String::as_str).partition(|name| is_sql(name));
    let dialect = args.dialect.map(SqlDialect::from);
    let mut found = Vec::new();
    let mut of_files = dialect;
    // Files of SQL need no manifest but to say whose they are.
    if files.is_empty() || !names.is_empty() || dialect.is_none() {
        match Workspace::open(folder, ui) {
            Ok(workspace) => {
                if of_files.is_none() && !files.is_empty() {
                    let of = sql::dialect_of(&workspace, sql::default_backend(&workspace));
                    of_files = Some(of.map_err(|wrong| {
                        let mut wrong = *wrong;
                        wrong.severity = Severity::Error;
                        CommandError::new(Kind::Usage, wrong)
                    })?);
                }
                if files.is_empty() || !names.is_empty() {
                    found = look(&names, dialect, &workspace, ui)?;
                }
            }
            // What keeps a manifest from being loaded is what was looked for.
            Err(CommandError { kind: Kind::Refused, diagnostics }) => found = diagnostics,
            Err(_) if !files.is_empty() && names.is_empty() => {
                let help = "say it with `--dialect postgres`, `mysql` or `sqlite`";
                return Err(CommandError::usage(
                    "unknown-dialect",
                    "nobody says whose SQL this is: there is no coeval.yaml",
                    help,
                ));
            }
            Err(error) => return Err(error),
        }
    }
    if let Some(dialect) = of_files {
        found.extend(sql::files(&files, dialect)?);
    }
    tell(&found, ui)
}

fn is_sql(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, ending)| ending.eq_ignore_ascii_case("sql"))
}

fn tell(found: &[Diagnostic], ui: &mut Ui) -> Result<Outcome> {
    for diagnostic in found {
        ui.finding(diagnostic)?;
    }
    let all =
        [(Severity::Error, "error"), (Severity::Question, "question"), (Severity::Warning, "warning"), (Severity::Note, "note")];
    let mut told = Vec::new();
    for (severity, noun) in all {
        let count = found.iter().filter(|d| d.severity == severity).count();
        ui.field(&format!("{noun}s"), number(count));
        if count > 0 {
            told.push(counted(count, noun));
        }
    }
    ui.say(if told.is_empty() { "nothing to complain about".to_owned() } else { told.join(", ") }.as_str())?;
    Ok(if found.iter().any(|d| d.severity > Severity::Note) { Outcome::Findings } else { Outcome::Done })
}

fn look(names: &[&str], dialect: Option<SqlDialect>, workspace: &Workspace, ui: &Ui) -> Result<Vec<Diagnostic>> {
    let manifest = &workspace.manifest;
    let texts = manifest.migration_texts();
    let reached = |path: &str, name: &str| path == name || ui.path(path) == name.trim_start_matches("./");
    let is_migration = |name: &&&str| manifest.migration_paths().any(|path| reached(path, name));
    let migrations: Vec<&&str> = names.iter().filter(is_migration).collect();
    let mut files: Vec<&ModelFile> = Vec::new();
    for name in names.iter().filter(|name| !is_migration(name)) {
        let by_path = manifest.files.iter().find(|file| reached(&file.source.path, name));
        files.push(by_path.map_or_else(|| workspace.model(Some(name)), Ok)?);
    }
    if names.is_empty() {
        files = manifest.files.iter().collect();
    }
    let mut found = Vec::new();
    let mut add = |more: Vec<Diagnostic>| {
        for diagnostic in more {
            if !found.contains(&diagnostic) {
                found.push(diagnostic);
            }
        }
    };
    if names.is_empty() {
        add(manifest.check());
        add(manifest.shared_types().err().map(<[Diagnostic]>::to_vec).unwrap_or_default());
    }
    if names.is_empty() || !migrations.is_empty() {
        add(manifest.migrations().err().unwrap_or_default());
    }
    for file in &files {
        match workspace.compile(file) {
            Ok(_) => {}
            Err(error) => add(error.diagnostics),
        }
    }
    if !files.is_empty() || names.is_empty() {
        let models: Vec<String> = match names {
            [] => Vec::new(),
            _ => files.iter().filter_map(|file| file.name().map(str::to_owned)).collect(),
        };
        let (frozen, questions) = pending(workspace, &models);
        add(questions);
        for model in frozen.iter().flat_map(|frozen| &frozen.models) {
            let Some(file) = files.iter().find(|file| *file.source.path == *model.path) else { continue };
            if let Ok(draft) = manifest.draft(file) {
                add(warnings(file, &draft, model, &workspace.context()));
            }
        }
    }
    let mut sql = sql::Manifest::new(workspace, dialect);
    sql.look(&texts, |text| names.is_empty() || migrations.iter().any(|name| reached(text.path(), name)));
    for file in &files {
        sql.look(&manifest.draft_texts(file), |_| true);
    }
    add(sql.found);
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
