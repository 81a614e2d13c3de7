//! What the draft's operations may leave out: the schemas of what they create are the draft's properties.

use coeval_core::{Invalid, Model, Object, Path, Value};

use super::value_of;

/// Returns the draft's operations with the schemas that they left out.
///
/// # Errors
/// A schema that is left out where the draft has no such property; the pointer begins at the list.
pub fn fill(operations: &[Value], draft: &Model) -> Result<Vec<Value>, Invalid> {
    let filled = operations
        .iter()
        .enumerate()
        .map(|(i, operation)| fill_one(operation, &operations[i + 1..], draft).map_err(|e| e.beneath(&i.to_string())));
    filled.collect()
}

fn fill_one(operation: &Value, later: &[Value], draft: &Model) -> Result<Value, Invalid> {
    let Some((name, fields)) = parts(operation) else { return Ok(operation.clone()) };
    let schema = |text: &str| -> Result<Value, Invalid> {
        let path = Path::parse(text)?;
        let now = followed(&path, later);
        let missing = || {
            let invalid = Invalid::new(format!("the draft has no property `{now}`, and the operation gives no `schema` for it"));
            invalid.help("add the property to the draft, or its `schema` to the operation")
        };
        Ok(draft.at(&now).ok_or_else(missing)?.to_value())
    };
    let mut fields = fields.clone();
    match name {
        "add_property" | "retype_property" if fields.get("schema").is_none() => {
            if let Some(path) = fields.get("path").and_then(Value::as_str) {
                let schema = schema(path).map_err(|e| e.beneath("path").beneath(name))?;
                insert_after(&mut fields, "path", "schema", &schema);
            }
        }
        "transform" | "rewrite" => {
            let targets: Vec<String> = match (name, fields.get("up"), fields.get("writes")) {
                ("transform", Some(Value::Object(up)), _) => up.iter().map(|(path, _)| path.to_string()).collect(),
                ("rewrite", _, Some(Value::List(writes))) => {
                    writes.iter().filter_map(|w| w.as_str().map(str::to_owned)).collect()
                }
                _ => Vec::new(),
            };
            let mut schemas = fields.get("schemas").and_then(Value::as_object).cloned().unwrap_or_default();
            for target in targets {
                if schemas.get(&target).is_none() {
                    schemas.insert(target.clone(), schema(&target).map_err(|e| e.beneath(name))?);
                }
            }
            if !schemas.is_empty() {
                fields.insert("schemas", schemas.into());
            }
        }
        _ => {}
    }
    Ok(Object::from_iter([(name.into(), fields.into())]).into())
}

/// Returns the operations of a version that is amended, as far as the draft still means them: a property that was added and is
/// gone again was never added, and one that is still there has the schema that the draft gives it now.
pub fn still_meant(operations: &[Value], draft: &Model) -> Vec<Value> {
    let mut out = Vec::new();
    for (i, operation) in operations.iter().enumerate() {
        let Some(("add_property", fields)) = parts(operation) else {
            out.push(operation.clone());
            continue;
        };
        let path = fields.get("path").and_then(Value::as_str).and_then(|text| Path::parse(text).ok());
        if path.is_some_and(|path| draft.at(&followed(&path, &operations[i + 1..])).is_some()) {
            let bare = fields.iter().filter(|(key, _)| key.as_str() != "schema").cloned().collect::<Object>();
            out.push(Object::from_iter([("add_property".into(), bare.into())]).into());
        }
    }
    out
}

/// Returns an `add_model` with the schema that the changes carry; any other operation as it is.
pub fn with_model(operation: &Value, model: Option<&Model>) -> Value {
    match (parts(operation), model) {
        (Some(("add_model", fields)), Some(model)) if fields.get("schema").is_none() => {
            value_of("add_model", [("schema", model.to_value())])
        }
        _ => match operation.as_object().and_then(|o| o.iter().next()) {
            // `add_model:` without braces.
            Some((name, Value::Null)) if name.as_str() == "add_model" => {
                let fields = model.map(|model| ("schema", model.to_value()));
                value_of("add_model", fields)
            }
            _ => operation.clone(),
        },
    }
}

fn parts(operation: &Value) -> Option<(&str, &Object)> {
    let (name, fields) = operation.as_object()?.iter().next()?;
    Some((name, fields.as_object()?))
}

/// Where a property lies after later renames and moves.
fn followed(path: &Path, later: &[Value]) -> Path {
    let mut path = path.clone();
    for operation in later {
        let Some(("rename_property" | "move_property", fields)) = parts(operation) else { continue };
        let end = |key: &str| fields.get(key).and_then(Value::as_str).and_then(|text| Path::parse(text).ok());
        if let (Some(from), Some(to)) = (end("from"), end("to"))
            && let Some(rest) = path.strip(&from)
        {
            path = rest.within(&to);
        }
    }
    path
}

fn insert_after(fields: &mut Object, key: &str, new: &str, value: &Value) {
    let mut out = Object::new();
    for (k, v) in std::mem::take(fields) {
        let here = k.as_str() == key;
        out.insert(k, v);
        if here {
            out.insert(new, value.clone());
        }
    }
    *fields = out;
}
