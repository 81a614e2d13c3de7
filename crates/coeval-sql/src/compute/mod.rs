//! How a node's value follows from others, as SQL: `calc` of the rules, with gates, lifting and landing (N6, N7).
//!
//! A node's value is native (a column of its type, NULL being what absence or null the property admits) or JSON (NULL is absence,
//! JSON's null is null). It is JSON where any column holds it as JSON: in an object, or since its type is.

mod align;
mod bound;
mod elements;
mod fails;
mod guard;
pub(crate) mod json;
mod land;
pub(crate) mod lookup;
mod origin;
mod outcome;
pub(crate) mod stored;
mod values;
#[cfg(test)]
mod world;

use std::collections::BTreeSet;

use coeval_core::Value;
use coeval_core::history::{
    Fill, Function, Gate, Hidden, HiddenRule, Node, NodeId, Order, Recipe, RecipeId, Scope, Source, Time, Tree,
};
use coeval_core::schema::{Property, Type};
use coeval_core::table::Table as LookupTable;
use coeval_plan::table::{Column, Demand, Held, Table};

use crate::dialect::Dialect;
use crate::expr::sqlite::fits;
use crate::expr::{Local, TOO_DEEP};
use crate::literal::literal;
use crate::types::{KeyType, column_type, from_json};

pub(crate) use bound::Bound;
pub(crate) use land::Landing;
use origin::Origin;
use outcome::{Failing, Outcome};
pub(crate) use values::{Given, Partial, Values};

/// What computations call and read that lies beside the table.
pub(crate) trait Helpers {
    /// Returns the function that says whether an output of a recipe fails, where the dialect has such functions.
    fn guard(&self, recipe: RecipeId, output: usize) -> Option<String>;

    /// Returns where a table lies that expressions look things up in: a function of its key, or a table.
    fn lookup(&self, table: &LookupTable) -> String;

    /// Returns the function that refuses a write in a trigger, given what the database cannot compute; what such a refusal begins with in
    /// a dialect without such functions.
    fn beyond(&self) -> Option<String>;

    /// Returns the function that says which item of a list each item of another one continues, where the dialect has such functions.
    fn align(&self) -> Option<String>;
}

/// What a computation gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Computed {
    /// The value.
    pub(crate) sql: String,
    /// Whether there is none, where the policy of the operation is not to refuse; never NULL.
    pub(crate) failed: Option<String>,
}

/// Renders computations of one table.
#[derive(Clone, Copy)]
pub(crate) struct Compute<'t, 'h> {
    pub(crate) table: &'t Table<'h>,
    pub(crate) dialect: Dialect,
    pub(crate) helpers: &'t dyn Helpers,
    /// Returns the type of another model's key.
    pub(crate) keys: KeyType<'t>,
    /// The columns that there are and have values; all where `None`.
    pub(crate) present: Option<&'t BTreeSet<usize>>,
    /// Whether what the database can compute for some values only is computed for these, and the others are refused.
    pub(crate) partly: bool,
    /// The elements that are computed, where it is not the rows.
    pub(crate) within: Option<Within<'t>>,
}

/// Elements of a list or map that are computed, each for itself.
#[derive(Clone, Copy)]
pub(crate) struct Within<'t> {
    scope: &'t Scope,
    /// The element's key or number.
    key: &'t str,
    /// How deep it lies, so that names differ.
    depth: usize,
}

/// How parts of the schema are put together for a moment.
pub(crate) struct Shape<'s> {
    /// The moment whose shapes values have, or the nearest of their life.
    pub(crate) from: Time,
    /// The moment whose shape is wanted.
    pub(crate) to: Time,
    /// What is not declared in an object: a JSON object that is added to it.
    pub(crate) undeclared: &'s dyn Fn(NodeId) -> Option<String>,
    /// A list or map as it was, in the writer's shape and in the wanted one.
    pub(crate) before: &'s dyn Fn(NodeId) -> Option<(String, String)>,
}

impl<'t, 'h> Compute<'t, 'h> {
    pub(crate) fn new(table: &'t Table<'h>, dialect: Dialect, helpers: &'t dyn Helpers, keys: KeyType<'t>) -> Self {
        Self { table, dialect, helpers, keys, present: None, partly: false, within: None }
    }

    /// The same, where only some columns have values.
    pub(crate) fn among(self, present: &'t BTreeSet<usize>) -> Self {
        Self { present: Some(present), ..self }
    }

    /// The same in a trigger, which can refuse a write.
    pub(crate) fn partly(self) -> Self {
        Self { partly: true, ..self }
    }
}

impl Compute<'_, '_> {
    pub(crate) fn scope(&self) -> &Scope {
        match self.within {
            Some(within) => within.scope,
            None => self.table.scope(),
        }
    }

    /// Returns whether a node's value is handled as JSON.
    pub(crate) fn is_json(&self, node: NodeId) -> bool {
        if self.within.is_some() {
            return true;
        }
        let homes = self.table.homes(node);
        self.scope().nodes[node].lineage.is_some()
            || homes.iter().any(|spot| !spot.path.is_empty() || self.table.columns[spot.column].is_json())
            || homes.is_empty() && self.is_json_nowhere(node)
    }

    /// Whether a node that lies in no column has to be JSON, for its absence and its null differ.
    fn is_json_nowhere(&self, node: NodeId) -> bool {
        let node = self.node(node);
        let property = node.property(node.born);
        let inside = node.places.iter().any(|(_, place)| place.parent.is_some());
        is_json(&property.ty) || inside || !property.required && property.nullable
    }

    fn node(&self, node: NodeId) -> &Node {
        &self.scope().nodes[node]
    }

    fn property(&self, node: NodeId, time: Time) -> &Property {
        let node = self.node(node);
        node.property(node.nearest(time))
    }

    /// Whether a node is absent; `None` where it never is.
    fn is_absent(&self, node: NodeId, time: Time, values: &dyn Values) -> Option<String> {
        let property = self.property(node, time);
        let can_be = !property.required || self.is_json(node) && self.container(node, time).is_some();
        can_be.then(|| format!("{} IS NULL", values.value(node)))
    }

    fn container(&self, node: NodeId, time: Time) -> Option<NodeId> {
        let node = self.node(node);
        node.place(node.nearest(time)).parent
    }

    /// Computes a hidden node from values of the nodes that it depends on.
    pub(crate) fn calc(&self, order: &Order, hidden: &Hidden, values: &dyn Values) -> Result<Computed, Local> {
        let computed = match &hidden.rule {
            HiddenRule::Recipe(recipe, output) => self.output(*recipe, *output, hidden.node, values, order.time)?,
            HiddenRule::Lineage { edge, kids } => self.lineage(hidden.node, *edge, kids, values),
            HiddenRule::Kids { always: true } => plain(json::empty(self.dialect).to_owned()),
            HiddenRule::Kids { always: false } => {
                let present: Vec<String> = hidden.deps.iter().flat_map(|dep| is_told(*dep, values)).collect();
                let present = if present.is_empty() { "FALSE".to_owned() } else { present.join(" OR ") };
                plain(format!("CASE WHEN {present} THEN {} END", json::empty(self.dialect)))
            }
        };
        let computed = match self.closed(order, hidden, values) {
            Some(closed) => Computed {
                sql: format!("CASE WHEN {closed} THEN NULL ELSE {} END", computed.sql),
                failed: computed.failed.map(|failed| format!("(NOT ({closed}) AND {failed})")),
            },
            None => computed,
        };
        self.readable(&computed.sql)?;
        computed.failed.as_deref().map_or(Ok(()), |failed| self.readable(failed))?;
        Ok(computed)
    }

    /// Whether a node is missing in an object that is there for a moment, or has a value in one that is not; `None` where a column that
    /// says so says more.
    pub(crate) fn misfit(&self, node: NodeId, time: Time, values: &dyn Values) -> Option<String> {
        if self.node(node).elements.is_some() {
            return None;
        }
        let demand = Demand::of(self.scope(), node, time);
        let value = values.value(node);
        let is_there = demand.within.map(|within| json::is_object(&values.value(within), self.dialect));
        let missing = demand.required.then(|| match &is_there {
            Some(is_there) => format!("({value} IS NULL AND {is_there})"),
            None => format!("{value} IS NULL"),
        });
        let astray = is_there.map(|is_there| format!("({value} IS NOT NULL AND NOT {is_there})"));
        let conditions: Vec<String> = missing.into_iter().chain(astray).collect();
        (!conditions.is_empty()).then(|| format!("nullif({}, FALSE)", conditions.join(" OR ")))
    }

    /// Refuses what the database could not read.
    fn readable(&self, sql: &str) -> Result<(), Local> {
        match self.dialect {
            Dialect::Sqlite if !fits(sql) => Err(local(TOO_DEEP)),
            Dialect::Sqlite | Dialect::Postgres => Ok(()),
        }
    }

    /// When a default must not make its own container.
    fn closed(&self, order: &Order, hidden: &Hidden, values: &dyn Values) -> Option<String> {
        let gate: &Gate = hidden.gate.as_ref().filter(|gate| !gate.always)?;
        let mut conditions = Vec::new();
        for node in gate.edge.into_iter().chain(gate.born) {
            conditions.push(format!("NOT {}", json::is_object(&values.value(node), self.dialect)));
        }
        // What could not be computed is not absent.
        let absent = |node: NodeId| {
            let absent = self.is_absent(node, order.time, values)?;
            Some(values.failed(node).map_or_else(|| absent.clone(), |failed| format!("({absent} AND NOT {failed})")))
        };
        for node in &gate.sources {
            match absent(*node) {
                Some(absent) => conditions.push(absent),
                // What is always there keeps the gate open.
                None => return None,
            }
        }
        if !hidden.sticky {
            for dep in &hidden.deps {
                conditions.push(absent(*dep)?);
            }
        }
        Some(if conditions.is_empty() { "TRUE".to_owned() } else { conditions.join(" AND ") })
    }

    fn lineage(&self, node: NodeId, edge: NodeId, kids: &[NodeId], values: &dyn Values) -> Computed {
        let failed = values.failed(edge);
        let edge = values.value(edge);
        let mut there = vec![json::is_object(&edge, self.dialect)];
        there.extend(kids.iter().flat_map(|kid| is_told(*kid, values)));
        let property = self.node(node).property(self.node(node).born);
        let empty = json::empty(self.dialect);
        let otherwise = match (property.required, property.nullable) {
            (true, false) => empty.to_owned(),
            (false, false) => "NULL".to_owned(),
            (true, true) => format!("CASE WHEN {edge} IS NULL THEN {empty} ELSE {} END", json::null(self.dialect)),
            (false, true) => format!("CASE WHEN {edge} IS NULL THEN NULL ELSE {} END", json::null(self.dialect)),
        };
        let sql = format!("CASE WHEN {} THEN {empty} ELSE {otherwise} END", there.join(" OR "));
        match failed {
            Some(failed) => Computed { sql: format!("CASE WHEN {failed} THEN NULL ELSE {sql} END"), failed: Some(failed) },
            None => plain(sql),
        }
    }

    /// One output of a recipe.
    fn output(&self, id: RecipeId, output: usize, node: NodeId, values: &dyn Values, from: Time) -> Result<Computed, Local> {
        let recipe = &self.scope().recipes[id];
        let inputs = self.inputs(recipe, values, from)?;
        let mut first = 0;
        for (at, target) in recipe.targets.iter().enumerate() {
            let mut nodes = Vec::new();
            target.tree.nodes(&mut nodes);
            if output >= first + nodes.len() {
                first += nodes.len();
                continue;
            }
            let outcome = self.outcome(id, at, &inputs)?;
            let fill = match &target.fill {
                Fill::None => None,
                Fill::Value(value) => Some(self.constant(value, &target.property.ty)?),
                Fill::Expression(expression, places) => {
                    let inputs: Vec<String> = places.iter().map(|place| inputs.seen[*place].clone()).collect();
                    Some(self.expression(expression, &inputs, &target.property)?.sql)
                }
            };
            let broken = self.broken(recipe, values)?;
            let landing = Landing { compute: self, target, node, broken: broken.as_deref() };
            return landing.land(&outcome, fill.as_deref(), &inputs.bound, Origin::of(recipe, at, &inputs.types));
        }
        Err(local(format!("nothing computes `{}`", self.node(node).key)))
    }

    /// Whether something that a recipe reads could not be computed.
    fn broken(&self, recipe: &Recipe, values: &dyn Values) -> Result<Option<String>, Local> {
        let mut nodes = Vec::new();
        for source in &recipe.inputs {
            if let Source::Tree(tree) = source {
                tree.nodes(&mut nodes);
            }
        }
        let listed = |node: &&NodeId| self.node(**node).elements.is_some();
        let unfit = |node: &NodeId| self.within.is_none() && self.table.unfit(*node, recipe.reads_at()).is_some();
        if nodes.iter().filter(listed).any(unfit) {
            return Err(local("it reads elements that may not have been computed"));
        }
        let failed: Vec<String> = nodes.into_iter().filter_map(|node| values.failed(node)).collect();
        Ok((!failed.is_empty()).then(|| format!("({})", failed.join(" OR "))))
    }

    /// The inputs of a recipe as its function sees them.
    fn inputs(&self, recipe: &Recipe, values: &dyn Values, from: Time) -> Result<Inputs, Local> {
        let time = recipe.reads_at();
        let mut bound = Bound::new(self, "i");
        let (mut seen, mut types, mut absent) = (Vec::new(), Vec::new(), Vec::new());
        for source in &recipe.inputs {
            match source {
                Source::Key => {
                    let Some(within) = self.within else { return Err(local("it reads the key of an element")) };
                    seen.push(within.key.to_owned());
                    absent.push(None);
                    types.push(Property::new(Type::String).required());
                }
                Source::Tree(tree) => {
                    let node = tree.node();
                    let property = self.property(node, time).clone();
                    let shape = Shape { from, to: time, undeclared: &|_| None, before: &|_| None };
                    let json = bound.name(self.gather(tree, values, &shape)?);
                    seen.push(match (self.is_json(node), is_json(&property.ty)) {
                        (true, true) => json::without_null(&json, self.dialect),
                        (true, false) => from_json(&json::without_null(&json, self.dialect), &property.ty, self.dialect)
                            .ok_or_else(|| local("its input has no form in this database"))?,
                        (false, _) => self.own(node, json.clone()),
                    });
                    absent.push(if self.is_absent(node, time, values).is_some() {
                        Some(format!("{json} IS NULL"))
                    } else {
                        None
                    });
                    types.push(property);
                }
            }
        }
        // Among others an absent input of an expression reads as NULL; where all are absent, it is not asked. What is not an expression
        // is about the first one.
        if !matches!(recipe.function, Function::Expressions(_)) {
            absent.truncate(1);
        }
        let absent: Option<Vec<String>> = absent.into_iter().collect();
        let absent = absent.filter(|all| !all.is_empty()).map(|all| all.join(" AND "));
        Ok(Inputs { seen, types, absent, bound })
    }

    /// The value of a part of the schema: an object with what is declared in it, a list in the shape of the moment.
    pub(crate) fn gather(&self, tree: &Tree, values: &dyn Values, shape: &Shape<'_>) -> Result<String, Local> {
        let own = values.value(tree.node());
        let children = match tree {
            Tree::Leaf(node) => {
                if let Some(known) = values.shaped(*node, shape.to) {
                    return Ok(known);
                }
                let from = self.node(*node).nearest(shape.from);
                let before = (shape.before)(*node).or_else(|| values.before(*node, shape.to));
                return self.continued_shape(*node, (from, shape.to), &own, before, values.is_new(*node));
            }
            Tree::Object(_, children) => children,
        };
        let mut members = Vec::new();
        for (name, child) in children {
            let value = match child {
                Tree::Leaf(node) if !self.is_json(*node) => self.lifted(*node, &values.value(*node)),
                Tree::Leaf(_) | Tree::Object(..) => self.gather(child, values, shape)?,
            };
            members.push((name.clone(), value, true));
        }
        let object = json::object(&members, self.dialect);
        let object = match (shape.undeclared)(tree.node()) {
            Some(undeclared) => json::merge(&undeclared, &object, self.dialect),
            None => object,
        };
        Ok(format!("CASE WHEN {} THEN {object} ELSE {own} END", json::is_object(&own, self.dialect)))
    }

    /// A list or map in the shape of another moment, as it was where it was not computed anew.
    pub(crate) fn continued_shape(
        &self,
        node: NodeId,
        (from, to): (Time, Time),
        value: &str,
        before: Option<(String, String)>,
        is_new: Option<String>,
    ) -> Result<String, Local> {
        match (before, is_new) {
            (Some((_, own)), Some(is_new)) => {
                let fresh = self.reshaped(node, from, to, value, None)?;
                if fresh == value {
                    return Ok(fresh);
                }
                Ok(format!("CASE WHEN {is_new} THEN {fresh} ELSE {own} END"))
            }
            (before, _) => {
                let before = before.as_ref().map(|(from, to)| (from.as_str(), to.as_str()));
                self.reshaped(node, from, to, value, before)
            }
        }
    }

    /// A native value as JSON.
    fn lifted(&self, node: NodeId, native: &str) -> String {
        let property = self.property(node, self.node(node).born);
        self.lifted_as(native, &property.ty, property.nullable)
    }

    /// A native value as one of the property's type: a column of a table that was there before has a type of its own, which may
    /// be narrower, or know fewer functions.
    pub(crate) fn own(&self, node: NodeId, native: String) -> String {
        let first = self.table.history.versions().next().unwrap_or_default();
        if self.dialect != Dialect::Postgres || !self.table.is_adopted() || self.is_json(node) {
            return native;
        }
        // Columns that newer versions show it in have the type of the one that was there.
        let taken =
            |column: &Column| column.since <= first && matches!(column.held, Held::Shown { node: own, .. } if own == node);
        if !self.table.columns.iter().any(taken) {
            return native;
        }
        let property = self.property(node, self.node(node).born);
        let own = format!("({native})::{}", column_type(&property.ty, self.keys, self.dialect));
        // Its collation may hold texts for equal that are not, and not let them be searched.
        if property.ty == Type::String { format!("({own} COLLATE pg_catalog.\"C\")") } else { own }
    }

    /// A native value as it is compared with another one of the node, where equal means that they are the same.
    pub(crate) fn exact(&self, node: NodeId, native: String) -> String {
        let is_text = self.property(node, self.node(node).born).ty == Type::String;
        if is_text { self.own(node, native) } else { native }
    }

    fn constant(&self, value: &Value, ty: &Type) -> Result<String, Local> {
        literal(value, ty, self.dialect).map_err(|unfit| local(unfit.to_string()))
    }
}

/// Whether a table has so many rows that it is not written out wherever it is read.
pub(crate) fn is_large(table: &LookupTable) -> bool {
    table.iter().count() > 12
}

/// A computation that is left to the engine, whatever its text.
pub(crate) fn local(reason: impl Into<String>) -> Local {
    Local::new(reason, &(0..0))
}

/// What a recipe's function reads.
struct Inputs {
    /// Each input, native or JSON by its type, NULL where it is absent or null.
    seen: Vec<String>,
    types: Vec<Property>,
    /// When all are absent; `None` where that cannot be.
    absent: Option<String>,
    bound: Bound,
}

fn plain(sql: String) -> Computed {
    Computed { sql, failed: None }
}

/// When a node is not absent: one that could not be computed is not.
fn is_told(node: NodeId, values: &dyn Values) -> impl Iterator<Item = String> {
    std::iter::once(format!("{} IS NOT NULL", values.value(node))).chain(values.failed(node))
}

/// Returns whether values of a type are JSON in a column.
pub(crate) fn is_json(ty: &Type) -> bool {
    coeval_plan::table::is_json(ty)
}
