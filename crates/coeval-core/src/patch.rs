//! JSON Patch (RFC 6902) on core values: what `changes` in a frozen version are.
//!
//! Our own, because core values keep the text of numbers and the order of keys.

use crate::decode::{known_keys, object, required, string};
use crate::invalid::escape_token;
use crate::{Invalid, Object, Value};

/// A list of changes, applied one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Patch(pub Vec<Change>);

/// One change at a JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Adds a member, or an item before an index (`-`: at the end).
    Add {
        /// Where.
        path: String,
        /// What.
        value: Value,
    },
    /// Takes a value out.
    Remove {
        /// Which.
        path: String,
    },
    /// Puts a value in the place of another.
    Replace {
        /// Which.
        path: String,
        /// By what.
        value: Value,
    },
    /// Takes a value out and adds it elsewhere.
    Move {
        /// Which.
        from: String,
        /// Where to.
        path: String,
    },
    /// Adds a copy of a value elsewhere.
    Copy {
        /// Which.
        from: String,
        /// Where to.
        path: String,
    },
    /// Refuses the patch where the value is another.
    Test {
        /// Which.
        path: String,
        /// What it must be.
        value: Value,
    },
}

impl Change {
    /// Returns the pointer of the value that changes.
    pub fn path(&self) -> &str {
        match self {
            Self::Add { path, .. }
            | Self::Remove { path }
            | Self::Replace { path, .. }
            | Self::Move { path, .. }
            | Self::Copy { path, .. }
            | Self::Test { path, .. } => path,
        }
    }

    fn from_value(value: &Value) -> Result<Self, Invalid> {
        let object = object(value, "a change")?;
        let name = string(object, "op")?;
        let pointer = |key: &str| -> Result<String, Invalid> {
            let pointer = string(object, key)?;
            if pointer.is_empty() || pointer.starts_with('/') {
                return Ok(pointer.to_owned());
            }
            let invalid = Invalid::new(format!("`{pointer}` is not a JSON pointer")).beneath(key);
            Err(invalid.help(format!("a pointer begins with `/`: `/{pointer}`")))
        };
        let value = || required(object, "value").cloned();
        let (change, known): (Self, &[&str]) = match name {
            "add" => (Self::Add { path: pointer("path")?, value: value()? }, &["op", "path", "value"]),
            "remove" => (Self::Remove { path: pointer("path")? }, &["op", "path"]),
            "replace" => (Self::Replace { path: pointer("path")?, value: value()? }, &["op", "path", "value"]),
            "move" => (Self::Move { from: pointer("from")?, path: pointer("path")? }, &["op", "from", "path"]),
            "copy" => (Self::Copy { from: pointer("from")?, path: pointer("path")? }, &["op", "from", "path"]),
            "test" => (Self::Test { path: pointer("path")?, value: value()? }, &["op", "path", "value"]),
            _ => {
                let invalid = Invalid::new(format!("unknown change `{name}`")).beneath("op");
                return Err(invalid.help("known: add, remove, replace, move, copy, test (RFC 6902)"));
            }
        };
        known_keys(object, known)?;
        Ok(change)
    }

    fn to_value(&self) -> Value {
        let (name, from, path, value) = match self {
            Self::Add { path, value } => ("add", None, path, Some(value)),
            Self::Remove { path } => ("remove", None, path, None),
            Self::Replace { path, value } => ("replace", None, path, Some(value)),
            Self::Move { from, path } => ("move", Some(from), path, None),
            Self::Copy { from, path } => ("copy", Some(from), path, None),
            Self::Test { path, value } => ("test", None, path, Some(value)),
        };
        let mut out = Object::new();
        out.insert("op", name.into());
        if let Some(from) = from {
            out.insert("from", from.as_str().into());
        }
        out.insert("path", path.as_str().into());
        if let Some(value) = value {
            out.insert("value", value.clone());
        }
        out.into()
    }

    fn apply(&self, root: &mut Value) -> Result<(), Invalid> {
        let here = |key: &'static str| move |message: String| Invalid::new(message).beneath(key);
        match self {
            Self::Add { path, value } => add(root, path, value.clone()).map_err(here("path")),
            Self::Remove { path } => remove(root, path).map(drop).map_err(here("path")),
            Self::Replace { path, value } => {
                *find_mut(root, path).map_err(here("path"))? = value.clone();
                Ok(())
            }
            Self::Move { from, path } => {
                if path.starts_with(&format!("{from}/")) {
                    return Err(here("path")("a value cannot move beneath itself".to_owned()));
                }
                let value = remove(root, from).map_err(here("from"))?;
                add(root, path, value).map_err(here("path"))
            }
            Self::Copy { from, path } => {
                let value = find_mut(root, from).map_err(here("from"))?.clone();
                add(root, path, value).map_err(here("path"))
            }
            Self::Test { path, value } => {
                let found = find_mut(root, path).map_err(here("path"))?;
                if found == value { Ok(()) } else { Err(here("value")(format!("expected this at `{path}`, found {found}"))) }
            }
        }
    }
}

impl Patch {
    /// Reads a list of changes.
    ///
    /// # Errors
    /// What is no change, with its index.
    pub fn from_value(value: &Value) -> Result<Self, Invalid> {
        let list = value.as_list().ok_or_else(|| Invalid::new("expected a list of changes (RFC 6902)"))?;
        let changes = list.iter().enumerate().map(|(i, v)| Change::from_value(v).map_err(|e| e.beneath(&i.to_string())));
        Ok(Self(changes.collect::<Result<_, _>>()?))
    }

    /// Returns the list of changes.
    pub fn to_value(&self) -> Value {
        Value::List(self.0.iter().map(Change::to_value).collect())
    }

    /// Applies the changes in order.
    ///
    /// # Errors
    /// The first that cannot be applied, with its index; `root` is then half changed.
    pub fn apply(&self, root: &mut Value) -> Result<(), Invalid> {
        self.0.iter().enumerate().try_for_each(|(i, change)| change.apply(root).map_err(|e| e.beneath(&i.to_string())))
    }

    /// Returns changes that lead from one value to the other: members in the order they have, lists that only grew by their
    /// new items, anything whose `type` changed as a whole.
    pub fn diff(before: &Value, after: &Value) -> Self {
        let mut changes = Vec::new();
        diff(before, after, "", &mut changes);
        Self(changes)
    }

    /// As [`Patch::diff`], with values that are known to have moved said as moves. A move that does not apply is left out.
    pub fn diff_with_moves(before: &Value, after: &Value, moves: &[(String, String)]) -> Self {
        let mut moved = before.clone();
        let mut changes = Vec::new();
        for (from, path) in moves {
            let change = Change::Move { from: from.clone(), path: path.clone() };
            let mut next = moved.clone();
            if change.apply(&mut next).is_ok() {
                moved = next;
                changes.push(change);
            }
        }
        diff(&moved, after, "", &mut changes);
        Self(changes)
    }
}

fn diff(before: &Value, after: &Value, path: &str, changes: &mut Vec<Change>) {
    if before == after {
        return;
    }
    let beneath = |token: &str| format!("{path}/{}", escape_token(token));
    match (before, after) {
        (Value::Object(a), Value::Object(b)) if path.is_empty() || a.get("type") == b.get("type") => {
            for (key, value) in a {
                match b.get(key) {
                    Some(other) => diff(value, other, &beneath(key), changes),
                    None => changes.push(Change::Remove { path: beneath(key) }),
                }
            }
            for (key, value) in b {
                if a.get(key).is_none() {
                    changes.push(Change::Add { path: beneath(key), value: value.clone() });
                }
            }
        }
        (Value::List(a), Value::List(b)) if !a.is_empty() && b.starts_with(a) => {
            let path = beneath("-");
            changes.extend(b[a.len()..].iter().map(|value| Change::Add { path: path.clone(), value: value.clone() }));
        }
        _ => changes.push(Change::Replace { path: path.to_owned(), value: after.clone() }),
    }
}

fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

fn find_mut<'a>(root: &'a mut Value, pointer: &str) -> Result<&'a mut Value, String> {
    let mut node = root;
    for token in pointer.split('/').skip(1) {
        let token = unescape(token);
        node = match node {
            Value::Object(object) => object.get_mut(&token),
            Value::List(items) => index(&token, items.len()).and_then(|i| items.get_mut(i)),
            _ => None,
        }
        .ok_or_else(|| format!("there is nothing at `{pointer}`: no `{token}`"))?;
    }
    Ok(node)
}

/// An index as RFC 6901 spells it: digits without a leading zero.
fn index(token: &str, length: usize) -> Option<usize> {
    let plain = token.bytes().all(|b| b.is_ascii_digit()) && (token == "0" || !token.starts_with('0'));
    token.parse().ok().filter(|i| plain && *i <= length)
}

fn split(pointer: &str) -> Option<(&str, String)> {
    pointer.rsplit_once('/').map(|(parent, token)| (parent, unescape(token)))
}

fn add(root: &mut Value, pointer: &str, value: Value) -> Result<(), String> {
    let Some((parent, token)) = split(pointer) else {
        *root = value;
        return Ok(());
    };
    match find_mut(root, parent)? {
        Value::Object(object) => {
            object.insert(token, value);
            Ok(())
        }
        Value::List(items) if token == "-" => {
            items.push(value);
            Ok(())
        }
        Value::List(items) => {
            let at = index(&token, items.len()).ok_or_else(|| format!("the list at `{parent}` has no place `{token}`"))?;
            items.insert(at, value);
            Ok(())
        }
        other => Err(format!("cannot add to `{parent}`: it is {}, no mapping or list", crate::decode::found(other))),
    }
}

fn remove(root: &mut Value, pointer: &str) -> Result<Value, String> {
    let Some((parent, token)) = split(pointer) else {
        return Ok(std::mem::replace(root, Value::Null));
    };
    let removed = match find_mut(root, parent)? {
        Value::Object(object) => object.remove(&token),
        Value::List(items) => index(&token, items.len()).filter(|i| *i < items.len()).map(|i| items.remove(i)),
        _ => None,
    };
    removed.ok_or_else(|| format!("there is nothing at `{pointer}`: no `{token}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value;

    #[test]
    fn a_difference_applied_gives_the_other() {
        let cases = [
            (value!({}), value!({"type": "model", "properties": {"a": "string"}})),
            (value!({"a": {"type": "string"}, "b": 1}), value!({"a": {"type": "enum", "values": ["x"]}, "c": null})),
            (value!({"v": ["a"], "w": ["a", "b"]}), value!({"v": ["a", "b"], "w": ["b"]})),
            (value!({"a/b": 1, "~": {"x": 1.10}}), value!({"a/b": 2, "~": {"x": 1.1, "y": []}})),
            (value!({"a": 1}), value!(null)),
        ];
        for (a, b) in &cases {
            for (before, after) in [(a, b), (b, a)] {
                let patch = Patch::diff(before, after);
                let mut applied = before.clone();
                assert_eq!(patch.apply(&mut applied), Ok(()), "{patch:?}");
                assert_eq!(&applied, after);
                assert_eq!(Patch::from_value(&patch.to_value()), Ok(patch));
            }
        }
        let patch = Patch::diff(&cases[1].0, &cases[1].1).to_value();
        let expected = value!([{"op": "replace", "path": "/a", "value": {"type": "enum", "values": ["x"]}},
            {"op": "remove", "path": "/b"}, {"op": "add", "path": "/c", "value": null}]);
        assert_eq!(patch, expected);
    }

    #[test]
    fn all_six_operations_apply_or_say_why_not() {
        let run = |patch: Value| {
            let mut root = value!({"a": {"b": [1, 2]}, "c": "x"});
            let patch = Patch::from_value(&patch).map_err(|e| format!("{} {}", e.at, e.message))?;
            patch.apply(&mut root).map(|()| root.to_string()).map_err(|e| format!("{} {}", e.at, e.message))
        };
        for (patch, expected) in [
            (value!([{"op": "add", "path": "/a/b/1", "value": 9}]), r#"{"a":{"b":[1,9,2]},"c":"x"}"#),
            (value!([{"op": "add", "path": "/a/b/2", "value": 9}]), r#"{"a":{"b":[1,2,9]},"c":"x"}"#),
            (value!([{"op": "move", "from": "/c", "path": "/a/d"}]), r#"{"a":{"b":[1,2],"d":"x"}}"#),
            (value!([{"op": "copy", "from": "/a/b", "path": "/c"}]), r#"{"a":{"b":[1,2]},"c":[1,2]}"#),
            (value!([{"op": "test", "path": "/c", "value": "x"}, {"op": "remove", "path": "/a"}]), r#"{"c":"x"}"#),
        ] {
            assert_eq!(run(patch), Ok(expected.to_owned()));
        }
        for (patch, expected) in [
            (value!([{"op": "test", "path": "/c", "value": "y"}]), "/0/value expected this at `/c`, found \"x\""),
            (value!([{"op": "remove", "path": "/x/y"}]), "/0/path there is nothing at `/x`: no `x`"),
            (value!([{"op": "add", "path": "/a/b/01", "value": 1}]), "/0/path the list at `/a/b` has no place `01`"),
            (value!([{"op": "move", "from": "/a", "path": "/a/b"}]), "/0/path a value cannot move beneath itself"),
            (value!([{"op": "add", "path": "c", "value": 1}]), "/0/path `c` is not a JSON pointer"),
            (value!([{"op": "ad", "path": "/c"}]), "/0/op unknown change `ad`"),
            (value!([{"op": "add", "path": "/c"}]), "/0 `value` is missing"),
        ] {
            assert_eq!(run(patch), Err(expected.to_owned()));
        }
    }
}
