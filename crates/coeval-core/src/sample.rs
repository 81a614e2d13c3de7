//! Values of a schema, always the same ones: what operations are tried out on.
//!
//! They are those on which published systems have broken: empty and duplicate, prefixes of each other, zero, huge and
//! fractional, absent and null.

use crate::json;
use crate::schema::{Model, Properties, Property, Type};
use crate::value::{Object, Value};

/// How many values a nested type contributes.
const NESTED: usize = 12;

/// Returns values that a property admits, the most ordinary first; null where it may be null. `words` are texts and keys that
/// matter to what is tried out.
pub fn values(property: &Property, words: &[String]) -> Vec<Value> {
    let mut out = of_type(&property.ty, words);
    out.extend(property.default.clone());
    if property.nullable {
        out.push(Value::Null);
    }
    let mut seen: Vec<Value> = Vec::new();
    for value in out {
        if property.admits(&value) && !seen.iter().any(|known| known.identical(&value)) {
            seen.push(value);
        }
    }
    seen
}

/// Returns at most `limit` documents that fit a model: one with everything, one with what is required, and for every property
/// one with each of its values, and one without it. What is beyond the limit is left out of all properties alike.
pub fn documents(model: &Model, words: &[String], limit: usize) -> Vec<Value> {
    let mut out: Vec<Value> = objects(&model.properties, words).into_iter().map(Value::Object).collect();
    out.retain(|document| model.violations(document).is_empty());
    out.truncate(limit);
    out
}

fn of_type(ty: &Type, words: &[String]) -> Vec<Value> {
    match ty {
        Type::String => {
            let mut out = texts(&["Ada Lovelace", "12", "", " a b ", "-3.50", "true", "é漢\"\\", "2026-11-21", "x"]);
            out.extend(words.iter().map(|word| Value::from(word.as_str())));
            out
        }
        Type::Integer => numbers(&["12", "0", "-7", "100", "9223372036854775807"]),
        Type::Number => numbers(&["12.5", "0", "-7", "1.10", "1e3", "12345678901234567890.123", "0.001"]),
        Type::Float => numbers(&["12.5", "0", "-7", "1e300", "0.1"]),
        Type::Decimal { precision, scale } => decimals(*precision, *scale),
        Type::Boolean => vec![true.into(), false.into()],
        Type::Date => texts(&["2026-11-21", "1970-01-01", "2024-02-29"]),
        Type::Time => texts(&["10:00:00", "00:00:00", "23:59:59.5"]),
        Type::Datetime => texts(&["2026-11-21T10:00:00Z", "1969-12-31T23:59:59.25+05:30"]),
        Type::Uuid => texts(&["0194e5c8-0000-7000-8000-000000000001", "FFFFFFFF-FFFF-4FFF-8FFF-FFFFFFFFFFFF"]),
        Type::Bytes => texts(&["aGVsbG8=", ""]),
        Type::Json => vec!["a".into(), 1_i64.into(), Value::List(Vec::new()), Value::Object(Object::new())],
        Type::Enum { values } => values.iter().map(|value| value.as_str().into()).collect(),
        Type::Object(properties) => objects(properties, words).into_iter().take(NESTED * 4).map(Value::Object).collect(),
        Type::Array { items, key } => lists(items, key.is_some(), words),
        Type::Map { values } => maps(values, words),
        Type::Ref { .. } => texts(&["a1", "b2"]),
        Type::Union { of, .. } => of.iter().flat_map(|property| values(property, words).into_iter().take(NESTED)).collect(),
    }
}

fn texts(all: &[&str]) -> Vec<Value> {
    all.iter().map(|text| Value::from(*text)).collect()
}

fn numbers(all: &[&str]) -> Vec<Value> {
    all.iter().filter_map(|text| json::parse(text.as_bytes()).ok()).collect()
}

fn decimals(precision: u32, scale: u32) -> Vec<Value> {
    let whole = "9".repeat((precision.saturating_sub(scale)).min(40) as usize);
    let fraction = "9".repeat(scale.min(40) as usize);
    let widest = match (whole.is_empty(), fraction.is_empty()) {
        (true, true) => "0".to_owned(),
        (true, false) => format!("0.{fraction}"),
        (false, true) => whole,
        (false, false) => format!("{whole}.{fraction}"),
    };
    numbers(&["1", "0", "-1", "0.5", &widest])
}

fn lists(items: &Property, keyed: bool, words: &[String]) -> Vec<Value> {
    let each = values(items, words);
    let mut out = Vec::new();
    if let [first, rest @ ..] = each.as_slice() {
        out.push(Value::List(vec![first.clone()]));
        if let Some(second) = rest.first() {
            out.push(Value::List(vec![second.clone(), first.clone()]));
        }
        if !keyed {
            out.push(Value::List(vec![first.clone(), first.clone()]));
        }
        out.extend(rest.iter().take(NESTED).map(|value| Value::List(vec![value.clone()])));
    }
    out.push(Value::List(Vec::new()));
    out
}

fn maps(values_of: &Property, words: &[String]) -> Vec<Value> {
    let each = values(values_of, words);
    let mut out = Vec::new();
    if let [first, rest @ ..] = each.as_slice() {
        out.push(Object::from_iter([("a".into(), first.clone())]).into());
        let second = rest.first().unwrap_or(first);
        out.push(Object::from_iter([("ab".into(), second.clone()), ("a".into(), first.clone())]).into());
        out.extend(words.iter().map(|word| Object::from_iter([(word.as_str().into(), first.clone())]).into()));
        out.extend(rest.iter().take(NESTED).map(|value| Object::from_iter([("a".into(), value.clone())]).into()));
    }
    out.push(Object::new().into());
    out
}

fn objects(properties: &Properties, words: &[String]) -> Vec<Object> {
    let each: Vec<(&str, &Property, Vec<Value>)> =
        properties.iter().map(|(name, property)| (name, property, values(property, words))).collect();
    let with_first = |wanted: &dyn Fn(&Property) -> bool| -> Object {
        let shown = each.iter().filter(|(_, property, _)| wanted(property));
        shown.filter_map(|(name, _, values)| Some(((*name).into(), values.first()?.clone()))).collect()
    };
    let full = with_first(&|_| true);
    let least = with_first(&|property| property.required);
    let mut out = vec![full.clone()];
    if least.len() != full.len() {
        out.push(least);
    }
    for (name, property, _) in &each {
        if !property.required {
            let mut object = full.clone();
            object.remove(name);
            out.push(object);
        }
    }
    // One value of each property in turn, so that a limit cuts off what is least telling.
    let most = each.iter().map(|(_, _, values)| values.len()).max().unwrap_or_default();
    for at in 1..most {
        for (name, _, values) in &each {
            if let Some(value) = values.get(at) {
                let mut object = full.clone();
                object.insert(*name, value.clone());
                out.push(object);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::Operation;
    use crate::schema::no_shared_types;

    #[test]
    fn every_sample_fits_its_model() {
        for (name, example) in Operation::ALL {
            let properties = json::parse(example.properties.as_bytes()).unwrap();
            let model = Object::from_iter([
                ("type".into(), "model".into()),
                ("name".into(), "m".into()),
                ("properties".into(), properties),
            ]);
            let model = Model::from_value(&model.into(), &no_shared_types).unwrap();
            let found = documents(&model, &["x".to_owned()], 500);
            assert!(!found.is_empty(), "{name}");
            assert!(found.iter().all(|document| model.violations(document).is_empty()), "{name}");
        }
    }

    #[test]
    fn decimals_reach_their_bounds() {
        let property = Property::new(Type::Decimal { precision: 5, scale: 2 });
        let texts: Vec<String> = values(&property, &[]).iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["1", "0", "-1", "0.5", "999.99"]);
    }
}
