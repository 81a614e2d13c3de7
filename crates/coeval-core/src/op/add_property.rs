//! Adds a property, with a value for records that were born without it.
//!
//! A value that reads no property is a default: it applies where nothing was written. A value that reads others follows them
//! as long as it equals what they give; a write that differs pins it.

use super::support::{compile, constant, expression, not_own_object, put, vacant};
use super::{Context, Example, LensEdit, Named, Op, Operation, RemoveProperty};
use crate::decode;
use crate::history::{Edit, initial};
use crate::invalid::Invalid;
use crate::path::Path;
use crate::schema::{Model, Property};
use crate::value::Object;

/// Adds a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddProperty {
    /// Where it lies.
    pub path: Path,
    /// Its type and facets; in a draft, where it is left out, those of the draft.
    pub schema: Option<Property>,
    /// The value of records born without it, as an expression.
    pub value: Option<String>,
}

impl AddProperty {
    fn property(&self) -> Result<&Property, Invalid> {
        self.schema
            .as_ref()
            .ok_or_else(|| Invalid::new("`schema` is missing").help("say the new property's type: `schema: {type: string}`"))
    }
}

impl Named for AddProperty {}

impl Op for AddProperty {
    const NAME: &'static str = "add_property";
    const EXAMPLE: Example = Example {
        properties: r#"{"title": {"type": "string", "required": true}}"#,
        operation: r#"{"path": "slug", "schema": {"type": "string", "required": true}, "value": "lower(title)"}"#,
        older: r#"{"title":"Ada"}"#,
        newer: r#"{"title":"Ada","slug":"ada"}"#,
    };

    fn from_fields(fields: &Object) -> Result<Self, Invalid> {
        decode::known_keys(fields, &["path", "schema", "value"])?;
        let schema = fields.get("schema").map(Property::from_value).transpose().map_err(|e| e.beneath("schema"))?;
        Ok(Self { path: decode::path(fields, "path")?, schema, value: expression(fields, "value")? })
    }

    fn to_fields(&self) -> Object {
        let mut out = Object::new();
        out.insert("path", self.path.to_string().into());
        put(&mut out, "schema", self.schema.as_ref().map(Property::to_value));
        put(&mut out, "value", self.value.as_deref());
        out
    }

    fn check(&self, before: &Model) -> Result<(), Invalid> {
        vacant(before, &self.path, "path")?;
        let property = self.property()?;
        let initial = initial(property);
        let fits = initial.as_ref().is_none_or(|value| property.violations(value).is_empty());
        if self.value.is_none() && property.required && (initial.is_none() || !fits) {
            let invalid = Invalid::new(format!("no older version can supply `{}`, which is required", self.path));
            return Err(invalid
                .help("add `value:` (an expression, constants in quotation marks: \"'medium'\"), or a `default` to its schema")
                .beneath("path"));
        }
        Ok(())
    }

    fn apply(&self, model: &mut Model) {
        if let (Some(name), Some(property), Some(siblings)) =
            (self.path.last_name(), &self.schema, model.siblings_mut(&self.path))
        {
            siblings.insert(name, property.clone());
        }
    }

    fn lens(&self, before: &Model, context: &Context<'_>) -> Result<LensEdit, Invalid> {
        let (within, path) = self.path.split_element();
        let property = self.property()?.clone();
        let value = match &self.value {
            None => None,
            Some(source) => {
                let place = |e: Invalid| e.beneath("value");
                let compiled = compile(source, before, &within, None, context).map_err(place)?;
                not_own_object(&compiled, &[&path]).map_err(place)?;
                // An absence or a failure falls back to the default, where there is one.
                let target = Property { required: property.required && property.default.is_none(), ..property.clone() };
                compiled.check_target(&target).map_err(place)?;
                constant(&compiled, &property).map_err(place)?;
                Some(compiled)
            }
        };
        Ok(LensEdit::new(within, vec![Edit::Add { path, property, value: value.into() }]))
    }

    fn inverse(&self, _before: &Model) -> Option<Operation> {
        Some(Operation::RemoveProperty(RemoveProperty { path: self.path.clone(), value: self.value.clone() }))
    }

    fn describe(&self) -> String {
        match &self.value {
            Some(value) => format!("add {} with {value}", self.path),
            None => format!("add {}", self.path),
        }
    }
}
