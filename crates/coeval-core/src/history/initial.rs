//! What properties hold that were given no value.

use super::edit::Filling;
use crate::schema::{Property, Type};
use crate::value::Value;

/// What a property holds that was given no value: its default, and for a required object the same of what is in it.
pub(crate) fn initial(property: &Property) -> Option<Value> {
    if let Some(default) = &property.default {
        return Some(default.clone());
    }
    match &property.ty {
        Type::Object(properties) if property.required => {
            Some(Value::Object(properties.iter().filter_map(|(name, p)| Some((name.into(), initial(p)?))).collect()))
        }
        _ if property.required && property.nullable => Some(Value::Null),
        _ => None,
    }
}

/// What fills a child of an object that was filled.
pub(super) fn inner_filling(outer: &Filling, name: &str, property: &Property) -> Filling {
    let given = match outer {
        Filling::Value(value) => value.as_object().and_then(|object| object.get(name)).cloned(),
        Filling::Expression(compiled) if compiled.is_constant() => {
            compiled.eval(&[]).ok().and_then(|value| value.as_object().and_then(|object| object.get(name)).cloned())
        }
        _ => None,
    };
    given.or_else(|| initial(property)).map_or(Filling::None, Filling::Value)
}
