//! No longer requires a property, with a value for older versions, which still do.

use super::support::{existing, expression, filling, not_key, put};
use super::{Context, Example, LensEdit, Named, Op, Operation, RequireProperty};
use crate::decode;
use crate::history::{Edit, Filling, initial};
use crate::invalid::Invalid;
use crate::path::Path;
use crate::schema::{Model, Property, Type};
use crate::value::Object;

/// Makes a property optional from this version on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelaxProperty {
    /// Where it lies.
    pub path: Path,
    /// What older versions read where it is absent; its default where left out.
    pub value: Option<String>,
}

impl Named for RelaxProperty {}

impl Op for RelaxProperty {
    const NAME: &'static str = "relax_property";
    const EXAMPLE: Example = Example {
        properties: r#"{"name": "string", "status": {"type": "string", "required": true}}"#,
        operation: r#"{"path": "status", "value": "'open'"}"#,
        older: r#"{"name":"Ada","status":"closed"}"#,
        newer: r#"{"name":"Ada","status":"closed"}"#,
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
        not_key(before, &self.path, "made optional", "path")?;
        if !old.required || self.path.last_name().is_none() {
            return Err(Invalid::new(format!("`{}` is not required", self.path)).beneath("path"));
        }
        let supplied = initial(old).is_some_and(|value| old.violations(&value).is_empty());
        if self.value.is_none() && !supplied {
            let invalid = Invalid::new(format!("older versions require `{}`, and newer ones may lack it", self.path));
            return Err(invalid.help("add `value:`, an expression for what older versions read then").beneath("path"));
        }
        Ok(())
    }

    fn apply(&self, model: &mut Model) {
        if let Some(property) = model.at_mut(&self.path) {
            property.required = false;
        }
    }

    fn lens(&self, before: &Model, context: &Context<'_>) -> Result<LensEdit, Invalid> {
        let (within, path) = self.path.split_element();
        let old = existing(before, &self.path, "path")?;
        let mut after = before.clone();
        self.apply(&mut after);
        let initial = initial(old);
        let down =
            filling(self.value.as_ref(), initial.as_ref(), old, &after, &self.path, context).map_err(|e| e.beneath("value"))?;
        if matches!(old.ty, Type::Object(_)) && matches!(&down, Filling::Expression(value) if !value.is_constant()) {
            return Err(Invalid::new("the value of an object that becomes optional must not read properties").beneath("value"));
        }
        let new = Property { required: false, ..old.clone() };
        Ok(LensEdit::new(within, vec![Edit::Facet { path, property: new, up: Filling::None, down }]))
    }

    fn inverse(&self, _before: &Model) -> Option<Operation> {
        Some(Operation::RequireProperty(RequireProperty { path: self.path.clone(), value: self.value.clone() }))
    }

    fn describe(&self) -> String {
        format!("make {} optional", self.path)
    }
}
