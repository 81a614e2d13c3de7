//! Renames a model; its records stay the same records.

use super::{Context, Example, LensEdit, Named, Op, Operation};
use crate::decode;
use crate::invalid::Invalid;
use crate::schema::Model;
use crate::value::Object;

/// Gives a model another name from this version on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenameModel {
    /// The name in older versions.
    pub from: String,
    /// The name in newer versions.
    pub to: String,
}

impl Named for RenameModel {}

impl Op for RenameModel {
    const NAME: &'static str = "rename_model";
    const EXAMPLE: Example = Example {
        properties: r#"{"name": "string"}"#,
        operation: r#"{"from": "example", "to": "person"}"#,
        older: r#"{"name":"Ada"}"#,
        newer: r#"{"name":"Ada"}"#,
    };

    fn from_fields(fields: &Object) -> Result<Self, Invalid> {
        decode::known_keys(fields, &["from", "to"])?;
        Ok(Self { from: decode::string(fields, "from")?.to_owned(), to: decode::string(fields, "to")?.to_owned() })
    }

    fn to_fields(&self) -> Object {
        Object::from_iter([("from".into(), self.from.as_str().into()), ("to".into(), self.to.as_str().into())])
    }

    fn check(&self, before: &Model) -> Result<(), Invalid> {
        if before.name == self.from {
            return Ok(());
        }
        Err(Invalid::new(format!("the model is called `{}`, not `{}`", before.name, self.from)).beneath("from"))
    }

    fn apply(&self, model: &mut Model) {
        model.name.clone_from(&self.to);
    }

    fn lens(&self, _before: &Model, _context: &Context<'_>) -> Result<LensEdit, Invalid> {
        Ok(LensEdit::default())
    }

    fn inverse(&self, _before: &Model) -> Option<Operation> {
        Some(Operation::RenameModel(Self { from: self.to.clone(), to: self.from.clone() }))
    }

    fn describe(&self) -> String {
        format!("rename the model {} to {}", self.from, self.to)
    }
}
