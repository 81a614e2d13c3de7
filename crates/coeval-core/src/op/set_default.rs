//! Changes the default of a property, for records created at this version or a newer one.

use super::support::existing;
use super::{Context, Example, LensEdit, Named, Op, Operation};
use crate::decode;
use crate::invalid::Invalid;
use crate::path::Path;
use crate::schema::Model;
use crate::value::{Object, Value};

/// Sets or, without a default, removes the default of a property. No stored record changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetDefault {
    /// Where it lies.
    pub path: Path,
    /// The new default.
    pub default: Option<Value>,
}

impl Named for SetDefault {}

impl Op for SetDefault {
    const NAME: &'static str = "set_default";
    const EXAMPLE: Example = Example {
        properties: r#"{"status": {"type": "string", "default": "open"}}"#,
        operation: r#"{"path": "status", "default": "new"}"#,
        older: r#"{"status":"open"}"#,
        newer: r#"{"status":"open"}"#,
    };

    fn from_fields(fields: &Object) -> Result<Self, Invalid> {
        decode::known_keys(fields, &["path", "default"])?;
        Ok(Self { path: decode::path(fields, "path")?, default: fields.get("default").cloned() })
    }

    fn to_fields(&self) -> Object {
        let mut out = Object::new();
        out.insert("path", self.path.to_string().into());
        super::support::put(&mut out, "default", self.default.clone());
        out
    }

    fn check(&self, before: &Model) -> Result<(), Invalid> {
        let property = existing(before, &self.path, "path")?;
        if let Some(default) = &self.default
            && let Some(violation) = property.violations(default).into_iter().next()
        {
            return Err(Invalid::new(format!("the default does not fit: {}", violation.message)).beneath("default"));
        }
        Ok(())
    }

    fn apply(&self, model: &mut Model) {
        if let Some(property) = model.at_mut(&self.path) {
            property.default.clone_from(&self.default);
        }
    }

    fn lens(&self, _before: &Model, _context: &Context<'_>) -> Result<LensEdit, Invalid> {
        Ok(LensEdit::default())
    }

    fn inverse(&self, before: &Model) -> Option<Operation> {
        let default = before.at(&self.path)?.default.clone();
        Some(Operation::SetDefault(Self { path: self.path.clone(), default }))
    }

    fn describe(&self) -> String {
        match &self.default {
            Some(default) => format!("set the default of {} to {default}", self.path),
            None => format!("remove the default of {}", self.path),
        }
    }
}
