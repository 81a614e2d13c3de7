//! Adds a model. Versions before it do not have it.

use super::{Context, Example, LensEdit, Named, Op, Operation, RemoveModel};
use crate::decode;
use crate::invalid::Invalid;
use crate::schema::{Model, no_shared_types};
use crate::value::Object;

/// Adds a model, with the schema that its version's `changes` hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddModel {
    /// The model, where the operation carries it.
    pub schema: Option<Model>,
}

impl Named for AddModel {}

impl Op for AddModel {
    const NAME: &'static str = "add_model";
    const EXAMPLE: Example =
        Example { properties: r#"{"name": "string"}"#, operation: "{}", older: r#"{"name":"Ada"}"#, newer: r#"{"name":"Ada"}"# };

    fn from_fields(fields: &Object) -> Result<Self, Invalid> {
        decode::known_keys(fields, &["schema"])?;
        let schema = fields.get("schema").map(|v| Model::from_value(v, &no_shared_types)).transpose();
        Ok(Self { schema: schema.map_err(|e| e.beneath("schema"))? })
    }

    fn to_fields(&self) -> Object {
        self.schema.iter().map(|model| ("schema".into(), model.to_value())).collect()
    }

    fn check(&self, _before: &Model) -> Result<(), Invalid> {
        Ok(())
    }

    fn apply(&self, model: &mut Model) {
        if let Some(schema) = &self.schema {
            model.clone_from(schema);
        }
    }

    fn lens(&self, _before: &Model, _context: &Context<'_>) -> Result<LensEdit, Invalid> {
        Ok(LensEdit::default())
    }

    fn inverse(&self, _before: &Model) -> Option<Operation> {
        Some(Operation::RemoveModel(RemoveModel {}))
    }

    fn describe(&self) -> String {
        "add the model".to_owned()
    }
}
