//! Recipes: how a hidden node is computed, and how what was computed lands in its type (rules N3, N6).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::scope::{NodeId, Time, Tree};
use crate::expr::Compiled;
use crate::schema::{Property, Type};
use crate::value::{Object, Value};

/// How the outputs of one side of a group, or a one-way value, are computed. All outputs are one unit.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// What the function reads.
    pub inputs: Vec<Source>,
    /// Every node beneath the inputs.
    pub deps: Vec<NodeId>,
    /// Where the results go, one for each value that the function gives.
    pub targets: Vec<Target>,
    /// The computation.
    pub function: Function,
    /// Whether a value that differs from the recipe's stays whatever the inputs do.
    pub sticky: bool,
    /// The moment of its operation.
    pub time: Time,
    /// Whether it computes what the operation began, from what was there before; else the reverse.
    pub up: bool,
}

impl Recipe {
    /// Returns the moment whose shapes the inputs have.
    pub fn reads_at(&self) -> Time {
        if self.up { self.time.saturating_sub(1) } else { self.time }
    }

    /// Returns the moment whose shapes the results have.
    pub fn lands_at(&self) -> Time {
        if self.up { self.time } else { self.time.saturating_sub(1) }
    }

    /// Returns whether it reads the key or number of the element.
    pub fn reads_key(&self) -> bool {
        self.inputs.iter().any(|input| matches!(input, Source::Key))
    }

    /// Returns whether one property becomes one property, so that absence stays absence.
    pub fn is_single(&self) -> bool {
        self.inputs.len() == 1 && self.targets.len() == 1
    }
}

/// One input of a recipe.
#[derive(Debug, Clone)]
pub enum Source {
    /// A property, objects with all that they hold.
    Tree(Tree),
    /// The key or number of the element that is being computed.
    Key,
}

/// One output of a recipe.
#[derive(Debug, Clone)]
pub struct Target {
    /// The property, objects with all that they hold.
    pub tree: Tree,
    /// Its type and facets, those of everything beneath it included.
    pub property: Arc<Property>,
    /// What an absence or a null becomes that the type does not admit.
    pub fill: Fill,
    /// What happens to what cannot be computed, or does not fit.
    pub on_fail: OnFail,
}

impl Target {
    /// Returns the property of a node that is the target or lies in it.
    pub fn property_of(&self, node: NodeId) -> Option<&Property> {
        fn within<'p>(tree: &Tree, property: &'p Property, node: NodeId) -> Option<&'p Property> {
            if tree.node() == node {
                return Some(property);
            }
            let (Tree::Object(_, children), Type::Object(properties)) = (tree, &property.ty) else { return None };
            children.iter().find_map(|(name, child)| within(child, properties.get(name)?, node))
        }
        within(&self.tree, &self.property, node)
    }
}

/// What takes the place of an absence or a null that the target does not admit.
#[derive(Debug, Clone, Default)]
pub enum Fill {
    /// Nothing does.
    #[default]
    None,
    /// A constant.
    Value(Value),
    /// An expression over these inputs of the recipe.
    Expression(Arc<Compiled>, Vec<usize>),
}

/// What happens to a value that a conversion cannot give.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum OnFail {
    /// A write that causes it is refused, and so is migrating.
    #[default]
    Reject,
    /// The constant is used; the raw value is kept.
    Fallback(Value),
    /// The record is hidden from the versions where it is not valid.
    Quarantine,
}

/// A computation of a group.
#[derive(Clone)]
pub enum Function {
    /// The same value or absence always.
    Constant(Option<Value>),
    /// The input itself.
    Identity,
    /// One expression for each target, with the places of its inputs among the recipe's.
    Expressions(Vec<(Arc<Compiled>, Vec<usize>)>),
    /// A table of strings.
    Enum(BTreeMap<String, String>),
    /// A list of the one value.
    Wrap,
    /// The first or last item of a list; of an empty one the value given, or null.
    Pick {
        /// Whether the last item is picked.
        last: bool,
        /// What an empty list gives; null where `None`.
        empty: Option<Value>,
    },
    /// The object with its keys renamed.
    Keys(BTreeMap<String, String>),
    /// Code: it sees absence as `None` and gives a value or absence for each target.
    Native(Arc<Native>),
}

/// Code that computes the targets of a recipe from its inputs.
pub type Native = dyn Fn(&[Option<&Value>]) -> Result<Vec<Option<Value>>, String> + Send + Sync;

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Constant(_) => "Constant",
            Self::Identity => "Identity",
            Self::Expressions(_) => "Expressions",
            Self::Enum(_) => "Enum",
            Self::Wrap => "Wrap",
            Self::Pick { .. } => "Pick",
            Self::Keys(_) => "Keys",
            Self::Native(_) => "Native",
        })
    }
}

/// What a computation gives: a value, absence, or why there is none.
pub type Outcome = Result<Option<Value>, Arc<str>>;

impl Function {
    /// Computes one outcome for each of `targets` from the inputs, absence being `None`.
    ///
    /// Where all inputs are absent, so is the result, and the function never sees it; among others an absent one reads as null.
    pub fn run(&self, inputs: &[Option<&Value>], targets: usize) -> Vec<Outcome> {
        let fail = |message: String| vec![Err(Arc::from(message)); targets];
        if let Self::Constant(value) = self {
            return vec![Ok(value.clone()); targets];
        }
        if let Self::Native(native) = self {
            return match native(inputs) {
                Ok(values) if values.len() == targets => values.into_iter().map(Ok).collect(),
                Ok(values) => fail(format!("the code gave {} values for {targets} properties", values.len())),
                Err(message) => fail(message),
            };
        }
        if let Self::Expressions(expressions) = self {
            if !inputs.is_empty() && inputs.iter().all(Option::is_none) {
                return vec![Ok(None); targets];
            }
            return expressions.iter().map(|(expression, places)| evaluate(expression, places, inputs)).collect();
        }
        match inputs.first().copied().flatten() {
            None => vec![Ok(None)],
            Some(Value::Null) => vec![Ok(Some(Value::Null))],
            Some(value) => vec![self.run_one(value).map(Some).map_err(Arc::from)],
        }
    }

    fn run_one(&self, value: &Value) -> Result<Value, String> {
        match self {
            Self::Enum(table) => {
                let text = value.as_str().ok_or_else(|| format!("{value} is not a string"))?;
                table.get(text).map(|to| to.as_str().into()).ok_or_else(|| format!("{value} has no counterpart"))
            }
            Self::Wrap => Ok(Value::List(vec![value.clone()])),
            Self::Pick { last, empty } => {
                let items = value.as_list().ok_or_else(|| format!("{value} is not a list"))?;
                let item = if *last { items.last() } else { items.first() };
                Ok(item.or(empty.as_ref()).cloned().unwrap_or(Value::Null))
            }
            Self::Keys(keys) => {
                let object = value.as_object().ok_or_else(|| format!("{value} is not an object"))?;
                rename_keys(object, keys).map(Value::Object)
            }
            _ => Ok(value.clone()),
        }
    }
}

/// Renames keys; a new name that another key already bears is refused, or one of the two values would be lost.
fn rename_keys(object: &Object, keys: &BTreeMap<String, String>) -> Result<Object, String> {
    let mut out = Object::new();
    for (key, value) in object {
        match keys.get(key.as_str()) {
            None if keys.values().any(|to| to == key.as_str()) => {
                return Err(format!("the key \"{}\" occurs, to which another key is renamed", key.as_str()));
            }
            None => out.push(key.clone(), value.clone()),
            Some(to) => out.push(to.as_str().into(), value.clone()),
        }
    }
    Ok(out)
}

fn evaluate(expression: &Compiled, places: &[usize], inputs: &[Option<&Value>]) -> Outcome {
    let values: Vec<&Value> = places.iter().map(|i| inputs[*i].unwrap_or(&Value::Null)).collect();
    expression.eval(&values).map(Some).map_err(|e| Arc::from(e.to_string()))
}

impl Fill {
    /// Returns the value, computed from the recipe's inputs.
    pub fn value(&self, inputs: &[Option<&Value>]) -> Option<Outcome> {
        match self {
            Self::None => None,
            Self::Value(value) => Some(Ok(Some(value.clone()))),
            Self::Expression(expression, places) => Some(evaluate(expression, places, inputs)),
        }
    }
}

/// What a computed value, absence or failure becomes in a target (rule N6): the presence of the target decides, then its type.
pub fn land(outcome: Outcome, target: &Property, fill: Option<Outcome>, on_fail: &OnFail) -> Outcome {
    let landed = match outcome {
        Err(reason) => Err(reason),
        Ok(None) if !target.required => Ok(None),
        Ok(Some(Value::Null)) if target.nullable => Ok(Some(Value::Null)),
        Ok(Some(Value::Null)) if !target.required && !target.admits(&Value::Null) => Ok(None),
        Ok(None | Some(Value::Null)) => match (outcome, fill) {
            (Ok(Some(Value::Null)), _) if target.admits(&Value::Null) => Ok(Some(Value::Null)),
            (_, Some(Ok(Some(value)))) if target.admits(&value) => Ok(Some(value)),
            (_, Some(Err(reason))) => Err(reason),
            (Ok(None), _) if target.nullable => Ok(Some(Value::Null)),
            (Ok(None), _) => Err("nothing gives the required value".into()),
            _ => Err("null is not allowed".into()),
        },
        Ok(Some(value)) if target.admits(&value) => Ok(Some(value)),
        Ok(Some(value)) => {
            let why = target.violations(&value).into_iter().next().map_or_else(|| "it does not fit".to_owned(), |v| v.message);
            Err(why.into())
        }
    };
    match (landed, on_fail) {
        (Err(_), OnFail::Fallback(value)) => Ok(Some(value.clone())),
        (landed, _) => landed,
    }
}
