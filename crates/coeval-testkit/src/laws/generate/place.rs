//! Where operations can apply: every property of a model, and how expressions spell it.

use coeval_core::path::{Path, Segment};
use coeval_core::schema::{Model, Properties, Property, Type};
use coeval_core::value::Value;

/// A property and where it lies.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Its path.
    pub(super) path: Path,
    /// Its type and facets.
    pub(super) property: Property,
}

impl Place {
    /// Returns how expressions of the record, or of the element it lies in, spell the property.
    pub(super) fn name(&self) -> String {
        spell(&self.path)
    }

    /// Returns the element that it lies in; the root for the record.
    pub(super) fn within(&self) -> Path {
        self.path.split_element().0
    }

    /// Returns whether it is an item of a list or a value of a map.
    pub(super) fn is_element(&self) -> bool {
        self.path.last_name().is_none()
    }
}

/// Returns how expressions spell the property at a path.
pub(super) fn spell(path: &Path) -> String {
    let names: Vec<String> = path
        .split_element()
        .1
        .segments()
        .iter()
        .map(|segment| match segment {
            Segment::Name(name) => format!("\"{}\"", name.replace('"', "\"\"")),
            Segment::Items | Segment::Values => String::new(),
        })
        .collect();
    if names.is_empty() { "value".to_owned() } else { names.join(".") }
}

/// Returns every property of a model, those beneath lists and maps included.
pub(super) fn places(model: &Model) -> Vec<Place> {
    let mut found = Vec::new();
    walk(&model.properties, &Path::root(), &mut found);
    found
}

fn walk(properties: &Properties, prefix: &Path, found: &mut Vec<Place>) {
    for (name, property) in properties.iter() {
        enter(property, &prefix.join(name), found);
    }
}

fn enter(property: &Property, path: &Path, found: &mut Vec<Place>) {
    found.push(Place { path: path.clone(), property: property.clone() });
    match &property.ty {
        Type::Object(properties) => walk(properties, path, found),
        Type::Array { items, .. } => enter(items, &path.child(Segment::Items), found),
        Type::Map { values } => enter(values, &path.child(Segment::Values), found),
        _ => {}
    }
}

/// Returns the objects that properties can lie in, the record first.
pub(super) fn containers(model: &Model) -> Vec<Path> {
    let objects = places(model).into_iter().filter(|place| matches!(place.property.ty, Type::Object(_)));
    std::iter::once(Path::root()).chain(objects.map(|place| place.path)).collect()
}

/// Returns a constant as an expression; `None` for what has no literal.
pub(super) fn literal(value: &Value, property: &Property) -> Option<String> {
    Some(match (value, &property.ty) {
        (Value::Null, _) => "null".to_owned(),
        (Value::Bool(value), _) => value.to_string(),
        (Value::Number(number), Type::Float) => format!("cast({} as float)", number.as_str()),
        (Value::Number(number), _) => number.as_str().to_owned(),
        (Value::String(text), Type::Date) => format!("date '{}'", text.as_str()),
        (Value::String(text), Type::Time) => format!("time '{}'", text.as_str()),
        (Value::String(text), Type::Datetime) => format!("datetime '{}'", text.as_str()),
        (Value::String(text), _) => format!("'{}'", text.as_str().replace('\'', "''")),
        (Value::List(items), Type::Array { items: item, .. }) => {
            let items: Option<Vec<String>> = items.iter().map(|value| literal(value, item)).collect();
            format!("[{}]", items?.join(", "))
        }
        (Value::Object(object), Type::Object(properties)) => {
            let fields: Option<Vec<String>> = object
                .iter()
                .map(|(name, value)| Some(format!("'{}': {}", name.as_str(), literal(value, properties.get(name)?)?)))
                .collect();
            format!("{{{}}}", fields?.join(", "))
        }
        (Value::Object(object), Type::Map { values }) => {
            let entries: Option<Vec<String>> =
                object.iter().map(|(key, value)| Some(format!("'{}': {}", key.as_str(), literal(value, values)?))).collect();
            format!("MAP {{{}}}", entries?.join(", "))
        }
        _ => return None,
    })
}
