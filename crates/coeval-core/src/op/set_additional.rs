//! Opens an object for undeclared properties, or closes it.

use super::support::existing;
use super::{Context, Example, LensEdit, Named, Op, Operation};
use crate::decode;
use crate::history::Edit;
use crate::invalid::Invalid;
use crate::path::Path;
use crate::schema::{Model, Properties, Type};
use crate::value::Object;

/// Changes whether an object, or the whole record, admits properties that are not declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAdditional {
    /// The object; the record where empty.
    pub path: Path,
    /// Whether newer versions admit and show them.
    pub additional: bool,
}

impl SetAdditional {
    fn properties<'a>(&self, model: &'a mut Model) -> Option<&'a mut Properties> {
        if self.path.is_root() {
            return Some(&mut model.properties);
        }
        match &mut model.at_mut(&self.path)?.ty {
            Type::Object(properties) => Some(properties),
            _ => None,
        }
    }
}

impl Named for SetAdditional {}

impl Op for SetAdditional {
    const NAME: &'static str = "set_additional";
    const EXAMPLE: Example = Example {
        properties: r#"{"name": "string"}"#,
        operation: r#"{"additional": false}"#,
        older: r#"{"name":"Ada","note":"not declared"}"#,
        newer: r#"{"name":"Ada"}"#,
    };

    fn from_fields(fields: &Object) -> Result<Self, Invalid> {
        decode::known_keys(fields, &["path", "additional"])?;
        decode::required(fields, "additional")?;
        let path = if fields.get("path").is_some() { decode::path(fields, "path")? } else { Path::root() };
        Ok(Self { path, additional: decode::flag(fields, "additional")? })
    }

    fn to_fields(&self) -> Object {
        let mut out = Object::new();
        if !self.path.is_root() {
            out.insert("path", self.path.to_string().into());
        }
        out.insert("additional", self.additional.into());
        out
    }

    fn check(&self, before: &Model) -> Result<(), Invalid> {
        if !self.path.is_root() {
            let property = existing(before, &self.path, "path")?;
            if !matches!(property.ty, Type::Object(_)) {
                return Err(Invalid::new(format!("`{}` is not an object", self.path)).beneath("path"));
            }
        }
        Ok(())
    }

    fn apply(&self, model: &mut Model) {
        if let Some(properties) = self.properties(model) {
            properties.additional = self.additional;
        }
    }

    fn lens(&self, _before: &Model, _context: &Context<'_>) -> Result<LensEdit, Invalid> {
        let (within, path) = self.path.split_element();
        Ok(LensEdit::new(within, vec![Edit::Open { path, additional: self.additional }]))
    }

    fn inverse(&self, _before: &Model) -> Option<Operation> {
        Some(Operation::SetAdditional(Self { path: self.path.clone(), additional: !self.additional }))
    }

    fn describe(&self) -> String {
        let what = if self.path.is_root() { "the record".to_owned() } else { self.path.to_string() };
        if self.additional {
            format!("admit undeclared properties in {what}")
        } else {
            format!("refuse undeclared properties in {what}")
        }
    }
}
