//! Whether a value can always be computed, so that no row ever has to be hidden for want of it.

use std::collections::{BTreeMap, BTreeSet};

use coeval_core::Value;
use coeval_core::expr::{self, Expr, ExprKind, ExprType};
use coeval_core::history::{
    Fill, Function, LineageId, NodeId, OnFail, Presence, Recipe, Scope, Source, Target, Time, Tree, land,
};
use coeval_core::schema::{Property, Type};

use super::{Held, Table};

/// Which nodes can fail to have a value without the write or the run being refused. What follows from one that can fail can fail
/// itself; an object says nothing of what is in it, nor a list or map of its elements.
#[derive(Debug)]
pub(super) struct Failures<'s> {
    scope: &'s Scope,
    /// The moment of the newest version that writes; `None` where it is older ones that do.
    newest: Option<Time>,
    known: BTreeMap<NodeId, bool>,
    elements: BTreeMap<NodeId, Failures<'s>>,
}

impl<'s> Failures<'s> {
    /// Takes nodes for which versions write that are older than they are.
    pub(super) fn before(scope: &'s Scope) -> Self {
        Self { scope, newest: None, known: BTreeMap::new(), elements: BTreeMap::new() }
    }

    /// Takes nodes for which versions up to a moment write that are newer than they are.
    pub(super) fn after(scope: &'s Scope, newest: Time) -> Self {
        Self { newest: Some(newest), ..Self::before(scope) }
    }

    /// Returns whether a node can fail. What versions after the newest do to it is not theirs.
    pub(super) fn can_fail(&mut self, node: NodeId) -> bool {
        if let Some(known) = self.known.get(&node) {
            return *known;
        }
        let scope = self.scope;
        let fails = self.rule(node).is_some_and(|recipe| {
            itself(scope, recipe, node) || passes_on(recipe, node) && recipe.inputs.iter().any(|input| self.reads(recipe, input))
        });
        let fails = fails || self.edges(node).into_iter().any(|edge| self.can_fail(edge));
        self.known.insert(node, fails);
        fails
    }

    /// Returns whether elements of a list or map can fail, of which versions of a moment have need.
    pub(super) fn can_be_unfit(&mut self, node: NodeId, time: Time) -> bool {
        let Some(within) = self.scope.nodes[node].elements.as_deref() else { return false };
        let newest = self.newest;
        let inner = self.elements.entry(node).or_insert_with(|| Self { newest, ..Self::before(within) });
        let shown = |node: &NodeId| within.nodes[*node].alive(time);
        (0..within.nodes.len()).filter(shown).any(|node| inner.can_fail(node) || inner.can_be_unfit(node, time))
    }

    /// Returns whether a node can be missing in an object that is there for versions of a moment, or have a value in one that is not,
    /// since it lies elsewhere for other versions.
    pub(super) fn can_be_misplaced(&mut self, node: NodeId, time: Time) -> bool {
        let scope = self.scope;
        let known = &scope.nodes[node];
        if known.elements.is_some() {
            return false;
        }
        let newest = self.newest.unwrap_or(time);
        let here = known.place(time).parent;
        let property = known.property(time);
        let lineage = |object: Option<NodeId>| object.and_then(|object| scope.nodes[object].lineage);
        let others = known.places.iter().filter(|(from, place)| *from <= newest && *from < known.end && place.parent != here);
        let astray = lineage(here).is_some_and(|own| {
            let outside = |parent: Option<NodeId>| lineage(parent) != Some(own);
            let read = |dep: &NodeId| scope.nodes[*dep].places.iter().all(|(_, place)| outside(place.parent));
            let follows = || self.rule(node).is_some_and(|recipe| !recipe.sticky && recipe.deps.iter().any(read));
            self.is_by_recipe(own) && (others.clone().any(|(_, place)| outside(place.parent)) || follows())
        });
        if astray || !property.required || property.nullable {
            return astray;
        }
        let mut containers: BTreeSet<(Time, NodeId)> = others.filter_map(|(from, place)| Some((*from, place.parent?))).collect();
        if here.is_some() {
            // Where nothing of it is known, it is absent as the object may be.
            self.containers_of_sources(node, &mut BTreeSet::new(), &mut containers);
        }
        containers.into_iter().any(|(from, object)| Some(object) != here && self.may_be_gone(Some(object), from))
    }

    /// Whether a recipe says for the versions that write whether an object is there, and not what lies in it.
    fn is_by_recipe(&self, lineage: LineageId) -> bool {
        let known = &self.scope.lineages[lineage];
        let mut nodes = self.scope.nodes.iter().filter(|node| node.lineage == Some(lineage));
        match self.newest {
            None => known.up == Presence::Recipe,
            Some(newest) => known.down == Presence::Recipe && nodes.all(|node| node.end <= newest),
        }
    }

    /// The objects in which lie or lay what a node is computed from.
    fn containers_of_sources(&self, node: NodeId, seen: &mut BTreeSet<NodeId>, out: &mut BTreeSet<(Time, NodeId)>) {
        let scope = self.scope;
        for read in self.rule(node).into_iter().flat_map(|recipe| &recipe.deps) {
            if seen.insert(*read) {
                let places =
                    scope.nodes[*read].places.iter().filter(|(from, _)| self.newest.is_none_or(|newest| *from <= newest));
                out.extend(places.filter_map(|(from, place)| Some((*from, place.parent?))));
                self.containers_of_sources(*read, seen, out);
            }
        }
    }

    /// The recipe that computes a node for the versions that write.
    fn rule(&self, node: NodeId) -> Option<&'s Recipe> {
        let known = &self.scope.nodes[node];
        let rule = match self.newest {
            Some(newest) => known.down.as_ref().filter(|_| known.end <= newest),
            None => known.up.as_ref(),
        };
        rule.map(|(recipe, _)| &self.scope.recipes[*recipe])
    }

    /// Whether an object, or one that it lies in, may not be there.
    fn may_be_gone(&mut self, object: Option<NodeId>, time: Time) -> bool {
        let Some(object) = object else { return false };
        let known = &self.scope.nodes[object];
        let time = known.nearest(time);
        let property = known.property(time);
        !property.required || property.nullable || self.can_fail(object) || self.may_be_gone(known.place(time).parent, time)
    }

    /// Whether something that a recipe reads can fail.
    fn reads(&mut self, recipe: &Recipe, input: &Source) -> bool {
        let Source::Tree(tree) = input else { return false };
        let mut nodes = Vec::new();
        tree.nodes(&mut nodes);
        nodes.into_iter().any(|read| self.can_fail(read) || self.can_be_unfit(read, recipe.reads_at()))
    }

    /// The nodes that say whether the object is there that a node is.
    fn edges(&self, node: NodeId) -> Vec<NodeId> {
        let nodes = &self.scope.nodes;
        let known = &nodes[node];
        if known.lineage.is_none() {
            return Vec::new();
        }
        let decides = |other: &NodeId| match self.newest {
            None => nodes[*other].born < known.born,
            Some(newest) => nodes[*other].end > known.end && nodes[*other].end <= newest,
        };
        let same = |other: &NodeId| nodes[*other].lineage == known.lineage;
        (0..nodes.len()).filter(same).filter(decides).collect()
    }
}

/// Whether a recipe itself may give a node no value.
fn itself(scope: &Scope, recipe: &Recipe, node: NodeId) -> bool {
    let own = recipe.targets.iter().enumerate().filter(|(_, target)| target.on_fail == OnFail::Quarantine);
    let own = own.filter_map(|(at, target)| Some((at, target, target.property_of(node)?)));
    own.into_iter().any(|(at, target, property)| {
        let plain = !property.required || property.nullable;
        if target.tree.node() != node {
            // In an object, with what its type fills in.
            let filled = plain || property.default.is_some();
            return match &recipe.function {
                Function::Identity => !filled,
                Function::Constant(value) => !constant_fits(value.as_ref(), target),
                Function::Expressions(expressions) => {
                    let part = part_of(expressions[at].0.root(), &target.tree, node);
                    let fill = property.default.clone().map_or(Fill::None, Fill::Value);
                    part.is_none_or(|part| !gives_always(part, false, property, &fill))
                }
                Function::Enum(_) | Function::Wrap | Function::Pick { .. } | Function::Keys(_) | Function::Native(_) => true,
            };
        }
        let always = match &recipe.function {
            Function::Constant(value) => constant_fits(value.as_ref(), target),
            Function::Expressions(expressions) => {
                // Where all that it reads is absent, it is not asked.
                let absent = !recipe.inputs.is_empty() && recipe.inputs.iter().all(|input| may_be_absent(scope, recipe, input));
                gives_always(expressions[at].0.root(), absent, &target.property, &target.fill)
            }
            Function::Identity | Function::Wrap => plain,
            Function::Enum(_) | Function::Pick { .. } | Function::Keys(_) | Function::Native(_) => false,
        };
        !always
    })
}

fn constant_fits(value: Option<&Value>, target: &Target) -> bool {
    land(Ok(value.cloned()), &target.property, target.fill.value(&[]), &OnFail::Reject).is_ok()
}

impl Table<'_> {
    /// Returns whether every row that is computed anew has a value in a column, or its computation is refused: so it is where an expression
    /// that gives no null reads columns that always have values.
    pub fn is_given(&self, at: usize) -> bool {
        let Held::Shown { node, .. } = self.columns[at].held else { return false };
        let scope = self.scope();
        // What a table that was there before holds is not known.
        if self.is_adopted() {
            return false;
        }
        let Some((recipe, _)) = scope.nodes[node].up else { return false };
        let recipe = &scope.recipes[recipe];
        let Function::Expressions(expressions) = &recipe.function else { return false };
        let told = |input: &Source| match input {
            Source::Key => true,
            Source::Tree(tree) => {
                let homes = self.homes(tree.node());
                let always = |at: usize| self.columns[at].is_never_null() && self.signs_of(at).is_empty();
                !homes.is_empty() && homes.iter().all(|spot| spot.path.is_empty() && always(spot.column))
            }
        };
        let own = recipe.targets.iter().position(|target| target.tree.node() == node);
        own.is_some_and(|own| !expressions[own].0.root().nullable) && recipe.inputs.iter().all(told)
    }
}

/// The part of an expression that gives a part of an object.
fn part_of<'e>(expression: &'e Expr, tree: &Tree, node: NodeId) -> Option<&'e Expr> {
    if tree.node() == node {
        return Some(expression);
    }
    let (Tree::Object(_, children), ExprKind::Object(members)) = (tree, &expression.kind) else { return None };
    children.iter().find_map(|(name, child)| {
        let (_, member) = members.iter().find(|(known, _)| known == name)?;
        part_of(member, child, node)
    })
}

/// Whether a node fails where something fails that a recipe computes it from. What lies in an object that fails is absent.
fn passes_on(recipe: &Recipe, node: NodeId) -> bool {
    let goes_on = |target: &Target| target.tree.node() == node && !matches!(target.on_fail, OnFail::Fallback(_));
    recipe.targets.iter().any(goes_on)
}

/// Whether an input may be absent.
fn may_be_absent(scope: &Scope, recipe: &Recipe, input: &Source) -> bool {
    match input {
        Source::Key => false,
        Source::Tree(tree) => {
            let node = &scope.nodes[tree.node()];
            let time = node.nearest(recipe.reads_at());
            !node.property(time).required || node.place(time).parent.is_some()
        }
    }
}

/// Whether an expression has a value that fits the property, whatever it reads.
fn gives_always(expression: &Expr, absent: bool, property: &Property, fill: &Fill) -> bool {
    let plain = ExprType::of(&property.ty) == expression.ty
        && match &property.ty {
            Type::String
            | Type::Integer
            | Type::Number
            | Type::Float
            | Type::Boolean
            | Type::Date
            | Type::Time
            | Type::Datetime
            | Type::Uuid
            | Type::Bytes
            | Type::Json => true,
            Type::Enum { values } => {
                matches!(&expression.kind, ExprKind::Literal(Value::String(text)) if values.iter().any(|v| v == text.as_str()))
            }
            Type::Decimal { .. }
            | Type::Object(_)
            | Type::Array { .. }
            | Type::Map { .. }
            | Type::Ref { .. }
            | Type::Union { .. } => false,
        };
    let presence = !(expression.nullable || absent) || !property.required || property.nullable || !matches!(fill, Fill::None);
    plain && presence && is_total(expression)
}

/// Whether an expression has a value, or NULL, for all inputs.
fn is_total(expression: &Expr) -> bool {
    let itself = match &expression.kind {
        ExprKind::Literal(_)
        | ExprKind::Input(_)
        | ExprKind::Param(_)
        | ExprKind::Not(_)
        | ExprKind::Is(..)
        | ExprKind::Compare(..)
        | ExprKind::And(_)
        | ExprKind::Or(_)
        | ExprKind::Concat(_)
        | ExprKind::Between { .. }
        | ExprKind::In { .. }
        | ExprKind::Case { .. }
        | ExprKind::Field(..)
        | ExprKind::Table(_) => true,
        ExprKind::Call(function, _) => {
            matches!(function, expr::Function::Coalesce | expr::Function::Nullif | expr::Function::Lookup)
        }
        ExprKind::Interval(_)
        | ExprKind::Negate(_)
        | ExprKind::Arithmetic(..)
        | ExprKind::Like { .. }
        | ExprKind::Cast(_)
        | ExprKind::Lambda { .. }
        | ExprKind::Pattern(_)
        | ExprKind::Index(..)
        | ExprKind::List(_)
        | ExprKind::Object(_)
        | ExprKind::Map(_) => false,
    };
    itself && expression.children().into_iter().all(is_total)
}
