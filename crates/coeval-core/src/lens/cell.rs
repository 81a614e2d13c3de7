//! The total state of a record: a value for every node (`../history`), whatever version shows it.

use std::sync::Arc;

use crate::history::{LineageId, NodeId, Time};
use crate::value::{Object, Text, Value};

/// What a node holds.
#[derive(Debug, Clone)]
pub enum Cell {
    /// Nothing: the property is not there.
    Absent,
    /// A conversion failed, for this reason.
    Bad(Arc<str>),
    /// A value or null. An object that is there holds the empty object; what is in it has nodes of its own.
    Value(Value),
    /// The elements of a list or map with operations beneath it, each a total state of its own.
    Elements(Elements),
}

/// Elements as states.
#[derive(Debug, Clone)]
pub enum Elements {
    /// The items of a list.
    List(Vec<State>),
    /// The values of a map.
    Map(Vec<(Text, State)>),
}

/// The total state of a record or an element.
#[derive(Debug, Clone)]
pub struct State {
    /// What each node holds.
    pub cells: Vec<Cell>,
    /// Undeclared properties, by the object they lie in; the top is `None`.
    pub extras: Vec<(Option<LineageId>, Object)>,
    /// Orders of keys that differ from the schema's, by the moment of the version that was written so.
    pub layouts: Vec<(Time, Layout)>,
}

/// How a document was written, where it does not follow from its schema.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    /// The keys of each object in order, as they were written.
    pub orders: Vec<(Option<NodeId>, Vec<Text>)>,
    /// The whole text, where spaces stand in it that no style explains.
    pub text: Option<Box<str>>,
}

impl Elements {
    /// Returns each element with its place as paths have it: `[0]`, `{key}`.
    pub(super) fn places(&self) -> impl Iterator<Item = (String, &State)> {
        let (items, values) = match self {
            Self::List(items) => (items.as_slice(), &[][..]),
            Self::Map(values) => (&[][..], values.as_slice()),
        };
        let items = items.iter().enumerate().map(|(i, state)| (format!("[{i}]"), state));
        items.chain(values.iter().map(|(key, state)| (format!("{{{}}}", key.as_str()), state)))
    }
}

impl Layout {
    fn has_orders(&self, other: &Self) -> bool {
        let same = |(node, names): &(Option<NodeId>, Vec<Text>)| {
            let known = self.orders.iter().find(|(n, _)| n == node).map(|(_, names)| names);
            known.is_some_and(|known| {
                known.len() == names.len() && known.iter().zip(names).all(|(a, b)| a == b && a.raw() == b.raw())
            })
        };
        self.orders.len() == other.orders.len() && other.orders.iter().all(same)
    }
}

impl Cell {
    /// Returns whether an object is there, so that properties can lie in it; what was edited into something else holds none.
    pub fn is_present(&self) -> bool {
        matches!(self, Self::Value(Value::Object(_)))
    }

    /// Returns whether nothing is there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Returns whether the two hold the same, in meaning.
    pub fn same(&self, other: &Self) -> bool {
        self.compare(other, false)
    }

    /// Returns whether the two hold the same, written alike.
    pub fn identical(&self, other: &Self) -> bool {
        self.compare(other, true)
    }

    fn compare(&self, other: &Self, strict: bool) -> bool {
        match (self, other) {
            (Self::Absent, Self::Absent) | (Self::Bad(_), Self::Bad(_)) => true,
            (Self::Value(a), Self::Value(b)) => {
                if strict {
                    a.identical(b)
                } else {
                    a == b
                }
            }
            (Self::Elements(Elements::List(a)), Self::Elements(Elements::List(b))) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.compare(b, strict))
            }
            (Self::Elements(Elements::Map(a)), Self::Elements(Elements::Map(b))) => {
                let ordered = a.iter().zip(b).all(|((ka, _), (kb, _))| ka == kb);
                let other = |i: usize, key: &Text| {
                    if ordered { b.get(i) } else { b.iter().find(|(k, _)| k == key) }
                };
                a.len() == b.len()
                    && (ordered || !strict)
                    && a.iter().enumerate().all(|(i, (key, a))| other(i, key).is_some_and(|(_, b)| a.compare(b, strict)))
            }
            _ => false,
        }
    }
}

impl State {
    /// Returns a state without values for a number of nodes.
    pub fn empty(nodes: usize) -> Self {
        Self { cells: vec![Cell::Absent; nodes], extras: Vec::new(), layouts: Vec::new() }
    }

    /// Returns the undeclared properties of an object.
    pub fn extras_of(&self, home: Option<LineageId>) -> Option<&Object> {
        self.extras.iter().find(|(h, _)| *h == home).map(|(_, object)| object)
    }

    /// Returns whether two states hold the same in every node, in meaning.
    pub fn same(&self, other: &Self) -> bool {
        self.compare(other, false)
    }

    fn compare(&self, other: &Self, strict: bool) -> bool {
        let extras = |state: &Self| {
            let mut extras: Vec<_> = state.extras.iter().filter(|(_, object)| !object.is_empty()).cloned().collect();
            extras.sort_by_key(|(home, _)| *home);
            extras
        };
        self.cells.len() == other.cells.len()
            && self.cells.iter().zip(&other.cells).all(|(a, b)| a.compare(b, strict))
            && extras(self) == extras(other)
            && (!strict || self.written_as(other))
    }

    /// Whether both were written in the same orders of keys at the same versions.
    fn written_as(&self, other: &Self) -> bool {
        let same = |(t, layout): &(Time, Layout)| {
            let known = other.layouts.iter().find(|(time, _)| time == t);
            known.is_some_and(|(_, known)| known.text == layout.text && known.has_orders(layout))
        };
        self.layouts.len() == other.layouts.len() && self.layouts.iter().all(same)
    }
}
