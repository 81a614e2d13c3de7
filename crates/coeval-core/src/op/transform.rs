//! Turns some properties into others: splits, merges, converts, restructures.

use std::sync::Arc;

use super::support::{check_fallback, compile, constant, existing, not_across, not_key, not_own_object, put, vacant};
use super::{Context, Example, LensEdit, Named, Op, Operation, Policies};
use crate::decode;
use crate::expr::Compiled;
use crate::history::{Edit, Filling, OnFail, Side};
use crate::invalid::Invalid;
use crate::path::Path;
use crate::schema::{Model, Property};
use crate::value::{Object, Value};

/// Properties that end and begin together, tied by expressions both ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transform {
    /// The properties that begin, each with its expression over the older version.
    pub up: Vec<(Path, String)>,
    /// The properties that end, each with its expression over the newer version.
    pub down: Vec<(Path, String)>,
    /// Type and facets of those that begin; in a draft, where one is left out, those of the draft.
    pub schemas: Vec<(Path, Property)>,
    /// What happens to values that cannot be converted; a fallback is a mapping of paths where there are several.
    pub on_fail: Policies,
}

impl Transform {
    fn schema(&self, path: &Path) -> Option<&Property> {
        self.schemas.iter().find(|(p, _)| p == path).map(|(_, property)| property)
    }

    fn within(&self) -> Path {
        self.up.first().or(self.down.first()).map(|(path, _)| path.split_element().0).unwrap_or_default()
    }

    fn policy(policy: &OnFail, paths: usize, path: &Path) -> OnFail {
        match policy {
            OnFail::Fallback(Value::Object(object)) if paths > 1 => {
                object.get(&path.to_string()).map_or(OnFail::Reject, |value| OnFail::Fallback(value.clone()))
            }
            policy => policy.clone(),
        }
    }

    fn without_old(&self, before: &Model) -> Model {
        let mut rest = before.clone();
        for (path, _) in &self.down {
            if let (Some(name), Some(siblings)) = (path.last_name(), rest.siblings_mut(path)) {
                siblings.remove(name);
            }
        }
        rest
    }
}

impl Named for Transform {}

impl Op for Transform {
    const NAME: &'static str = "transform";
    const EXAMPLE: Example = Example {
        properties: r#"{"name": {"type": "string", "required": true}}"#,
        operation: r#"{"up": {"first": "split_part(name, ' ', 1)", "last": "substring(name from length(split_part(name, ' ', 1)) + 2)"},
                       "down": {"name": "case when last = '' then first else first || ' ' || last end"},
                       "schemas": {"first": {"type": "string", "required": true}, "last": {"type": "string", "required": true}}}"#,
        older: r#"{"name":"Ada Lovelace"}"#,
        newer: r#"{"first":"Ada","last":"Lovelace"}"#,
    };

    fn from_fields(fields: &Object) -> Result<Self, Invalid> {
        decode::known_keys(fields, &["up", "down", "schemas", "on_fail"])?;
        let expressions = |key: &str| {
            let object = decode::object(decode::required(fields, key)?, "paths and expressions").map_err(|e| e.beneath(key))?;
            object
                .iter()
                .map(|(path, _)| {
                    let source = super::support::expression(object, path).map_err(|e| e.beneath(key))?;
                    let path = Path::parse(path).map_err(|e| e.key(path.as_str()).beneath(key))?;
                    Ok((path, source.unwrap_or_default()))
                })
                .collect::<Result<Vec<_>, Invalid>>()
        };
        let mut schemas = Vec::new();
        if let Some(value) = fields.get("schemas") {
            for (path, schema) in decode::object(value, "paths and schemas").map_err(|e| e.beneath("schemas"))? {
                let place = |e: Invalid| e.beneath(path).beneath("schemas");
                let property = Property::from_value(schema).map_err(place)?;
                schemas.push((Path::parse(path).map_err(|e| e.key(path.as_str()).beneath("schemas"))?, property));
            }
        }
        Ok(Self { up: expressions("up")?, down: expressions("down")?, schemas, on_fail: Policies::read(fields)? })
    }

    fn to_fields(&self) -> Object {
        let expressions = |list: &[(Path, String)]| -> Value {
            list.iter().map(|(path, source)| (path.to_string().into(), source.as_str().into())).collect::<Object>().into()
        };
        let mut out = Object::new();
        out.insert("up", expressions(&self.up));
        out.insert("down", expressions(&self.down));
        if !self.schemas.is_empty() {
            let schemas = self.schemas.iter().map(|(path, schema)| (path.to_string().into(), schema.to_value()));
            out.insert("schemas", schemas.collect::<Object>().into());
        }
        put(&mut out, "on_fail", self.on_fail.to_value());
        out
    }

    fn check(&self, before: &Model) -> Result<(), Invalid> {
        let within = self.within();
        for (list, field) in [(&self.up, "up"), (&self.down, "down")] {
            for (path, _) in list {
                let place = |e: Invalid| e.beneath(field);
                if path.split_element().0 != within {
                    let invalid = Invalid::new(format!("`{path}` does not lie in the same record or element as the others"));
                    return Err(place(invalid.key(path.to_string())));
                }
                if let Some((other, _)) = list.iter().find(|(other, _)| other != path && other.contains(path)) {
                    return Err(place(
                        Invalid::new(format!("`{path}` is a part of `{other}`, which is named too")).key(path.to_string()),
                    ));
                }
            }
        }
        for (path, _) in &self.down {
            existing(before, path, "down")?;
            not_key(before, path, "transformed", "down")?;
            check_fallback(&Self::policy(&self.on_fail.down, self.down.len(), path), existing(before, path, "down")?)?;
        }
        let sides = self.down.iter().map(|(path, _)| (path, "down")).chain(self.up.iter().map(|(path, _)| (path, "up")));
        not_across(before, sides)?;
        let rest = self.without_old(before);
        for (path, _) in &self.up {
            let replaced = self.down.iter().any(|(old, _)| old == path);
            if path.last_name().is_some() {
                vacant(&rest, path, "up").map_err(|e| e.help("a property that is replaced is named in `down` too"))?;
            } else if !replaced {
                return Err(
                    Invalid::new(format!("`{path}` is an element and can only be replaced: name it in `down` too")).beneath("up")
                );
            }
            let Some(schema) = self.schema(path) else {
                return Err(Invalid::new(format!("the schema of `{path}` is missing"))
                    .help(format!("add `schemas: {{{path}: {{type: …}}}}`"))
                    .beneath("up"));
            };
            check_fallback(&Self::policy(&self.on_fail.up, self.up.len(), path), schema)?;
        }
        Ok(())
    }

    fn apply(&self, model: &mut Model) {
        let replaced = |path: &Path| self.up.iter().any(|(new, _)| new == path);
        for (path, _) in self.down.iter().filter(|(path, _)| !replaced(path)) {
            if let (Some(name), Some(siblings)) = (path.last_name(), model.siblings_mut(path)) {
                siblings.remove(name);
            }
        }
        for (path, _) in &self.up {
            let Some(schema) = self.schema(path) else { continue };
            if let Some(old) = model.at_mut(path) {
                old.clone_from(schema);
            } else if let (Some(name), Some(siblings)) = (path.last_name(), model.siblings_mut(path)) {
                siblings.insert(name, schema.clone());
            }
        }
    }

    fn lens(&self, before: &Model, context: &Context<'_>) -> Result<LensEdit, Invalid> {
        let within = self.within();
        let mut after = before.clone();
        self.apply(&mut after);
        let side =
            |list: &[(Path, String)], model: &Model, target: &dyn Fn(&Path) -> Option<Property>, policy: &OnFail, field: &str| {
                let mut compiled: Vec<Arc<Compiled>> = Vec::new();
                let (mut fills, mut policies) = (Vec::new(), Vec::new());
                let targets: Vec<Path> = list.iter().map(|(path, _)| path.split_element().1).collect();
                for (path, source) in list {
                    let place = |e: Invalid| e.beneath(&path.to_string()).beneath(field);
                    let property = target(path).ok_or_else(|| place(Invalid::new("this property does not exist")))?;
                    let own = Self::policy(policy, list.len(), path);
                    let expression = compile(source, model, &within, None, context).map_err(place)?;
                    not_own_object(&expression, &targets.iter().collect::<Vec<_>>()).map_err(place)?;
                    let covered = matches!(own, OnFail::Fallback(_)) || property.default.is_some();
                    let required = property.required || path.last_name().is_none();
                    let checked = Property { required: required && !covered, ..property.clone() };
                    expression.check_target(&checked).map_err(place)?;
                    constant(&expression, &property).map_err(place)?;
                    compiled.push(expression);
                    fills.push(property.default.map_or(Filling::None, Filling::Value));
                    policies.push(own);
                }
                Ok::<Side, Invalid>(Side::expressions(compiled, fills, policies))
            };
        let up = side(&self.up, before, &|path| self.schema(path).cloned(), &self.on_fail.up, "up")?;
        let down = side(&self.down, &after, &|path| before.at(path).cloned(), &self.on_fail.down, "down")?;
        let relative = |path: &Path| path.split_element().1;
        let new = self.up.iter().filter_map(|(path, _)| Some((relative(path), self.schema(path)?.clone()))).collect();
        let old = self.down.iter().map(|(path, _)| relative(path)).collect();
        Ok(LensEdit::new(within, vec![Edit::Group { old, new, up, down }]))
    }

    fn inverse(&self, before: &Model) -> Option<Operation> {
        Some(Operation::Transform(Self {
            up: self.down.clone(),
            down: self.up.clone(),
            schemas: self.down.iter().filter_map(|(path, _)| Some((path.clone(), before.at(path)?.clone()))).collect(),
            on_fail: Policies { up: self.on_fail.down.clone(), down: self.on_fail.up.clone() },
        }))
    }

    fn describe(&self) -> String {
        let names = |list: &[(Path, String)]| list.iter().map(|(path, _)| path.to_string()).collect::<Vec<_>>().join(", ");
        format!("turn {} into {}", names(&self.down), names(&self.up))
    }
}
