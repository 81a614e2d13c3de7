//! `coeval plan`: what a migration would do, before it does it.

use std::path::Path;

use coeval_core::{Object, Value};
use coeval_engine::{Goal, Plan, Planned, plan};
use coeval_manifest::Manifest;
use coeval_plan::table::{Ability, Cost, Table};
use coeval_plan::{LockLevel, Step, WriteLock};
use coeval_store::lower::versions;

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

    /// Show the statements too that a database would execute
    #[arg(long)]
    sql: bool,

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
            let plan = plan.map_err(|refusal| store::failed(&refusal, &store.name))?;
            let (mut scripts, mut remarks) = (Vec::new(), Vec::new());
            for planned in plan.iter().flat_map(|plan| &plan.steps) {
                remarks.push(store.backend.remarks(&planned.step).await.map_err(|e| store::refused(&e, &store.name))?);
            }
            let remarks = remarks.as_slice();
            for planned in plan.iter().flat_map(|plan| &plan.steps).filter(|_| args.sql) {
                let script = match &planned.step {
                    Step::Standalone { up, .. } => coeval_plan::standalone::written(up),
                    step => store.backend.script(step).await.map_err(|e| store::refused(&e, &store.name))?,
                };
                scripts.push(script);
            }
            let costs = plan.as_ref().map(|plan| costs(store, plan, ledger.oldest())).unwrap_or_default();
            show(&workspace.manifest, store, plan.as_ref(), (remarks, &scripts), ui)?;
            show_costs(&costs, ui)?;
            values.push(value(store, plan.as_ref(), (remarks, &scripts), &costs));
        }
        ui.field("backends", Value::List(values));
        Ok(Outcome::Done)
    })
}

/// What is said of each step, and its statements.
type Told<'t> = (&'t [Vec<String>], &'t [Vec<String>]);

fn show(manifest: &Manifest, store: &Store, plan: Option<&Plan>, (remarks, scripts): Told<'_>, ui: &Ui) -> Result<()> {
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
    for (at, planned) in plan.steps.iter().enumerate() {
        ui.say(format!("  {:9}  {}", planned.phase.name(), planned.step).as_str())?;
        if let Some(effect) = effect(store, planned) {
            ui.say(&format!("             {effect}"))?;
        }
        if let Some(class) = &planned.class {
            ui.say(&format!("             {class}"))?;
        }
        for remark in remarks.get(at).into_iter().flatten() {
            ui.say(&format!("             {remark}"))?;
        }
        for statement in scripts.get(at).into_iter().flatten() {
            for line in statement.lines() {
                ui.say(&format!("             {}", ui.paint("2", line)))?;
            }
        }
    }
    // Where there are views, a step says so.
    if store.backend.capabilities().schema {
        return Ok(());
    }
    ui.say(&format!("  {:9}  version {} is offered to clients", coeval_store::Phase::Activate.name(), plan.to))
}

/// What a step takes of a store, in the store's own words; `None` where it takes nothing.
fn lock(store: &Store, step: &Step) -> Option<&'static str> {
    if store.backend.capabilities().one_writer {
        return Some(step.write_lock()).filter(|lock| *lock != WriteLock::None).map(WriteLock::name);
    }
    Some(step.effect().lock).filter(|lock| *lock != LockLevel::None).map(LockLevel::name)
}

/// Whether a step writes every row.
fn rewrites(store: &Store, step: &Step) -> bool {
    step.effect().rewrites || store.backend.capabilities().one_writer && step.write_lock() == WriteLock::Copy
}

/// What a step does to a table while it runs, in words; `None` in a store without tables, and where it does nothing.
fn effect(store: &Store, planned: &Planned) -> Option<String> {
    if !store.backend.capabilities().schema {
        return None;
    }
    let effect = planned.step.effect();
    let mut words: Vec<String> = lock(store, &planned.step).map(str::to_owned).into_iter().collect();
    // What holds everybody up says so itself.
    let said = store.backend.capabilities().one_writer && planned.step.write_lock() > WriteLock::Batches;
    if effect.rewrites {
        words.push("writes every row, in batches".to_owned());
    } else if effect.scans && !said {
        words.push("reads every row".to_owned());
    }
    if let Some(what) = effect.loses {
        words.push(format!("loses {what}"));
    }
    (!words.is_empty()).then(|| words.join(", "))
}

/// What writes through versions cost once a plan was carried out, by the model's name at the newest.
fn costs(store: &Store, plan: &Plan, oldest: u32) -> Vec<(String, Cost)> {
    let (catalog, capabilities) = (store.backend.catalog(), store.backend.capabilities());
    if !capabilities.schema || plan.undoes {
        return Vec::new();
    }
    let ability = Ability { knows_writer: capabilities.knows_writer };
    let mut out = Vec::new();
    for entry in &catalog.models {
        for era in entry.eras.iter().filter(|era| era.contains(plan.to)) {
            // What no table can hold is told where a step would make it.
            let Ok(table) = Table::new(&era.history, &versions(catalog, era, plan.to), ability) else { continue };
            out.extend(table.retire(oldest).costs().into_iter().map(|cost| (entry.name.clone(), cost)));
        }
    }
    out
}

fn show_costs(costs: &[(String, Cost)], ui: &Ui) -> Result<()> {
    for (model, cost) in costs {
        let names: Vec<String> = cost.properties.iter().map(|name| format!("`{name}`")).collect();
        let numbers: Vec<String> = cost.versions.iter().map(ToString::to_string).collect();
        let at = if numbers.len() == 1 { "version" } else { "versions" };
        let values = crate::ui::count(cost.computed, "value");
        let what = format!("{} of `{model}` at {at} {}", names.join(" or "), numbers.join(", "));
        ui.say(&format!("  {:9}  a write of {what} computes {values}", "writes"))?;
    }
    Ok(())
}

fn value(store: &Store, plan: Option<&Plan>, (remarks, scripts): Told<'_>, costs: &[(String, Cost)]) -> Value {
    let mut out = Object::new();
    out.insert("backend", store.name.as_str().into());
    out.insert("store", store.backend.name().as_str().into());
    let Some(plan) = plan else { return out.into() };
    out.insert("from", i64::from(plan.from).into());
    out.insert("to", i64::from(plan.to).into());
    out.insert("versions", Value::List(plan.versions.iter().map(|v| i64::from(v.number).into()).collect()));
    let steps = plan.steps.iter().enumerate().map(|(at, planned)| {
        let mut out = Object::new();
        out.insert("phase", planned.phase.name().into());
        out.insert("model", planned.step.model().into());
        out.insert("what", planned.step.to_string().as_str().into());
        if let Some(remarks) = remarks.get(at).filter(|remarks| !remarks.is_empty()) {
            out.insert("remarks", Value::List(remarks.iter().map(|remark| remark.as_str().into()).collect()));
        }
        if let Some(script) = scripts.get(at) {
            out.insert("sql", Value::List(script.iter().map(|statement| statement.as_str().into()).collect()));
        }
        if store.backend.capabilities().schema {
            let effect = planned.step.effect();
            out.insert("lock", lock(store, &planned.step).unwrap_or(LockLevel::None.name()).into());
            out.insert("rewrites", rewrites(store, &planned.step).into());
            out.insert("scans", effect.scans.into());
            out.insert("loses", effect.loses.map_or(Value::Null, Value::from));
        }
        if let Some(class) = &planned.class {
            out.insert("compatibility", class.compatibility().into());
            out.insert("loss", class.loss().into());
        }
        out.into()
    });
    out.insert("steps", Value::List(steps.collect()));
    if store.backend.capabilities().schema {
        let writes = costs.iter().map(|(model, cost)| {
            let versions = cost.versions.iter().map(|version| i64::from(*version).into());
            let properties = cost.properties.iter().map(|name| name.as_str().into());
            let computed = i64::try_from(cost.computed).unwrap_or(i64::MAX);
            Object::from_iter([
                ("model".into(), model.as_str().into()),
                ("versions".into(), Value::List(versions.collect())),
                ("properties".into(), Value::List(properties.collect())),
                ("computes".into(), computed.into()),
            ])
            .into()
        });
        out.insert("writes", Value::List(writes.collect()));
    }
    out.into()
}
