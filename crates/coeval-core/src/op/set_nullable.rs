//! Allows null in a property, or no longer allows it.

use super::support::{existing, expression, filling, not_key, put};
use super::{Context, Example, LensEdit, Named, Op, Operation};
use crate::decode;
use crate::history::Edit;
use crate::invalid::Invalid;
use crate::path::Path;
use crate::schema::{Model, Property};
use crate::value::Object;

/// Changes whether a property may be null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetNullable {
    /// Where it lies.
    pub path: Path,
    /// Whether newer versions allow null.
    pub nullable: bool,
    /// What newer versions read for null, where they do not allow it.
    pub up: Option<String>,
    /// What older versions read for null, where they do not allow it.
    pub down: Option<String>,
}

impl SetNullable {
    fn after(&self, old: &Property) -> Property {
        let default = old.default.clone().filter(|d| self.nullable || *d != crate::value::Value::Null);
        Property { nullable: self.nullable, default, ..old.clone() }
    }
}

impl Named for SetNullable {}

impl Op for SetNullable {
    const NAME: &'static str = "set_nullable";
    const EXAMPLE: Example = Example {
        properties: r#"{"area": {"type": "number", "required": true, "nullable": true}}"#,
        operation: r#"{"path": "area", "nullable": false, "up": "0"}"#,
        older: r#"{"area":null}"#,
        newer: r#"{"area":0}"#,
    };

    fn from_fields(fields: &Object) -> Result<Self, Invalid> {
        decode::known_keys(fields, &["path", "nullable", "up", "down"])?;
        decode::required(fields, "nullable")?;
        Ok(Self {
            path: decode::path(fields, "path")?,
            nullable: decode::flag(fields, "nullable")?,
            up: expression(fields, "up")?,
            down: expression(fields, "down")?,
        })
    }

    fn to_fields(&self) -> Object {
        let mut out = Object::new();
        out.insert("path", self.path.to_string().into());
        out.insert("nullable", self.nullable.into());
        put(&mut out, "up", self.up.as_deref());
        put(&mut out, "down", self.down.as_deref());
        out
    }

    fn check(&self, before: &Model) -> Result<(), Invalid> {
        let old = existing(before, &self.path, "path")?;
        if self.nullable {
            not_key(before, &self.path, "made nullable", "path")?;
        }
        let state = if self.nullable { "nullable" } else { "not nullable" };
        if old.nullable == self.nullable {
            return Err(Invalid::new(format!("`{}` is {state} already", self.path)).beneath("nullable"));
        }
        let (field, side, given) = if self.nullable { ("down", "older", &self.down) } else { ("up", "newer", &self.up) };
        let must = old.required || self.path.last_name().is_none();
        if must && given.is_none() && old.default.as_ref().is_none_or(|d| *d == crate::value::Value::Null) {
            let invalid = Invalid::new(format!("{side} versions require `{}` and do not allow null", self.path));
            return Err(invalid
                .help(format!("add `{field}:`, an expression for what they read instead of null"))
                .beneath("path"));
        }
        Ok(())
    }

    fn apply(&self, model: &mut Model) {
        if let Some(property) = model.at_mut(&self.path) {
            *property = self.after(property);
        }
    }

    fn lens(&self, before: &Model, context: &Context<'_>) -> Result<LensEdit, Invalid> {
        let (within, path) = self.path.split_element();
        let old = existing(before, &self.path, "path")?;
        let mut after = before.clone();
        self.apply(&mut after);
        let new = self.after(old);
        let default = old.default.as_ref().filter(|d| **d != crate::value::Value::Null);
        let up = filling(self.up.as_ref(), default, &new, before, &self.path, context).map_err(|e| e.beneath("up"))?;
        let down = filling(self.down.as_ref(), default, old, &after, &self.path, context).map_err(|e| e.beneath("down"))?;
        Ok(LensEdit::new(within, vec![Edit::Facet { path, property: new, up, down }]))
    }

    fn inverse(&self, _before: &Model) -> Option<Operation> {
        Some(Operation::SetNullable(Self {
            path: self.path.clone(),
            nullable: !self.nullable,
            up: self.down.clone(),
            down: self.up.clone(),
        }))
    }

    fn describe(&self) -> String {
        format!("{} null in {}", if self.nullable { "allow" } else { "no longer allow" }, self.path)
    }
}
