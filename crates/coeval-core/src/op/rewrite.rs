//! Turns some properties into others by code of the user's. Everything that it does not name passes through.

use std::sync::Arc;

use super::support::{existing, not_across, not_key, vacant};
use super::{Context, Example, LensEdit, Named, Op, Operation};
use crate::decode;
use crate::history::{Edit, Filling, Function, OnFail, Side};
use crate::invalid::Invalid;
use crate::path::Path;
use crate::schema::{Model, Property};
use crate::value::{Object, Value};

/// A group whose functions are code, registered under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrite {
    /// The name of the code.
    pub name: String,
    /// The properties that end: what the code reads on the way up and writes on the way down.
    pub reads: Vec<Path>,
    /// The properties that begin, with type and facets.
    pub writes: Vec<(Path, Property)>,
}

impl Named for Rewrite {}

impl Op for Rewrite {
    const NAME: &'static str = "rewrite";
    const EXAMPLE: Example = Example {
        properties: r#"{"word": {"type": "string", "required": true}}"#,
        operation: r#"{"name": "reverse", "reads": ["word"], "schemas": {"reversed": {"type": "string", "required": true}}}"#,
        older: r#"{"word":"abc"}"#,
        newer: r#"{"reversed":"cba"}"#,
    };

    fn from_fields(fields: &Object) -> Result<Self, Invalid> {
        decode::known_keys(fields, &["name", "reads", "writes", "schemas"])?;
        let listed = decode::paths(fields, "writes")?;
        let schemas =
            decode::object(decode::required(fields, "schemas")?, "paths and schemas").map_err(|e| e.beneath("schemas"))?;
        let mut writes = Vec::new();
        for (path, schema) in schemas {
            let place = |e: Invalid| e.beneath(path).beneath("schemas");
            let property = Property::from_value(schema).map_err(place)?;
            writes.push((Path::parse(path).map_err(|e| e.key(path.as_str()).beneath("schemas"))?, property));
        }
        if let Some(path) = listed.iter().find(|path| !writes.iter().any(|(p, _)| p == *path)) {
            return Err(Invalid::new(format!("the schema of `{path}` is missing")).beneath("schemas"));
        }
        if !listed.is_empty() {
            writes.sort_by_key(|(path, _)| listed.iter().position(|p| p == path).unwrap_or(listed.len()));
        }
        Ok(Self { name: decode::string(fields, "name")?.to_owned(), reads: decode::paths(fields, "reads")?, writes })
    }

    fn to_fields(&self) -> Object {
        let paths = |paths: Vec<String>| Value::List(paths.into_iter().map(Value::from).collect());
        let mut out = Object::new();
        out.insert("name", self.name.as_str().into());
        out.insert("reads", paths(self.reads.iter().map(Path::to_string).collect()));
        out.insert("writes", paths(self.writes.iter().map(|(path, _)| path.to_string()).collect()));
        let schemas = self.writes.iter().map(|(path, schema)| (path.to_string().into(), schema.to_value()));
        out.insert("schemas", schemas.collect::<Object>().into());
        out
    }

    fn check(&self, before: &Model) -> Result<(), Invalid> {
        let within = self.reads.first().map(|p| p.split_element().0).unwrap_or_default();
        let mut rest = before.clone();
        for (i, path) in self.reads.iter().enumerate() {
            existing(before, path, "reads").map_err(|e| e.beneath(&i.to_string()))?;
            not_key(before, path, "rewritten", "reads")?;
            if let (Some(name), Some(siblings)) = (path.last_name(), rest.siblings_mut(path)) {
                siblings.remove(name);
            }
        }
        let foreign = |path: &Path| path.split_element().0 != within;
        if self.reads.iter().any(foreign) || self.writes.iter().any(|(path, _)| foreign(path)) {
            return Err(Invalid::new("all properties of a rewrite lie in the same record or element").beneath("reads"));
        }
        let sides = self.reads.iter().map(|path| (path, "reads")).chain(self.writes.iter().map(|(path, _)| (path, "schemas")));
        not_across(before, sides)?;
        self.writes.iter().try_for_each(|(path, _)| vacant(&rest, path, "writes"))
    }

    fn apply(&self, model: &mut Model) {
        for path in self.reads.iter().filter(|path| !self.writes.iter().any(|(p, _)| p == *path)) {
            if let (Some(name), Some(siblings)) = (path.last_name(), model.siblings_mut(path)) {
                siblings.remove(name);
            }
        }
        for (path, schema) in &self.writes {
            if let (Some(name), Some(siblings)) = (path.last_name(), model.siblings_mut(path)) {
                siblings.insert(name, schema.clone());
            }
        }
    }

    fn lens(&self, before: &Model, context: &Context<'_>) -> Result<LensEdit, Invalid> {
        let Some((up, down)) = context.rewrites.get(&self.name) else {
            let invalid = Invalid::new(format!("there is no code called `{}` here", self.name));
            return Err(invalid.help("code is registered by the program that uses coeval as a library").beneath("name"));
        };
        let relative = |path: &Path| path.split_element().1;
        let within = self.reads.first().map(|p| p.split_element().0).unwrap_or_default();
        let old: Vec<Path> = self.reads.iter().map(relative).collect();
        let new: Vec<(Path, Property)> = self.writes.iter().map(|(path, schema)| (relative(path), schema.clone())).collect();
        let side = |inputs: Vec<Path>, code, targets: Vec<Option<Value>>| Side {
            inputs: inputs.into_iter().map(Some).collect(),
            function: Function::Native(Arc::clone(code)),
            on_fail: vec![OnFail::Reject; targets.len()],
            fills: targets.into_iter().map(|d| d.map_or(Filling::None, Filling::Value)).collect(),
        };
        let new_defaults = new.iter().map(|(_, p)| p.default.clone()).collect();
        let old_defaults = self.reads.iter().map(|path| before.at(path).and_then(|p| p.default.clone())).collect();
        let up = side(old.clone(), up, new_defaults);
        let down = side(new.iter().map(|(path, _)| path.clone()).collect(), down, old_defaults);
        Ok(LensEdit::new(within, vec![Edit::Group { old, new, up, down }]))
    }

    fn inverse(&self, _before: &Model) -> Option<Operation> {
        None
    }

    fn describe(&self) -> String {
        let names = |paths: Vec<String>| paths.join(", ");
        format!(
            "rewrite {} into {} by the code `{}`",
            names(self.reads.iter().map(Path::to_string).collect()),
            names(self.writes.iter().map(|(path, _)| path.to_string()).collect()),
            self.name
        )
    }
}
