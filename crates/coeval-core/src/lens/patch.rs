//! Writing a part of a record: JSON merge patch (RFC 7396) and JSON patch (RFC 6902) at a version.
//!
//! Both are a put of the patched document; what the patch does not name is written back as it was read, which changes nothing.

use super::write::Hints;
use super::{Refused, Stored};
use crate::history::History;
use crate::invalid::escape_token;
use crate::patch::{Change, Patch};
use crate::schema::{Properties, Property, Type};
use crate::value::{Object, Value};

impl History {
    /// Changes a record by a merge patch at a version: members replace members, null takes one away.
    ///
    /// Null sets null where a property is required and nullable; where it is optional and nullable, a merge patch cannot say
    /// which of the two is meant, and is refused.
    ///
    /// # Errors
    /// As [`History::put`], and where the version cannot show the record: there is nothing to patch.
    pub fn merge_patch(&self, stored: &Stored, version: u32, patch: &Value) -> Result<Option<Stored>, Refused> {
        let mut document = self.read(stored, version)?;
        let model = self.model(version).ok_or(Refused::NoVersion(version))?;
        let (Value::Object(target), Value::Object(patch)) = (&mut document, patch) else {
            return Err(Refused::Patch("a merge patch of a record is an object".to_owned()));
        };
        merge_object(target, patch, Some(&model.properties), "")?;
        self.put(stored, version, &document)
    }

    /// Changes a record by a JSON patch at a version. Its indices say which item of a list continues which.
    ///
    /// # Errors
    /// As [`History::put`]; a change that does not apply; and where the version cannot show the record.
    pub fn json_patch(&self, stored: &Stored, version: u32, patch: &Patch) -> Result<Option<Stored>, Refused> {
        let mut document = self.read(stored, version)?;
        let mut trace = Trace::default();
        for (i, change) in patch.0.iter().enumerate() {
            trace.before(change, &document);
            let single = Patch(vec![change.clone()]);
            single.apply(&mut document).map_err(|e| Refused::Patch(format!("change {}: {}", i + 1, e.message)))?;
        }
        self.put_aligned(stored, version, &document, &trace.lists)
    }
}

fn merge_object(target: &mut Object, patch: &Object, schema: Option<&Properties>, path: &str) -> Result<(), Refused> {
    for (name, value) in patch {
        let property = schema.and_then(|properties| properties.get(name));
        merge_member(target, name, value, property, &format!("{path}/{}", escape_token(name)))?;
    }
    Ok(())
}

fn merge_member(target: &mut Object, name: &str, value: &Value, property: Option<&Property>, path: &str) -> Result<(), Refused> {
    match value {
        Value::Null => match property {
            Some(property) if property.nullable && !property.required => Err(Refused::Patch(format!(
                "`{path}` may be absent or null, and null in a merge patch could mean either; use a JSON patch"
            ))),
            Some(property) if property.nullable => {
                target.insert(name, Value::Null);
                Ok(())
            }
            _ => {
                target.remove(name);
                Ok(())
            }
        },
        Value::Object(patch) => {
            if !matches!(target.get(name), Some(Value::Object(_))) {
                target.insert(name, Object::new().into());
            }
            let Some(Value::Object(inner)) = target.get_mut(name) else { return Ok(()) };
            match property.map(|p| &p.ty) {
                Some(Type::Map { values }) => {
                    // The key of a map is there or not; a value that may be null is the same ambiguity as above.
                    let optional = Property { required: false, ..(**values).clone() };
                    patch.iter().try_for_each(|(key, value)| {
                        merge_member(inner, key, value, Some(&optional), &format!("{path}/{}", escape_token(key)))
                    })
                }
                Some(Type::Object(properties)) => merge_object(inner, patch, Some(properties), path),
                _ => merge_object(inner, patch, None, path),
            }
        }
        value => {
            target.insert(name, value.clone());
            Ok(())
        }
    }
}

/// Follows the items of lists through a JSON patch.
#[derive(Default)]
struct Trace {
    lists: Hints,
}

impl Trace {
    /// Notes what a change does to a list, before it is applied.
    fn before(&mut self, change: &Change, document: &Value) {
        match change {
            Change::Add { path, .. } | Change::Copy { path, .. } => self.insert(path, document, None),
            Change::Remove { path } => {
                self.take(path, document);
            }
            Change::Replace { path, .. } => self.forget(path),
            Change::Move { from, path } => {
                let taken = self.take(from, document);
                let same_list = parent(from) == parent(path);
                let origin = taken.filter(|_| same_list);
                // The item is out of its list by now; the document still holds it, so the length is one less there.
                self.insert(path, document, origin);
            }
            Change::Test { .. } => {}
        }
    }

    fn list<'a>(&'a mut self, pointer: &str, document: &Value) -> Option<&'a mut Vec<Option<usize>>> {
        let length = at(document, pointer)?.as_list()?.len();
        Some(self.lists.entry(pointer.to_owned()).or_insert_with(|| (0..length).map(Some).collect()))
    }

    fn insert(&mut self, pointer: &str, document: &Value, origin: Option<usize>) {
        let Some((list, token)) = pointer.rsplit_once('/') else { return };
        let Some(items) = self.list(list, document) else { return };
        let index = if token == "-" { Some(items.len()) } else { token.parse().ok() };
        if let Some(index) = index.filter(|i| *i <= items.len()) {
            items.insert(index, origin);
        }
        self.forget_beneath(list);
    }

    fn take(&mut self, pointer: &str, document: &Value) -> Option<usize> {
        let (list, token) = pointer.rsplit_once('/')?;
        let items = self.list(list, document)?;
        let index: usize = token.parse().ok()?;
        let origin = if index < items.len() { items.remove(index) } else { None };
        self.forget_beneath(list);
        origin
    }

    /// A list that was replaced as a whole says nothing about its items.
    fn forget(&mut self, pointer: &str) {
        self.lists.remove(pointer);
        self.forget_beneath(pointer);
    }

    /// Lists within a list whose items moved have other pointers now; their items are matched by content.
    fn forget_beneath(&mut self, pointer: &str) {
        let prefix = format!("{pointer}/");
        self.lists.retain(|known, _| !known.starts_with(&prefix));
    }
}

fn parent(pointer: &str) -> Option<&str> {
    pointer.rsplit_once('/').map(|(parent, _)| parent)
}

fn at<'a>(document: &'a Value, pointer: &str) -> Option<&'a Value> {
    pointer.split('/').skip(1).try_fold(document, |value, token| {
        let token = token.replace("~1", "/").replace("~0", "~");
        match value {
            Value::Object(object) => object.get(&token),
            Value::List(items) => items.get(token.parse::<usize>().ok()?),
            _ => None,
        }
    })
}
