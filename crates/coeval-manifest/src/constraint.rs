//! Constraints, whether they are written as facets of a property (`unique: true`) or under `constraints`.

use coeval_core::schema::{Constraint, Policy, Rule};
use coeval_core::{Model, Path, Properties, Property, Segment, Type};

/// Returns all constraints of a model: those it lists, then those that facets of its properties stand for.
pub fn effective(model: &Model) -> Vec<Constraint> {
    let mut out = model.constraints.clone();
    facets(&model.properties, &Path::root(), &mut |path, property| out.extend(of_property(path, property)));
    out
}

/// Turns the facet that stands for the constraint `name`, if one does, into an entry under `constraints`, so that an
/// operation can remove it by name.
pub fn materialise(model: &mut Model, name: &str) {
    if model.constraints.iter().any(|c| c.name == name) {
        return;
    }
    let mut found = None;
    facets(&model.properties, &Path::root(), &mut |path, property| {
        if let Some(constraint) = of_property(path, property).into_iter().find(|c| c.name == name) {
            found = Some((path.clone(), constraint));
        }
    });
    let Some((path, constraint)) = found else { return };
    if let Some(property) = model.at_mut(&path) {
        match &constraint.rule {
            Rule::Index(_) => property.index = false,
            Rule::Unique(_) => property.unique = false,
            Rule::Check(_) => property.check = None,
            Rule::Reference(..) => {}
        }
    }
    model.constraints.push(constraint);
}

fn facets(properties: &Properties, path: &Path, visit: &mut dyn FnMut(&Path, &Property)) {
    for (name, property) in properties.iter() {
        facets_of(&path.join(name), property, visit);
    }
}

fn facets_of(path: &Path, property: &Property, visit: &mut dyn FnMut(&Path, &Property)) {
    visit(path, property);
    match &property.ty {
        Type::Object(properties) => facets(properties, path, visit),
        Type::Array { items, .. } => facets_of(&path.child(Segment::Items), items, visit),
        Type::Map { values } => facets_of(&path.child(Segment::Values), values, visit),
        Type::Union { .. }
        | Type::Ref { .. }
        | Type::String
        | Type::Integer
        | Type::Number
        | Type::Float
        | Type::Decimal { .. }
        | Type::Boolean
        | Type::Date
        | Type::Time
        | Type::Datetime
        | Type::Uuid
        | Type::Bytes
        | Type::Json
        | Type::Enum { .. } => {}
    }
}

fn of_property(path: &Path, property: &Property) -> Vec<Constraint> {
    let rules = [
        property.index.then(|| Rule::Index(vec![path.clone()])),
        property.unique.then(|| Rule::Unique(vec![path.clone()])),
        property.check.clone().map(Rule::Check),
    ];
    rules.into_iter().flatten().map(|rule| Constraint { name: rule.default_name(), rule, policy: Policy::Reject }).collect()
}
