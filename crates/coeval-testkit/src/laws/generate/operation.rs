//! Generated operations: proposals for a model, some of which its checks refuse.

use std::collections::BTreeMap;

use coeval_core::history::OnFail;
use coeval_core::op::{
    AddConstraint, AddProperty, MapEnum, MapKeys, MoveProperty, Operation, Policies, RelaxProperty, RemoveProperty,
    RenameProperty, RequireProperty, Rewrite, SetAdditional, SetDefault, SetNullable, UnwrapList, WrapList,
};
use coeval_core::path::{Path, Segment};
use coeval_core::schema::{Constraint, Model, Policy, Property, Rule, Type};

use super::convert;
use super::place::{Place, containers, literal, places, spell};
use super::value::{NAMES, enum_values, faceted, key, property, value};
use crate::rng::Rng;

/// Kinds of proposals, more frequent ones repeated.
pub(super) const KINDS: &[&str] = &[
    "add",
    "add",
    "add",
    "remove",
    "remove",
    "rename",
    "swap",
    "reuse",
    "move",
    "move",
    "move",
    "retype",
    "retype",
    "retype",
    "retype",
    "nullable",
    "require",
    "require",
    "relax",
    "default",
    "additional",
    "enum",
    "enum",
    "wrap",
    "unwrap",
    "keys",
    "transform",
    "transform",
    "transform",
    "rewrite",
    "constraint",
];

/// Kinds that tie properties by groups.
pub(super) const GROUPS: &[&str] =
    &["retype", "transform", "transform", "transform", "rewrite", "enum", "wrap", "require", "nullable"];

/// Kinds for values that follow others.
pub(super) const FOLLOWING: &[&str] = &["following", "following", "following", "remove", "retype", "transform", "rename"];

/// Returns operations of a kind for a model; several where they only make sense together.
pub(super) fn propose(rng: &mut Rng, model: &Model, kind: &str) -> Option<Vec<Operation>> {
    let all = places(model);
    let one = |operation: Operation| Some(vec![operation]);
    match kind {
        "add" => one(add(rng, model, &all, false)?),
        "following" => one(add(rng, model, &all, true)?),
        "remove" => one(remove(rng, &all)?),
        "rename" => one(rename(rng, model, &all)?),
        "swap" => swap(rng, &all),
        "reuse" => reuse(rng, model),
        "move" => relocate(rng, model, &all),
        "retype" => one(convert::retype(rng, &all)?),
        "transform" => one(convert::transform(rng, model, &all)?),
        "nullable" | "require" | "relax" => one(facet(rng, &all, kind)?),
        "default" => one(set_default(rng, &all)?),
        "additional" => {
            let path = rng.pick(&containers(model)).cloned()?;
            one(Operation::SetAdditional(SetAdditional { path, additional: rng.chance(60) }))
        }
        "enum" => one(map_enum(rng, &all)?),
        "wrap" => {
            let place = rng.pick(&all)?;
            let empty = rng.chance(70).then(|| value(rng, &place.property));
            one(Operation::WrapList(WrapList { path: place.path.clone(), empty }))
        }
        "unwrap" => one(unwrap(rng, &all)?),
        "keys" => one(map_keys(rng, &all)?),
        "rewrite" => one(rewrite(rng, model, &all)?),
        _ => one(constraint(rng, &all)?),
    }
}

/// Returns a name for a property; often one that another has or had.
fn name(rng: &mut Rng) -> &'static str {
    rng.one(NAMES)
}

/// Returns the properties that an expression of the record, or of an element, can read.
pub(super) fn sources(all: &[Place], within: &Path, except: &Path) -> Vec<Place> {
    all.iter().filter(|place| place.within() == *within && !except.contains(&place.path)).cloned().collect()
}

fn add(rng: &mut Rng, model: &Model, all: &[Place], follow: bool) -> Option<Operation> {
    let containers = containers(model);
    let container = if rng.chance(50) { Path::root() } else { rng.pick(&containers).cloned()? };
    let path = container.join(name(rng));
    let schema = property(rng, if follow { 0 } else { 2 });
    let choice = if follow { 2 } else { rng.below(3) };
    let value = match choice {
        0 => None,
        1 => constant(rng, &schema),
        _ => {
            let within = path.split_element().0;
            following(rng, &schema, &sources(all, &within, &path), &within)
        }
    };
    if follow && value.is_none() {
        return None;
    }
    Some(Operation::AddProperty(AddProperty { path, schema: Some(schema), value }))
}

fn remove(rng: &mut Rng, all: &[Place]) -> Option<Operation> {
    let place = rng.pick(all)?;
    let value = match rng.below(4) {
        0 => None,
        1 => following(rng, &place.property, &sources(all, &place.within(), &place.path), &place.within()),
        _ => constant(rng, &place.property),
    };
    Some(Operation::RemoveProperty(RemoveProperty { path: place.path.clone(), value }))
}

/// Returns a constant of a property as an expression.
pub(super) fn constant(rng: &mut Rng, property: &Property) -> Option<String> {
    let nullable = property.nullable && rng.chance(30);
    let value = value(rng, &Property { nullable, ..property.clone() });
    literal(&value, property)
}

/// Returns an expression of a property's type that reads others.
fn following(rng: &mut Rng, target: &Property, sources: &[Place], within: &Path) -> Option<String> {
    let of = |rng: &mut Rng, fits: &dyn Fn(&Type) -> bool| {
        let fitting: Vec<&Place> = sources.iter().filter(|place| fits(&place.property.ty)).collect();
        rng.pick(&fitting).map(|place| place.name())
    };
    let text = |rng: &mut Rng| of(rng, &|ty| matches!(ty, Type::String | Type::Enum { .. }));
    let number = |rng: &mut Rng| of(rng, &|ty| matches!(ty, Type::Integer));
    let any = |rng: &mut Rng| of(rng, &|_| true);
    let in_list = matches!(within.segments().last(), Some(Segment::Items));
    let expression = match &target.ty {
        Type::String if !within.is_root() && rng.chance(20) => "cast(key as string)".to_owned(),
        Type::Integer if in_list && rng.chance(40) => "key * 10".to_owned(),
        Type::String => match rng.below(3) {
            0 => format!("{} || '!'", text(rng)?),
            1 => format!("upper({})", text(rng)?),
            _ => format!("cast({} as string)", number(rng)?),
        },
        Type::Integer => match rng.below(3) {
            0 => format!("length({})", text(rng)?),
            1 => format!("{} / 10", number(rng)?),
            _ => format!("cardinality({})", of(rng, &|ty| matches!(ty, Type::Array { .. } | Type::Map { .. }))?),
        },
        Type::Number => format!("{} * 1.5", of(rng, &|ty| matches!(ty, Type::Integer | Type::Number))?),
        Type::Boolean => match rng.below(3) {
            0 => format!("{} > 5", number(rng)?),
            1 => format!("{} is null", any(rng)?),
            _ => format!("{} = 'x'", text(rng)?),
        },
        Type::Enum { values } => {
            let (first, last) = (values.first()?, values.last()?);
            format!("case when {} > 5 then '{first}' else '{last}' end", number(rng)?)
        }
        Type::Array { items, .. } if items.ty == Type::String => format!("string_to_array({}, ' ')", text(rng)?),
        Type::Object(_) | Type::Map { .. } | Type::Array { .. } | Type::Json => {
            // The same value under another name.
            let same: Vec<&Place> = sources.iter().filter(|place| place.property.ty == target.ty).collect();
            rng.pick(&same)?.name()
        }
        _ => return None,
    };
    if rng.chance(60)
        && let Some(other) = constant(rng, &Property { nullable: false, ..target.clone() })
    {
        return Some(format!("coalesce({expression}, {other})"));
    }
    Some(expression)
}

fn rename(rng: &mut Rng, model: &Model, all: &[Place]) -> Option<Operation> {
    let named: Vec<&Place> = all.iter().filter(|place| !place.is_element()).collect();
    let place = rng.pick(&named)?;
    let to = place.path.parent()?.join(name(rng));
    if model.at(&to).is_some() && rng.chance(90) {
        return None;
    }
    Some(Operation::RenameProperty(RenameProperty { from: place.path.clone(), to }))
}

fn swap(rng: &mut Rng, all: &[Place]) -> Option<Vec<Operation>> {
    let first = rng.pick(all)?;
    let parent = first.path.parent()?;
    let others: Vec<&Place> =
        all.iter().filter(|place| place.path != first.path && place.path.parent().as_ref() == Some(&parent)).collect();
    let second = rng.pick(&others)?;
    let aside = parent.join("swap");
    let rename = |from: &Path, to: &Path| Operation::RenameProperty(RenameProperty { from: from.clone(), to: to.clone() });
    Some(vec![rename(&first.path, &aside), rename(&second.path, &first.path), rename(&aside, &second.path)])
}

/// A name that is removed, taken by another property and, half of the time, given to a third.
fn reuse(rng: &mut Rng, model: &Model) -> Option<Vec<Operation>> {
    let mut names: Vec<String> = model.properties.names().map(str::to_owned).collect();
    rng.shuffle(&mut names);
    let [first, second, ..] = names.as_slice() else { return None };
    let (first, second) = (Path::name(first), Path::name(second));
    let value = constant(rng, model.at(&first)?);
    let mut operations = vec![
        Operation::RemoveProperty(RemoveProperty { path: first.clone(), value }),
        Operation::RenameProperty(RenameProperty { from: second.clone(), to: first }),
    ];
    if rng.chance(50) {
        let schema = property(rng, 1);
        let value = constant(rng, &schema);
        operations.push(Operation::AddProperty(AddProperty { path: second, schema: Some(schema), value }));
    }
    Some(operations)
}

fn relocate(rng: &mut Rng, model: &Model, all: &[Place]) -> Option<Vec<Operation>> {
    let named: Vec<&Place> = all.iter().filter(|place| !place.is_element()).collect();
    let from = &rng.pick(&named)?.path;
    let containers: Vec<Path> =
        containers(model).into_iter().filter(|c| c.join("x").split_element().0 == from.split_element().0).collect();
    let to = match rng.below(4) {
        // Beneath its own source.
        0 => from.join(name(rng)),
        1 => rng.pick(&containers)?.join(name(rng)).join(name(rng)),
        _ => rng.pick(&containers)?.join(name(rng)),
    };
    let movement = Operation::MoveProperty(MoveProperty { from: from.clone(), to: to.clone() });
    let Some(parent) = from.parent().filter(|parent| !parent.is_root() && rng.chance(40)) else { return Some(vec![movement]) };
    if model.at(&parent).is_some_and(|object| !object.required) && parent.last_name().is_some() {
        let value = constant(rng, model.at(&parent)?);
        return Some(vec![Operation::RequireProperty(RequireProperty { path: parent, value }), movement]);
    }
    Some(vec![movement])
}

fn facet(rng: &mut Rng, all: &[Place], kind: &str) -> Option<Operation> {
    let place = rng.pick(all)?;
    let path = place.path.clone();
    let full = Property { nullable: false, ..place.property.clone() };
    let sources = sources(all, &place.within(), &path);
    let mut given = |percent: usize| match rng.below(100) {
        n if n >= percent => None,
        n if n % 3 == 0 => following(rng, &full, &sources, &place.within()),
        _ => constant(rng, &full),
    };
    Some(match kind {
        "nullable" => {
            let (up, down) = (given(80), given(80));
            Operation::SetNullable(SetNullable { path, nullable: !place.property.nullable, up, down })
        }
        "require" => Operation::RequireProperty(RequireProperty { path, value: given(85) }),
        _ => Operation::RelaxProperty(RelaxProperty { path, value: given(85) }),
    })
}

fn set_default(rng: &mut Rng, all: &[Place]) -> Option<Operation> {
    let place = rng.pick(all)?;
    let default = rng.chance(75).then(|| value(rng, &place.property));
    Some(Operation::SetDefault(SetDefault { path: place.path.clone(), default }))
}

fn map_enum(rng: &mut Rng, all: &[Place]) -> Option<Operation> {
    let enums: Vec<&Place> = all.iter().filter(|place| matches!(place.property.ty, Type::Enum { .. })).collect();
    let place = rng.pick(&enums)?;
    let Type::Enum { values: old } = &place.property.ty else { return None };
    let values = enum_values(rng);
    let mut table = |from: &[String], to: &[String]| -> BTreeMap<String, String> {
        from.iter().filter_map(|value| Some((value.clone(), rng.pick(to).filter(|_| true)?.clone()))).collect()
    };
    let (mut up, mut down) = (table(old, &values), table(&values, old));
    if rng.chance(40) {
        up.pop_first();
    }
    if rng.chance(40) {
        down.pop_last();
    }
    let after = Property::new(Type::Enum { values: values.clone() });
    let on_fail = Policies { up: policy(rng, &after), down: policy(rng, &place.property) };
    Some(Operation::MapEnum(MapEnum { path: place.path.clone(), values, up, down, on_fail }))
}

/// Returns what happens on failure, with a fallback of a property.
pub(super) fn policy(rng: &mut Rng, target: &Property) -> OnFail {
    match rng.below(4) {
        0 | 1 => OnFail::Fallback(value(rng, target)),
        2 => OnFail::Quarantine,
        _ => OnFail::Reject,
    }
}

fn unwrap(rng: &mut Rng, all: &[Place]) -> Option<Operation> {
    let lists: Vec<&Place> = all.iter().filter(|place| matches!(place.property.ty, Type::Array { .. })).collect();
    let place = rng.pick(&lists)?;
    let Type::Array { items, .. } = &place.property.ty else { return None };
    let empty = rng.chance(70).then(|| value(rng, items));
    Some(Operation::UnwrapList(UnwrapList { path: place.path.clone(), last: rng.chance(40), empty }))
}

fn map_keys(rng: &mut Rng, all: &[Place]) -> Option<Operation> {
    let fits = |ty: &Type| matches!(ty, Type::Map { .. } | Type::Object(_));
    let maps: Vec<&Place> = all.iter().filter(|place| fits(&place.property.ty)).collect();
    let place = rng.pick(&maps)?;
    let keys = if let Type::Object(properties) = &place.property.ty {
        let mut names: Vec<&str> = properties.names().collect();
        rng.shuffle(&mut names);
        let [first, rest @ ..] = names.as_slice() else { return None };
        match rest.first() {
            Some(second) if rng.chance(50) => {
                vec![((*first).to_owned(), (*second).to_owned()), ((*second).to_owned(), (*first).to_owned())]
            }
            _ => vec![((*first).to_owned(), name(rng).to_owned())],
        }
    } else {
        let (first, second) = (key(rng).to_owned(), key(rng).to_owned());
        if rng.chance(50) { vec![(first.clone(), second.clone()), (second, first)] } else { vec![(first, second)] }
    };
    Some(Operation::MapKeys(MapKeys { path: place.path.clone(), keys: keys.into_iter().collect() }))
}

fn rewrite(rng: &mut Rng, model: &Model, all: &[Place]) -> Option<Operation> {
    let texts: Vec<&Place> = all.iter().filter(|place| place.property.ty == Type::String && !place.is_element()).collect();
    let first = rng.pick(&texts)?;
    let parent = first.path.parent()?;
    let target = if rng.chance(50) { first.path.clone() } else { parent.join(name(rng)) };
    let near: Vec<&&Place> = texts.iter().filter(|p| p.path != first.path && p.within() == first.within()).collect();
    let (name, reads) = match rng.pick(&near) {
        Some(second) if rng.chance(60) => ("pair", vec![first.path.clone(), second.path.clone()]),
        _ => ("reverse", vec![first.path.clone()]),
    };
    let required = reads.iter().any(|path| model.at(path).is_some_and(|p| p.required));
    let schema = Property { required, nullable: false, ..faceted(rng, Type::String) };
    Some(Operation::Rewrite(Rewrite { name: name.to_owned(), reads, writes: vec![(target, schema)] }))
}

fn constraint(rng: &mut Rng, all: &[Place]) -> Option<Operation> {
    let named: Vec<&Place> = all.iter().filter(|place| place.within().is_root()).collect();
    let place = rng.pick(&named)?;
    let rule = match rng.below(3) {
        0 => Rule::Index(vec![place.path.clone()]),
        1 => Rule::Unique(vec![place.path.clone()]),
        _ => Rule::Check(format!("{} is not null", spell(&place.path))),
    };
    let name = rule.default_name();
    Some(Operation::AddConstraint(AddConstraint { constraint: Constraint { name, rule, policy: Policy::Reject } }))
}
