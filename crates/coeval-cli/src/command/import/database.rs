//! `coeval import URL`: the tables of a database as models at version 1, over which views are laid without a change of a table.

use std::path::{Path, PathBuf};

use coeval_core::{Object, Value};
use coeval_manifest::Diagnostic;
use coeval_manifest::yaml::emit;
use coeval_plan::found::{FoundTable, Taken, take};

use crate::atomic;
use crate::error::{CommandError, Kind, Outcome, Result};
use crate::store::{block_on, database_tables, refused};
use crate::ui::{Ui, count};
use crate::workspace::Workspace;

/// Returns whether it is the address of a database rather than a file.
pub(super) fn is_database(file: &Path) -> bool {
    let text = file.to_string_lossy();
    ["postgres:", "postgresql:", "sqlite:"].iter().any(|scheme| text.starts_with(scheme))
}

/// Reads the tables and writes a draft for each.
pub(super) fn run(url: &Path, schema: &str, only: Option<&str>, folder: Option<&Path>, ui: &mut Ui) -> Result<Outcome> {
    let url = url.to_string_lossy();
    let workspace = Workspace::open(folder, ui)?;
    let tables = block_on(async {
        database_tables(&workspace.root, &url, schema).await.map_err(|error| refused(&error, "the database"))
    })?;
    let tables: Vec<&FoundTable> = tables.iter().filter(|table| only.is_none_or(|only| table.name == only)).collect();
    if tables.is_empty() {
        let message = match only {
            Some(only) => format!("there is no table `{only}`"),
            None => "there is no table".to_owned(),
        };
        return Err(CommandError::usage("no-tables", message, "say the schema with `--schema`, the table with `--model`"));
    }
    let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    let backend = backend_of(&workspace, &url);
    let (mut files, mut lines, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for table in &tables {
        match take(table, &names) {
            Ok(taken) => {
                let path = path_of(&workspace, table, &files);
                lines.push(format!("  {}: {}", table.name, path.strip_prefix(&workspace.root).unwrap_or(&path).display()));
                lines.extend(taken.left.iter().map(|left| format!("    left as it is: {left}")));
                values.push(value(table, &taken.left, None));
                files.push((path, text(&taken, backend.as_deref())));
            }
            Err(reason) => {
                lines.push(format!("  {}: not taken over, since {reason}", table.name));
                values.push(value(table, &[], Some(&reason)));
            }
        }
    }
    for (path, _) in &files {
        if path.exists() {
            let diagnostic = Diagnostic::error("exists", format!("{} is there already", path.display()));
            let help = "nothing was written; move it away, or take one table over with `--model`";
            return Err(CommandError::new(Kind::Refused, diagnostic.help(help)));
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| CommandError::io(&folder.display().to_string(), &e))?;
        }
    }
    atomic::write_all(&files)?;
    ui.say(&format!("read {}; wrote {}", count(tables.len(), "table"), count(files.len(), "draft")))?;
    for line in lines {
        ui.say(&line)?;
    }
    if backend.is_none() {
        ui.say("No backend of coeval.yaml has this address: add it there, and name it in the drafts with `backend:`.")?;
    }
    ui.say("Look them through; `coeval freeze` makes version 1 of them, and `coeval migrate` lays its views over the tables.")?;
    ui.field("tables", Value::List(values));
    Ok(Outcome::Done)
}

fn value(table: &FoundTable, left: &[String], refused: Option<&str>) -> Value {
    let mut out = Object::new();
    out.insert("table", table.name.as_str().into());
    out.insert("left", Value::List(left.iter().map(|left| left.as_str().into()).collect()));
    if let Some(reason) = refused {
        out.insert("refused", reason.into());
    }
    out.into()
}

/// The backend that has the address, in the variables of the environment too.
fn backend_of(workspace: &Workspace, url: &str) -> Option<String> {
    let backends = &workspace.manifest.config.backends;
    let known = backends.iter().find(|(_, backend)| crate::store::expanded(&backend.url).as_deref() == Some(url));
    known.map(|(name, _)| name.clone())
}

/// The file of a table's draft: its name, as far as a file can have it.
fn path_of(workspace: &Workspace, table: &FoundTable, taken: &[(PathBuf, String)]) -> PathBuf {
    let plain = |c: char| if c.is_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
    let mut name: String = table.name.chars().map(plain).collect();
    let folder = workspace.root.join(&workspace.manifest.config.models);
    let path = |name: &str| folder.join(format!("{name}.yaml"));
    // Some systems take names for one that differ in upper and lower case only.
    let same =
        |name: &str| taken.iter().any(|(known, _)| known.to_string_lossy().eq_ignore_ascii_case(&path(name).to_string_lossy()));
    while same(&name) {
        name.push('_');
    }
    path(&name)
}

/// The draft.
fn text(taken: &Taken, backend: Option<&str>) -> String {
    let mut object = taken.model.to_value().as_object().cloned().unwrap_or_default();
    if let Some(backend) = backend {
        object.insert("backend", backend.into());
    }
    let mut out = String::from("# Taken over from a database; `table` is where the rows are.\n");
    out.push_str(&emit::document(&object, &[]));
    for left in &taken.left {
        out.extend(["# Left as it is: ", left, "\n"]);
    }
    out
}
