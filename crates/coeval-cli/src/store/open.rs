//! Opening stores.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use coeval_core::invalid::nearest;
use coeval_core::{Object, Value};
use coeval_manifest::Diagnostic;
use coeval_objects::documents::Documents;
use coeval_plan::SqlDialect;
use coeval_plan::found::FoundTable;
use coeval_plan::table::Ability;
use coeval_store::objects::wrap::{RetryNotice, RetryPolicy, Retrying};
use coeval_store::{Backend, Catalog};

use super::fail::refused;
use super::models::Models;
use super::names::{expand, expand_all};
use super::retries::Retries;
use crate::error::{CommandError, Kind, Result};
use crate::workspace::Workspace;

/// The beginnings of addresses of document stores.
const DOCUMENTS: [&str; 5] = ["file", "s3", "gs", "az", "memory"];
/// The beginnings of addresses of databases.
const DATABASES: [&str; 3] = ["sqlite", "postgres", "postgresql"];

/// Returns what the tables of a backend depend on; `None` where it has no tables, or its address is in a variable that is not
/// set: then its steps are worked out when they are needed.
pub(crate) fn ability(url: &str) -> Option<Ability> {
    let url = expanded(url)?;
    match url.split_once(':').map_or("", |(scheme, _)| scheme) {
        "sqlite" => Some(Ability { knows_writer: true }),
        "postgres" | "postgresql" => Some(Ability { knows_writer: false }),
        _ => None,
    }
}

/// Returns what SQL is written in for a backend; `None` where it reads none, or its address is in a variable that is not set.
pub(super) fn dialect(url: &str) -> Option<SqlDialect> {
    let url = expanded(url)?;
    match url.split_once(':').map_or("", |(scheme, _)| scheme) {
        "sqlite" => Some(SqlDialect::Sqlite),
        "postgres" | "postgresql" => Some(SqlDialect::Postgres),
        _ => None,
    }
}

/// An open store.
pub(crate) struct Store {
    /// What `coeval.yaml` calls it.
    pub(crate) name: String,
    /// The store.
    pub(crate) backend: Box<dyn Backend>,
    /// Where requests are told that are repeated.
    pub(crate) retries: Arc<Retries>,
}

/// Opens a store by its address, with the variables of the environment in their places. Paths are relative to `root`.
///
/// # Errors
/// An address that nothing answers to.
fn open_backend(
    root: &Path,
    deployment: &str,
    url: &str,
    options: &Object,
    catalog: Arc<Catalog>,
    retries: &Arc<Retries>,
) -> coeval_store::Result<Box<dyn Backend>> {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    let unsupported = |reason: String| coeval_store::Error::Unsupported { what: address(url), reason };
    match scheme {
        scheme if DOCUMENTS.contains(&scheme) => Ok(Box::new(documents(root, url, options, catalog, retries)?)),
        "sqlite" => {
            let database = coeval_sqlite::open(&beneath(root, url), &texts(url, options, &[])?)?;
            Ok(Box::new(coeval_sqlite::Sqlite::new(database, deployment, catalog)))
        }
        "postgres" | "postgresql" => {
            let database = coeval_postgres::open(url, &texts(url, options, &coeval_postgres::environment(url))?)?;
            let state = coeval_postgres::State::new(Arc::new(database), deployment);
            Ok(Box::new(coeval_postgres::PostgresBackend::new(state, catalog)))
        }
        scheme => {
            let known = || DOCUMENTS.iter().chain(&DATABASES).copied();
            let near = nearest(scheme, known());
            let near = near.map(|near| format!("; did you mean `{near}:`?")).unwrap_or_default();
            Err(unsupported(format!(
                "an address begins with one of {}{near}",
                known().map(|s| format!("`{s}:`")).collect::<Vec<_>>().join(", ")
            )))
        }
    }
}

fn documents(
    root: &Path,
    url: &str,
    options: &Object,
    catalog: Arc<Catalog>,
    retries: &Arc<Retries>,
) -> coeval_store::Result<Documents> {
    let objects = coeval_objects::open(&beneath(root, url), &texts(url, options, &coeval_objects::environment(url))?)?;
    let told = Arc::clone(retries);
    let objects = Retrying::new(objects, RetryPolicy::default(), Arc::new(move |notice: &RetryNotice| told.tell(notice)));
    Documents::open(Arc::new(objects), catalog)
}

/// Lets a relative path begin at the folder of the manifest, wherever the command is run.
fn beneath(root: &Path, url: &str) -> String {
    match url.split_once(':') {
        Some((scheme @ ("file" | "sqlite"), path)) if !path.is_empty() && !path.starts_with(['/', ':']) => {
            format!("{scheme}:{}", root.join(path).display())
        }
        _ => url.to_owned(),
    }
}

/// Returns the options as texts. What the environment says holds where they say nothing.
fn texts(
    url: &str,
    options: &Object,
    environment: &[(&'static str, &'static str)],
) -> coeval_store::Result<BTreeMap<String, String>> {
    let mut out = BTreeMap::new();
    for (name, value) in options {
        let text = match value {
            Value::String(text) => text.as_str().to_owned(),
            Value::Number(number) => number.as_str().to_owned(),
            Value::Bool(flag) => flag.to_string(),
            Value::Null | Value::List(_) | Value::Object(_) => {
                return Err(coeval_store::Error::failed(
                    address(url),
                    format!("the option `{}` is a text, a number or a flag", name.as_str()),
                ));
            }
        };
        out.insert(name.to_string(), text);
    }
    for (variable, option) in environment.iter().copied() {
        if !out.contains_key(option)
            && let Ok(text) = std::env::var(variable)
        {
            out.insert(option.to_owned(), text);
        }
    }
    Ok(out)
}

/// An address with the variables of the environment in their places; `None` where one is not set.
pub(crate) fn expanded(url: &str) -> Option<String> {
    expand(url, &|name: &str| std::env::var(name).ok()).ok()
}

/// Returns the tables of a database by its address, with what models can say of them.
///
/// # Errors
/// What keeps it from being read.
pub(crate) async fn database_tables(root: &Path, url: &str, schema: &str) -> coeval_store::Result<Vec<FoundTable>> {
    if url.starts_with("sqlite:") {
        let database = coeval_sqlite::open(&beneath(root, url), &texts(url, &Object::new(), &[])?)?;
        return coeval_sqlite::found::tables(&database).await;
    }
    let options = texts(url, &Object::new(), &coeval_postgres::environment(url))?;
    let database = coeval_postgres::open(url, &options)?;
    coeval_postgres::catalog::tables(&database, schema).await
}

/// An address without what is secret in it.
fn address(url: &str) -> String {
    match (url.split_once("://"), url.split_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => url.to_owned(),
    }
}

/// Returns the address of a backend and its options.
fn said(workspace: &Workspace, name: &str) -> Result<(String, Object)> {
    let missing = || CommandError::new(Kind::Refused, Diagnostic::error("no-backend", format!("there is no backend `{name}`")));
    let said = workspace.manifest.config.backend(name).ok_or_else(missing)?;
    let variable = |name: &str| std::env::var(name).ok();
    let unset = |variable: String| {
        let message = format!("the backend `{name}` in coeval.yaml needs the variable {variable}, which is not set");
        CommandError::usage("no-variable", message, format!("set it: `export {variable}=…`"))
    };
    Ok((expand(&said.url, &variable).map_err(unset)?, expand_all(&said.options, &variable).map_err(unset)?))
}

fn open(workspace: &Workspace, name: String, catalog: Arc<Catalog>) -> Result<Store> {
    let (url, options) = said(workspace, &name)?;
    let retries = Arc::new(Retries::default());
    let backend = open_backend(&workspace.root, &workspace.manifest.config.name, &url, &options, catalog, &retries)
        .map_err(|e| refused(&e, &name))?;
    Ok(Store { name, backend, retries })
}

/// Opens all stores that keep a model, or the one that is named.
///
/// # Errors
/// What keeps one of them from being opened.
pub(crate) fn open_all(workspace: &Workspace, only: Option<&str>) -> Result<Vec<Store>> {
    let mut out = Vec::new();
    for (name, catalog) in chosen(workspace, only)? {
        out.push(open(workspace, name, catalog)?);
    }
    Ok(out)
}

/// Opens a store of documents: the one that is named, or the only one that keeps a model.
///
/// # Errors
/// Several to choose from, another kind of store, and what keeps it from being opened.
pub(crate) fn open_documents(workspace: &Workspace, only: Option<&str>) -> Result<(String, Documents)> {
    let mut catalogs = chosen(workspace, only)?;
    if catalogs.len() > 1 {
        let names: Vec<&str> = catalogs.iter().map(|(name, _)| name.as_str()).collect();
        let help = format!("say which with `--backend`: {}", names.join(", "));
        return Err(CommandError::usage("which-backend", "several backends keep models", help));
    }
    let missing =
        || CommandError::usage("no-backend", "no backend keeps a model", "`coeval freeze` makes version 1 of the drafts");
    let (name, catalog) = catalogs.pop().ok_or_else(missing)?;
    let (url, options) = said(workspace, &name)?;
    if DATABASES.iter().any(|scheme| url.starts_with(&format!("{scheme}:"))) {
        let reason = "it is a database, and no store of documents".to_owned();
        return Err(refused(&coeval_store::Error::Unsupported { what: address(&url), reason }, &name));
    }
    let store = documents(&workspace.root, &url, &options, catalog, &Arc::new(Retries::default()));
    Ok((name.clone(), store.map_err(|e| refused(&e, &name))?))
}

/// The backends that keep a model, or the one that is named, with their catalogs.
fn chosen(workspace: &Workspace, only: Option<&str>) -> Result<Vec<(String, Arc<Catalog>)>> {
    let mut catalogs = Models::compile(workspace)?.catalogs(workspace);
    if let Some(only) = only
        && catalogs.iter().all(|(name, _)| name != only)
    {
        let names: Vec<&str> = catalogs.iter().map(|(name, _)| name.as_str()).collect();
        let message = match workspace.manifest.config.backend(only) {
            Some(_) => format!("the backend `{only}` keeps no model that was ever frozen"),
            None => format!("there is no backend `{only}`"),
        };
        return Err(CommandError::usage("no-backend", message, format!("backends that keep models: {}", names.join(", "))));
    }
    catalogs.retain(|(name, _)| only.is_none_or(|only| only == name));
    Ok(catalogs)
}

/// Opens the store that keeps a model.
///
/// # Errors
/// There is no such model, and what keeps its store from being opened.
pub(crate) fn open_model(workspace: &Workspace, model: &str) -> Result<Store> {
    workspace.model(Some(model))?;
    let catalogs = Models::compile(workspace)?.catalogs(workspace);
    let found = catalogs.into_iter().find(|(_, catalog)| catalog.models.iter().any(|entry| entry.name == model));
    let Some((name, catalog)) = found else {
        let help = "`coeval freeze` makes a version of its draft";
        return Err(CommandError::usage("no-version", format!("the model `{model}` was never frozen"), help));
    };
    open(workspace, name, catalog)
}

/// Runs what waits for stores.
///
/// # Errors
/// As the work, and where the system gives no threads.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|e| CommandError::io("starting threads", &e))?.block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        for (url, shown) in [
            ("file:data", "file:data"),
            ("postgres://me:secret@host/db", "postgres://…@host/db"),
            ("s3://bucket/prefix", "s3://bucket/prefix"),
        ] {
            assert_eq!(address(url), shown);
        }
    }
}
