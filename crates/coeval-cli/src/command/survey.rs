//! What `verify` and `check` share: looking at records, and telling what was found.

use std::path::Path;

use coeval_core::{Object, Value};
use coeval_engine::How;
use coeval_store::backend::{Drift, Inspection, Survey};

use crate::error::{Outcome, Result};
use crate::store::{self, Backends, Show, block_on, open_all, records};
use crate::ui::Ui;
use crate::workspace::Workspace;

/// Looks at the records of all models.
pub(super) fn run(
    closely: Survey,
    sample: Option<u64>,
    report: Option<&Path>,
    backends: &Backends,
    folder: Option<&Path>,
    ui: &mut Ui,
) -> Result<Outcome> {
    ui.events();
    let workspace = Workspace::open(folder, ui)?;
    let show = Show::start(ui.is_json(), report)?;
    let (mut values, mut problems) = (Vec::new(), 0);
    block_on(async {
        for store in &open_all(&workspace, backends.backend.as_deref())? {
            show.store(&store.name);
            let how = How { observer: &show, ..How::quietly() };
            if closely == Survey::Verify {
                let drifts = store.backend.drift().await.map_err(|e| store::refused(&e, &store.name))?;
                for drift in &drifts {
                    ui.say(&format!("{}: {drift}", store.name))?;
                    values.push(drift_value(&store.name, drift));
                }
                problems += u64::try_from(drifts.len()).unwrap_or(u64::MAX);
            }
            let found = coeval_engine::survey(&*store.backend, closely, sample, &how).await;
            for surveyed in found.map_err(|e| store::failed(&e, &store.name))? {
                problems += surveyed.found.problems;
                ui.say(&format!("{}: {}: {}", store.name, surveyed.model, told(&surveyed.found, closely)))?;
                values.push(value(&store.name, &surveyed.model, &surveyed.found));
            }
        }
        Ok(())
    })?;
    show.end()?;
    ui.field("models", Value::List(values));
    Ok(if problems == 0 { Outcome::Done } else { Outcome::Findings })
}

fn drift_value(store: &str, drift: &Drift) -> Value {
    let text = |text: Option<&str>| text.map_or(Value::Null, Value::from);
    Object::from_iter([
        ("backend".into(), store.into()),
        ("model".into(), drift.model.as_str().into()),
        ("drift".into(), drift.difference.what.as_str().into()),
        ("expected".into(), text(drift.difference.expected.as_deref())),
        ("found".into(), text(drift.difference.found.as_deref())),
    ])
    .into()
}

fn told(found: &Inspection, closely: Survey) -> String {
    let mut parts = vec![records(found.records)];
    if closely == Survey::Laws {
        parts.push(format!("{} laws hold", found.laws));
    }
    for (version, count) in found.quarantined.iter().filter(|(_, count)| **count > 0) {
        parts.push(format!("{count} cannot be shown at version {version}"));
    }
    parts.push(match found.problems {
        0 => "no problem".to_owned(),
        1 => "1 problem".to_owned(),
        problems => format!("{problems} problems"),
    });
    parts.join(", ")
}

fn value(store: &str, model: &str, found: &Inspection) -> Value {
    let count = |count: u64| -> Value { i64::try_from(count).unwrap_or(i64::MAX).into() };
    let counts = |counts: &std::collections::BTreeMap<u32, u64>| -> Value {
        counts.iter().map(|(version, n)| (version.to_string().into(), count(*n))).collect::<Object>().into()
    };
    let mut out = Object::new();
    out.insert("backend", store.into());
    out.insert("model", model.into());
    out.insert("records", count(found.records));
    out.insert("stored", counts(&found.stored));
    out.insert("quarantined", counts(&found.quarantined));
    out.insert("laws", count(found.laws));
    out.insert("problems", count(found.problems));
    out.into()
}
