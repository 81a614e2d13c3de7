//! From versions of a model to the steps that bring its table from one to another.

use std::collections::BTreeSet;

use coeval_core::Value;
use coeval_core::history::History;
use coeval_core::schema::{Policy, Property, Type};

use crate::constraint::{Demand, demanded, demands};
use crate::policy::{Condition, conditions, made_on, mending};
use crate::step::{ColumnSpec, Holds, Phase, Step};
use crate::table::{Ability, Column, Held, MARKER, Table, Unsuitable, View, fit};

/// Returns the steps that bring the table of a model from a version to a later one, in the order of their phases; `from` is
/// `None` where there is no table yet, or one that is taken over. `versions` are those of the model's era up to `to`. The views are
/// the backend's, since they appear for all models at once.
///
/// The same histories give the same steps.
///
/// # Errors
/// What a table cannot hold.
pub fn lower(
    model: &str,
    history: &History,
    versions: &[u32],
    from: Option<u32>,
    to: u32,
    ability: Ability,
) -> Result<Vec<Step>, Unsuitable> {
    let table = Table::new(history, versions, ability)?;
    let owned = model.to_owned();
    if table.views.iter().all(|view| view.version > to) {
        return Ok(Vec::new());
    }
    let marked = |version: u32| table.views.iter().any(|view| view.version <= version && view.marked) && !ability.knows_writer;
    let marker =
        || ColumnSpec { name: MARKER.to_owned(), holds: Holds::Marker, property: Property::new(Type::Integer), default: None };
    let mut steps = Vec::new();
    let before = from.filter(|from| table.views.iter().any(|view| view.version <= *from));
    // A table that was there before has the columns of the first version only; those of later ones are added to it.
    if let (None, Some(first)) = (before, table.views.first().map(|view| view.version).filter(|first| *first < to))
        && table.is_adopted()
    {
        let mut steps = lower(model, history, versions, None, first, ability)?;
        steps.extend(lower(model, history, versions, Some(first), to, ability)?);
        return Ok(steps);
    }
    let Some(from) = before else {
        let mut columns: Vec<ColumnSpec> = table.columns_up_to(to).into_iter().map(|at| spec(&table.columns[at])).collect();
        if marked(to) {
            columns.push(marker());
        }
        let key = table.key().into_iter().map(|at| table.columns[at].name.clone()).collect();
        steps.push(Step::CreateTable { model: owned.clone(), table: fit(&table.name), columns, key });
        if computes(&table, to) {
            steps.push(Step::RebuildTriggers { model: owned.clone(), from: 0, to });
        }
        let mut rules = rules(model, &table, None, to)?;
        // A table that was there before has its indexes, and what it refuses.
        if table.is_adopted() {
            rules.retain(|step| matches!(step, Step::AddCondition { policy, .. } if *policy != Policy::Reject));
        }
        let watch = computes(&table, to).then_some(Step::WatchColumns { model: owned, from: 0, to });
        steps.extend(in_order(rules, watch));
        return Ok(steps);
    };
    let old: BTreeSet<usize> = table.columns_up_to(from).into_iter().collect();
    let new: Vec<usize> = table.columns_up_to(to).into_iter().filter(|at| !old.contains(at)).collect();
    if marked(to) && !marked(from) {
        steps.push(Step::AddColumn { model: owned.clone(), column: marker() });
    }
    for at in &new {
        steps.push(Step::AddColumn { model: owned.clone(), column: spec(&table.columns[*at]) });
    }
    let computed: Vec<usize> = new.iter().copied().filter(|at| is_computed(&table.columns[*at])).collect();
    // A table's triggers speak of versions: they change wherever a version shows other columns than the one before.
    let triggers = computes(&table, to) && table.views.iter().any(|view| view.version > from && view.version <= to) && {
        let shown = |version: u32| {
            let view = table.views.iter().rev().find(|view| view.version <= version);
            view.map(|view| view.entries_at(version).iter().map(|(_, at)| *at).collect::<BTreeSet<_>>())
        };
        !new.is_empty() || shown(from) != shown(to)
    };
    if triggers {
        steps.push(Step::RebuildTriggers { model: owned.clone(), from, to });
    }
    let names = |at: &[usize]| at.iter().map(|at| table.columns[*at].name.clone()).collect::<Vec<_>>();
    if !new.is_empty() {
        steps.push(Step::Backfill { model: owned.clone(), from, to, columns: names(&new) });
    }
    for at in &new {
        let column = &table.columns[*at];
        if matches!(column.held, Held::Shown { .. }) {
            steps.push(Step::AddCheck { model: owned.clone(), column: spec(column) });
        }
    }
    for at in &computed {
        let column = &table.columns[*at];
        if column.is_never_null() && table.signs_of(*at).is_empty() {
            steps.push(Step::SetNotNull { model: owned.clone(), column: column.name.clone() });
        }
    }
    // What a newer version may not be able to compute hides a row, which was refused before.
    for at in &old {
        let column = &table.columns[*at];
        let signs = table.signs_of(*at);
        let shown = matches!(column.held, Held::Shown { .. });
        if shown && column.is_never_null() && !signs.is_empty() && signs.iter().all(|sign| new.contains(sign)) {
            steps.push(Step::DropNotNull { model: owned.clone(), column: column.name.clone() });
        }
    }
    let watch = triggers.then_some(Step::WatchColumns { model: owned, from, to });
    steps.extend(in_order(rules(model, &table, Some(from), to)?, watch));
    Ok(steps)
}

/// Rules, and what lets triggers follow writes at new versions: before it what is proved, after it what is written as they would.
fn in_order(rules: Vec<Step>, watch: Option<Step>) -> Vec<Step> {
    let (repairs, proofs): (Vec<Step>, Vec<Step>) = rules.into_iter().partition(|step| step.phase() == Phase::Activate);
    proofs.into_iter().chain(watch).chain(repairs).collect()
}

/// Returns the steps that drop what only versions before one needed, for good. `versions` are those of the model's era up to the
/// one in force.
///
/// # Errors
/// As [`lower`].
pub fn contract(
    model: &str,
    history: &History,
    versions: &[u32],
    before: u32,
    ability: Ability,
) -> Result<Vec<Step>, Unsuitable> {
    let table = Table::new(history, versions, ability)?;
    let last = versions.last().copied().unwrap_or_default();
    let needed = needed(&table, before);
    let retired = Table::new(history, versions, ability)?.retire(before);
    let (mut moved, mut dropped) = (Vec::new(), Vec::new());
    for (name, condition) in conditions(&table, last)? {
        let columns = made_on(&table, &condition);
        let stay: Option<Vec<usize>> = columns.iter().map(|at| table.alike(*at, |at| needed.contains(&at))).collect();
        let unrepaired = match condition.policy {
            Policy::Repair(_) => mending(&retired, before, &name, &condition)?.is_empty(),
            Policy::Reject | Policy::Quarantine => false,
        };
        match stay {
            // It goes with what it is about.
            None => dropped.push(drop_condition(model, name, condition)),
            Some(_) if unrepaired => dropped.push(drop_condition(model, name, condition)),
            Some(stay) if !columns.iter().eq(&stay) => moved.push(add_condition(model, name, condition)),
            Some(_) => {}
        }
    }
    // As long as triggers still write both columns.
    let mut steps = moved;
    if table.views.iter().any(|view| view.version < before) && computes(&table, last) {
        steps.push(Step::RebuildTriggers { model: model.to_owned(), from: last, to: last });
    }
    let mut stay = demanded(&retired, last)?;
    // What a table had before it was taken over goes with its columns only.
    if let Some(first) = table.views.first().filter(|_| table.is_adopted()) {
        stay.extend(demanded(&table, first.version)?);
    }
    let gone = demands(&table, last)?.into_iter().filter(|(name, _)| !stay.contains(name));
    steps.extend(gone.filter_map(|(name, demand)| make(model, &name, &demand).reverse()));
    steps.extend(dropped);
    for at in table.columns_up_to(last).into_iter().filter(|at| !needed.contains(at)) {
        steps.push(Step::ForgetColumn { model: model.to_owned(), column: table.columns[at].name.clone() });
    }
    Ok(steps)
}

/// The columns that the versions from one on have need of: what they show, what says that they cannot, what is kept between them.
pub fn needed(table: &Table<'_>, before: u32) -> BTreeSet<usize> {
    let live: Vec<&View> = table.views.iter().filter(|view| view.version >= before).collect();
    let mut needed: BTreeSet<usize> = live.iter().flat_map(|view| view.columns()).collect();
    needed.extend(live.iter().flat_map(|view| view.hiding.iter().copied()));
    needed.extend(table.key());
    let floor = live.first().map_or(0, |view| view.time);
    for (at, column) in table.columns.iter().enumerate() {
        if let Held::Hidden { node, time, end } = column.held
            && end > floor
        {
            needed.insert(at);
            needed.extend(table.failed(node).into_iter().chain(table.unfit(node, time)));
        }
    }
    needed
}

/// Whether a write through a version up to this one computes anything.
fn computes(table: &Table<'_>, to: u32) -> bool {
    table.views.iter().any(|view| view.version <= to && view.marked)
}

fn is_computed(column: &Column) -> bool {
    column.constant.is_none() && column.held != Held::Id
}

fn spec(column: &Column) -> ColumnSpec {
    let holds = match column.held {
        Held::Shown { .. } => Holds::Value,
        Held::Hidden { .. } => Holds::Hidden,
        Held::Failed { .. } | Held::Unfit { .. } => Holds::Failure,
        Held::Id => Holds::Id,
    };
    let default = column.constant.clone().flatten().filter(|value| *value != Value::Null);
    let mut property = column.property.clone();
    // What a version gives to records born in it is its view's, and what it demands of several rows is an index.
    (property.default, property.unique, property.index, property.check, property.description) = (None, false, false, None, None);
    plain(&mut property.ty);
    ColumnSpec { name: column.name.clone(), holds, property, default }
}

/// Leaves out what says nothing about a value's shape: what is filled in, and what tells items apart. Neither need fit any more where
/// later operations changed what they are about.
fn plain(ty: &mut Type) {
    match ty {
        Type::Object(properties) => {
            let inner = properties.iter().map(|(name, property)| (name.to_owned(), property.clone()));
            let inner: Vec<(String, Property)> = inner.collect();
            for (name, mut property) in inner {
                property.default = None;
                plain(&mut property.ty);
                properties.insert(&name, property);
            }
        }
        Type::Array { items, key } => {
            *key = None;
            items.default = None;
            plain(&mut items.ty);
        }
        Type::Map { values } => {
            values.default = None;
            plain(&mut values.ty);
        }
        Type::Union { .. }
        | Type::String
        | Type::Integer
        | Type::Number
        | Type::Float
        | Type::Boolean
        | Type::Decimal { .. }
        | Type::Date
        | Type::Time
        | Type::Datetime
        | Type::Uuid
        | Type::Bytes
        | Type::Json
        | Type::Enum { .. }
        | Type::Ref { .. } => {}
    }
}

fn rules(model: &str, table: &Table<'_>, before: Option<u32>, after: u32) -> Result<Vec<Step>, Unsuitable> {
    let mut old = before.map(|version| demands(table, version)).transpose()?.unwrap_or_default();
    let mut new = demands(table, after)?;
    // What a table had before it was taken over stays, whatever versions say.
    if let Some(first) = table.views.first().filter(|_| table.is_adopted()) {
        for name in demands(table, first.version)?.keys() {
            old.remove(name);
            new.remove(name);
        }
    }
    // What takes the place of something is there before that goes.
    let mut steps: Vec<Step> =
        new.iter().filter(|(name, _)| !old.contains_key(*name)).map(|(name, demand)| make(model, name, demand)).collect();
    let gone = old.iter().filter(|(name, _)| !new.contains_key(*name));
    steps.extend(gone.filter_map(|(name, demand)| make(model, name, demand).reverse()));
    let old = before.map(|version| conditions(table, version)).transpose()?.unwrap_or_default();
    let new = conditions(table, after)?;
    for (name, condition) in old.iter().filter(|(name, rule)| new.get(*name) != Some(rule)) {
        steps.push(drop_condition(model, name.clone(), condition.clone()));
    }
    for (name, condition) in new.iter().filter(|(name, rule)| old.get(*name) != Some(rule)) {
        steps.push(add_condition(model, name.clone(), condition.clone()));
    }
    Ok(steps)
}

fn make(model: &str, name: &str, demand: &Demand) -> Step {
    let (model, name) = (model.to_owned(), name.to_owned());
    match demand.clone() {
        Demand::Index { columns, unique } => Step::CreateIndex { model, name, columns, unique },
        Demand::Reference { column, model: references } => Step::AddForeignKey { model, name, column, references },
    }
}

fn add_condition(model: &str, name: String, condition: Condition) -> Step {
    let Condition { expr, at, policy } = condition;
    Step::AddCondition { model: model.to_owned(), name, expr, at, policy }
}

fn drop_condition(model: &str, name: String, condition: Condition) -> Step {
    let Condition { expr, at, policy } = condition;
    Step::DropCondition { model: model.to_owned(), name, expr, at, policy }
}

#[cfg(test)]
mod tests {
    use coeval_core::history::Release;
    use coeval_core::op::{Context, Operation, Rewrites};
    use coeval_core::schema::no_shared_types;
    use coeval_core::table::Tables;
    use coeval_core::{Model, json};

    use super::*;

    fn history(properties: &str, releases: &[String]) -> History {
        let parse = |text: &str| json::parse(text.as_bytes()).unwrap();
        let text = format!(r#"{{"type": "model", "name": "item", "properties": {properties}}}"#);
        let model = Model::from_value(&parse(&text), &no_shared_types).unwrap();
        let releases: Vec<Release> = (2..)
            .zip(releases)
            .map(|(version, operation)| Release {
                version,
                operations: vec![Operation::from_value(&parse(operation)).unwrap()],
                order: None,
            })
            .collect();
        History::new(1, model, &releases, &Context { tables: &Tables::new(), rewrites: &Rewrites::new() }).unwrap()
    }

    #[test]
    fn properties_that_are_split_and_merged_again_and_again_are_laid_out_in_time() {
        let split = r#"{"transform": {"up": {"first": "split_part(name, ' ', 1)", "last": "split_part(name, ' ', 2)"},
            "down": {"name": "first || ' ' || last"}, "schemas": {"first": "string", "last": "string"}}}"#;
        let merge = r#"{"transform": {"up": {"name": "first || ' ' || last"},
            "down": {"first": "split_part(name, ' ', 1)", "last": "split_part(name, ' ', 2)"}, "schemas": {"name": "string"}}}"#;
        let releases: Vec<String> = (0..80).map(|nth| if nth % 2 == 0 { split } else { merge }.to_owned()).collect();
        let history = history(r#"{"name": "string"}"#, &releases);
        let versions: Vec<u32> = (1..=81).collect();
        assert!(!lower("item", &history, &versions, None, 81, Ability { knows_writer: false }).unwrap().is_empty());
    }

    #[test]
    fn what_a_later_version_cannot_convert_changes_no_step_of_an_earlier_one() {
        let retype = |ty: &str, up: &str, down: &str, on_fail: &str| {
            let (up, down) = (format!(r#""up": "{up}""#), format!(r#""down": "{down}""#));
            format!(r#"{{"retype_property": {{"path": "a", "schema": "{ty}", {up}, {down}{on_fail}}}}}"#)
        };
        let hides = r#", "on_fail": {"up": "reject", "down": "quarantine"}"#;
        let releases = [
            retype("boolean", "a = 'yes'", "case when a then 'yes' else 'no' end", ""),
            retype("string", "case when a then '1' else '0' end", "cast(a as integer) > 0", hides),
        ];
        let ability = Ability { knows_writer: false };
        let known = history(r#"{"a": "string"}"#, &releases[..1]);
        let later = history(r#"{"a": "string"}"#, &releases);
        let steps = lower("item", &known, &[1, 2], Some(1), 2, ability).unwrap();
        assert_eq!(lower("item", &later, &[1, 2], Some(1), 2, ability).unwrap(), steps);
        // The version that brings it brings the columns that say so, of what follows from it too.
        let added = lower("item", &later, &[1, 2, 3], Some(2), 3, ability).unwrap();
        let failed = added.iter().filter(|step| matches!(step, Step::AddColumn { column, .. } if column.holds == Holds::Failure));
        assert_eq!(failed.count(), 2);
    }

    #[test]
    fn indexes_whose_columns_read_alike_are_both_made() {
        let text = r#"{"type": "model", "name": "item", "properties": {"a": "string", "a_b": "string", "b_c": "string", "c": "string"},
            "constraints": [{"index": ["a_b", "c"]}, {"index": ["a", "b_c"]}, {"unique": ["a", "b_c"]}]}"#;
        let model = Model::from_value(&json::parse(text.as_bytes()).unwrap(), &no_shared_types).unwrap();
        let context = Context { tables: &Tables::new(), rewrites: &Rewrites::new() };
        let history = History::new(1, model, &[], &context).unwrap();
        let steps = lower("item", &history, &[1], None, 1, Ability { knows_writer: false }).unwrap();
        let indexes = steps.iter().filter_map(|step| match step {
            Step::CreateIndex { name, columns, .. } => Some((name.as_str(), columns.join(" "))),
            _ => None,
        });
        let expected = [("item_a_b_c_idx", "a_b c"), ("item_a_b_c_idx_2", "a b_c"), ("item_a_b_c_key", "a b_c")];
        assert_eq!(indexes.collect::<Vec<_>>(), expected.map(|(name, columns)| (name, columns.to_owned())));
    }
}
