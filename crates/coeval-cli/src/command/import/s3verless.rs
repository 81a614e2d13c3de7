//! `coeval import --s3verless`: takes over a store that s3verless migrated.

use std::path::Path;

use coeval_core::{Object, Value};
use coeval_engine::{How, Refusal};
use coeval_manifest::Diagnostic;
use coeval_objects::documents::{Documents, Fit, Misfits};
use coeval_store::{Backend, Catalog, ModelEntry};

use super::history::{self, Applied, is_same_name};
use crate::error::{CommandError, Kind, Outcome, Result};
use crate::store::{self, block_on, open_documents, records, whom};
use crate::ui::{Ui, count, number};
use crate::version::Wanted;
use crate::workspace::Workspace;

/// Where s3verless notes what it applied.
const HISTORY: &str = "_system/migration_history.json";
/// Why records may not be where the history says.
const SWALLOWED: &str =
    "correct them: s3verless passes over objects that it cannot transform, and notes the migration as applied all the same";
/// How many objects are read at once.
const AT_ONCE: usize = 32;

/// Takes over a store that another tool migrated
#[derive(Debug, clap::Args)]
pub(super) struct Adopt {
    /// Take over a store that s3verless migrated, by its history
    #[arg(long, conflicts_with_all = ["file", "model", "key", "output", "input", "max_bytes"])]
    s3verless: bool,

    /// The backend whose store it is, as coeval.yaml calls it [default: the only one]
    #[arg(long, value_name = "NAME", requires = "s3verless")]
    backend: Option<String>,

    /// At which version the records of a model are [default: the model's first, and one further for each migration]
    #[arg(long, value_name = "MODEL=VERSION", requires = "s3verless", value_parser = model_at)]
    at: Vec<(String, Wanted)>,

    /// Say at which version the records are, and write nothing
    #[arg(long, requires = "s3verless")]
    dry_run: bool,
}

fn model_at(text: &str) -> std::result::Result<(String, Wanted), String> {
    let (model, version) = text.split_once('=').ok_or("expected a model and a version, such as `product=3`")?;
    Ok((model.to_owned(), version.parse()?))
}

/// What is known about a model of the store.
struct Taken {
    model: String,
    applied: usize,
    records: u64,
    /// At which version the records are; `None` where there are none, and nothing was applied.
    version: Option<u32>,
}

/// Reads the history, looks at every record, and notes at which version they are.
pub(super) fn run(args: &Adopt, folder: Option<&Path>, ui: &mut Ui) -> Result<Outcome> {
    let workspace = Workspace::open(folder, ui)?;
    let (name, store) = open_documents(&workspace, args.backend.as_deref())?;
    let at = args.at.iter().map(|(model, wanted)| {
        store.catalog().model(model).map_err(|_| {
            let models: Vec<&str> = store.catalog().models.iter().map(|entry| entry.name.as_str()).collect();
            let message = format!("`{name}` keeps no model `{model}`");
            CommandError::usage("unknown-model", message, format!("models: {}", models.join(", ")))
        })?;
        Ok((model.as_str(), workspace.version(*wanted)?))
    });
    let at: Vec<(&str, u32)> = at.collect::<Result<_>>()?;
    block_on(async {
        let history = applied(&store, &name).await?;
        let unknown: Vec<&Applied> = history.iter().filter(|applied| find(store.catalog(), &applied.model).is_none()).collect();
        for applied in &unknown {
            let count = count(applied.migrations.len(), "migration");
            ui.note(&format!(
                "{name}: s3verless applied {count} to `{}`, a model that the manifest does not keep here",
                applied.model
            ));
        }
        let taken = look(&store, &name, &history, &at).await?;
        let models = taken.iter().filter_map(|taken| Some((taken.model.clone(), taken.version?)));
        let models: Vec<(String, u32)> = models.collect();
        let Some(newest) = models.iter().map(|(_, version)| *version).max() else {
            let message =
                format!("{name}: there is nothing to take over: no records, and no migration of a model of the manifest");
            let help = "`coeval migrate` begins with an empty store";
            return Err(CommandError::new(Kind::Refused, Diagnostic::error("nothing-there", message).help(help)));
        };
        if !args.dry_run {
            let how = How { name: whom(), ..How::quietly() };
            coeval_engine::adopt(&store, &models, "s3verless", &how).await.map_err(|e| store::failed(&e, &name))?;
        }
        show(&name, &taken, newest, args.dry_run, ui)?;
        ui.field("unknown", Value::List(unknown.iter().map(|applied| applied.model.as_str().into()).collect()));
        Ok(Outcome::Done)
    })
}

/// Reads what was applied, unless the store has a history of its own.
async fn applied(store: &Documents, name: &str) -> Result<Vec<Applied>> {
    let ledger = store.ledger().await.map_err(|e| store::refused(&e, name))?;
    if !ledger.entries().is_empty() {
        return Err(store::failed(&Refusal::HasHistory.into(), name));
    }
    let refused = |code, message: String, help: &str| {
        Err(CommandError::new(Kind::Refused, Diagnostic::error(code, format!("{name}: {message}")).help(help)))
    };
    match store.foreign(HISTORY).await.map_err(|e| store::refused(&e, name))? {
        None => {
            let help = "`coeval migrate` takes over records that nobody migrated; the backend's address is where `_system/` lies";
            refused("no-s3verless", format!("there is no {HISTORY}, so s3verless did not migrate this store"), help)
        }
        Some(bytes) => history::read(&bytes).or_else(|reason| {
            let help = "restore it as s3verless wrote it; nothing was written";
            refused("unreadable-s3verless", format!("{HISTORY} cannot be read: {reason}"), help)
        }),
    }
}

/// Finds the model that s3verless calls so: by its own name, else by one that it has at any version and that is spelt otherwise.
fn find<'c>(catalog: &'c Catalog, said: &str) -> Option<&'c ModelEntry> {
    let names = |entry: &ModelEntry| -> Vec<String> {
        let models = entry.eras.iter().flat_map(|era| era.history.versions().filter_map(|v| era.history.model(v)));
        models.map(|model| model.name.clone()).chain([entry.name.clone()]).collect()
    };
    let exact = catalog.models.iter().find(|entry| entry.name == said);
    exact.or_else(|| catalog.models.iter().find(|entry| names(entry).iter().any(|name| is_same_name(name, said))))
}

/// Finds out at which version the records of each model are; all that is in the way is told together.
async fn look(store: &Documents, name: &str, history: &[Applied], at: &[(&str, u32)]) -> Result<Vec<Taken>> {
    let mut taken = Vec::new();
    let mut problems = Vec::new();
    for entry in &store.catalog().models {
        let fit = store.fit(&entry.name, AT_ONCE).await.map_err(|e| store::refused(&e, name))?;
        let own = history.iter().filter(|applied| find(store.catalog(), &applied.model).is_some_and(|e| e.name == entry.name));
        let own: Vec<&Applied> = own.collect();
        let applied = own.iter().map(|applied| applied.migrations.len()).sum();
        let at = at.iter().find(|(model, _)| *model == entry.name).map(|(_, version)| *version);
        let twice = own.iter().find_map(|applied| applied.twice()).filter(|_| at.is_none());
        let version = match twice {
            Some(migration) => {
                let message = format!("{name}: the history says twice that `{migration}` was applied to `{}`", entry.name);
                let help = format!("say at which version the records are: `--at {}=VERSION`", entry.name);
                Err(vec![Diagnostic::error("applied-twice", message).help(help)])
            }
            None => version(name, entry, applied, at, &fit),
        };
        match version {
            Ok(version) => taken.push(Taken { model: entry.name.clone(), applied, records: fit.records, version }),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(taken) } else { Err(problems.into()) }
}

/// Decides at which version the records of a model are, and whether all of them are.
fn version(
    name: &str,
    entry: &ModelEntry,
    applied: usize,
    at: Option<u32>,
    fit: &Fit,
) -> std::result::Result<Option<u32>, Vec<Diagnostic>> {
    let model = &entry.name;
    let asked = at.map(|at| {
        entry.era(at).and_then(|era| era.shape(at)).ok_or_else(|| {
            let first = entry.eras.first().map_or(0, |era| era.first);
            let message = format!("{name}: the model `{model}` is not in version {at}");
            vec![Diagnostic::error("no-version", message).help(format!("it begins with version {first}"))]
        })
    });
    let asked = asked.transpose()?;
    if asked.is_none() && applied == 0 && fit.records == 0 {
        return Ok(None);
    }
    let by_count = || entry.eras.first().and_then(|era| era.history.versions().nth(applied));
    let fitting: Vec<u32> = fit.versions.iter().filter(|(_, misfits)| misfits.count == 0).map(|(version, _)| *version).collect();
    let fits = match fitting.as_slice() {
        [] => None,
        [only] => Some(format!("all of them would fit version {only}: say `--at {model}={only}` if that is where they are")),
        all => Some(format!("all of them would fit versions {}: say with `--at {model}=VERSION` where they are", list(all))),
    };
    let Some(version) = asked.or_else(by_count) else {
        let migrations = count(applied, "migration");
        let message = format!("{name}: s3verless applied {migrations} to `{model}`, which has {} versions", fit.versions.len());
        let wrong = |help: String| Diagnostic::error("which-version", message).help(help);
        // Of several that fit none the newest is what most records are likely to be at.
        let best = fit.versions.iter().rev().min_by_key(|(_, misfits)| misfits.count);
        return match (fits, fitting.as_slice(), best) {
            (_, [only], _) => Ok(Some(*only)),
            (Some(fits), _, _) => Err(vec![wrong(fits)]),
            (None, _, None) => Err(vec![wrong("add the versions that are missing to the manifest".to_owned())]),
            (None, _, Some((best, misfits))) => {
                let not = misfits.count;
                let help = format!(
                    "add the versions that are missing to the manifest, or correct the records: all but {not} would fit version {best}"
                );
                Err([vec![wrong(help)], named(model, misfits)].concat())
            }
        };
    };
    let misfits = fit.versions.get(&version).filter(|misfits| misfits.count > 0);
    let Some(misfits) = misfits else { return Ok(Some(version)) };
    let message = format!("{name}: {} of {} of `{model}` cannot be at version {version}", misfits.count, records(fit.records));
    let help = fits.unwrap_or_else(|| SWALLOWED.to_owned());
    Err([vec![Diagnostic::error("not-at-version", message).help(help)], named(model, misfits)].concat())
}

/// Names records that are not at a version.
fn named(model: &str, misfits: &Misfits) -> Vec<Diagnostic> {
    let named = misfits.first.iter();
    named.map(|f| Diagnostic::error(f.kind, format!("record {} of `{model}`: {}", f.key, f.reason))).collect()
}

fn list(versions: &[u32]) -> String {
    versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn show(name: &str, taken: &[Taken], newest: u32, dry: bool, ui: &mut Ui) -> Result<()> {
    let mut values = Vec::new();
    for one in taken {
        let where_ = one.version.map_or("nothing to take over".to_owned(), |version| format!("at version {version}"));
        ui.say(&format!(
            "{name}: {}: {} applied, {}, {where_}",
            one.model,
            count(one.applied, "migration"),
            records(one.records)
        ))?;
        let mut value = Object::new();
        value.insert("model", one.model.as_str().into());
        value.insert("migrations", number(one.applied));
        value.insert("records", i64::try_from(one.records).unwrap_or(i64::MAX).into());
        value.insert("version", one.version.map_or(Value::Null, |version| i64::from(version).into()));
        values.push(value.into());
    }
    ui.say(&if dry {
        format!("{name}: version {newest} would be in force; nothing was written")
    } else {
        format!("{name}: version {newest} is in force; no record was written")
    })?;
    ui.field("backend", name);
    ui.field("version", i64::from(newest));
    ui.field("models", Value::List(values));
    Ok(())
}
