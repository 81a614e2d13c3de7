//! Turns a list into its first or last item. The rest is kept.

use super::support::{article, existing, put};
use super::wrap_list::check_empty;
use super::{Context, Example, LensEdit, Named, Op, Operation, WrapList};
use crate::decode;
use crate::history::{Edit, Filling, Function, OnFail, Side};
use crate::invalid::Invalid;
use crate::path::Path;
use crate::schema::{Model, Property, Type};
use crate::value::{Object, Value};

/// Turns a list into one of its items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnwrapList {
    /// Where it lies.
    pub path: Path,
    /// Whether the last item is picked instead of the first.
    pub last: bool,
    /// What newer versions read for an empty list; absence or null, where allowed, if left out.
    pub empty: Option<Value>,
}

impl UnwrapList {
    fn pick(&self) -> Function {
        Function::Pick { last: self.last, empty: self.empty.clone() }
    }

    fn after(old: &Property) -> Option<Property> {
        let Type::Array { items, .. } = &old.ty else { return None };
        let default = match &old.default {
            Some(Value::List(list)) => list.first().cloned(),
            other => other.clone(),
        };
        let nullable = old.nullable || items.nullable;
        Some(Property { required: old.required, nullable, default, description: old.description.clone(), ..(**items).clone() })
    }
}

impl Named for UnwrapList {}

impl Op for UnwrapList {
    const NAME: &'static str = "unwrap_list";
    const EXAMPLE: Example = Example {
        properties: r#"{"phone": {"type": "array", "items": {"type": "string"}}}"#,
        operation: r#"{"path": "phone"}"#,
        older: r#"{"phone":["61","62"]}"#,
        newer: r#"{"phone":"61"}"#,
    };

    fn from_fields(fields: &Object) -> Result<Self, Invalid> {
        decode::known_keys(fields, &["path", "pick", "empty"])?;
        let last = match decode::optional_string(fields, "pick")? {
            None | Some("first") => false,
            Some("last") => true,
            Some(other) => {
                return Err(Invalid::new(format!("expected `first` or `last`, found `{other}`")).beneath("pick"));
            }
        };
        Ok(Self { path: decode::path(fields, "path")?, last, empty: fields.get("empty").cloned() })
    }

    fn to_fields(&self) -> Object {
        let mut out = Object::new();
        out.insert("path", self.path.to_string().into());
        put(&mut out, "pick", self.last.then_some("last"));
        put(&mut out, "empty", self.empty.clone());
        out
    }

    fn check(&self, before: &Model) -> Result<(), Invalid> {
        let old = existing(before, &self.path, "path")?;
        let Some(new) = Self::after(old) else {
            let message = format!("`{}` is {} {}, not a list", self.path, article(old.ty.name()), old.ty.name());
            return Err(Invalid::new(message).beneath("path"));
        };
        check_empty(self.empty.as_ref(), &new, &self.path, "newer")
    }

    fn apply(&self, model: &mut Model) {
        if let Some(property) = model.at_mut(&self.path)
            && let Some(after) = Self::after(property)
        {
            *property = after;
        }
    }

    fn lens(&self, before: &Model, _context: &Context<'_>) -> Result<LensEdit, Invalid> {
        let (within, path) = self.path.split_element();
        let old = existing(before, &self.path, "path")?;
        let new = Self::after(old).ok_or_else(|| Invalid::new("not a list"))?;
        let group = Edit::Group {
            old: vec![path.clone()],
            new: vec![(path.clone(), new)],
            up: Side::single(&path, self.pick(), Filling::None, OnFail::Reject),
            down: Side::single(&path, Function::Wrap, Filling::None, OnFail::Reject),
        };
        Ok(LensEdit::new(within, vec![group]))
    }

    fn inverse(&self, _before: &Model) -> Option<Operation> {
        Some(Operation::WrapList(WrapList { path: self.path.clone(), empty: self.empty.clone() }))
    }

    fn describe(&self) -> String {
        format!("make {} its {} item", self.path, if self.last { "last" } else { "first" })
    }
}
