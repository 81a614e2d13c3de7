//! Removes a property: newer versions do not see it, older ones keep reading and writing it.

use super::support::{compile, constant, existing, expression, not_key, not_own_object, put};
use super::{AddProperty, Context, Example, LensEdit, Named, Op, Operation};
use crate::decode;
use crate::history::{Edit, initial};
use crate::invalid::Invalid;
use crate::path::Path;
use crate::schema::{Model, Rule};
use crate::value::Object;

/// Hides a property from newer versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveProperty {
    /// Where it lies.
    pub path: Path,
    /// What older versions read for records born without it, as an expression over the newer version.
    pub value: Option<String>,
}

impl Named for RemoveProperty {}

impl Op for RemoveProperty {
    const NAME: &'static str = "remove_property";
    const EXAMPLE: Example = Example {
        properties: r#"{"name": "string", "note": "string"}"#,
        operation: r#"{"path": "note"}"#,
        older: r#"{"name":"Ada","note":"first"}"#,
        newer: r#"{"name":"Ada"}"#,
    };

    fn from_fields(fields: &Object) -> Result<Self, Invalid> {
        decode::known_keys(fields, &["path", "value"])?;
        Ok(Self { path: decode::path(fields, "path")?, value: expression(fields, "value")? })
    }

    fn to_fields(&self) -> Object {
        let mut out = Object::new();
        out.insert("path", self.path.to_string().into());
        put(&mut out, "value", self.value.as_deref());
        out
    }

    fn check(&self, before: &Model) -> Result<(), Invalid> {
        let property = existing(before, &self.path, "path")?;
        if self.path.last_name().is_none() {
            return Err(Invalid::new(format!("`{}` is an element, not a property", self.path)).beneath("path"));
        }
        not_key(before, &self.path, "removed", "path")?;
        let uses = |rule: &Rule| match rule {
            Rule::Index(paths) | Rule::Unique(paths) => paths.iter().any(|p| self.path.contains(p)),
            Rule::Reference(path, _) => self.path.contains(path),
            Rule::Check(_) => false,
        };
        if let Some(constraint) = before.constraints.iter().find(|c| uses(&c.rule)) {
            let invalid = Invalid::new(format!("the constraint `{}` needs `{}`", constraint.name, self.path));
            return Err(invalid.help("remove the constraint first, by an operation before this one").beneath("path"));
        }
        let fits = initial(property).is_some_and(|value| property.violations(&value).is_empty());
        if self.value.is_none() && property.required && !fits {
            let invalid = Invalid::new(format!(
                "older versions require `{}`, and nothing says what they read for records born without it",
                self.path
            ));
            return Err(invalid.help("add `value:`, an expression over the newer version's properties").beneath("path"));
        }
        Ok(())
    }

    fn apply(&self, model: &mut Model) {
        if let (Some(name), Some(siblings)) = (self.path.last_name(), model.siblings_mut(&self.path)) {
            siblings.remove(name);
        }
    }

    fn lens(&self, before: &Model, context: &Context<'_>) -> Result<LensEdit, Invalid> {
        let (within, path) = self.path.split_element();
        let property = existing(before, &self.path, "path")?;
        let value = match &self.value {
            None => None,
            Some(source) => {
                let place = |e: Invalid| e.beneath("value");
                let mut after = before.clone();
                self.apply(&mut after);
                let compiled = compile(source, &after, &within, None, context).map_err(place)?;
                not_own_object(&compiled, &[&path]).map_err(place)?;
                let target =
                    crate::schema::Property { required: property.required && property.default.is_none(), ..property.clone() };
                compiled.check_target(&target).map_err(place)?;
                constant(&compiled, property).map_err(place)?;
                Some(compiled)
            }
        };
        Ok(LensEdit::new(within, vec![Edit::Remove { path, value: value.into() }]))
    }

    fn inverse(&self, before: &Model) -> Option<Operation> {
        let schema = before.at(&self.path)?.clone();
        Some(Operation::AddProperty(AddProperty { path: self.path.clone(), schema: Some(schema), value: self.value.clone() }))
    }

    fn describe(&self) -> String {
        format!("remove {}; older versions keep it", self.path)
    }
}
