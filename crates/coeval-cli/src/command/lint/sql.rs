//! The SQL that `coeval lint` looks through: where it is found, whose it is, and its findings in the files.

use std::collections::BTreeMap;
use std::fs;

use coeval_manifest::sql_text::{Purpose, SqlText};
use coeval_manifest::{Diagnostic, Place, Severity, Source};
use coeval_plan::SqlDialect;
use coeval_plan::lint::{Context, Finding, Level, lint_parts, lint_sql};

use crate::error::{CommandError, Result};
use crate::store;
use crate::workspace::Workspace;

/// Looks the files through that are named.
///
/// # Errors
/// Files that cannot be read, and no dialect.
pub(super) fn files(paths: &[&str], dialect: SqlDialect) -> Result<Vec<Diagnostic>> {
    let mut out = Vec::new();
    for path in paths {
        let bytes = fs::read(path).map_err(|error| CommandError::io(path, &error))?;
        match Source::from_bytes(path, bytes) {
            Ok(source) => {
                let found = lint_sql(&source.text, dialect, &Context::default());
                out.extend(found.into_iter().map(|finding| diagnostic(source.place(finding.span.clone()), finding)));
            }
            Err(wrong) => out.push(*wrong),
        }
    }
    Ok(out)
}

/// Looks the SQL of a manifest through, in the order in which it runs: what came before is known to what comes after.
pub(super) struct Manifest<'w> {
    workspace: &'w Workspace,
    /// Whose SQL all of it is, where that was said.
    dialect: Option<SqlDialect>,
    /// What is known of each backend.
    contexts: BTreeMap<String, Context>,
    pub(super) found: Vec<Diagnostic>,
}

impl<'w> Manifest<'w> {
    pub(super) fn new(workspace: &'w Workspace, dialect: Option<SqlDialect>) -> Self {
        Self { workspace, dialect, contexts: BTreeMap::new(), found: Vec::new() }
    }

    /// Looks through texts; those of one migration or draft stand beside each other. Only what is found where `shown` says so is
    /// told, but all of it is learned from.
    pub(super) fn look(&mut self, texts: &[SqlText], shown: impl Fn(&SqlText) -> bool) {
        let default = default_backend(self.workspace);
        let backend = |text: &SqlText| text.backend.clone().unwrap_or_else(|| default.to_owned());
        for one in texts.chunk_by(|a, b| a.owner == b.owner && a.path() == b.path()) {
            let mut backends: Vec<String> = one.iter().map(backend).collect();
            backends.sort_unstable();
            backends.dedup();
            for name in &backends {
                let here: Vec<&SqlText> = one.iter().filter(|text| backend(text) == *name).collect();
                let tell = shown(here[0]);
                match self.dialect_of(name) {
                    Ok(dialect) => self.migration(name, dialect, &here, tell),
                    Err(wrong) if tell => self.found.push(wrong.at(here[0].place(&(0..here[0].text.len())))),
                    Err(_) => {}
                }
            }
        }
    }

    fn migration(&mut self, backend: &str, dialect: SqlDialect, texts: &[&SqlText], tell: bool) {
        let context = self.contexts.entry(backend.to_owned()).or_default();
        context.ledger = true;
        let of = |purpose: Purpose| texts.iter().copied().filter(move |text| text.purpose == purpose).collect::<Vec<_>>();
        let (up, down, check) = (of(Purpose::Up), of(Purpose::Down), of(Purpose::Check));
        let mut told = found_in(&up, dialect, context);
        let mut back = context.clone();
        for text in &up {
            context.learn(&text.text, dialect);
            back.learn(&text.text, dialect);
            back.undo(&text.text, dialect);
        }
        told.extend(found_in(&down, dialect, &back));
        told.extend(found_in(&check, dialect, context));
        if tell {
            self.found.extend(told);
        }
    }

    fn dialect_of(&self, backend: &str) -> std::result::Result<SqlDialect, Box<Diagnostic>> {
        if let Some(dialect) = self.dialect {
            return Ok(dialect);
        }
        dialect_of(self.workspace, backend)
    }
}

/// Returns whose SQL a backend of the manifest speaks.
///
/// # Errors
/// It is not known, or none.
pub(super) fn dialect_of(workspace: &Workspace, backend: &str) -> std::result::Result<SqlDialect, Box<Diagnostic>> {
    let help = "say it with `--dialect postgres`, `mysql` or `sqlite`, or declare the backend in coeval.yaml";
    let unknown = |why: String| {
        Box::new(Diagnostic::warning("unknown-dialect", format!("nobody says whose SQL this is: {why}")).help(help))
    };
    let Some(declared) = workspace.manifest.config.backend(backend) else {
        return Err(unknown(format!("coeval.yaml has no backend `{backend}`")));
    };
    let url = store::address(&declared.url).map_err(|name| unknown(format!("the variable `{name}` is not set")))?;
    SqlDialect::of_url(&url).ok_or_else(|| {
        let message = format!("the backend `{backend}` is no SQL database, so this cannot run there");
        let help = "name another `backend`, or say it with `operations`, `update` or `exec`";
        Box::new(Diagnostic::error("no-sql", message).help(help))
    })
}

/// Returns the name of the backend where none is named.
pub(super) fn default_backend(workspace: &Workspace) -> &str {
    let config = &workspace.manifest.config;
    let first = config.backends.first().map_or("default", |(name, _)| name.as_str());
    if config.backend("default").is_some() { "default" } else { first }
}

fn found_in(texts: &[&SqlText], dialect: SqlDialect, context: &Context) -> Vec<Diagnostic> {
    let parts: Vec<&str> = texts.iter().map(|text| text.text.as_str()).collect();
    let found = lint_parts(&parts, dialect, context);
    found.into_iter().map(|(part, finding)| diagnostic(texts[part].place(&finding.span), finding)).collect()
}

fn diagnostic(place: Place, finding: Finding) -> Diagnostic {
    let mut out = Diagnostic::error(finding.code, finding.message).at(place).help(finding.help);
    out.severity = match finding.level {
        Level::Note => Severity::Note,
        Level::Warning => Severity::Warning,
        Level::Error => Severity::Error,
    };
    out
}
