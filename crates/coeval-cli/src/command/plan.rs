//! `coeval plan`: what a migration would do, before it does it.

use std::path::Path;

use coeval_core::{Object, Value};
use coeval_engine::{Goal, Plan, plan};
use coeval_manifest::Manifest;

use crate::error::{Outcome, Result};
use crate::store::{self, Backends, Store, block_on, open_all, refuse_unsupported};
use crate::ui::Ui;
use crate::version::Wanted;
use crate::workspace::Workspace;

/// Says what `migrate` would do: the versions that come into force, the steps, and what each means for clients
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The version [default: the newest]
    #[arg(long, value_name = "VERSION")]
    to: Option<Wanted>,

    #[command(flatten)]
    backends: Backends,
}

/// Plans.
pub(super) fn run(args: &Args, folder: Option<&Path>, ui: &mut Ui) -> Result<Outcome> {
    let workspace = Workspace::open(folder, ui)?;
    let to = args.to.map(|wanted| workspace.version(wanted)).transpose()?;
    block_on(async {
        let stores = open_all(&workspace, args.backends.backend.as_deref())?;
        refuse_unsupported(&workspace, args.backends.backend.as_deref(), &stores, ui)?;
        let mut values = Vec::new();
        for store in &stores {
            let ledger = store.backend.ledger().await.map_err(|e| store::refused(&e, &store.name))?;
            let plan = plan(store.backend.catalog(), store.backend.capabilities(), &ledger, Goal::Migrate { to, scan: false });
            let plan = plan.map_err(|refusal| store::failed(&refusal.into(), &store.name))?;
            show(&workspace.manifest, store, plan.as_ref(), ui)?;
            values.push(value(store, plan.as_ref()));
        }
        ui.field("backends", Value::List(values));
        Ok(Outcome::Done)
    })
}

fn show(manifest: &Manifest, store: &Store, plan: Option<&Plan>, ui: &Ui) -> Result<()> {
    let shown = format!("{} ({})", store.name, store.backend.name());
    let Some(plan) = plan else { return ui.say(&format!("{shown}: nothing to do")) };
    let from = if plan.from == 0 { String::new() } else { format!("from version {} ", plan.from) };
    let how = match (&plan.resumes, plan.undoes) {
        (None, _) => String::new(),
        (Some(run), false) => format!(", resuming run {run}"),
        (Some(run), true) => format!(", undoing run {run}"),
    };
    ui.say(&ui.paint("1", &format!("{shown}: {from}to version {}{how}", plan.to)))?;
    for version in &plan.versions {
        let message = manifest.versions.get(&version.id).and_then(|version| manifest.message(version));
        ui.say(format!("  version {}  {}", version.number, message.unwrap_or_default()).trim_end())?;
    }
    for planned in &plan.steps {
        ui.say(&format!("  {:9}  {}", planned.phase.name(), planned.step))?;
        if let Some(class) = &planned.class {
            ui.say(&format!("             {class}"))?;
        }
    }
    ui.say(&format!("  {:9}  version {} is offered to clients", coeval_store::Phase::Activate.name(), plan.to))
}

fn value(store: &Store, plan: Option<&Plan>) -> Value {
    let mut out = Object::new();
    out.insert("backend", store.name.as_str().into());
    out.insert("store", store.backend.name().as_str().into());
    let Some(plan) = plan else { return out.into() };
    out.insert("from", i64::from(plan.from).into());
    out.insert("to", i64::from(plan.to).into());
    out.insert("versions", Value::List(plan.versions.iter().map(|v| i64::from(v.number).into()).collect()));
    let steps = plan.steps.iter().map(|planned| {
        let mut out = Object::new();
        out.insert("phase", planned.phase.name().into());
        out.insert("model", planned.step.model().into());
        out.insert("what", planned.step.to_string().as_str().into());
        if let Some(class) = &planned.class {
            out.insert("compatibility", class.compatibility().into());
            out.insert("loss", class.loss().into());
        }
        out.into()
    });
    out.insert("steps", Value::List(steps.collect()));
    out.into()
}
