//! Models, properties and their types.

mod decode;

mod encode;
mod facet;
mod validate;

pub use decode::{SharedTypes, no_shared_types};
pub use validate::Violation;

use crate::path::{Path, Segment};
use crate::value::Value;

/// What values a property may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// Characters.
    String,
    /// A whole number of 64 bits.
    Integer,
    /// An exact decimal of any size, kept as text.
    Number,
    /// A double-precision number.
    Float,
    /// An exact decimal of at most `precision` digits, `scale` of them after the point.
    Decimal {
        /// How many digits in all.
        precision: u32,
        /// How many of them after the point.
        scale: u32,
    },
    /// True or false.
    Boolean,
    /// A day: `2026-11-21`.
    Date,
    /// A time of day: `10:00:00.5`.
    Time,
    /// A moment with its zone: `2026-11-21T10:00:00Z`.
    Datetime,
    /// A UUID.
    Uuid,
    /// Bytes in base 64.
    Bytes,
    /// Any JSON value.
    Json,
    /// One of a list of strings.
    Enum {
        /// The strings, in their declared order.
        values: Vec<String>,
    },
    /// An object with declared properties.
    Object(Properties),
    /// A list.
    Array {
        /// What each item is.
        items: Box<Property>,
        /// The property that tells items apart, where one is declared.
        key: Option<String>,
    },
    /// An object whose keys are data.
    Map {
        /// What each value is.
        values: Box<Property>,
    },
    /// The key of a record of another model.
    Ref {
        /// The other model's name.
        model: String,
    },
    /// One of several types.
    Union {
        /// The alternatives.
        of: Vec<Property>,
        /// The property that names the alternative; without it they are told apart by JSON kind.
        tag: Option<String>,
    },
}

/// A typed part of a model, with its facets.
#[allow(clippy::struct_excessive_bools, reason = "four facets that are there or not, each on its own")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// What values it holds.
    pub ty: Type,
    /// Whether it must be there.
    pub required: bool,
    /// Whether it may be null.
    pub nullable: bool,
    /// The value of records created without it.
    pub default: Option<Value>,
    /// Whether no two records share a value.
    pub unique: bool,
    /// Whether a store keeps an index on it.
    pub index: bool,
    /// A condition that holds for every record, as an expression.
    pub check: Option<String>,
    /// What it means, for people.
    pub description: Option<String>,
}

impl Property {
    /// Returns an optional property of the type, without other facets.
    pub const fn new(ty: Type) -> Self {
        Self { ty, required: false, nullable: false, default: None, unique: false, index: false, check: None, description: None }
    }

    /// Returns the property as required.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Returns the property as nullable.
    #[must_use]
    pub fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }

    /// Returns whether it is an object that is always there.
    pub fn is_fixed_object(&self) -> bool {
        self.required && !self.nullable && matches!(self.ty, Type::Object(_))
    }

    /// Returns the property at a path beneath this one; this one for the empty path.
    pub fn at(&self, path: &[Segment]) -> Option<&Self> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        let next = match (first, &self.ty) {
            (Segment::Name(name), Type::Object(properties)) => properties.get(name)?,
            (Segment::Items, Type::Array { items, .. }) => items,
            (Segment::Values, Type::Map { values }) => values,
            _ => return None,
        };
        next.at(rest)
    }

    /// As [`Property::at`], for change.
    pub fn at_mut(&mut self, path: &[Segment]) -> Option<&mut Self> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        let next = match (first, &mut self.ty) {
            (Segment::Name(name), Type::Object(properties)) => properties.get_mut(name)?,
            (Segment::Items, Type::Array { items, .. }) => items,
            (Segment::Values, Type::Map { values }) => values,
            _ => return None,
        };
        next.at_mut(rest)
    }
}

/// The declared properties of a model or an object, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Properties {
    entries: Vec<(String, Property)>,
    /// Whether properties that are not declared may occur; they pass through untouched.
    pub additional: bool,
}

impl Default for Properties {
    fn default() -> Self {
        Self { entries: Vec::new(), additional: true }
    }
}

impl Properties {
    /// Returns no properties; undeclared ones may occur.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the property `name`.
    pub fn get(&self, name: &str) -> Option<&Property> {
        self.entries.iter().find(|(n, _)| n == name).map(|(_, p)| p)
    }

    /// Returns the property `name` for change.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Property> {
        self.entries.iter_mut().find(|(n, _)| n == name).map(|(_, p)| p)
    }

    /// Sets the property `name`, in its place where it is declared, else at the end.
    pub fn insert(&mut self, name: &str, property: Property) {
        match self.get_mut(name) {
            Some(old) => *old = property,
            None => self.entries.push((name.to_owned(), property)),
        }
    }

    /// Takes the property `name` out.
    pub fn remove(&mut self, name: &str) -> Option<Property> {
        let at = self.entries.iter().position(|(n, _)| n == name)?;
        Some(self.entries.remove(at).1)
    }

    /// Gives the property `from` the name `to`, in its place.
    pub fn rename(&mut self, from: &str, to: &str) {
        if let Some(entry) = self.entries.iter_mut().find(|(n, _)| n == from) {
            to.clone_into(&mut entry.0);
        }
    }

    /// Puts the properties into the order of `names`; those not named follow in the order they had.
    pub fn reorder(&mut self, names: &[String]) {
        let rank = |name: &String| names.iter().position(|n| n == name).unwrap_or(names.len());
        self.entries.sort_by_key(|(name, _)| rank(name));
    }

    /// Returns names and properties in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &Property)> {
        self.entries.iter().map(|(n, p)| (n.as_str(), p))
    }

    /// Returns the names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(n, _)| n.as_str())
    }

    /// Returns how many properties there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl FromIterator<(String, Property)> for Properties {
    fn from_iter<I: IntoIterator<Item = (String, Property)>>(iter: I) -> Self {
        Self { entries: iter.into_iter().collect(), additional: true }
    }
}

/// A rule over records that stores enforce: an index, a uniqueness, a condition or a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    /// Its name, unique in the model.
    pub name: String,
    /// What it demands.
    pub rule: Rule,
    /// What happens to a write through an older version that breaks it.
    pub policy: Policy,
}

/// What a [`Constraint`] demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// Nothing; it makes looking up by these properties fast.
    Index(Vec<Path>),
    /// No two records share the values of these properties.
    Unique(Vec<Path>),
    /// The expression is not false.
    Check(String),
    /// The property holds the key of a record of the model.
    Reference(Path, String),
}

/// What happens to a write through an older version that breaks a constraint of a newer one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Policy {
    /// It is refused.
    #[default]
    Reject,
    /// The expression gives the value to store instead.
    Repair(String),
    /// It is stored, and hidden where it is not valid.
    Quarantine,
}

/// A kind of record at one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Its name, unique in the manifest.
    pub name: String,
    /// The properties that identify a record; `_id` where empty.
    pub key: Vec<String>,
    /// Its properties.
    pub properties: Properties,
    /// Its constraints, beside the facets of its properties.
    pub constraints: Vec<Constraint>,
    /// Everything else that its document says (`backend`, `objects`, `unversioned`, …), as written.
    pub options: crate::value::Object,
}

impl Model {
    /// Returns a model without properties.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            key: Vec::new(),
            properties: Properties::new(),
            constraints: Vec::new(),
            options: crate::value::Object::new(),
        }
    }

    /// Returns the property at a path.
    pub fn at(&self, path: &Path) -> Option<&Property> {
        let (first, rest) = path.segments().split_first()?;
        let Segment::Name(name) = first else { return None };
        self.properties.get(name)?.at(rest)
    }

    /// Returns the property at a path, for change.
    pub fn at_mut(&mut self, path: &Path) -> Option<&mut Property> {
        let (first, rest) = path.segments().split_first()?;
        let Segment::Name(name) = first else { return None };
        self.properties.get_mut(name)?.at_mut(rest)
    }

    /// Returns the properties among which the path's last name lies: the model's or an object's.
    pub fn siblings(&self, path: &Path) -> Option<&Properties> {
        let parent = path.parent()?;
        if parent.is_root() {
            return Some(&self.properties);
        }
        match &self.at(&parent)?.ty {
            Type::Object(properties) => Some(properties),
            _ => None,
        }
    }

    /// As [`Model::siblings`], for change.
    pub fn siblings_mut(&mut self, path: &Path) -> Option<&mut Properties> {
        let parent = path.parent()?;
        if parent.is_root() {
            return Some(&mut self.properties);
        }
        match &mut self.at_mut(&parent)?.ty {
            Type::Object(properties) => Some(properties),
            _ => None,
        }
    }
}
