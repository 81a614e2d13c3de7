//! Constraints, whether they are written as facets of a property (`unique: true`) or under `constraints`.

use super::{Constraint, Model, Policy, Properties, Property, Rule, Type};
use crate::path::{Path, Segment};

impl Model {
    /// Returns all constraints: those that are listed, then those that facets of properties stand for.
    pub fn all_constraints(&self) -> Vec<Constraint> {
        let mut out = self.constraints.clone();
        facets(&self.properties, &Path::root(), &mut |path, property| out.extend(of_property(path, property)));
        out
    }

    /// Takes the constraint called `name` out, be it listed or a facet.
    pub fn remove_constraint(&mut self, name: &str) {
        materialise(self, name);
        self.constraints.retain(|c| c.name != name);
    }
}

/// Turns the facet that stands for a constraint, if one does, into a listed one.
fn materialise(model: &mut Model, name: &str) {
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
