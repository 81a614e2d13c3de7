//! Models and properties as values: what `changes` and operations hold. The reverse of decoding.

use super::{Constraint, Model, Policy, Properties, Property, Rule, Type};
use crate::path::Path;
use crate::value::{Object, Value};

impl Type {
    /// Returns the name by which the type is written.
    pub fn name(&self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Float => "float",
            Self::Decimal { .. } => "decimal",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Time => "time",
            Self::Datetime => "datetime",
            Self::Uuid => "uuid",
            Self::Bytes => "bytes",
            Self::Json => "json",
            Self::Enum { .. } => "enum",
            Self::Object(_) => "object",
            Self::Array { .. } => "array",
            Self::Map { .. } => "map",
            Self::Ref { .. } => "ref",
            Self::Union { .. } => "union",
        }
    }
}

impl Property {
    /// Returns the property as a value with only what is not the default.
    pub fn to_value(&self) -> Value {
        let mut out = Object::new();
        out.insert("type", self.ty.name().into());
        match &self.ty {
            Type::Decimal { precision, scale } => {
                out.insert("precision", i64::from(*precision).into());
                out.insert("scale", i64::from(*scale).into());
            }
            Type::Enum { values } => {
                out.insert("values", strings(values));
            }
            Type::Object(properties) => properties.write(&mut out),
            Type::Array { items, key } => {
                out.insert("items", items.to_value());
                if let Some(key) = key {
                    out.insert("key", key.as_str().into());
                }
            }
            Type::Map { values } => {
                out.insert("values", values.to_value());
            }
            Type::Ref { model } => {
                out.insert("model", model.as_str().into());
            }
            Type::Union { of, tag } => {
                out.insert("of", Value::List(of.iter().map(Self::to_value).collect()));
                if let Some(tag) = tag {
                    out.insert("tag", tag.as_str().into());
                }
            }
            _ => {}
        }
        for (key, set) in
            [("required", self.required), ("nullable", self.nullable), ("unique", self.unique), ("index", self.index)]
        {
            if set {
                out.insert(key, true.into());
            }
        }
        if let Some(default) = &self.default {
            out.insert("default", default.clone());
        }
        for (key, text) in [("check", &self.check), ("description", &self.description)] {
            if let Some(text) = text {
                out.insert(key, text.as_str().into());
            }
        }
        out.into()
    }
}

fn strings(texts: &[String]) -> Value {
    Value::List(texts.iter().map(|text| text.as_str().into()).collect())
}

fn paths(paths: &[Path]) -> Value {
    Value::List(paths.iter().map(|path| path.to_string().into()).collect())
}

impl Properties {
    fn write(&self, out: &mut Object) {
        out.insert("properties", self.iter().map(|(name, p)| (name.into(), p.to_value())).collect::<Object>().into());
        if !self.additional {
            out.insert("additional", false.into());
        }
    }
}

impl Model {
    /// Returns the model's document.
    pub fn to_value(&self) -> Value {
        let mut out = Object::new();
        out.insert("type", "model".into());
        out.insert("name", self.name.as_str().into());
        if !self.key.is_empty() {
            out.insert("key", strings(&self.key));
        }
        for (key, value) in &self.options {
            out.insert(key.clone(), value.clone());
        }
        self.properties.write(&mut out);
        if !self.constraints.is_empty() {
            out.insert("constraints", Value::List(self.constraints.iter().map(Constraint::to_value).collect()));
        }
        out.into()
    }
}

impl Constraint {
    /// Returns the constraint as a value.
    pub fn to_value(&self) -> Value {
        let mut out = Object::new();
        if self.name != self.rule.default_name() {
            out.insert("name", self.name.as_str().into());
        }
        match &self.rule {
            Rule::Index(list) => out.insert("index", paths(list)),
            Rule::Unique(list) => out.insert("unique", paths(list)),
            Rule::Check(expr) => out.insert("check", expr.as_str().into()),
            Rule::Reference(path, model) => {
                out.insert("reference", path.to_string().into());
                out.insert("model", model.as_str().into())
            }
        };
        if self.policy != Policy::Reject {
            out.insert("policy", self.policy.to_value());
        }
        out.into()
    }
}

impl Policy {
    /// Returns the policy as a value.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Reject => "reject".into(),
            Self::Quarantine => "quarantine".into(),
            Self::Repair(expr) => Object::from_iter([("repair".into(), expr.as_str().into())]).into(),
        }
    }
}
