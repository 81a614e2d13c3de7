//! Moves a property to another place: flattens, nests, hoists. Its data and its identity stay.

use super::support::{existing, follow_move, not_key, vacant};
use super::{Context, Example, LensEdit, Named, Op, Operation};
use crate::decode;
use crate::history::Edit;
use crate::invalid::Invalid;
use crate::path::{Path, Segment};
use crate::schema::{Model, Properties, Property, Type};
use crate::value::Object;

/// Moves a property; objects that are missing on the way become required ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveProperty {
    /// The path in older versions.
    pub from: Path,
    /// The path in newer versions; it may lie beneath `from`.
    pub to: Path,
}

impl MoveProperty {
    /// The model without the property that moves.
    fn without(&self, before: &Model) -> Model {
        let mut rest = before.clone();
        if let (Some(name), Some(siblings)) = (self.from.last_name(), rest.siblings_mut(&self.from)) {
            siblings.remove(name);
        }
        rest
    }

    /// Refuses to cross an object that may be missing: it could be missing at one version and needed at another.
    fn check_crossing(&self, model: &Model, path: &Path, field: &str) -> Result<(), Invalid> {
        let common = self.from.segments().iter().zip(self.to.segments()).take_while(|(a, b)| a == b).count();
        let mut ancestor = path.parent();
        while let Some(object) = ancestor.filter(|p| p.segments().len() > common.min(path.segments().len() - 1)) {
            if let Some(property) = model.at(&object)
                && matches!(property.ty, Type::Object(_))
                && matches!(object.segments().last(), Some(Segment::Name(_)))
                && !property.is_fixed_object()
            {
                let invalid = Invalid::new(format!("`{object}` may be missing or null, and a property cannot move across it"));
                let help = format!("make it required first: `- require_property: {{path: {object}, value: \"{{}}\"}}`");
                return Err(invalid.help(help).beneath(field));
            }
            ancestor = object.parent();
        }
        Ok(())
    }
}

impl Named for MoveProperty {}

impl Op for MoveProperty {
    const NAME: &'static str = "move_property";
    const EXAMPLE: Example = Example {
        properties: r#"{"name": {"type": "string", "required": true}}"#,
        operation: r#"{"from": "name", "to": "name.common"}"#,
        older: r#"{"name":"Chad"}"#,
        newer: r#"{"name":{"common":"Chad"}}"#,
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
        if self.from.last_name().is_none() || self.to.last_name().is_none() {
            let invalid = Invalid::new("an element of a list or map cannot move; change its shape with `transform`");
            return Err(invalid.beneath(if self.from.last_name().is_none() { "from" } else { "to" }));
        }
        if self.from.split_element().0 != self.to.split_element().0 {
            let invalid = Invalid::new(format!("`{}` does not lie in the same record or element as `{}`", self.to, self.from));
            return Err(invalid.help("use `transform` on the whole list or map").beneath("to"));
        }
        not_key(before, &self.from, "moved", "from")?;
        let rest = self.without(before);
        let mut parent = self.to.parent().unwrap_or_default();
        while !parent.is_root() && rest.at(&parent).is_none() {
            parent = parent.parent().unwrap_or_default();
        }
        let first_missing = Path::from(self.to.segments()[..=parent.segments().len()].to_vec());
        vacant(&rest, &first_missing, "to")?;
        self.check_crossing(before, &self.from, "from")?;
        self.check_crossing(&rest, &self.to, "to")
    }

    fn apply(&self, model: &mut Model) {
        let Some(property) = model.at(&self.from).cloned() else { return };
        *model = self.without(model);
        let mut path = Path::root();
        let names = self.to.segments();
        for segment in &names[..names.len() - 1] {
            let parent_open = match model.at(&path).map(|p| &p.ty) {
                Some(Type::Object(properties)) => properties.additional,
                _ if path.is_root() => model.properties.additional,
                _ => true,
            };
            path = path.child(segment.clone());
            if model.at(&path).is_none()
                && let (Some(name), Some(siblings)) = (path.last_name(), model.siblings_mut(&path))
            {
                let mut inner = Properties::new();
                inner.additional = parent_open;
                siblings.insert(name, Property::new(Type::Object(inner)).required());
            }
        }
        if let (Some(name), Some(siblings)) = (self.to.last_name(), model.siblings_mut(&self.to)) {
            siblings.insert(name, property);
        }
        follow_move(model, &self.from, &self.to);
    }

    fn lens(&self, _before: &Model, _context: &Context<'_>) -> Result<LensEdit, Invalid> {
        let (within, from) = self.from.split_element();
        let (_, to) = self.to.split_element();
        Ok(LensEdit::new(within, vec![Edit::Move { from, to }]))
    }

    fn inverse(&self, before: &Model) -> Option<Operation> {
        // A move that makes objects on its way is not undone by one move back.
        self.without(before).siblings(&self.to)?;
        Some(Operation::MoveProperty(Self { from: self.to.clone(), to: self.from.clone() }))
    }

    fn describe(&self) -> String {
        format!("move {} to {}", self.from, self.to)
    }
}
