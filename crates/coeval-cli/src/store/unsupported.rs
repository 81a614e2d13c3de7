//! What a manifest asks of a store that no store of this kind can do: the run is refused, and nothing passed over.

use coeval_core::op::Operation;
use coeval_manifest::frozen::Migrate;
use coeval_manifest::{Diagnostic, ModelFile};

use super::models::choose_for;
use super::open::Store;
use crate::error::{CommandError, Result};
use crate::ui::Ui;
use crate::workspace::Workspace;

/// Refuses what would have to be executed beside moving records; and says what is not checked.
///
/// # Errors
/// Each of them, in its place.
pub(crate) fn refuse_unsupported(workspace: &Workspace, only: Option<&str>, stores: &[Store], ui: &mut Ui) -> Result<()> {
    let mut found = standalone(workspace, only, stores)?;
    for store in stores.iter().filter(|store| !store.backend.capabilities().schema) {
        for file in &workspace.manifest.files {
            in_file(workspace, store, file, &mut found, ui);
        }
    }
    if found.is_empty() { Ok(()) } else { Err(CommandError::from(found)) }
}

/// The standalone migrations of stores that cannot execute them, or that were not opened since they keep no model.
fn standalone(workspace: &Workspace, only: Option<&str>, stores: &[Store]) -> Result<Vec<Diagnostic>> {
    let mut found = Vec::new();
    for migration in workspace.manifest.migrations()? {
        let backend = choose_for(workspace, migration.backend.as_deref());
        let can = stores.iter().any(|store| store.name == backend && store.backend.capabilities().schema);
        if can || only.is_some_and(|only| only != backend) {
            continue;
        }
        let message = format!("the standalone migration `{}` cannot be executed on the backend `{backend}` yet", migration.id);
        let help =
            "what changes records can be said as operations of a model; take the file out of the folder to migrate without it";
        found.push(Diagnostic::error("standalone-migration", message).at(migration.place.clone()).help(help));
    }
    Ok(found)
}

fn in_file(workspace: &Workspace, store: &Store, file: &ModelFile, found: &mut Vec<Diagnostic>, ui: &mut Ui) {
    let Ok(history) = workspace.manifest.history(file) else { return };
    let name = file.name().unwrap_or_default();
    if store.backend.catalog().models.iter().all(|model| model.name != name) {
        return;
    }
    for (index, version) in history.versions.iter().enumerate() {
        let place = |code: &'static str, message: String| {
            let span = file.documents.get(index + 1).map(|d| d.span.start..d.span.start);
            let diagnostic = Diagnostic::error(code, message);
            span.map(|span| diagnostic.clone().at(file.source.place(span))).unwrap_or(diagnostic)
        };
        // Steps that change a schema have nothing to do where there is none; the operations say the rest.
        let data = |migrate: &&Migrate| migrate.backend == store.name && migrate.kind.as_deref() != Some("schema");
        for migrate in version.frozen.migrate.iter().filter(data) {
            let message = format!(
                "version {} of `{name}` has steps under `migrate:` for `{}`, which cannot be executed on this store",
                version.number, migrate.backend
            );
            found.push(place("frozen-steps", message));
        }
        for operation in &version.operations {
            if let Operation::Sql(sql) = operation
                && sql.backend.as_deref().is_none_or(|backend| backend == store.name)
            {
                let message = format!("version {} of `{name}` has raw SQL, which this store does not understand", version.number);
                found.push(place("raw-sql", message));
            }
        }
        if !version.frozen.validate.is_empty() {
            let message =
                format!("what version {} of `{name}` says under `validate:` is not checked on this store", version.number);
            let mut warning = place("not-validated", message);
            warning.severity = coeval_manifest::Severity::Warning;
            ui.problem(&warning);
        }
    }
}
