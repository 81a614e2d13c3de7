//! Shared types: `type: type` files, an object or an enum that models use by name.
//!
//! They exist for drafts only. A frozen version holds them expanded, so that editing a shared type shows up as a change of
//! every model that uses it.

use std::collections::{BTreeMap, HashMap};

use coeval_core::decode::{known_keys, object, string};
use coeval_core::{Invalid, Object, Property, Type, Value};

use crate::decode;
use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::yaml;

/// The shared types of a manifest by name.
#[derive(Debug, Clone, Default)]
pub struct SharedTypes(HashMap<String, Property>);

/// A file that declares a type, not resolved yet.
struct Declared<'a> {
    source: &'a Source,
    schema: Value,
    /// What leads to the schema in the document: `/schema`, or nothing where the document is the schema.
    prefix: &'static str,
    uses: Vec<String>,
}

impl SharedTypes {
    /// Reads and resolves all types.
    ///
    /// # Errors
    /// What is wrong in each file, names that occur twice, and types that contain themselves.
    pub fn read<'a>(sources: impl IntoIterator<Item = &'a Source>) -> Result<Self, Vec<Diagnostic>> {
        let mut declared: BTreeMap<String, Declared<'_>> = BTreeMap::new();
        let mut found = Vec::new();
        for source in sources {
            match declare(source) {
                Err(diagnostic) => found.push(*diagnostic),
                Ok((name, _)) if declared.contains_key(&name) => {
                    let other = declared[&name].source.place(0..0);
                    let message = format!("the type `{name}` is declared twice");
                    found.push(Diagnostic::error("duplicate-type", message).at(place_of_name(source)).label(other, "and here"));
                }
                Ok((name, type_)) => {
                    declared.insert(name, type_);
                }
            }
        }
        let mut resolved = Self::default();
        let mut done: HashMap<&str, bool> = HashMap::new();
        for name in declared.keys() {
            resolve(name, &declared, &mut done, &mut Vec::new(), &mut resolved, &mut found);
        }
        if found.is_empty() { Ok(resolved) } else { Err(found) }
    }

    /// Returns the type called `name`.
    pub fn get(&self, name: &str) -> Option<Property> {
        self.0.get(name).cloned()
    }

    /// Returns the names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

fn declare(source: &Source) -> Result<(String, Declared<'_>), Box<Diagnostic>> {
    let documents = yaml::split(&source.text);
    let span = documents.first().map_or(0..0, |d| d.span.clone());
    let value = decode::document(source, span.clone())?;
    let read = |value: &Value| -> Result<(String, Value, &'static str), Invalid> {
        let object = object(value, "a type")?;
        let name = string(object, "name")?.to_owned();
        if let Some(schema) = object.get("schema") {
            known_keys(object, &["type", "name", "description", "schema"])?;
            return Ok((name, schema.clone(), "/schema"));
        }
        known_keys(object, &["type", "name", "description", "properties", "additional", "values"])?;
        let kind = if object.get("values").is_some() { "enum" } else { "object" };
        let mut schema: Object = object.iter().filter(|(key, _)| key.as_str() != "name").cloned().collect();
        schema.insert("type", kind.into());
        Ok((name, schema.into(), ""))
    };
    let (name, schema, prefix) = read(&value).map_err(|invalid| Box::new(decode::place(source, span, &invalid)))?;
    let mut uses = Vec::new();
    collect_uses(&schema, &mut uses);
    Ok((name, Declared { source, schema, prefix, uses }))
}

/// The names of types that a schema mentions.
fn collect_uses(schema: &Value, uses: &mut Vec<String>) {
    match schema {
        Value::String(name) => uses.push(name.to_string()),
        Value::Object(object) => {
            if let Some(name) = object.get("type").and_then(Value::as_str) {
                uses.push(name.to_owned());
            }
            if let Some(Value::Object(properties)) = object.get("properties") {
                properties.iter().for_each(|(_, schema)| collect_uses(schema, uses));
            }
            for key in ["items", "values"] {
                if let Some(schema @ (Value::Object(_) | Value::String(_))) = object.get(key) {
                    collect_uses(schema, uses);
                }
            }
            if let Some(Value::List(of)) = object.get("of") {
                for schema in of {
                    collect_uses(schema, uses);
                }
            }
        }
        _ => {}
    }
}

/// Resolves a type after those it uses. `done` holds `false` while a type is being resolved.
fn resolve<'a>(
    name: &'a str,
    declared: &'a BTreeMap<String, Declared<'a>>,
    done: &mut HashMap<&'a str, bool>,
    trail: &mut Vec<&'a str>,
    resolved: &mut SharedTypes,
    found: &mut Vec<Diagnostic>,
) {
    let Some(type_) = declared.get(name) else { return };
    if let Some(finished) = done.get(name) {
        if !finished {
            let from = trail.iter().position(|n| *n == name).unwrap_or(0);
            let cycle: Vec<&str> = trail[from..].iter().copied().chain([name]).collect();
            let message = format!("the type `{name}` contains itself: {}", cycle.join(" → "));
            let help = "a type cannot contain itself; use `json`, or a `ref` to a model";
            found.push(Diagnostic::error("cyclic-type", message).at(place_of_name(type_.source)).help(help));
        }
        return;
    }
    if trail.len() > yaml::DEPTH_LIMIT {
        let message = format!("the type `{name}` lies more than {} types deep", yaml::DEPTH_LIMIT);
        found.push(Diagnostic::error("too-deep", message).at(place_of_name(type_.source)));
        return;
    }
    done.insert(name, false);
    trail.push(name);
    for used in &type_.uses {
        if let Some((used, _)) = declared.get_key_value(used) {
            resolve(used, declared, done, trail, resolved, found);
        }
    }
    trail.pop();
    done.insert(name, true);
    // What a broken or cyclic type leads to is not said a second time.
    if type_.uses.iter().any(|used| declared.contains_key(used) && resolved.get(used).is_none()) {
        return;
    }
    let property = Property::from_value_with(&type_.schema, &|used| resolved.get(used)).and_then(|property| {
        if matches!(property.ty, Type::Object(_) | Type::Enum { .. }) {
            return Ok(property);
        }
        Err(Invalid::new(format!("a shared type is an object or an enum, `{name}` is a {}", property.ty.name())))
    });
    match property {
        Ok(property) => {
            resolved.0.insert(name.to_owned(), property);
        }
        Err(mut invalid) => {
            invalid.at = format!("{}{}", type_.prefix, invalid.at);
            let span = yaml::split(&type_.source.text).first().map_or(0..0, |d| d.span.clone());
            found.push(decode::place(type_.source, span, &invalid));
        }
    }
}

fn place_of_name(source: &Source) -> crate::source::Place {
    let span = yaml::split(&source.text).first().map_or(0..0, |d| d.span.clone());
    let place = yaml::parse(&source.text, span.clone()).ok();
    let span = place.and_then(|node| node.get("name").map(|name| name.span.range())).unwrap_or(span);
    source.place(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_use_each_other_and_cycles_are_named() {
        let address = Source::new("models/address.yaml", "type: type\nname: address\nproperties: {street: string, kind: kind}\n");
        let kind = Source::new("models/kind.yaml", "type: type\nname: kind\nvalues: [home, work]\n");
        let types = SharedTypes::read([&address, &kind]).expect("they resolve");
        let text = types.get("address").map(|p| p.to_value().to_string());
        let expected =
            r#"{"type":"object","properties":{"street":{"type":"string"},"kind":{"type":"enum","values":["home","work"]}}}"#;
        assert_eq!(text.as_deref(), Some(expected));
        let a = Source::new("models/a.yaml", "type: type\nname: a\nproperties: {b: {type: array, items: b}}\n");
        let b = Source::new("models/b.yaml", "type: type\nname: b\nschema: {type: object, properties: {a: {type: a}}}\n");
        let found = SharedTypes::read([&a, &b]).expect_err("they contain each other");
        insta::assert_snapshot!(found[0].render(false), @r"
        error[cyclic-type]: the type `a` contains itself: a → b → a
         --> models/a.yaml:2:7
          |
        2 | name: a
          |       ^
          = help: a type cannot contain itself; use `json`, or a `ref` to a model
        ");
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn an_unknown_type_inside_is_underlined() {
        let a = Source::new("a.yaml", "type: type\nname: a\nschema:\n  type: object\n  properties:\n    x: {type: strin}\n");
        let found = SharedTypes::read([&a]).expect_err("it is unknown");
        let place = found[0].place.as_ref().map(|p| (p.line, p.column, p.width));
        assert_eq!((place, found[0].code), (Some((6, 15, 5)), "unknown-type"));
    }
}
