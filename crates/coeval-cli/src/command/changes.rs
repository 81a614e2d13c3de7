//! What a version changes, told one operation a line, each with its class.

use coeval_core::classify::{self, Class, Way};
use coeval_core::op::{Context, Operation};
use coeval_core::{Model, Object, Value};

use crate::error::Result;
use crate::ui::{Ui, number};

/// What changes in one model.
pub(super) struct Changes {
    /// The model's name.
    pub(super) model: String,
    /// The operations, in order, with their classes where they could be computed.
    pub(super) operations: Vec<(Operation, Option<Class>)>,
}

/// How wide the description may be before the class is put on a line of its own.
const WIDTH: usize = 52;

impl Changes {
    /// Classifies operations that follow each other, the first of them on `before`.
    pub(super) fn of(model: &str, before: Option<&Model>, operations: &[Operation], context: &Context<'_>) -> Self {
        let mut working = before.cloned();
        let classified = operations.iter().map(|operation| {
            let class = match &working {
                Some(model) => classify::operation(model, operation, context).ok(),
                None => Some(Class::NEUTRAL),
            };
            if let Some(model) = &mut working {
                operation.apply(model);
            }
            (operation.clone(), class)
        });
        Self { model: model.to_owned(), operations: classified.collect() }
    }

    /// Tells them to a person.
    pub(super) fn show(&self, ui: &Ui) -> Result<()> {
        for (operation, class) in &self.operations {
            let text = operation.describe();
            let Some(class) = class.filter(|_| !matches!(operation, Operation::AddModel(_))) else {
                ui.say(&format!("  {text}"))?;
                continue;
            };
            let code = if class.up == Way::Partial || class.down == Way::Partial { "33" } else { "2" };
            let told = ui.paint(code, &class.to_string());
            if text.chars().count() > WIDTH {
                ui.say(&format!("  {text}\n  {:WIDTH$}  {told}", ""))?;
            } else {
                ui.say(&format!("  {text:WIDTH$}  {told}"))?;
            }
        }
        if self.operations.is_empty() {
            ui.say("  only the order of properties, or what is said about them")?;
        }
        Ok(())
    }

    /// Returns them for a program.
    pub(super) fn value(&self) -> Value {
        let one = |(operation, class): &(Operation, Option<Class>)| {
            let mut out = Object::new();
            out.insert("description", operation.describe().as_str().into());
            out.insert("operation", operation.to_value());
            out.insert("class", class.map_or(Value::Null, class_value));
            out.into()
        };
        let mut out = Object::new();
        out.insert("model", self.model.as_str().into());
        out.insert("operations", Value::List(self.operations.iter().map(one).collect()));
        out.into()
    }
}

/// Returns a class for a program.
pub(super) fn class_value(class: Class) -> Value {
    let way = |way: Way| match way {
        Way::Lossless => "lossless",
        Way::Lossy => "lossy",
        Way::Partial => "partial",
    };
    let mut out = Object::new();
    out.insert("readers", class.readers.into());
    out.insert("writers", class.writers.into());
    out.insert("up", way(class.up).into());
    out.insert("down", way(class.down).into());
    out.into()
}

/// Tells the changes of several models.
pub(super) fn show_all(changes: &[Changes], ui: &mut Ui) -> Result<()> {
    for change in changes {
        ui.say(&ui.paint("1", &change.model))?;
        change.show(ui)?;
    }
    ui.field("operations", number(changes.iter().map(|change| change.operations.len()).sum()));
    ui.field("models", Value::List(changes.iter().map(Changes::value).collect()));
    Ok(())
}
