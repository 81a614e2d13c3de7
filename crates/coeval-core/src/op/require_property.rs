//! Requires a property that could be absent, with a value for records that lack it.

use super::support::{existing, expression, filling, put};
use super::{Context, Example, LensEdit, Named, Op, Operation, RelaxProperty};
use crate::decode;
use crate::history::{Edit, Filling, initial};
use crate::invalid::Invalid;
use crate::path::Path;
use crate::schema::{Model, Property, Type};
use crate::value::Object;

/// Requires a property from this version on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequireProperty {
    /// Where it lies.
    pub path: Path,
    /// What newer versions read where it is absent; its default where left out.
    pub value: Option<String>,
}

impl Named for RequireProperty {}

impl Op for RequireProperty {
    const NAME: &'static str = "require_property";
    const EXAMPLE: Example = Example {
        properties: r#"{"status": "string"}"#,
        operation: r#"{"path": "status", "value": "'open'"}"#,
        older: r"{}",
        newer: r#"{"status":"open"}"#,
    };

    fn from_fields(fields: &Object) -> Result<Self, Invalid> {
        decode::known_keys(fields, &["path", "value"])?;
        Ok(Self { path: decode::path(fields, "path")?, value: expression(fields, "value")? })
    }

    fn to_fields(&self) -> Object {
        let mut out = Object::new();
        out.insert("path", self.path.to_string().into());
        put(&mut out, "value", self.value.as_deref());
        out
    }

    fn check(&self, before: &Model) -> Result<(), Invalid> {
        let old = existing(before, &self.path, "path")?;
        if old.required || self.path.last_name().is_none() {
            return Err(Invalid::new(format!("`{}` is required already", self.path)).beneath("path"));
        }
        let initial = initial(&Property { required: true, ..old.clone() });
        let supplied = initial.is_some_and(|value| old.violations(&value).is_empty());
        if self.value.is_none() && !supplied {
            let invalid = Invalid::new(format!("no older version can supply `{}`, which becomes required", self.path));
            return Err(invalid.help("add `value:`, an expression for records that lack it").beneath("path"));
        }
        Ok(())
    }

    fn apply(&self, model: &mut Model) {
        if let Some(property) = model.at_mut(&self.path) {
            property.required = true;
        }
    }

    fn lens(&self, before: &Model, context: &Context<'_>) -> Result<LensEdit, Invalid> {
        let (within, path) = self.path.split_element();
        let old = existing(before, &self.path, "path")?;
        let new = Property { required: true, ..old.clone() };
        let initial = initial(&new);
        let up =
            filling(self.value.as_ref(), initial.as_ref(), &new, before, &self.path, context).map_err(|e| e.beneath("value"))?;
        if matches!(old.ty, Type::Object(_)) && matches!(&up, Filling::Expression(value) if !value.is_constant()) {
            return Err(Invalid::new("the value of an object that becomes required must not read properties").beneath("value"));
        }
        Ok(LensEdit::new(within, vec![Edit::Facet { path, property: new, up, down: Filling::None }]))
    }

    fn inverse(&self, _before: &Model) -> Option<Operation> {
        Some(Operation::RelaxProperty(RelaxProperty { path: self.path.clone(), value: self.value.clone() }))
    }

    fn describe(&self) -> String {
        format!("require {}", self.path)
    }
}
