//! Generated properties and values: what has broken published systems, often enough to meet each other.

use coeval_core::json;
use coeval_core::schema::{Model, Properties, Property, Type};
use coeval_core::value::{Object, Text, Value};

use crate::rng::Rng;

/// Names of properties: one a prefix of another, with a dot, beyond ASCII.
pub(super) const NAMES: [&str; 12] = ["a", "ab", "b", "c", "d", "abc", "e", "f", "é", "x.y", "g", "h"];

const ENUM: [&str; 6] = ["todo", "doing", "done", "open", "zz", "é"];
const KEYS: [&str; 7] = ["p", "q", "pq", "r", "s.t", "é", ""];

const INTEGERS: [&str; 12] =
    ["0", "1", "5", "19", "199", "1999", "19991", "-7", "100", "-0", "9223372036854775807", "-9223372036854775808"];
const NUMBERS: [&str; 14] = [
    "0",
    "1.10",
    "100.0",
    "1e2",
    "19.99",
    "0.1",
    "-0.0",
    "1.5",
    "7",
    "1E+2",
    "12345678901234567890",
    "1e400",
    "-1e-400",
    "0.005",
];
const FLOATS: [&str; 5] = ["0.1", "1e10", "1.50", "-0.0", "3"];
const DECIMALS: [&str; 5] = ["1.10", "999.99", "0", "-1", "1e2"];
/// Between quotation marks, so that escapes stand as written.
const TEXTS: [&str; 20] = [
    "",
    "x",
    "5",
    "0",
    "05",
    "abc",
    "Ada Lovelace",
    "Mary Jane Watson",
    " Cher",
    "Cher",
    "é ü",
    "\\u00e9",
    "A\\/b",
    "a,b",
    "-12",
    "\\ud83d\\ude00",
    "1.5",
    "true",
    "\\n",
    "1999",
];
const DATES: [&str; 3] = ["2026-11-21", "1999-12-31", "2024-02-29"];
const TIMES: [&str; 2] = ["10:00:00", "23:59:59.5"];
const DATETIMES: [&str; 3] = ["2026-11-21T10:00:00Z", "2026-11-21T12:00:00+02:00", "1970-01-01T00:00:00.5Z"];
const UUIDS: [&str; 2] = ["0194f0c2-1111-7aaa-8bbb-000000000001", "0194F0C2-1111-7AAA-8BBB-000000000002"];
const BYTES: [&str; 3] = ["", "AAEC", "/+8="];

fn parsed(text: &str) -> Value {
    json::parse(text.as_bytes()).unwrap_or(Value::Null)
}

fn quoted(text: &str) -> Value {
    parsed(&format!("\"{text}\""))
}

/// Returns a model of a few properties.
pub(super) fn model(rng: &mut Rng) -> Model {
    let mut model = Model::new("thing");
    let count = rng.one([1, 2, 3, 3, 4, 5]);
    model.properties = properties(rng, count, 2);
    if rng.chance(15) {
        model.properties.insert("id", Property::new(Type::String).required());
        model.key = vec!["id".to_owned()];
    }
    model
}

fn properties(rng: &mut Rng, count: usize, depth: usize) -> Properties {
    let mut properties = Properties::new();
    let mut names = NAMES.to_vec();
    rng.shuffle(&mut names);
    for name in names.into_iter().take(count) {
        let property = property(rng, depth);
        properties.insert(name, property);
    }
    properties.additional = !rng.chance(25);
    properties
}

/// Returns a property of any type, with objects nested as deep as `depth`.
pub(super) fn property(rng: &mut Rng, depth: usize) -> Property {
    let ty = ty(rng, depth);
    faceted(rng, ty)
}

/// Returns a property of a type with facets in any combination.
pub(super) fn faceted(rng: &mut Rng, ty: Type) -> Property {
    let mut property = Property::new(ty);
    property.required = rng.chance(40);
    property.nullable = rng.chance(25);
    if rng.chance(15) {
        let default = value(rng, &property);
        if property.violations(&default).is_empty() {
            property.default = Some(default);
        }
    }
    property
}

fn ty(rng: &mut Rng, depth: usize) -> Type {
    let nested = if depth > 0 { rng.below(100) } else { 0 };
    match nested {
        70..=79 => Type::Object({
            let count = rng.one([0, 1, 2, 2, 3]);
            properties(rng, count, depth - 1)
        }),
        80..=87 => items(rng, depth - 1),
        88..=93 => Type::Map { values: Box::new(element(rng, depth - 1)) },
        94..=95 => union(rng),
        _ => scalar(rng),
    }
}

fn items(rng: &mut Rng, depth: usize) -> Type {
    if rng.chance(50) {
        let mut properties = properties(rng, 2, depth);
        let key = rng.chance(50).then(|| "id".to_owned());
        if key.is_some() {
            properties.insert("id", Property::new(rng.one([Type::Integer, Type::String].each_ref()).clone()).required());
        }
        let items = Property { required: false, nullable: rng.chance(10), ..Property::new(Type::Object(properties)) };
        return Type::Array { items: Box::new(items), key };
    }
    Type::Array { items: Box::new(element(rng, depth)), key: None }
}

fn element(rng: &mut Rng, depth: usize) -> Property {
    let ty = ty(rng, depth);
    Property { nullable: rng.chance(10), ..Property::new(ty) }
}

fn union(rng: &mut Rng) -> Type {
    if rng.chance(50) {
        return Type::Union { of: vec![Property::new(Type::String), Property::new(Type::Number)], tag: None };
    }
    let tagged = |tag: &str, name: &str| {
        let kind = Property::new(Type::Enum { values: vec![tag.to_owned()] }).required();
        Property::new(Type::Object(
            [("kind".to_owned(), kind), (name.to_owned(), Property::new(Type::Integer))].into_iter().collect(),
        ))
    };
    Type::Union { of: vec![tagged("card", "n"), tagged("cash", "m")], tag: Some("kind".to_owned()) }
}

fn scalar(rng: &mut Rng) -> Type {
    match rng.below(40) {
        0..=9 => Type::String,
        10..=17 => Type::Integer,
        18..=22 => Type::Number,
        23..=26 => Type::Boolean,
        27..=31 => Type::Enum { values: enum_values(rng) },
        32 => Type::Float,
        33 => Type::Decimal { precision: 5, scale: 2 },
        34 => Type::Date,
        35 => Type::Datetime,
        36 => Type::Time,
        37 => rng.one([Type::Uuid, Type::Bytes].each_ref()).clone(),
        38 => Type::Ref { model: "other".to_owned() },
        _ => Type::Json,
    }
}

/// Returns one to three values of an enum.
pub(super) fn enum_values(rng: &mut Rng) -> Vec<String> {
    let mut values = ENUM.to_vec();
    rng.shuffle(&mut values);
    let count = rng.one([1, 2, 2, 3]);
    values.into_iter().take(count).map(str::to_owned).collect()
}

/// Returns a value or absence, as the facets allow.
pub(super) fn maybe(rng: &mut Rng, property: &Property) -> Option<Value> {
    if !property.required && rng.chance(25) { None } else { Some(value(rng, property)) }
}

/// Returns a value of a property that is there.
pub(super) fn value(rng: &mut Rng, property: &Property) -> Value {
    if property.nullable && rng.chance(25) {
        return Value::Null;
    }
    match &property.ty {
        Type::String | Type::Ref { .. } => quoted(rng.one(TEXTS)),
        Type::Integer => {
            let common = if rng.chance(85) { 9 } else { INTEGERS.len() };
            parsed(INTEGERS[rng.below(common)])
        }
        Type::Number => parsed(rng.one(NUMBERS)),
        Type::Float => parsed(rng.one(FLOATS)),
        Type::Decimal { .. } => parsed(rng.one(DECIMALS)),
        Type::Boolean => Value::Bool(rng.chance(50)),
        Type::Date => rng.one(DATES).into(),
        Type::Time => rng.one(TIMES).into(),
        Type::Datetime => rng.one(DATETIMES).into(),
        Type::Uuid => rng.one(UUIDS).into(),
        Type::Bytes => rng.one(BYTES).into(),
        Type::Json => json_value(rng, 2),
        Type::Enum { values } => enum_value(rng, values),
        Type::Object(properties) => Value::Object(object(rng, properties)),
        Type::Array { items, key } => list(rng, items, key.as_deref()),
        Type::Map { values } => map(rng, values),
        Type::Union { of, .. } => rng.pick(of).cloned().map_or(Value::Null, |alternative| value(rng, &alternative)),
    }
}

fn enum_value(rng: &mut Rng, values: &[String]) -> Value {
    let Some(text) = rng.pick(values).cloned() else { return Value::Null };
    let Some(first) = text.chars().next().filter(|_| rng.chance(5)) else { return text.into() };
    // The same text with its first character escaped.
    quoted(&format!("\\u{:04x}{}", u32::from(first), &text[first.len_utf8()..]))
}

/// Returns a value of no declared type.
pub(super) fn json_value(rng: &mut Rng, depth: usize) -> Value {
    match rng.below(if depth > 0 { 8 } else { 5 }) {
        0 => Value::Null,
        1 => Value::Bool(true),
        2 => parsed(rng.one(NUMBERS)),
        3 | 4 => quoted(rng.one(TEXTS)),
        5 => Value::List((0..rng.below(3)).map(|_| json_value(rng, depth - 1)).collect()),
        _ => {
            let mut object = Object::new();
            for _ in 0..rng.below(3) {
                object.insert(rng.one(NAMES), json_value(rng, depth - 1));
            }
            object.into()
        }
    }
}

fn list(rng: &mut Rng, items: &Property, key: Option<&str>) -> Value {
    let mut list: Vec<Value> = Vec::new();
    for _ in 0..rng.one([0, 1, 1, 2, 3]) {
        let item = if rng.chance(20) { list.last().cloned() } else { None };
        let item = item.unwrap_or_else(|| value(rng, items));
        let known =
            |other: &Value| key.is_some_and(|key| key_of(other, key).is_some() && key_of(other, key) == key_of(&item, key));
        if !list.iter().any(known) {
            list.push(item);
        }
    }
    Value::List(list)
}

fn key_of<'a>(item: &'a Value, key: &str) -> Option<&'a Value> {
    item.as_object()?.get(key)
}

fn map(rng: &mut Rng, values: &Property) -> Value {
    let mut map = Object::new();
    for _ in 0..rng.one([0, 1, 2, 3]) {
        map.insert(rng.one(KEYS), value(rng, values));
    }
    map.into()
}

/// Returns a key of a map.
pub(super) fn key(rng: &mut Rng) -> &'static str {
    rng.one(KEYS)
}

/// Returns an object with declared and undeclared properties, in any order.
pub(super) fn object(rng: &mut Rng, properties: &Properties) -> Object {
    let mut entries: Vec<(Text, Value)> = Vec::new();
    for (name, property) in properties.iter() {
        if let Some(value) = maybe(rng, property) {
            let escaped = name.starts_with('a') && rng.chance(3);
            let name = if escaped { raw_name(&format!("\\u0061{}", &name[1..])) } else { name.into() };
            entries.push((name, value));
        }
    }
    if properties.additional && rng.chance(12) {
        let name = rng.one(NAMES);
        if properties.get(name).is_none() {
            entries.push((name.into(), json_value(rng, 1)));
        }
    }
    if rng.chance(25) {
        rng.shuffle(&mut entries);
    }
    entries.into_iter().collect()
}

fn raw_name(text: &str) -> Text {
    match quoted(text) {
        Value::String(text) => text,
        _ => text.into(),
    }
}

/// Returns a record of a model.
pub(super) fn record(rng: &mut Rng, model: &Model) -> Value {
    Value::Object(object(rng, &model.properties))
}
