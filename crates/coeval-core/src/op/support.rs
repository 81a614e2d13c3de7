//! What several operations share: finding properties, compiling expressions, and saying what is missing.

use std::collections::HashMap;
use std::sync::Arc;

use crate::decode;
use crate::expr::{Compiled, KeyKind, Names, Scope};
use crate::history::{Filling, Native, OnFail};
use crate::invalid::{Invalid, nearest};
use crate::path::{Path, Segment};
use crate::schema::{Model, Properties, Property, Type};
use crate::table::Tables;
use crate::value::{Object, Value};

/// Code that operations of kind `rewrite` name: both ways, by name.
pub type Rewrites = HashMap<String, (Arc<Native>, Arc<Native>)>;

/// What operations need beside the model.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The lookup tables.
    pub tables: &'a Tables,
    /// The code that `rewrite` names.
    pub rewrites: &'a Rewrites,
}

/// What happens on failure, each way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policies {
    /// From the older version to the newer.
    pub up: OnFail,
    /// From the newer version to the older.
    pub down: OnFail,
}

impl Policies {
    /// Reads `on_fail`: `reject`, `quarantine`, `{fallback: V}` (of the newer version), or `{up: …, down: …}`.
    pub(super) fn read(fields: &Object) -> Result<Self, Invalid> {
        let Some(value) = fields.get("on_fail") else { return Ok(Self::default()) };
        let place = |e: Invalid| e.beneath("on_fail");
        if let Value::Object(object) = value
            && object.get("fallback").is_none()
        {
            decode::known_keys(object, &["up", "down", "fallback"]).map_err(place)?;
            let side = |key: &str| object.get(key).map_or(Ok(OnFail::Reject), |v| policy(v).map_err(|e| place(e.beneath(key))));
            return Ok(Self { up: side("up")?, down: side("down")? });
        }
        let up = policy(value).map_err(place)?;
        let down = if up == OnFail::Quarantine { OnFail::Quarantine } else { OnFail::Reject };
        Ok(Self { up, down })
    }

    /// Returns `on_fail` as it is written; `None` for the default.
    pub(super) fn to_value(&self) -> Option<Value> {
        let write = |policy: &OnFail| match policy {
            OnFail::Reject => "reject".into(),
            OnFail::Quarantine => "quarantine".into(),
            OnFail::Fallback(value) => Object::from_iter([("fallback".into(), value.clone())]).into(),
        };
        match (&self.up, &self.down) {
            (OnFail::Reject, OnFail::Reject) => None,
            (OnFail::Quarantine, OnFail::Quarantine) | (OnFail::Fallback(_), OnFail::Reject) => Some(write(&self.up)),
            (up, down) => Some(Object::from_iter([("up".into(), write(up)), ("down".into(), write(down))]).into()),
        }
    }
}

fn policy(value: &Value) -> Result<OnFail, Invalid> {
    match value {
        Value::String(text) if text.as_str() == "reject" => Ok(OnFail::Reject),
        Value::String(text) if text.as_str() == "quarantine" => Ok(OnFail::Quarantine),
        Value::Object(object) if object.len() == 1 => match object.get("fallback") {
            Some(value) => Ok(OnFail::Fallback(value.clone())),
            None => Err(Invalid::new("expected `reject`, `quarantine` or `{fallback: VALUE}`")),
        },
        _ => Err(Invalid::new("expected `reject`, `quarantine` or `{fallback: VALUE}`")),
    }
}

/// Checks that a fallback is a value of the property.
pub(super) fn check_fallback(policy: &OnFail, target: &Property) -> Result<(), Invalid> {
    let OnFail::Fallback(value) = policy else { return Ok(()) };
    match target.violations(value).into_iter().next() {
        None => Ok(()),
        Some(violation) => Err(Invalid::new(format!("the fallback does not fit: {}", violation.message)).beneath("on_fail")),
    }
}

/// Returns the property at a path, or says that there is none.
pub(super) fn existing<'a>(model: &'a Model, path: &Path, field: &str) -> Result<&'a Property, Invalid> {
    model.at(path).ok_or_else(|| {
        let invalid = Invalid::new(format!("{} has no property `{path}`", model.name)).beneath(field);
        let mut known = Vec::new();
        all_paths(&model.properties, &Path::root(), &mut known);
        match nearest(&path.to_string(), known.iter().map(String::as_str)) {
            Some(near) => invalid.help(format!("did you mean `{near}`?")),
            None => invalid.help("operations apply in order: an earlier one may have renamed, moved or removed it"),
        }
    })
}

fn all_paths(properties: &Properties, prefix: &Path, out: &mut Vec<String>) {
    for (name, property) in properties.iter() {
        let mut path = prefix.join(name);
        let mut property = property;
        loop {
            out.push(path.to_string());
            match &property.ty {
                Type::Array { items, .. } => (path, property) = (path.child(Segment::Items), items),
                Type::Map { values } => (path, property) = (path.child(Segment::Values), values),
                Type::Object(inner) => break all_paths(inner, &path, out),
                _ => break,
            }
        }
    }
}

/// Checks that a path is free and lies in an object that exists.
pub(super) fn vacant(model: &Model, path: &Path, field: &str) -> Result<(), Invalid> {
    let invalid = |message| Err(Invalid::new(message).beneath(field));
    if model.at(path).is_some() {
        return invalid(format!("{} has a property `{path}` already", model.name));
    }
    if path.last_name().is_none() {
        return invalid(format!(
            "`{path}` is an element, not a property of one; change it with `retype_property` or `transform`"
        ));
    }
    if model.siblings(path).is_some() {
        return Ok(());
    }
    let parent = path.parent().unwrap_or_default();
    let known = existing(model, &parent, field)?;
    invalid(format!("`{parent}` is {} {}, it has no properties", article(known.ty.name()), known.ty.name()))
}

pub(super) fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// Checks that a property is not part of the model's key, which says which record is which.
pub(super) fn not_key(model: &Model, path: &Path, what: &str, field: &str) -> Result<(), Invalid> {
    let in_key = match path.segments() {
        [Segment::Name(name)] => model.key.contains(name),
        _ => is_item_key(model, path),
    };
    if in_key {
        return Err(Invalid::new(format!("`{path}` is part of a key and cannot be {what}")).beneath(field));
    }
    Ok(())
}

/// Whether the path is the declared key of a list's items, or the items themselves, which hold it.
fn is_item_key(model: &Model, path: &Path) -> bool {
    let (element, rest) = path.split_element();
    let Some(list) = element.parent().filter(|p| !p.is_root()).and_then(|p| model.at(&p)) else { return false };
    let Type::Array { key: Some(key), .. } = &list.ty else { return false };
    match rest.segments() {
        [] => true,
        [Segment::Name(name)] => name == key,
        _ => false,
    }
}

/// Checks that the expression of a property does not read an object that the property lies in: whether that is there may follow
/// from the property.
pub(super) fn not_own_object(compiled: &Compiled, paths: &[&Path]) -> Result<(), Invalid> {
    for input in compiled.inputs() {
        if let crate::expr::Input::Property(input) = input
            && let Some(path) = paths.iter().find(|path| input != **path && input.contains(path))
        {
            let name = if input.is_root() { "value".to_owned() } else { input.to_string() };
            let invalid = Invalid::new(format!("the expression reads `{name}`, the object that `{path}` lies in"));
            return Err(invalid.help("read the properties of the object that it needs"));
        }
    }
    Ok(())
}

/// Checks that the properties of a group lie in the same optional object, if in any: otherwise one side could have a value where
/// the object of the other side is missing.
pub(super) fn not_across<'a>(model: &Model, paths: impl IntoIterator<Item = (&'a Path, &'static str)>) -> Result<(), Invalid> {
    let optional = |path: &Path| {
        let mut ancestor = path.parent();
        while let Some(object) = ancestor.filter(|p| p.last_name().is_some()) {
            if model.at(&object).is_some_and(|p| matches!(p.ty, Type::Object(_)) && !p.is_fixed_object()) {
                return Some(object);
            }
            ancestor = object.parent();
        }
        None
    };
    let mut first: Option<Option<Path>> = None;
    for (path, field) in paths {
        let here = optional(path);
        let known = first.get_or_insert_with(|| here.clone());
        if *known != here {
            let object = here.or_else(|| known.clone()).unwrap_or_default();
            let invalid = Invalid::new(format!("`{object}` may be missing or null, and a group cannot reach across it"));
            let help = format!("make it required first: `- require_property: {{path: {object}, value: \"{{}}\"}}`");
            return Err(invalid.help(help).beneath(field));
        }
    }
    Ok(())
}

/// Changes which property of a list's items is their key, where a name was it.
pub(super) fn rename_item_key(model: &mut Model, element: &Path, names: impl Fn(&str) -> Option<String>) {
    let Some(list) = element.parent().filter(|p| !p.is_root()) else { return };
    if let Some(Property { ty: Type::Array { key: Some(key), .. }, .. }) = model.at_mut(&list)
        && let Some(name) = names(key)
    {
        *key = name;
    }
}

/// Returns the names that an expression sees at a path: the record's, or those of the element that the path lies in.
pub(super) fn compile(
    source: &str,
    model: &Model,
    within: &Path,
    single: Option<&Path>,
    context: &Context<'_>,
) -> Result<Arc<Compiled>, Invalid> {
    let element = if within.is_root() { None } else { model.at(within) };
    let names = |absent_is_null| Scope {
        names: match element {
            Some(element) => Names::Element {
                element,
                key: match within.segments().last() {
                    Some(Segment::Items) => KeyKind::Index,
                    _ => KeyKind::Name,
                },
            },
            None => Names::Record(&model.properties),
        },
        tables: context.tables,
        absent_is_null,
    };
    // An expression over one property never sees its absence; one over several reads it as null.
    let compiled = Compiled::compile(source, &names(false))?;
    let only = |path: &Path| matches!(compiled.inputs(), [crate::expr::Input::Property(input)] if input == path);
    if compiled.is_constant() || single.is_none_or(only) && compiled.inputs().len() == 1 {
        return Ok(Arc::new(compiled));
    }
    Compiled::compile(source, &names(true)).map(Arc::new)
}

/// Compiles a value that replaces an absence, checked against its target.
pub(super) fn filling(
    source: Option<&String>,
    default: Option<&Value>,
    target: &Property,
    model: &Model,
    at: &Path,
    context: &Context<'_>,
) -> Result<Filling, Invalid> {
    let Some(source) = source else {
        return Ok(default.cloned().map_or(Filling::None, Filling::Value));
    };
    let (within, path) = at.split_element();
    let compiled = compile(source, model, &within, None, context)?;
    not_own_object(&compiled, &[&path])?;
    compiled.check_target(&Property { required: true, ..target.clone() })?;
    constant(&compiled, target)?;
    Ok(Filling::Expression(compiled))
}

/// Checks the value of a constant expression, which is known before any record.
pub(super) fn constant(compiled: &Compiled, target: &Property) -> Result<(), Invalid> {
    if !compiled.is_constant() {
        return Ok(());
    }
    let value = compiled.eval(&[]).map_err(|e| Invalid::new(e.message.clone()).span(e.span.clone()))?;
    if value == Value::Null && !target.required {
        return Ok(());
    }
    match target.violations(&value).into_iter().next() {
        None => Ok(()),
        Some(violation) => Err(Invalid::new(format!("the value does not fit: {}", violation.message))),
    }
}

/// Reads an optional expression.
pub(super) fn expression(fields: &Object, key: &str) -> Result<Option<String>, Invalid> {
    match fields.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str().to_owned())),
        // Unquoted numbers and booleans in YAML are expressions too.
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(value.to_string())),
        Some(value) => {
            let invalid = Invalid::new(format!("expected an expression, a string, found {}", decode::found(value)));
            Err(invalid.help("a text value is written with both kinds of quotation marks: \"'medium'\"").beneath(key))
        }
    }
}

/// Adds a field where there is a value.
pub(super) fn put(out: &mut Object, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        out.insert(key, value.into());
    }
}

/// Changes what names a property that moved: keys, keys of items and constraints.
pub(super) fn follow_move(model: &mut Model, from: &Path, to: &Path) {
    if let ([Segment::Name(old)], Some(new)) = (from.segments(), to.last_name()) {
        for name in model.key.iter_mut().filter(|name| *name == old) {
            new.clone_into(name);
        }
    }
    let moved = |path: &mut Path| {
        if let Some(rest) = path.strip(from) {
            *path = rest.within(to);
        }
    };
    for constraint in &mut model.constraints {
        match &mut constraint.rule {
            crate::schema::Rule::Index(paths) | crate::schema::Rule::Unique(paths) => paths.iter_mut().for_each(moved),
            crate::schema::Rule::Reference(path, _) => moved(path),
            crate::schema::Rule::Check(_) => {}
        }
    }
}

/// Reads a map of strings.
pub(super) fn string_map(fields: &Object, key: &str) -> Result<std::collections::BTreeMap<String, String>, Invalid> {
    let Some(value) = fields.get(key) else { return Ok(std::collections::BTreeMap::new()) };
    let object = decode::object(value, "names and new names").map_err(|e| e.beneath(key))?;
    object
        .iter()
        .map(|(from, to)| {
            let to = decode::text(to).map_err(|e| e.beneath(from).beneath(key))?;
            Ok((from.as_str().to_owned(), to.to_owned()))
        })
        .collect()
}

/// Returns a map of strings as a value.
pub(super) fn map_value(map: &std::collections::BTreeMap<String, String>) -> Value {
    map.iter().map(|(k, v)| (k.as_str().into(), v.as_str().into())).collect::<Object>().into()
}
