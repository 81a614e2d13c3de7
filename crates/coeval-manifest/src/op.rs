//! Stands in for `coeval_core::op` until it is merged: names, fields, and what operations do to the schema.

use coeval_core::decode::{self, optional_string, path, required, string};
use coeval_core::invalid::nearest;
use coeval_core::{Invalid, Model, Object, Path, Property, Type, Value};

/// One logical change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    name: &'static str,
    fields: Object,
}

const NAMES: &[&str] = &[
    "add_model",
    "remove_model",
    "rename_model",
    "add_property",
    "remove_property",
    "rename_property",
    "move_property",
    "retype_property",
    "set_nullable",
    "require_property",
    "relax_property",
    "set_default",
    "set_additional",
    "map_enum",
    "wrap_list",
    "unwrap_list",
    "map_keys",
    "transform",
    "rewrite",
    "sql",
];

#[allow(missing_docs)]
impl Operation {
    pub fn from_value(value: &Value) -> Result<Self, Invalid> {
        let object = decode::object(value, "an operation")?;
        let mut entries = object.iter();
        let (Some((name, fields)), None) = (entries.next(), entries.next()) else {
            return Err(Invalid::new("an operation is a mapping with one key, its name"));
        };
        let fields = match fields {
            Value::Null => Object::new(),
            fields => decode::object(fields, "the operation's fields").map_err(|e| e.beneath(name))?.clone(),
        };
        match NAMES.iter().find(|n| **n == name.as_str()) {
            Some(name) => Ok(Self { name, fields }),
            None => {
                let invalid = Invalid::new(format!("unknown operation `{}`", name.as_str())).key(name.as_str());
                Err(match nearest(name, NAMES.iter().copied()) {
                    Some(near) => invalid.help(format!("did you mean `{near}`?")),
                    None => invalid.help(format!("known operations: {}", NAMES.join(", "))),
                })
            }
        }
    }

    pub fn to_value(&self) -> Value {
        Object::from_iter([(self.name.into(), self.fields.clone().into())]).into()
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn describe(&self) -> String {
        self.to_value().to_string()
    }

    pub fn check(&self, before: &Model) -> Result<(), Invalid> {
        self.try_apply(&mut before.clone()).map_err(|e| e.beneath(self.name))
    }

    pub fn apply(&self, model: &mut Model) {
        let _ = self.try_apply(model);
    }

    fn try_apply(&self, model: &mut Model) -> Result<(), Invalid> {
        let f = &self.fields;
        let schema = || Property::from_value(required(f, "schema")?).map_err(|e| e.beneath("schema"));
        let at = |model: &Model, path: &Path| -> Result<(), Invalid> {
            let missing = || Invalid::new(format!("there is no property `{path}`"));
            model.at(path).map(drop).ok_or_else(missing)
        };
        let here = |e: Invalid| e.beneath("path");
        match self.name {
            "add_model" => {
                if let Some(schema) = f.get("schema") {
                    *model = Model::from_value(schema, &coeval_core::schema::no_shared_types).map_err(|e| e.beneath("schema"))?;
                }
            }
            "rename_model" => string(f, "to")?.clone_into(&mut model.name),
            "add_property" => {
                let path = path(f, "path")?;
                if model.at(&path).is_some() {
                    return Err(here(Invalid::new(format!("`{path}` is there already"))));
                }
                put(model, &path, schema()?).map_err(here)?;
            }
            "remove_property" => {
                let path = path(f, "path")?;
                at(model, &path).map_err(here)?;
                take(model, &path);
            }
            "rename_property" | "move_property" => {
                let (from, to) = (path(f, "from")?, path(f, "to")?);
                at(model, &from).map_err(|e| e.beneath("from"))?;
                if model.at(&to).is_some() {
                    let message = format!("`{to}` is there already");
                    return Err(Invalid::new(message).beneath("to"));
                }
                if from.parent() == to.parent() {
                    let (a, b) = (from.last_name().unwrap_or_default().to_owned(), to.last_name().unwrap_or_default().to_owned());
                    if let Some(siblings) = model.siblings_mut(&from) {
                        siblings.rename(&a, &b);
                    }
                } else if let Some(property) = take(model, &from) {
                    put(model, &to, property).map_err(|e| e.beneath("to"))?;
                }
            }
            "retype_property" => {
                let (path, schema) = (path(f, "path")?, schema()?);
                at(model, &path).map_err(here)?;
                required(f, "up")?;
                required(f, "down")?;
                set(model, &path, |p| *p = schema);
            }
            "set_nullable" => {
                let (path, nullable) = (path(f, "path")?, decode::flag(f, "nullable")?);
                at(model, &path).map_err(here)?;
                set(model, &path, |p| p.nullable = nullable);
            }
            "require_property" | "relax_property" => {
                let path = path(f, "path")?;
                at(model, &path).map_err(here)?;
                set(model, &path, |p| p.required = self.name == "require_property");
            }
            "set_default" => {
                let path = path(f, "path")?;
                at(model, &path).map_err(here)?;
                set(model, &path, |p| p.default = f.get("default").cloned());
            }
            "map_enum" => {
                let (path, values) = (path(f, "path")?, decode::strings(f, "values")?);
                at(model, &path).map_err(here)?;
                set(model, &path, |p| p.ty = Type::Enum { values });
            }
            "set_additional" => {
                let additional = decode::flag(f, "additional")?;
                match optional_string(f, "path")? {
                    None => model.properties.additional = additional,
                    Some(path) => set(model, &Path::parse(path)?, |p| {
                        if let Type::Object(properties) = &mut p.ty {
                            properties.additional = additional;
                        }
                    }),
                }
            }
            "wrap_list" => {
                let path = path(f, "path")?;
                at(model, &path).map_err(here)?;
                set(model, &path, |p| {
                    let items = Box::new(Property::new(p.ty.clone()));
                    p.ty = Type::Array { items, key: None };
                });
            }
            "transform" => {
                let up = decode::object(required(f, "up")?, "the expressions")?;
                let down = decode::object(required(f, "down")?, "the expressions")?;
                let schemas = decode::object(required(f, "schemas")?, "the schemas")?;
                for (path, _) in down {
                    if up.get(path).is_none() {
                        take(model, &Path::parse(path)?);
                    }
                }
                for (path, schema) in schemas {
                    put(model, &Path::parse(path)?, Property::from_value(schema)?)?;
                }
            }
            "add_index" | "add_unique" => {
                let paths = decode::paths(f, "properties")?;
                let rule = if self.name == "add_index" {
                    coeval_core::schema::Rule::Index(paths)
                } else {
                    coeval_core::schema::Rule::Unique(paths)
                };
                let name = optional_string(f, "name")?.map_or_else(|| rule.default_name(), str::to_owned);
                model.constraints.push(coeval_core::schema::Constraint {
                    name,
                    rule,
                    policy: coeval_core::schema::Policy::Reject,
                });
            }
            "remove_index" | "remove_unique" | "remove_check" | "remove_reference" => {
                let name = string(f, "name")?;
                if !model.constraints.iter().any(|c| c.name == name) {
                    return Err(Invalid::new(format!("there is no constraint `{name}`")).beneath("name"));
                }
                model.constraints.retain(|c| c.name != name);
            }
            _ => {}
        }
        Ok(())
    }
}

fn set(model: &mut Model, path: &Path, change: impl FnOnce(&mut Property)) {
    if let Some(property) = model.at_mut(path) {
        change(property);
    }
}

fn take(model: &mut Model, path: &Path) -> Option<Property> {
    let name = path.last_name()?.to_owned();
    model.siblings_mut(path)?.remove(&name)
}

fn put(model: &mut Model, path: &Path, property: Property) -> Result<(), Invalid> {
    let missing = || Invalid::new(format!("`{path}` lies in nothing"));
    let name = path.last_name().ok_or_else(missing)?.to_owned();
    model.siblings_mut(path).ok_or_else(missing)?.insert(&name, property);
    Ok(())
}
