//! Generated changes of type and shape: expressions both ways, most of them lossy.

use coeval_core::op::{Operation, Policies, RetypeProperty, Transform};
use coeval_core::path::Path;
use coeval_core::schema::{Model, Properties, Property, Type};

use super::operation::{constant, policy, sources};
use super::place::{Place, spell};
use super::value::{NAMES, enum_values, value};
use crate::rng::Rng;

/// The new type, and expressions up and down over the name `$`.
type Conversion = (Type, String, String);

/// Returns a change of a property's type.
pub(super) fn retype(rng: &mut Rng, all: &[Place]) -> Option<Operation> {
    let place = rng.pick(all)?;
    let (ty, up, down) = conversion(rng, &place.property.ty)?;
    let old = &place.property;
    let mut new = Property { required: old.required, nullable: old.nullable, ..Property::new(ty) };
    if rng.chance(20) {
        new.required = rng.chance(50);
        new.nullable = rng.chance(50);
    }
    if rng.chance(20) {
        let default = value(rng, &new);
        new.default = Some(default).filter(|default| new.violations(default).is_empty());
    }
    let on_fail = match rng.below(4) {
        0 => Policies::default(),
        _ => Policies { up: policy(rng, &new), down: policy(rng, old) },
    };
    let name = place.name();
    let wrap = |rng: &mut Rng, source: &str, target: &Property| {
        let expression = source.replace('$', &name);
        let full = Property { nullable: false, ..target.clone() };
        match constant(rng, &full) {
            Some(other) if !place.is_element() && target.required && rng.chance(40) => format!("coalesce({expression}, {other})"),
            _ => expression,
        }
    };
    let (up, down) = (wrap(rng, &up, &new), wrap(rng, &down, old));
    Some(Operation::RetypeProperty(RetypeProperty { path: place.path.clone(), schema: Some(new), up, down, on_fail }))
}

fn conversion(rng: &mut Rng, from: &Type) -> Option<Conversion> {
    let to = |ty: Type, up: &str, down: &str| Some((ty, up.to_owned(), down.to_owned()));
    let list = |items: Type| Type::Array { items: Box::new(Property::new(items)), key: None };
    match from {
        Type::Integer => match rng.below(6) {
            0 => to(Type::Integer, "$ * 100", "$ / 100"),
            1 => to(Type::Integer, "$ / 10", "$ * 10"),
            2 => to(Type::String, "cast($ as string)", "cast($ as integer)"),
            3 => to(Type::Boolean, "$ > 5", "case when $ then 10 else 0 end"),
            4 => to(Type::Number, "cast($ as number) / 4", "cast(round($ * 4) as integer)"),
            _ => to(
                Type::Enum { values: vec!["low".into(), "high".into()] },
                "case when $ < 10 then 'low' else 'high' end",
                "length($)",
            ),
        },
        Type::Number => match rng.below(4) {
            0 => to(Type::Integer, "cast(round($ * 100) as integer)", "$ / 100.0"),
            1 => to(Type::String, "cast($ as string)", "cast($ as number)"),
            2 => to(Type::Number, "$ * 2", "$ / 2"),
            _ => to(Type::Integer, "cast($ as integer)", "$"),
        },
        Type::String => match rng.below(6) {
            0 | 1 => to(Type::Integer, "cast($ as integer)", "cast($ as string)"),
            2 => to(Type::String, "lower($)", "$"),
            3 => to(list(Type::String), "string_to_array($, ' ')", "array_to_string($, ' ')"),
            4 => to(Type::Number, "cast($ as number)", "cast($ as string)"),
            _ => to(Type::Boolean, "$ = 'x'", "case when $ then 'x' else '' end"),
        },
        Type::Boolean => {
            to(Type::Enum { values: vec!["no".into(), "yes".into()] }, "case when $ then 'yes' else 'no' end", "$ = 'yes'")
        }
        Type::Enum { values } => {
            if rng.chance(50) {
                let table: Vec<String> = values.iter().map(|v| format!("when $ = '{v}' then '{v}'")).collect();
                return to(
                    Type::String,
                    "cast($ as string)",
                    &format!("case {} else '{}' end", table.join(" "), values.first()?),
                );
            }
            let new = enum_values(rng);
            let (first, other) = (values.first()?, new.first()?);
            let up = format!("case when $ = '{first}' then '{}' else '{other}' end", new.last()?);
            to(
                Type::Enum { values: new.clone() },
                &up,
                &format!("case when $ = '{other}' then '{}' else '{first}' end", values.last()?),
            )
        }
        Type::Date => to(Type::String, "cast($ as string)", "cast($ as date)"),
        Type::Float => to(Type::Integer, "cast(round($) as integer)", "cast($ as float)"),
        Type::Map { values } => {
            let entry = Properties::from_iter([
                ("key".to_owned(), Property::new(Type::String).required()),
                ("value".to_owned(), Property { required: !values.nullable, ..(**values).clone() }),
            ]);
            let items = Property::new(Type::Object(entry));
            to(Type::Array { items: Box::new(items), key: None }, "map_entries($)", "map_from_entries($)")
        }
        Type::Array { items, .. } => match &items.ty {
            Type::String => to(Type::String, "array_to_string($, ' ')", "string_to_array($, ' ')"),
            Type::Integer => to(list(Type::Integer), "list_transform($, x -> x / 10)", "list_transform($, x -> x * 10)"),
            _ => None,
        },
        Type::Object(properties) => {
            let (name, property) = properties.iter().find(|(_, p)| p.ty == Type::String)?;
            let others: Vec<String> = properties
                .iter()
                .filter(|(other, p)| *other != name && p.required)
                .map(|(other, p)| Some(format!(", '{other}': {}", constant(rng, &Property { nullable: false, ..p.clone() })?)))
                .collect::<Option<_>>()?;
            let down = format!("{{'{name}': ${}}}", others.concat());
            let up = if property.required { format!("$.\"{name}\"") } else { format!("coalesce($.\"{name}\", '')") };
            to(Type::String, &up, &down)
        }
        _ => None,
    }
}

/// Returns a group of several properties: a split, a merge, a change of basis, an object made or undone.
pub(super) fn transform(rng: &mut Rng, model: &Model, all: &[Place]) -> Option<Operation> {
    match rng.below(5) {
        0 => split(rng, model, all),
        1 => merge(rng, all),
        2 => mix(rng, all),
        3 => gather(rng, all),
        _ => spread(rng, all),
    }
}

fn group(rng: &mut Rng, all: &[Place], up: Vec<(Path, Property, String)>, down: Vec<(Path, String)>) -> Operation {
    let fallback = |rng: &mut Rng, targets: &[(Path, Property)]| match targets {
        [(_, target)] => policy(rng, target),
        _ if rng.chance(40) => coeval_core::history::OnFail::Quarantine,
        _ => coeval_core::history::OnFail::Reject,
    };
    let new: Vec<(Path, Property)> = up.iter().map(|(path, property, _)| (path.clone(), property.clone())).collect();
    let old: Vec<(Path, Property)> = down
        .iter()
        .filter_map(|(path, _)| Some((path.clone(), all.iter().find(|place| place.path == *path)?.property.clone())))
        .collect();
    let on_fail = Policies { up: fallback(rng, &new), down: fallback(rng, &old) };
    let up = up.into_iter().map(|(path, _, expression)| (path, expression)).collect();
    Operation::Transform(Transform { up, down, schemas: new, on_fail })
}

fn text_place<'a>(rng: &mut Rng, all: &'a [Place]) -> Option<&'a Place> {
    let texts: Vec<&Place> = all.iter().filter(|place| place.property.ty == Type::String && !place.is_element()).collect();
    rng.pick(&texts).copied()
}

/// Returns the expression, or a constant where it gives nothing and something is needed.
fn filled(rng: &mut Rng, expression: String, target: &Property) -> String {
    let full = Property { nullable: false, ..target.clone() };
    match constant(rng, &full) {
        Some(other) if target.required || rng.chance(20) => format!("coalesce({expression}, {other})"),
        _ => expression,
    }
}

fn split(rng: &mut Rng, model: &Model, all: &[Place]) -> Option<Operation> {
    let place = text_place(rng, all)?;
    let old = &place.property;
    let parent = place.path.parent()?;
    let first = if rng.chance(50) { place.path.clone() } else { parent.join(rng.one(NAMES)) };
    let second = parent.join(rng.one(NAMES));
    if first == second || (second == place.path) || model.at(&second).is_some() {
        return None;
    }
    let half = Property { default: None, ..old.clone() };
    let name = place.name();
    let head = filled(rng, format!("split_part({name}, ' ', 1)"), &half);
    let tail = filled(rng, format!("substring({name} from length(split_part({name}, ' ', 1)) + 2)"), &half);
    let (a, b) = (spell(&first), spell(&second));
    let back = filled(rng, format!("case when coalesce({b}, '') = '' then {a} else coalesce({a}, '') || ' ' || {b} end"), old);
    Some(group(rng, all, vec![(first, half.clone(), head), (second, half, tail)], vec![(place.path.clone(), back)]))
}

fn merge(rng: &mut Rng, all: &[Place]) -> Option<Operation> {
    let first = text_place(rng, all)?;
    let others: Vec<&Place> = sources_of(all, first).into_iter().filter(|place| place.property.ty == Type::String).collect();
    let second = *rng.pick(&others)?;
    let (a, b) = (first.name(), second.name());
    let new = Property { required: first.property.required || second.property.required, ..Property::new(Type::String) };
    let target = if rng.chance(50) { first.path.clone() } else { first.path.parent()?.join(rng.one(NAMES)) };
    let joined = filled(rng, format!("concat_ws(' ', {a}, {b})"), &new);
    let name = spell(&target);
    let head = filled(rng, format!("split_part({name}, ' ', 1)"), &first.property);
    let tail = filled(rng, format!("split_part({name}, ' ', 2)"), &second.property);
    let down = vec![(first.path.clone(), head), (second.path.clone(), tail)];
    Some(group(rng, all, vec![(target, new, joined)], down))
}

fn sources_of<'a>(all: &'a [Place], place: &Place) -> Vec<&'a Place> {
    let apart = |other: &&Place| {
        other.within() == place.within()
            && !other.is_element()
            && !place.path.contains(&other.path)
            && !other.path.contains(&place.path)
    };
    all.iter().filter(apart).collect()
}

/// Two integers become their sum and the second.
fn mix(rng: &mut Rng, all: &[Place]) -> Option<Operation> {
    let integers: Vec<&Place> = all.iter().filter(|p| p.property.ty == Type::Integer && !p.is_element()).collect();
    let first = *rng.pick(&integers)?;
    let others: Vec<&Place> = sources_of(all, first).into_iter().filter(|p| p.property.ty == Type::Integer).collect();
    let second = *rng.pick(&others)?;
    let (a, b) = (first.name(), second.name());
    let (new_a, new_b) =
        (Property { default: None, ..first.property.clone() }, Property { default: None, ..second.property.clone() });
    let lossy = if rng.chance(30) { " / 10 * 10" } else { "" };
    let sum = filled(rng, format!("coalesce({a}, 0) + coalesce({b}, 0){lossy}"), &new_a);
    let difference = filled(rng, format!("coalesce({a}, 0) - coalesce({b}, 0)"), &first.property);
    let (same_up, same_down) = (filled(rng, b.clone(), &new_b), filled(rng, b, &second.property));
    let up = vec![(first.path.clone(), new_a, sum), (second.path.clone(), new_b, same_up)];
    Some(group(rng, all, up, vec![(first.path.clone(), difference), (second.path.clone(), same_down)]))
}

/// Properties become those of one object.
fn gather(rng: &mut Rng, all: &[Place]) -> Option<Operation> {
    let leaves: Vec<&Place> = all.iter().filter(|p| !matches!(p.property.ty, Type::Object(_)) && !p.is_element()).collect();
    let first = *rng.pick(&leaves)?;
    let mut parts = vec![first];
    let others: Vec<&Place> = sources_of(all, first).into_iter().filter(|p| !matches!(p.property.ty, Type::Object(_))).collect();
    parts.extend(rng.pick(&others).filter(|_| rng.chance(60)).copied());
    let target = first.path.parent()?.join(rng.one(NAMES));
    let mut properties = Properties::new();
    let mut fields = Vec::new();
    let mut down = Vec::new();
    for (name, part) in ["m", "n"].into_iter().zip(&parts) {
        let inner = Property { default: None, nullable: true, required: false, ..part.property.clone() };
        properties.insert(name, inner);
        fields.push(format!("'{name}': {}", part.name()));
        let back = filled(rng, format!("{}.\"{name}\"", spell(&target)), &part.property);
        down.push((part.path.clone(), back));
    }
    let new = Property { required: rng.chance(40), ..Property::new(Type::Object(properties)) };
    Some(group(rng, all, vec![(target, new, format!("{{{}}}", fields.join(", ")))], down))
}

/// An object becomes two properties beside it.
fn spread(rng: &mut Rng, all: &[Place]) -> Option<Operation> {
    let objects: Vec<&Place> = all.iter().filter(|p| matches!(p.property.ty, Type::Object(_)) && !p.is_element()).collect();
    let place = *rng.pick(&objects)?;
    let Type::Object(properties) = &place.property.ty else { return None };
    let parent = place.path.parent()?;
    let (mut up, mut fields) = (Vec::new(), Vec::new());
    for (i, (name, property)) in properties.iter().take(3).enumerate() {
        let target = if i == 0 && rng.chance(30) { place.path.clone() } else { parent.join(rng.one(NAMES)) };
        let new = Property { required: false, default: None, ..property.clone() };
        fields.push(format!("'{name}': {}", filled(rng, spell(&target), property)));
        up.push((target.clone(), new, format!("{}.\"{name}\"", place.name())));
    }
    let taken = |path: &Path| sources(all, &place.within(), &place.path).iter().any(|p| p.path == *path);
    let repeated = (1..up.len()).any(|i| up[..i].iter().any(|(path, ..)| *path == up[i].0));
    if repeated || up.iter().any(|(path, ..)| taken(path)) || up.is_empty() {
        return None;
    }
    let down = vec![(place.path.clone(), format!("{{{}}}", fields.join(", ")))];
    Some(group(rng, all, up, down))
}
