//! Renames a property; its data, its identity and every other version's name for it stay.

use super::support::{existing, follow_move, rename_item_key, vacant};
use super::{Context, Example, LensEdit, Named, Op, Operation};
use crate::decode;
use crate::history::Edit;
use crate::invalid::Invalid;
use crate::path::Path;
use crate::schema::Model;
use crate::value::Object;

/// Gives a property another name in the same object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenameProperty {
    /// The path in older versions.
    pub from: Path,
    /// The path in newer versions.
    pub to: Path,
}

impl Named for RenameProperty {}

impl Op for RenameProperty {
    const NAME: &'static str = "rename_property";
    const EXAMPLE: Example = Example {
        properties: r#"{"full_name": {"type": "string", "required": true}, "full": "integer"}"#,
        operation: r#"{"from": "full_name", "to": "name"}"#,
        older: r#"{"full_name":"Ada Lovelace","full":1}"#,
        newer: r#"{"name":"Ada Lovelace","full":1}"#,
    };

    fn from_fields(fields: &Object) -> Result<Self, Invalid> {
        decode::known_keys(fields, &["from", "to"])?;
        Ok(Self { from: decode::path(fields, "from")?, to: decode::path(fields, "to")? })
    }

    fn to_fields(&self) -> Object {
        Object::from_iter([("from".into(), self.from.to_string().into()), ("to".into(), self.to.to_string().into())])
    }

    fn check(&self, before: &Model) -> Result<(), Invalid> {
        existing(before, &self.from, "from")?;
        if self.from.last_name().is_none() {
            return Err(Invalid::new(format!("`{}` is an element and has no name", self.from)).beneath("from"));
        }
        if self.from.parent() != self.to.parent() {
            let invalid = Invalid::new(format!("`{}` lies in another object than `{}`", self.to, self.from));
            return Err(invalid.help("use `move_property` to change the place; both are whole paths").beneath("to"));
        }
        vacant(before, &self.to, "to")
    }

    fn apply(&self, model: &mut Model) {
        if let (Some(from), Some(to)) = (self.from.last_name(), self.to.last_name()) {
            let (element, rest) = self.from.split_element();
            if rest.segments().len() == 1 {
                rename_item_key(model, &element, |key| (key == from).then(|| to.to_owned()));
            }
            if let Some(siblings) = model.siblings_mut(&self.from) {
                siblings.rename(from, to);
            }
        }
        follow_move(model, &self.from, &self.to);
    }

    fn lens(&self, _before: &Model, _context: &Context<'_>) -> Result<LensEdit, Invalid> {
        let (within, from) = self.from.split_element();
        let (_, to) = self.to.split_element();
        Ok(LensEdit::new(within, vec![Edit::Move { from, to }]))
    }

    fn inverse(&self, _before: &Model) -> Option<Operation> {
        Some(Operation::RenameProperty(Self { from: self.to.clone(), to: self.from.clone() }))
    }

    fn describe(&self) -> String {
        format!("rename {} to {}", self.from, self.to)
    }
}
