//! From what should become of a store to the steps that do it.

use std::collections::BTreeSet;

use coeval_plan::table::{Ability, fit};
use coeval_plan::{Capabilities, ColumnSpec, Phase, Step};

use crate::catalog::{Catalog, Era, ModelEntry};
use crate::error::{Error, Result};
use crate::ledger::{Action, Happened, Ledger};
use crate::standalone::{pending, taken_back};

/// What is to become of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aim {
    /// What is done.
    pub action: Action,
    /// The version in force; 0 where there is none.
    pub from: u32,
    /// The version that is to be in force.
    pub to: u32,
    /// Whether records that are at older versions are moved even where no version is new.
    pub scan: bool,
    /// Whether a rollback only takes versions away from clients and keeps what they need, so that it is offered again at once.
    pub warm: bool,
}

/// Returns the steps that lead to an aim, in the order in which they are done.
///
/// Where a version's frozen document says what runs, that is what runs. What a warm rollback left is not made again.
///
/// # Errors
/// [`Error::Unsupported`] for what a table cannot hold.
pub fn lower(catalog: &Catalog, capabilities: Capabilities, ledger: &Ledger, aim: Aim) -> Result<Vec<Step>> {
    let Aim { action, from, to, scan, warm } = aim;
    // How far the tables are, which is further than the version in force after a warm rollback.
    let made = ledger.made().max(from);
    if !capabilities.schema && catalog.standalone.is_some() {
        let (what, reason) = ("standalone migrations".to_owned(), "a store of documents does not execute them".to_owned());
        return Err(Error::Unsupported { what, reason });
    }
    let standalone = |refusal: coeval_plan::standalone::Refusal| Error::failed("standalone migrations", refusal.to_string());
    match (action, capabilities.schema) {
        (Action::Rollback, false) if warm => Ok(Vec::new()),
        (Action::Migrate | Action::Rollback, false) => Ok(moves(catalog, from, to, scan)),
        (Action::Retire { before }, false) => Ok(forgets(catalog, before, to)),
        (Action::Migrate, true) => {
            let mut steps = if to > made { expand(catalog, capabilities, ledger, action, (made, to))? } else { Vec::new() };
            if from != to {
                steps.push(Step::CreateViews { from, to });
            }
            steps.extend(pending(catalog, ledger, to).map_err(standalone)?);
            Ok(steps)
        }
        (Action::Rollback, true) if from == to => taken_back(catalog, ledger, from, to).map_err(standalone),
        (Action::Rollback, true) => {
            // What stays warm is what clients come back to, and what was written for it.
            let mut steps = if warm { Vec::new() } else { taken_back(catalog, ledger, from, to).map_err(standalone)? };
            steps.push(Step::DropViews { from, to });
            if !warm {
                for step in expand(catalog, capabilities, ledger, action, (to, made))?.iter().rev() {
                    let cannot = || Error::Unsupported { what: step.to_string(), reason: "it cannot be taken back".to_owned() };
                    steps.push(step.reverse().ok_or_else(cannot)?);
                }
            }
            Ok(steps)
        }
        // What is warm goes on being kept.
        (Action::Retire { before }, true) => contract(catalog, capabilities, before, made.max(to)),
    }
}

fn unsuitable(model: &ModelEntry) -> impl Fn(coeval_plan::table::Unsuitable) -> Error + '_ {
    |unsuitable| Error::Unsupported {
        what: format!("the model `{}` in a table", model.name),
        reason: format!("{unsuitable}; {}", unsuitable.help),
    }
}

/// The steps that bring tables from one version to a later one: those of all versions and models, phase by phase.
fn expand(
    catalog: &Catalog,
    capabilities: Capabilities,
    ledger: &Ledger,
    action: Action,
    (from, to): (u32, u32),
) -> Result<Vec<Step>> {
    let ability = Ability { knows_writer: capabilities.knows_writer };
    let is_kept = || ledger.entries().iter().any(|entry| takes_back(&entry.happened));
    let at_once = action == Action::Migrate && (capabilities.archives_records || !is_kept());
    let mut steps = Vec::new();
    for model in &catalog.models {
        for era in model.eras.iter().filter(|era| era.first <= to && era.end.is_none_or(|end| end > from)) {
            let last = era.end.map_or(to, |end| to.min(end.saturating_sub(1)));
            let start = (from >= era.first).then_some(from);
            let lowered = || {
                let lower = |start, last| {
                    let versions = versions(catalog, era, last);
                    coeval_plan::lower(&model.name, &era.history, &versions, start, last, ability).map_err(unsuitable(model))
                };
                let Some(start) = start else { return lower(None, last) };
                // As frozen versions say it: each goes on where the one before it ends, in what it computes and in what is kept of it.
                let changed: Vec<u32> = era.history.versions().filter(|version| *version > start && *version <= last).collect();
                let mut out = Vec::new();
                for version in changed {
                    out.extend(lower(Some(version - 1), version)?);
                }
                Ok(out)
            };
            let own = match frozen(catalog, model, era, start, last) {
                Some(frozen) => {
                    // What is there is taken back as it was made.
                    if action == Action::Migrate {
                        agree(model, &frozen, &lowered()?)?;
                    }
                    frozen
                }
                None => lowered()?,
            };
            steps.extend(together(own, at_once));
        }
    }
    steps.sort_by_key(order);
    Ok(steps)
}

/// When a step is done: what is proved of columns of several versions is proved at one go.
fn order(step: &Step) -> (Phase, u8) {
    let kind = match step {
        Step::AddCheck { .. } => 0,
        Step::SetNotNull { .. } => 1,
        Step::DropNotNull { .. } => 2,
        _ if step.phase() == Phase::Validate => 3,
        _ => 0,
    };
    (step.phase(), kind)
}

/// The steps of several versions of one table, in order, with those that are done once for all of them: its triggers are rebuilt when all
/// columns are there, and let follow writes at the end. `at_once` says that columns are filled in by one backfill: not where something
/// was kept when versions were taken back, which comes back with each, for the next one to be computed from.
fn together(mut steps: Vec<Step>, at_once: bool) -> Vec<Step> {
    // What one version demands and a later one does not any more is not demanded where the run makes the column, nor again where it
    // takes it back.
    let makes = |name: &str| {
        steps.iter().any(|step| match step {
            Step::AddColumn { column, .. } => column.name == name,
            step => matches!(step, Step::CreateTable { .. }),
        })
    };
    let given_up = |step: &Step| match step {
        Step::DropNotNull { column, .. } if makes(column) => Some(column.clone()),
        _ => None,
    };
    let given_up: BTreeSet<String> = steps.iter().filter_map(given_up).collect();
    steps.retain(|step| match step {
        Step::SetNotNull { column, .. } | Step::DropNotNull { column, .. } => !given_up.contains(column),
        _ => true,
    });
    steps.sort_by_key(order);
    let mut out: Vec<Step> = Vec::new();
    for mut step in steps {
        match (&mut step, out.last_mut()) {
            (Step::RebuildTriggers { from, .. }, _) => {
                let earlier = out.iter().position(|step| matches!(step, Step::RebuildTriggers { .. })).map(|at| out.remove(at));
                if let Some(Step::RebuildTriggers { from: first, .. }) = earlier {
                    *from = first;
                }
                out.push(step);
            }
            (Step::WatchColumns { to, .. }, Some(Step::WatchColumns { to: until, .. })) => *until = *to,
            (Step::Backfill { to, columns, .. }, Some(Step::Backfill { to: until, columns: known, .. })) if at_once => {
                *until = *to;
                known.append(columns);
            }
            _ => out.push(step),
        }
    }
    out
}

/// Whether something may have been kept of versions that were taken back.
fn takes_back(happened: &Happened) -> bool {
    match happened {
        Happened::Started(started) => started.action == Action::Rollback,
        Happened::Undone { .. } => true,
        _ => false,
    }
}

/// Refuses frozen steps that do not make the columns that triggers and views of the versions are about: those that another state of this
/// program made, or of tables that were laid out otherwise.
fn agree(model: &ModelEntry, frozen: &[Step], lowered: &[Step]) -> Result<()> {
    fn columns(steps: &[Step]) -> impl Iterator<Item = &ColumnSpec> {
        steps.iter().flat_map(|step| match step {
            Step::CreateTable { columns, .. } => columns.as_slice(),
            Step::AddColumn { column, .. } => std::slice::from_ref(column),
            _ => &[],
        })
    }
    let alike = |column: &ColumnSpec, other: &ColumnSpec| {
        other.name == column.name && other.holds == column.holds && other.property.ty == column.property.ty
    };
    let refused = |what: String| Error::Unsupported {
        what: format!("the frozen steps of the model `{}`", model.name),
        reason: format!(
            "its versions need {what}, which they do not do: another coeval froze them; freeze these versions again with this one where \
             they are applied nowhere, or go on with that one"
        ),
    };
    let missing = |column: &&ColumnSpec| !columns(frozen).any(|other| alike(column, other));
    if let Some(column) = columns(lowered).find(missing) {
        return Err(refused(format!("to make the column `{}` ({})", column.name, column.property.ty.name())));
    }
    let kept = |step: &&Step| matches!(step, Step::DropNotNull { .. }) && !frozen.contains(step);
    lowered.iter().find(kept).map_or(Ok(()), |step| Err(refused(format!("to {step}"))))
}

/// What the frozen documents of a model say that leads from one version to a later one; `None` where one of them does not say.
fn frozen(catalog: &Catalog, model: &ModelEntry, era: &Era, from: Option<u32>, to: u32) -> Option<Vec<Step>> {
    let changed = era.history.versions().filter(|version| *version <= to && from.is_none_or(|from| *version > from));
    let mut out = Vec::new();
    for version in changed {
        out.extend(catalog.frozen.get(&(model.name.clone(), version))?.iter().cloned());
    }
    Some(out)
}

/// The versions of an era up to one, those that leave the model alone too.
pub fn versions(catalog: &Catalog, era: &Era, up_to: u32) -> Vec<u32> {
    catalog.versions.iter().map(|version| version.number).filter(|version| *version <= up_to && era.contains(*version)).collect()
}

fn contract(catalog: &Catalog, capabilities: Capabilities, before: u32, made: u32) -> Result<Vec<Step>> {
    let ability = Ability { knows_writer: capabilities.knows_writer };
    let mut steps = vec![Step::RetireViews { before }];
    for model in &catalog.models {
        for era in model.eras.iter().filter(|era| era.first < before) {
            if era.end.is_some_and(|end| end <= before) {
                let first = era.history.model(era.first).map(|model| fit(&model.name)).unwrap_or_default();
                steps.push(Step::ForgetTable { model: model.name.clone(), table: first });
                continue;
            }
            let last = era.end.map_or(made, |end| made.min(end.saturating_sub(1)));
            let versions = versions(catalog, era, last);
            let lowered = coeval_plan::contract(&model.name, &era.history, &versions, before, ability);
            steps.extend(lowered.map_err(unsuitable(model))?);
        }
    }
    Ok(steps)
}

/// Returns the steps that lead from one version to another in a store of documents.
///
/// A model that begins or ends on the way goes as far as it is there: its records are brought to the shape of the version next to
/// the one that is asked for.
fn moves(catalog: &Catalog, from: u32, to: u32, scan: bool) -> Vec<Step> {
    let (low, high) = (from.min(to), from.max(to));
    let mut out = Vec::new();
    for model in &catalog.models {
        for era in model.eras.iter().filter(|era| era.first <= high && era.end.is_none_or(|end| end > low)) {
            let (start, goal) = (within(era, from), within(era, to));
            let changes = era.shape(start) != era.shape(goal);
            let looked_through = scan && era.contains(to) && era.history.versions().count() > 1;
            if changes || looked_through {
                out.push(Step::MoveRecords { model: model.name.clone(), from: start, to: goal });
            }
        }
    }
    out
}

/// The version of an era that is nearest to a version.
fn within(era: &Era, version: u32) -> u32 {
    let last = era.end.map_or(u32::MAX, |end| end.saturating_sub(1));
    version.clamp(era.first, last.max(era.first))
}

/// Returns the steps that drop what only versions before one could see.
fn forgets(catalog: &Catalog, before: u32, in_force: u32) -> Vec<Step> {
    let older = catalog.models.iter().filter(|model| model.eras.iter().any(|era| era.first < before));
    older.map(|model| Step::ForgetRecords { model: model.name.clone(), before, to: in_force }).collect()
}

#[cfg(test)]
mod tests {
    use crate::conformance::catalog::{tables_up_to, up_to};

    use coeval_plan::RecordStep;

    use super::*;

    fn told(from: u32, to: u32, scan: bool) -> Vec<String> {
        let steps = moves(&up_to(5).unwrap(), from, to, scan);
        let step = |step: &Step| match step.on_records() {
            Some(RecordStep::Move { model, from, to }) => format!("{model} {from}-{to}"),
            Some(RecordStep::Forget { model, before, to }) => format!("{model} forget {before} {to}"),
            None => step.to_string(),
        };
        steps.iter().map(step).collect()
    }

    #[test]
    fn frozen_steps_that_do_not_make_what_versions_need_are_refused() {
        let capabilities = Capabilities {
            schema: true,
            transactions: true,
            conditional_delete: true,
            revisions: false,
            metadata: false,
            knows_writer: true,
            one_writer: false,
            archives_records: false,
        };
        let aim = |action, from, to| Aim { action, from, to, scan: false, warm: false };
        let lowered = |catalog: &Catalog, aim| lower(catalog, capabilities, &Ledger::default(), aim);
        let mut catalog = tables_up_to(2).unwrap();
        let steps = lowered(&catalog, aim(Action::Migrate, 1, 2)).unwrap();
        let own = |step: &&Step| step.model() == "task" && !matches!(step, Step::CreateViews { .. });
        let own: Vec<Step> = steps.iter().filter(own).cloned().collect();
        catalog.frozen.insert(("task".to_owned(), 2), own.clone());
        assert_eq!(lowered(&catalog, aim(Action::Migrate, 1, 2)).unwrap(), steps);
        let mut other = own;
        for step in &mut other {
            if let Step::AddColumn { column, .. } = step {
                column.name.push_str("_other");
            }
        }
        catalog.frozen.insert(("task".to_owned(), 2), other);
        let refused = lowered(&catalog, aim(Action::Migrate, 1, 2)).unwrap_err().to_string();
        assert!(refused.contains("frozen steps of the model `task`") && refused.contains("they do not do"), "{refused}");
        lowered(&catalog, aim(Action::Rollback, 2, 1)).unwrap();
    }

    #[test]
    fn models_that_do_not_change_are_left_alone() {
        let none: [&str; 0] = [];
        assert_eq!(told(0, 1, false), none);
        assert_eq!(told(0, 3, false), ["task 1-3"]);
        assert_eq!(told(3, 4, false), none);
        assert_eq!(told(4, 5, false), ["task 4-5"]);
        assert_eq!(told(5, 0, false), ["task 5-1"]);
        assert_eq!(told(3, 3, false), none);
        assert_eq!(told(3, 3, true), ["task 3-3"]);
        assert_eq!(forgets(&up_to(5).unwrap(), 2, 5).len(), 1);
        assert_eq!(forgets(&up_to(5).unwrap(), 3, 5).len(), 2);
    }
}
