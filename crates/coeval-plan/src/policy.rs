//! Conditions that people demand of records, with what becomes of a write through an older version that breaks one.

use std::collections::{BTreeMap, BTreeSet};

use coeval_core::Model;
use coeval_core::expr::{Compiled, Input, Names, Scope};
use coeval_core::path::{Path, Segment};
use coeval_core::schema::{Constraint, Policy, Rule, Type};
use coeval_core::table::Tables;

use crate::table::{Table, Unsuitable, View, is_json};

/// A condition that holds at some versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The expression.
    pub expr: String,
    /// The version whose names it uses: the one that made it. Later versions may call or show otherwise what it is about.
    pub at: u32,
    /// What becomes of a write through an older version that breaks it.
    pub policy: Policy,
}

/// Returns the conditions that hold at a version, by their names.
///
/// # Errors
/// A policy that a table does not keep.
pub fn conditions(table: &Table<'_>, up_to: u32) -> Result<BTreeMap<String, Condition>, Unsuitable> {
    let mut held: BTreeMap<String, Condition> = BTreeMap::new();
    for view in table.stated().filter(|view| view.version <= up_to) {
        let Some(model) = table.model(view) else { continue };
        let facets = model.properties.iter().filter_map(|(_, property)| property.check.clone()).map(|expr| {
            let rule = Rule::Check(expr);
            Constraint { name: rule.default_name(), rule, policy: Policy::Reject }
        });
        let mut now = BTreeMap::new();
        for constraint in model.constraints.iter().cloned().chain(facets) {
            if let Rule::Check(expr) = constraint.rule {
                now.insert(constraint.name, (expr, constraint.policy));
            }
        }
        held.retain(|name, known| now.get(name).is_some_and(|(expr, policy)| *expr == known.expr && *policy == known.policy));
        for (name, (expr, policy)) in now {
            if held.contains_key(&name) {
                continue;
            }
            if let Policy::Repair(with) = &policy {
                repairable(model, &name, &expr, with)?;
            }
            held.insert(name, Condition { expr, at: view.version, policy });
        }
    }
    Ok(held)
}

/// Returns the conditions that a version's own clients are held to by its view, by their names: those that do not refuse what older
/// versions write.
///
/// # Errors
/// As [`conditions`].
pub fn guards(table: &Table<'_>, view: &View) -> Result<Vec<(String, Condition)>, Unsuitable> {
    let eased = |constraint: &Constraint| constraint.policy != Policy::Reject && matches!(constraint.rule, Rule::Check(_));
    if !table.model(view).is_some_and(|model| model.constraints.iter().any(eased)) {
        return Ok(Vec::new());
    }
    let all = conditions(table, view.version)?.into_iter();
    Ok(all.filter(|(_, condition)| condition.policy != Policy::Reject && stays(table, condition)).collect())
}

/// Returns whether there are columns for all that a condition reads: where only retired versions showed a part of it, it goes with that.
pub fn stays(table: &Table<'_>, condition: &Condition) -> bool {
    made_on(table, condition).into_iter().all(|at| table.standing(at).is_some())
}

/// Returns the column that a condition is repaired in; `None` where it is not repaired.
pub fn repaired(table: &Table<'_>, condition: &Condition) -> Option<usize> {
    let Policy::Repair(_) = condition.policy else { return None };
    columns_of(table, condition).into_iter().next()
}

/// Returns where a value can be written that repairs a condition, oldest first: views from a version on at which it holds and that show
/// what it is about, with the name that it has there.
///
/// # Errors
/// As [`conditions`].
pub fn mending<'t>(
    table: &'t Table<'_>,
    oldest: u32,
    name: &str,
    condition: &Condition,
) -> Result<Vec<(&'t View, &'t str)>, Unsuitable> {
    let mut out = Vec::new();
    let Some(column) = repaired(table, condition) else { return Ok(out) };
    for view in table.views.iter().filter(|view| view.version >= condition.at.max(oldest)) {
        let moved = || view.moved.iter().find(|moved| moved.column == column).map(|moved| &view.entries[moved.entry]);
        if let Some((shown, _)) = view.entries.iter().find(|(_, at)| *at == column).or_else(moved)
            && conditions(table, view.version)?.get(name) == Some(condition)
        {
            out.push((view, shown.as_str()));
        }
    }
    Ok(out)
}

/// Returns the conditions that are repaired, of all versions.
///
/// # Errors
/// As [`conditions`].
pub fn repairs(table: &Table<'_>) -> Result<Vec<(String, Condition)>, Unsuitable> {
    let mut out = Vec::new();
    for view in table.stated() {
        let repairs = |constraint: &Constraint| matches!(constraint.policy, Policy::Repair(_));
        if !table.model(view).is_some_and(|model| model.constraints.iter().any(repairs)) {
            continue;
        }
        for known in conditions(table, view.version)? {
            if matches!(known.1.policy, Policy::Repair(_)) && !out.contains(&known) {
                out.push(known);
            }
        }
    }
    Ok(out)
}

/// Returns the columns that a condition reads, as far as they are there.
pub fn columns_of(table: &Table<'_>, condition: &Condition) -> BTreeSet<usize> {
    made_on(table, condition).into_iter().filter_map(|at| table.standing(at)).collect()
}

/// The columns that a condition reads at the version that made it, retired or not.
pub(crate) fn made_on(table: &Table<'_>, condition: &Condition) -> BTreeSet<usize> {
    let view = table.stated().find(|view| view.version == condition.at);
    let Some((view, model)) = view.and_then(|view| Some((view, table.model(view)?))) else { return BTreeSet::new() };
    let Ok(compiled) = Compiled::compile(&condition.expr, &scope(model)) else { return BTreeSet::new() };
    let column = |input: &Input| {
        let Input::Property(path) = input else { return None };
        let Some(Segment::Name(first)) = path.segments().first() else { return None };
        view.entries_at(view.version).iter().find(|(name, _)| name == first).map(|(_, at)| *at)
    };
    compiled.inputs().iter().filter_map(column).collect()
}

fn scope(model: &Model) -> Scope<'_> {
    static NONE: std::sync::LazyLock<Tables> = std::sync::LazyLock::new(Tables::new);
    Scope { names: Names::Record(&model.properties), tables: &NONE, absent_is_null: true }
}

/// Whether a table can repair what breaks a condition: by another value of the one property that it reads.
fn repairable(model: &Model, name: &str, expr: &str, with: &str) -> Result<(), Unsuitable> {
    let unsuitable = |message: String, help: &str| Unsuitable { message, help: help.to_owned() };
    let wrong = |message: String| unsuitable(format!("`{name}` of `{}`: `{expr}`: {message}", model.name), "freeze it anew");
    let compiled = Compiled::compile(expr, &scope(model)).map_err(|invalid| wrong(invalid.message))?;
    let mut paths: Vec<&Path> = Vec::new();
    for input in compiled.inputs() {
        if let Input::Property(path) = input {
            paths.push(path);
        }
    }
    let read = match paths.as_slice() {
        [path] if path.segments().len() == 1 => path.last_name(),
        _ => None,
    };
    let Some((read, property)) = read.and_then(|read| Some((read, model.properties.get(read)?))) else {
        let message = format!("`{name}` of `{}` is repaired, and reads not just one property at the top: {expr}", model.name);
        return Err(unsuitable(message, "a repair gives one property another value: say `policy: reject` or `quarantine`"));
    };
    if is_json(&property.ty) || matches!(property.ty, Type::Json) {
        let message = format!("`{name}` of `{}` is repaired, and `{read}` is {}", model.name, property.ty.name());
        return Err(unsuitable(message, "only what has a column of its own is repaired: say `policy: reject` or `quarantine`"));
    }
    if model.key.iter().any(|key| key == read) {
        let message = format!("`{name}` of `{}` is repaired, and `{read}` is part of the key", model.name);
        return Err(unsuitable(message, "a record's key does not change: say `policy: reject` or `quarantine`"));
    }
    let fits = Compiled::compile(with, &scope(model)).and_then(|compiled| compiled.check_target(property));
    fits.map_err(|invalid| {
        let message = format!("what repairs `{name}` of `{}` is no value of `{read}`: {with}: {}", model.name, invalid.message);
        unsuitable(message, "an expression in the names of the version that makes the constraint gives the value to store")
    })
}
