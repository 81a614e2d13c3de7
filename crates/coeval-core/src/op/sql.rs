//! Raw statements for one backend. coeval runs them and knows nothing of what they do.

use super::{Context, Example, LensEdit, Named, Op, Operation};
use crate::decode;
use crate::invalid::Invalid;
use crate::schema::Model;
use crate::value::Object;

/// Statements that a backend runs on the way up and on the way down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sql {
    /// The backend; the model's own where `None`.
    pub backend: Option<String>,
    /// The statements on the way up.
    pub up: String,
    /// The statements on the way down.
    pub down: Option<String>,
}

impl Named for Sql {}

impl Op for Sql {
    const NAME: &'static str = "sql";
    const EXAMPLE: Example = Example {
        properties: r#"{"name": "string"}"#,
        operation: r#"{"up": "ANALYZE example", "down": ""}"#,
        older: r#"{"name":"Ada"}"#,
        newer: r#"{"name":"Ada"}"#,
    };

    fn from_fields(fields: &Object) -> Result<Self, Invalid> {
        decode::known_keys(fields, &["backend", "up", "down"])?;
        Ok(Self {
            backend: decode::optional_string(fields, "backend")?.map(str::to_owned),
            up: decode::string(fields, "up")?.to_owned(),
            down: decode::optional_string(fields, "down")?.map(str::to_owned),
        })
    }

    fn to_fields(&self) -> Object {
        let mut out = Object::new();
        super::support::put(&mut out, "backend", self.backend.as_deref());
        out.insert("up", self.up.as_str().into());
        super::support::put(&mut out, "down", self.down.as_deref());
        out
    }

    fn check(&self, _before: &Model) -> Result<(), Invalid> {
        Ok(())
    }

    fn apply(&self, _model: &mut Model) {}

    fn lens(&self, _before: &Model, _context: &Context<'_>) -> Result<LensEdit, Invalid> {
        Ok(LensEdit::default())
    }

    fn inverse(&self, _before: &Model) -> Option<Operation> {
        let up = self.down.clone()?;
        Some(Operation::Sql(Self { backend: self.backend.clone(), up, down: Some(self.up.clone()) }))
    }

    fn describe(&self) -> String {
        "run statements of its own".to_owned()
    }
}
