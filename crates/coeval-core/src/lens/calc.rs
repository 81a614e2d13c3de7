//! Computing one hidden node from the others: `calc` of the rules, with gates, lifting and landing (N6, N7).

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::cell::{Cell, Elements};
use super::shape::{put_together_plain, raise, render_element, unfit};
use crate::history::{
    Fill, Gate, Hidden, HiddenRule, Node, NodeId, OnFail, Outcome, Recipe, RecipeId, Scope, Source, Target, Time, Tree, land,
};
use crate::mutant::{self, Mutant};
use crate::schema::{Property, Type};
use crate::value::{Object, Value};

/// The outputs of recipes that were run on one set of cells; a unit is computed once.
pub(super) type Units = HashMap<RecipeId, Vec<Cell>>;

/// Computes a hidden node. Everything that it depends on has its value in `cells`.
pub(super) fn calc(scope: &Scope, hidden: &Hidden, cells: &[Cell], units: &mut Units, key: &Value) -> Cell {
    if let Some(gate) = &hidden.gate
        && (hidden.sticky || hidden.deps.iter().all(|dep| cells[*dep].is_absent()))
        && !is_open(gate, cells)
        && !mutant::is(Mutant::NoGate)
    {
        // A default never makes its own container.
        return Cell::Absent;
    }
    match &hidden.rule {
        HiddenRule::Recipe(recipe, output) => {
            let outputs = units.entry(*recipe).or_insert_with(|| run(scope, &scope.recipes[*recipe], cells, key));
            outputs[*output].clone()
        }
        HiddenRule::Lineage { edge, kids } => lineage(&scope.nodes[hidden.node], &cells[*edge], kids, cells),
        HiddenRule::Kids { always } => {
            let present = *always || hidden.deps.iter().any(|kid| !cells[*kid].is_absent());
            if present { Cell::Value(Value::Object(Object::new())) } else { Cell::Absent }
        }
    }
}

fn is_open(gate: &Gate, cells: &[Cell]) -> bool {
    gate.always
        || gate.edge.into_iter().chain(gate.born).any(|node| cells[node].is_present())
        || gate.sources.iter().any(|node| !cells[*node].is_absent())
}

fn lineage(node: &Node, edge: &Cell, kids: &[NodeId], cells: &[Cell]) -> Cell {
    let here = || Cell::Value(Value::Object(Object::new()));
    match edge {
        Cell::Value(Value::Object(_)) => here(),
        Cell::Bad(reason) => Cell::Bad(Arc::clone(reason)),
        Cell::Value(other) if *other != Value::Null => Cell::Bad(format!("expected an object, found {other}").into()),
        _ if kids.iter().any(|kid| !cells[*kid].is_absent()) => here(),
        edge => {
            let outcome = if edge.is_absent() { Ok(None) } else { Ok(Some(Value::Null)) };
            let presence = presence_of(node.property(node.born));
            let fill = Some(Ok(Some(Value::Object(Object::new()))));
            cell(land(outcome, &presence, fill, &OnFail::Reject))
        }
    }
}

/// The property as far as its presence goes: an object that admits anything.
fn presence_of(property: &Property) -> Property {
    Property {
        required: property.required,
        nullable: property.nullable,
        ..Property::new(Type::Object(crate::schema::Properties::new()))
    }
}

fn cell(outcome: Outcome) -> Cell {
    match outcome {
        Ok(Some(value)) => Cell::Value(value),
        Ok(None) => Cell::Absent,
        Err(reason) => Cell::Bad(reason),
    }
}

/// Runs a recipe: one cell for each node beneath its targets, in the order of the trees.
fn run(scope: &Scope, recipe: &Recipe, cells: &[Cell], key: &Value) -> Vec<Cell> {
    let mut inputs: Vec<Option<Cow<'_, Value>>> = Vec::with_capacity(recipe.inputs.len());
    let mut bad: Option<Arc<str>> = None;
    for input in &recipe.inputs {
        let gathered = match input {
            Source::Key => Ok(Some(Cow::Borrowed(key))),
            Source::Tree(tree) => gather(scope, tree, recipe.reads_at(), cells),
        };
        inputs.push(gathered.unwrap_or_else(|reason| {
            bad.get_or_insert(reason);
            None
        }));
    }
    let borrowed: Vec<Option<&Value>> = inputs.iter().map(Option::as_deref).collect();
    let outcomes = match bad {
        Some(reason) => vec![Err(reason); recipe.targets.len()],
        None => recipe.function.run(&borrowed, recipe.targets.len()),
    };
    let mut out = Vec::new();
    for (target, outcome) in recipe.targets.iter().zip(outcomes) {
        let fill = || target.fill.value(&borrowed);
        scatter(scope, target, outcome, fill, recipe.lands_at(), &mut out);
    }
    out
}

/// Collects the value of a part of the schema; what is not valid for its own type is a failed input.
fn gather<'a>(scope: &Scope, tree: &Tree, t: Time, cells: &'a [Cell]) -> Result<Option<Cow<'a, Value>>, Arc<str>> {
    let node = &scope.nodes[tree.node()];
    match (&cells[tree.node()], tree) {
        (Cell::Absent, _) => Ok(None),
        (Cell::Bad(reason), _) => Err(Arc::clone(reason)),
        (Cell::Value(Value::Object(_)), Tree::Object(_, children)) => {
            let mut object = Object::new();
            for (name, child) in children {
                if let Some(value) = gather(scope, child, t, cells)? {
                    object.push(name.as_str().into(), value.into_owned());
                }
            }
            Ok(Some(Cow::Owned(Value::Object(object))))
        }
        (cell, _) => {
            if let Some(reason) = unfit(node, cell, t) {
                return Err(reason.into());
            }
            Ok(match cell {
                Cell::Value(value) => Some(Cow::Borrowed(value)),
                Cell::Elements(elements) => Some(Cow::Owned(render_plain(node, elements, t))),
                Cell::Absent | Cell::Bad(_) => None,
            })
        }
    }
}

/// The natural value of elements at a moment.
pub(super) fn render_elements(node: &Node, elements: &Elements, t: Time) -> Value {
    let Some(scope) = &node.elements else { return Value::Null };
    match elements {
        Elements::List(items) => Value::List(items.iter().map(|item| render_element(scope, t, item)).collect()),
        Elements::Map(values) => {
            Value::Object(values.iter().map(|(key, value)| (key.clone(), render_element(scope, t, value))).collect())
        }
    }
}

/// As [`render_elements`], with keys in the order of the schema: what is computed must not depend on which versions there are.
pub(super) fn render_plain(node: &Node, elements: &Elements, t: Time) -> Value {
    let Some(scope) = &node.elements else { return Value::Null };
    let order = scope.order(t);
    let render = |state| put_together_plain(scope, &order, state);
    match elements {
        Elements::List(items) => Value::List(items.iter().map(render).collect()),
        Elements::Map(values) => Value::Object(values.iter().map(|(key, value)| (key.clone(), render(value))).collect()),
    }
}

/// Lands an outcome in a target, an object with all that is in it.
fn scatter(scope: &Scope, target: &Target, outcome: Outcome, fill: impl Fn() -> Option<Outcome>, t: Time, out: &mut Vec<Cell>) {
    let needs_fill = matches!(outcome, Ok(None | Some(Value::Null))) && !matches!(target.fill, Fill::None);
    let fill = if needs_fill { fill() } else { None };
    scatter_tree(scope, &target.tree, &target.property, outcome, fill, &target.on_fail, t, out);
}

#[allow(clippy::too_many_arguments, reason = "one recursive step; a struct for it would only rename the arguments")]
fn scatter_tree(
    scope: &Scope,
    tree: &Tree,
    property: &Property,
    outcome: Outcome,
    fill: Option<Outcome>,
    on_fail: &OnFail,
    t: Time,
    out: &mut Vec<Cell>,
) {
    let (Tree::Object(_, children), Type::Object(properties)) = (tree, &property.ty) else {
        let landed = cell(land(outcome, property, fill, on_fail));
        out.push(raise(scope, tree.node(), t, landed));
        return;
    };
    let landed = match outcome {
        Ok(Some(value @ Value::Object(_))) => Ok(Some(value)),
        outcome => land(outcome, &presence_of(property), fill, on_fail),
    };
    // What is not declared stays with the source, unless the target says that there is no such thing.
    let unknown = |object: &Object| {
        let unknown = object.iter().map(|(name, _)| name).find(|name| !properties.additional && properties.get(name).is_none());
        unknown.map(|name| Arc::from(format!("the result has a property `{}` that is not declared", name.as_str())))
    };
    let landed = landed.and_then(|value| match value.as_ref().and_then(Value::as_object).and_then(unknown) {
        Some(reason) => land(Err(reason), &presence_of(property), None, on_fail),
        None => Ok(value),
    });
    let object = match landed {
        Ok(Some(Value::Object(object))) => object,
        other => {
            out.push(cell(other));
            let mut nodes = Vec::new();
            tree.nodes(&mut nodes);
            out.extend(std::iter::repeat_n(Cell::Absent, nodes.len() - 1));
            return;
        }
    };
    out.push(Cell::Value(Value::Object(Object::new())));
    for (name, child) in children {
        if let Some(inner) = properties.get(name) {
            let fill = inner.default.clone().map(|value| Ok(Some(value)));
            let value = object.get(name).cloned();
            scatter_tree(scope, child, inner, Ok(value), fill, &OnFail::Reject, t, out);
        }
    }
}
