//! From what should become of a store to the steps that do it.

use coeval_store::catalog::{Catalog, Era};
use coeval_store::{Step, ledger::Action};

/// Returns the steps that lead from one version to another.
///
/// A model that begins or ends on the way goes as far as it is there: its records are brought to the shape of the version next to
/// the one that is asked for.
pub(crate) fn moves(catalog: &Catalog, from: u32, to: u32, scan: bool) -> Vec<Step> {
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
pub(crate) fn forgets(catalog: &Catalog, before: u32, in_force: u32) -> Vec<Step> {
    let older = catalog.models.iter().filter(|model| model.eras.iter().any(|era| era.first < before));
    older.map(|model| Step::ForgetRecords { model: model.name.clone(), before, to: in_force }).collect()
}

/// Returns the steps of an action.
pub(crate) fn lower(catalog: &Catalog, action: Action, from: u32, to: u32, scan: bool) -> Vec<Step> {
    match action {
        Action::Migrate | Action::Rollback => moves(catalog, from, to, scan),
        Action::Retire { before } => forgets(catalog, before, to),
    }
}

#[cfg(test)]
mod tests {
    use coeval_store::conformance::catalog::up_to;

    use super::*;

    fn told(from: u32, to: u32, scan: bool) -> Vec<String> {
        let steps = moves(&up_to(5).unwrap(), from, to, scan);
        let step = |step: &Step| match step {
            Step::MoveRecords { model, from, to } => format!("{model} {from}-{to}"),
            Step::ForgetRecords { model, before, to } => format!("{model} forget {before} {to}"),
        };
        steps.iter().map(step).collect()
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
