//! Turns a value into a list of one. Older versions see the first item; the tail is kept.

use super::support::{existing, not_key, put};
use super::{Context, Example, LensEdit, Named, Op, Operation, UnwrapList};
use crate::decode;
use crate::history::{Edit, Filling, Function, OnFail, Side};
use crate::invalid::Invalid;
use crate::path::Path;
use crate::schema::{Model, Property, Type};
use crate::value::{Object, Value};

/// Turns a value into a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrapList {
    /// Where it lies.
    pub path: Path,
    /// What older versions read for an empty list; absence or null, where allowed, if left out.
    pub empty: Option<Value>,
}

impl WrapList {
    fn after(old: &Property) -> Property {
        let items = Property::new(old.ty.clone());
        let default = old.default.clone().map(|value| match value {
            Value::Null => Value::Null,
            value => Value::List(vec![value]),
        });
        let description = old.description.clone();
        Property {
            required: old.required,
            nullable: old.nullable,
            default,
            description,
            ..Property::new(Type::Array { items: Box::new(items), key: None })
        }
    }
}

/// Checks what an empty list reads as: a value of the property, and one is needed where it can be neither absent nor null.
pub(super) fn check_empty(empty: Option<&Value>, scalar: &Property, path: &Path, side: &str) -> Result<(), Invalid> {
    match empty {
        Some(value) => match scalar.violations(value).into_iter().next() {
            None => Ok(()),
            Some(violation) => Err(Invalid::new(format!("`empty` does not fit: {}", violation.message)).beneath("empty")),
        },
        None if (scalar.required || path.last_name().is_none()) && !scalar.nullable => {
            let invalid = Invalid::new(format!("{side} versions require `{path}`, and an empty list has no item"));
            Err(invalid.help("add `empty:`, the value that an empty list reads as").beneath("path"))
        }
        None => Ok(()),
    }
}

impl Named for WrapList {}

impl Op for WrapList {
    const NAME: &'static str = "wrap_list";
    const EXAMPLE: Example = Example {
        properties: r#"{"capital": "string"}"#,
        operation: r#"{"path": "capital"}"#,
        older: r#"{"capital":"Canberra"}"#,
        newer: r#"{"capital":["Canberra"]}"#,
    };

    fn from_fields(fields: &Object) -> Result<Self, Invalid> {
        decode::known_keys(fields, &["path", "empty"])?;
        Ok(Self { path: decode::path(fields, "path")?, empty: fields.get("empty").cloned() })
    }

    fn to_fields(&self) -> Object {
        let mut out = Object::new();
        out.insert("path", self.path.to_string().into());
        put(&mut out, "empty", self.empty.clone());
        out
    }

    fn check(&self, before: &Model) -> Result<(), Invalid> {
        let old = existing(before, &self.path, "path")?;
        not_key(before, &self.path, "made a list", "path")?;
        check_empty(self.empty.as_ref(), old, &self.path, "older")
    }

    fn apply(&self, model: &mut Model) {
        if let Some(property) = model.at_mut(&self.path) {
            *property = Self::after(property);
        }
    }

    fn lens(&self, before: &Model, _context: &Context<'_>) -> Result<LensEdit, Invalid> {
        let (within, path) = self.path.split_element();
        let old = existing(before, &self.path, "path")?;
        let pick = Function::Pick { last: false, empty: self.empty.clone() };
        let group = Edit::Group {
            old: vec![path.clone()],
            new: vec![(path.clone(), Self::after(old))],
            up: Side::single(&path, Function::Wrap, Filling::None, OnFail::Reject),
            down: Side::single(&path, pick, Filling::None, OnFail::Reject),
        };
        Ok(LensEdit::new(within, vec![group]))
    }

    fn inverse(&self, _before: &Model) -> Option<Operation> {
        Some(Operation::UnwrapList(UnwrapList { path: self.path.clone(), last: false, empty: self.empty.clone() }))
    }

    fn describe(&self) -> String {
        format!("make {} a list", self.path)
    }
}
