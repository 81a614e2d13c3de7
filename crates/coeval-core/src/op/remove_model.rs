//! Removes a model: newer versions do not have it, older ones read and write its records as before.

use super::{Context, Example, LensEdit, Named, Op, Operation};
use crate::decode;
use crate::invalid::Invalid;
use crate::schema::Model;
use crate::value::Object;

/// Hides a model from newer versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveModel {}

impl Named for RemoveModel {}

impl Op for RemoveModel {
    const NAME: &'static str = "remove_model";
    const EXAMPLE: Example =
        Example { properties: r#"{"name": "string"}"#, operation: "{}", older: r#"{"name":"Ada"}"#, newer: r#"{"name":"Ada"}"# };

    fn from_fields(fields: &Object) -> Result<Self, Invalid> {
        decode::known_keys(fields, &[])?;
        Ok(Self {})
    }

    fn to_fields(&self) -> Object {
        Object::new()
    }

    fn check(&self, _before: &Model) -> Result<(), Invalid> {
        Ok(())
    }

    fn apply(&self, _model: &mut Model) {}

    fn lens(&self, _before: &Model, _context: &Context<'_>) -> Result<LensEdit, Invalid> {
        Ok(LensEdit::default())
    }

    fn inverse(&self, _before: &Model) -> Option<Operation> {
        None
    }

    fn describe(&self) -> String {
        "remove the model; its records stay for older versions".to_owned()
    }
}
