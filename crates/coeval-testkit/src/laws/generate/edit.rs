//! Generated edits of a document: some properties change, the rest stays as it is.

use coeval_core::invalid::escape_token;
use coeval_core::patch::{Change, Patch};
use coeval_core::schema::{Model, Properties, Property, Type};
use coeval_core::value::{Object, Value};

use super::value::{json_value, key, maybe, object, record, value};
use crate::rng::Rng;

/// Returns the document with one to three changes that the model admits.
pub(super) fn edit(rng: &mut Rng, model: &Model, document: &Value) -> Value {
    for _ in 0..4 {
        let mut changed = document.clone();
        if let Value::Object(object) = &mut changed {
            for _ in 0..rng.one([1, 1, 1, 2, 3]) {
                change_object(rng, &model.properties, object);
            }
        }
        if model.violations(&changed).is_empty() {
            return changed;
        }
    }
    record(rng, model)
}

/// Returns the document with changes that the model need not admit.
pub(super) fn edit_outside(rng: &mut Rng, model: &Model, document: &Value) -> Value {
    let mut changed = edit(rng, model, document);
    if rng.chance(30)
        && let Value::Object(object) = &mut changed
    {
        let names: Vec<String> = model.properties.names().map(str::to_owned).collect();
        if let Some(name) = rng.pick(&names) {
            let garbage = json_value(rng, 1);
            object.insert(name.as_str(), garbage);
        }
    }
    changed
}

fn change_object(rng: &mut Rng, properties: &Properties, object: &mut Object) {
    if properties.additional && rng.chance(8) {
        return change_undeclared(rng, properties, object);
    }
    if rng.chance(6) {
        let mut entries: Vec<_> = std::mem::take(object).into_iter().collect();
        rng.shuffle(&mut entries);
        *object = entries.into_iter().collect();
        return;
    }
    let entries: Vec<(&str, &Property)> = properties.iter().collect();
    let Some((name, property)) = rng.pick(&entries) else { return };
    if let Some(inner) = object.get_mut(name)
        && rng.chance(65)
        && change_inside(rng, property, inner)
    {
        return;
    }
    match maybe(rng, property) {
        Some(value) => drop(object.insert(*name, value)),
        None => drop(object.remove(name)),
    }
}

fn change_undeclared(rng: &mut Rng, properties: &Properties, object: &mut Object) {
    let name = rng.one(super::value::NAMES);
    if properties.get(name).is_some() {
        return;
    }
    if rng.chance(40) {
        object.remove(name);
    } else {
        object.insert(name, json_value(rng, 1));
    }
}

/// Changes something in an object, a list or a map; false where the value is none.
fn change_inside(rng: &mut Rng, property: &Property, value: &mut Value) -> bool {
    match (&property.ty, value) {
        (Type::Object(properties), Value::Object(object)) => {
            change_object(rng, properties, object);
            true
        }
        (Type::Array { items, key }, Value::List(list)) => {
            change_list(rng, items, key.as_deref(), list);
            true
        }
        (Type::Map { values }, Value::Object(object)) => {
            change_map(rng, values, object);
            true
        }
        _ => false,
    }
}

fn change_list(rng: &mut Rng, items: &Property, key: Option<&str>, list: &mut Vec<Value>) {
    let before = list.clone();
    let at = rng.below(list.len());
    match rng.below(6) {
        0 => list.insert(at, value(rng, items)),
        1 if !list.is_empty() => drop(list.remove(at)),
        2 if list.len() > 1 => {
            let to = rng.below(list.len());
            list.swap(at, to);
        }
        3 if key.is_none() && !list.is_empty() => list.push(list[at].clone()),
        _ if !list.is_empty() => {
            if !change_inside(rng, items, &mut list[at]) {
                list[at] = value(rng, items);
            }
        }
        _ => list.push(value(rng, items)),
    }
    let key_of = |item: &Value| key.and_then(|key| item.as_object()?.get(key).cloned());
    let repeated = (1..list.len()).any(|i| key_of(&list[i]).is_some() && list[..i].iter().any(|o| key_of(o) == key_of(&list[i])));
    if repeated {
        // Items with one key would not be told apart.
        *list = before;
    }
}

fn change_map(rng: &mut Rng, values: &Property, map: &mut Object) {
    let keys: Vec<String> = map.iter().map(|(key, _)| key.as_str().to_owned()).collect();
    let known = rng.pick(&keys).cloned();
    match (rng.below(4), known) {
        (0, Some(key)) => drop(map.remove(&key)),
        (1 | 2, Some(key)) => {
            if let Some(inner) = map.get_mut(&key)
                && !change_inside(rng, values, inner)
            {
                *inner = value(rng, values);
            }
        }
        _ => drop(map.insert(key(rng), value(rng, values))),
    }
}

/// Returns the document with only the property at a path of names changed; `None` where nothing can change alone.
pub(super) fn change_at(rng: &mut Rng, model: &Model, document: &Value, path: &[String]) -> Option<Value> {
    for _ in 0..6 {
        let mut changed = document.clone();
        let Value::Object(top) = &mut changed else { return None };
        set_at(rng, &model.properties, top, path)?;
        if changed != *document && model.violations(&changed).is_empty() {
            return Some(changed);
        }
    }
    None
}

fn set_at(rng: &mut Rng, properties: &Properties, at: &mut Object, path: &[String]) -> Option<()> {
    let (name, rest) = path.split_first()?;
    let property = properties.get(name)?;
    if rest.is_empty() {
        match maybe(rng, property) {
            Some(value) => drop(at.insert(name.as_str(), value)),
            None => drop(at.remove(name)),
        }
        return Some(());
    }
    let Type::Object(inner) = &property.ty else { return None };
    if at.get(name).and_then(Value::as_object).is_none() {
        at.insert(name.as_str(), object(rng, inner).into());
    }
    let Some(Value::Object(object)) = at.get_mut(name) else { return None };
    set_at(rng, inner, object, rest)
}

/// Returns the merge patch from one document to another, as far as one can say it.
pub(super) fn merge_patch(before: &Value, after: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (before, after) else { return after.clone() };
    let mut patch = Object::new();
    for (name, value) in new {
        match old.get(name) {
            Some(known) if known == value => {}
            Some(known) => drop(patch.insert(name.as_str(), merge_patch(known, value))),
            None => drop(patch.insert(name.as_str(), value.clone())),
        }
    }
    for (name, _) in old.iter().filter(|(name, _)| new.get(name).is_none()) {
        patch.insert(name.as_str(), Value::Null);
    }
    patch.into()
}

/// Returns a JSON patch that moves, repeats or removes an item of a list at the top.
pub(super) fn move_item(rng: &mut Rng, document: &Value) -> Option<Patch> {
    let lists: Vec<(&str, usize)> = document
        .as_object()?
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.as_list()?.len())))
        .filter(|(_, length)| *length > 0)
        .collect();
    let (name, length) = *rng.pick(&lists)?;
    let place = |at: usize| format!("/{}/{at}", escape_token(name));
    let (from, path) = (place(rng.below(length)), place(rng.below(length)));
    Some(Patch(vec![match rng.below(6) {
        0 => Change::Copy { from, path },
        1 => Change::Remove { path },
        _ => Change::Move { from, path },
    }]))
}
