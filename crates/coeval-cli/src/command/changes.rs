//! What a version changes, told one operation a line.

use coeval_core::op::Context;
use coeval_core::{Object, Value};
use coeval_manifest::freeze::Freeze;

use super::freeze::operation_value;
use crate::error::Result;
use crate::ui::Ui;

/// What a version changes, by model.
pub(super) struct Changes {
    models: Vec<(String, Vec<coeval_core::op::Operation>)>,
}

impl Changes {
    /// Looks at what was frozen.
    pub(super) fn of(frozen: &Freeze, _context: &Context<'_>) -> Self {
        Self { models: frozen.models.iter().map(|m| (m.name.clone(), m.operations.clone())).collect() }
    }

    /// Tells it.
    pub(super) fn show(&self, ui: &mut Ui) -> Result<()> {
        let mut values = Vec::new();
        for (name, operations) in &self.models {
            ui.say(name)?;
            for operation in operations {
                ui.say(&format!("  {}", operation.describe()))?;
            }
            let mut out = Object::new();
            out.insert("model", name.as_str().into());
            out.insert("operations", Value::List(operations.iter().map(operation_value).collect()));
            values.push(out.into());
        }
        ui.field("models", Value::List(values));
        Ok(())
    }
}
