//! The models of the manifest by the backend that keeps them, compiled.

use std::collections::BTreeMap;
use std::sync::Arc;

use coeval_engine::standalone::standalone;
use coeval_manifest::frozen::Steps;
use coeval_manifest::{Diagnostic, ModelFile};
use coeval_plan::Step;
use coeval_plan::standalone::Ordered;
use coeval_store::ledger::VersionId;
use coeval_store::{Catalog, ModelEntry};

use super::open::dialect;
use crate::error::{CommandError, Kind, Result};
use crate::workspace::Workspace;

/// The name of the backend of models that name none.
const DEFAULT: &str = "default";

/// The models, by backend.
pub(crate) struct Models(Vec<(String, Kept)>);

/// What one backend keeps.
#[derive(Default)]
struct Kept {
    models: Vec<ModelEntry>,
    /// What frozen documents say that runs there.
    frozen: BTreeMap<(String, u32), Vec<Step>>,
    standalone: Option<Ordered>,
}

impl Models {
    /// Compiles every model that was ever frozen.
    ///
    /// # Errors
    /// What is wrong with the manifest, and models whose backend it does not have.
    pub(crate) fn compile(workspace: &Workspace) -> Result<Self> {
        if workspace.head() == 0 {
            let help = "`coeval freeze` makes version 1 of the drafts";
            return Err(CommandError::usage("no-version", "nothing is frozen yet", help));
        }
        let mut out = Self(Vec::new());
        for file in &workspace.manifest.files {
            let eras = workspace.compile(file)?;
            let Some(last) = eras.last() else { continue };
            let Some(model) = last.history.model(last.history.newest()) else { continue };
            let said = model.options.get("backend").and_then(|backend| backend.as_str());
            let backend = choose(workspace, said, &model.name)?;
            let frozen = frozen(workspace, file, &model.name, &backend)?;
            let entry = ModelEntry { name: model.name.clone(), eras };
            let kept = out.of(backend);
            kept.models.push(entry);
            kept.frozen.extend(frozen);
        }
        for migration in workspace.manifest.migrations()? {
            let backend = choose_for(workspace, migration.backend.as_deref());
            let said = workspace.manifest.config.backend(backend);
            // Where it cannot be executed is said when it should be.
            let Some(dialect) = said.and_then(|said| dialect(&said.url)) else { continue };
            let kept = out.of(backend.to_owned());
            let ordered = kept.standalone.get_or_insert_with(|| Ordered { dialect, migrations: Vec::new() });
            ordered.migrations.push(standalone(&migration));
        }
        Ok(out)
    }

    fn of(&mut self, backend: String) -> &mut Kept {
        let at = self.0.iter().position(|(name, _)| *name == backend).unwrap_or_else(|| {
            self.0.push((backend, Kept::default()));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }

    /// Returns the backends that keep a model, in the order of `coeval.yaml`, each with its catalog.
    pub(crate) fn catalogs(self, workspace: &Workspace) -> Vec<(String, Arc<Catalog>)> {
        let versions = workspace.manifest.versions.all.iter();
        let versions: Vec<VersionId> = versions.map(|v| VersionId { number: v.number, id: v.id.clone() }).collect();
        let order = |name: &str| workspace.manifest.config.backends.iter().position(|(known, _)| known == name);
        let mut backends = self.0;
        backends.sort_by_key(|(name, _)| order(name));
        let catalog = |kept: Kept| {
            Arc::new(Catalog {
                versions: versions.clone(),
                models: kept.models,
                frozen: kept.frozen,
                standalone: kept.standalone,
            })
        };
        backends.into_iter().map(|(name, kept)| (name, catalog(kept))).collect()
    }
}

/// What the frozen versions of a model say that runs on its backend, in coeval's own words.
fn frozen(workspace: &Workspace, file: &ModelFile, model: &str, backend: &str) -> Result<BTreeMap<(String, u32), Vec<Step>>> {
    let history = workspace.manifest.history(file).map_err(<[Diagnostic]>::to_vec)?;
    let mut out = BTreeMap::new();
    for (index, version) in history.versions.iter().enumerate() {
        for migrate in version.frozen.migrate.iter().filter(|migrate| migrate.backend == backend) {
            let Steps::Values(values) = &migrate.upgrade else { continue };
            let steps = values.iter().map(Step::from_value).collect::<std::result::Result<Vec<_>, _>>();
            let steps = steps.map_err(|invalid| {
                let span = file.documents.get(index + 1).map(|d| d.span.start..d.span.start);
                let message = format!("version {} of `{model}` has a step that is none: {}", version.number, invalid.message);
                let mut diagnostic = Diagnostic::error("frozen-steps", message);
                diagnostic.help = invalid.help;
                vec![span.map(|span| diagnostic.clone().at(file.source.place(span))).unwrap_or(diagnostic)]
            })?;
            out.insert((model.to_owned(), version.number), steps);
        }
    }
    Ok(out)
}

/// The backend of a standalone migration: the one it names, else `default`, else the first.
pub(super) fn choose_for<'w>(workspace: &'w Workspace, said: Option<&'w str>) -> &'w str {
    let config = &workspace.manifest.config;
    let first = || config.backends.first().map_or(DEFAULT, |(name, _)| name.as_str());
    said.unwrap_or_else(|| if config.backend(DEFAULT).is_some() { DEFAULT } else { first() })
}

/// The backend of a model: the one it names, else `default`, else the only one.
///
/// # Errors
/// There is none of that name, or several to choose from.
pub(crate) fn choose(workspace: &Workspace, said: Option<&str>, model: &str) -> Result<String> {
    let backends = &workspace.manifest.config.backends;
    let names = || backends.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    match (said, backends.as_slice()) {
        (Some(name), _) if workspace.manifest.config.backend(name).is_some() => Ok(name.to_owned()),
        (None, _) if workspace.manifest.config.backend(DEFAULT).is_some() => Ok(DEFAULT.to_owned()),
        (None, [(only, _)]) => Ok(only.clone()),
        (_, []) => {
            let diagnostic = Diagnostic::error("no-backend", "coeval.yaml does not say where the records are");
            let help = "add for example `backends: {default: {url: \"file:data\"}}`";
            Err(CommandError::new(Kind::Refused, diagnostic.help(help)))
        }
        (Some(name), _) => {
            let message = format!("the model `{model}` is kept by the backend `{name}`, which coeval.yaml does not have");
            let diagnostic = Diagnostic::error("no-backend", message).help(format!("it has {}", names()));
            Err(CommandError::new(Kind::Refused, diagnostic))
        }
        (None, _) => {
            let message = format!("coeval.yaml has several backends, and the model `{model}` names none");
            let help = format!("call one of them `default`, or say `backend:` in the model: {}", names());
            Err(CommandError::new(Kind::Refused, Diagnostic::error("no-backend", message).help(help)))
        }
    }
}
