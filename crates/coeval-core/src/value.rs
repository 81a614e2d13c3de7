//! JSON values that come back as they were written.
//!
//! Strings keep escapes, numbers keep their digits, objects keep the order of their keys. Equality looks through all three:
//! two values are equal when they mean the same (`1.10` and `1.1`, `{a, b}` and `{b, a}`); the text of one is its
//! [`fmt::Display`].

use std::fmt;

use sha2::{Digest, Sha256};

use crate::number::Number;

/// A JSON value.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`, which is neither zero nor absence.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number with its text.
    Number(Number),
    /// A string with its text.
    String(Text),
    /// A list.
    List(Vec<Value>),
    /// An object or a map.
    Object(Object),
}

/// A string, with the escapes it was written with where they are not the canonical ones.
#[derive(Clone)]
pub struct Text {
    text: Box<str>,
    /// What stood between the quotation marks, where [`crate::json::escape`] would write it differently.
    raw: Option<Box<str>>,
}

/// Keys and values in the order in which they were written; a key occurs once.
#[derive(Clone, Default)]
pub struct Object(Vec<(Text, Value)>);

impl Text {
    /// Makes a string that was written as `raw` between its quotation marks.
    pub(crate) fn with_raw(text: String, raw: &str) -> Self {
        Self { text: text.into(), raw: Some(raw.into()) }
    }

    /// Returns the characters.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the text between the quotation marks, where it differs from the canonical one.
    pub fn raw(&self) -> Option<&str> {
        self.raw.as_deref()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Text {}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self { text: text.into(), raw: None }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self { text: text.into(), raw: None }
    }
}

impl std::ops::Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl Object {
    /// Returns an object without keys.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Returns the value at `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(k, _)| k.as_str() == key).map(|(_, v)| v)
    }

    /// Returns the value at `key` for change.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.0.iter_mut().find(|(k, _)| k.as_str() == key).map(|(_, v)| v)
    }

    /// Sets the value at `key`: in its place where it occurs, else at the end. Returns the value that was there.
    pub fn insert(&mut self, key: impl Into<Text>, value: Value) -> Option<Value> {
        let key = key.into();
        if let Some(old) = self.get_mut(&key) {
            return Some(std::mem::replace(old, value));
        }
        self.0.push((key, value));
        None
    }

    /// Appends a key that the caller knows to be new: no search, so that large maps stay linear.
    pub fn push(&mut self, key: Text, value: Value) {
        self.0.push((key, value));
    }

    /// Takes the value at `key` out.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let at = self.0.iter().position(|(k, _)| k.as_str() == key)?;
        Some(self.0.remove(at).1)
    }

    /// Returns keys and values in order.
    pub fn iter(&self) -> std::slice::Iter<'_, (Text, Value)> {
        self.0.iter()
    }

    /// Returns keys and values in order, the values for change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&Text, &mut Value)> {
        self.0.iter_mut().map(|(k, v)| (&*k, v))
    }

    /// Returns how many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn sorted(&self) -> Vec<&(Text, Value)> {
        let mut entries: Vec<_> = self.0.iter().collect();
        entries.sort_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
        entries
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        if self.0.len() != other.0.len() {
            return false;
        }
        let same_order = self.0.iter().zip(&other.0).all(|(a, b)| a.0 == b.0);
        if same_order {
            return self.0.iter().zip(&other.0).all(|(a, b)| a.1 == b.1);
        }
        self.sorted().into_iter().zip(other.sorted()).all(|(a, b)| a == b)
    }
}

impl Eq for Object {}

impl FromIterator<(Text, Value)> for Object {
    fn from_iter<I: IntoIterator<Item = (Text, Value)>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}

impl IntoIterator for Object {
    type Item = (Text, Value);
    type IntoIter = std::vec::IntoIter<(Text, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Object {
    type Item = &'a (Text, Value);
    type IntoIter = std::slice::Iter<'a, (Text, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl Value {
    /// Returns `string`, `number`, `boolean`, `null`, `array` or `object`: what JSON calls the value.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::List(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// Returns the characters of a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// Returns the keys and values of an object.
    pub fn as_object(&self) -> Option<&Object> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }

    /// Returns the items of a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    /// Returns the integer that the value is.
    pub fn as_i64(&self) -> Option<i64> {
        if let Self::Number(number) = self { number.to_i64() } else { None }
    }

    /// Returns the boolean that the value is.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// Returns whether the two are written alike: same digits, escapes and order of keys.
    ///
    /// Stronger than `==`; what tells whether a value must be kept so that its bytes come back.
    pub fn identical(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.as_str() == b.as_str(),
            (Self::String(a), Self::String(b)) => a == b && a.raw == b.raw,
            (Self::List(a), Self::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.identical(b)),
            (Self::Object(a), Self::Object(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|((ka, a), (kb, b))| ka == kb && ka.raw == kb.raw && a.identical(b))
            }
            _ => self == other,
        }
    }

    /// Writes the value as JSON with sorted keys and normalised decimals: equal values, and only they, give equal texts.
    pub fn write_canonical(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(number) => out.push_str(&number.canonical()),
            Self::String(text) => crate::json::escape(text, out),
            Self::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.write_canonical(out);
                }
                out.push(']');
            }
            Self::Object(object) => {
                out.push('{');
                for (i, (key, value)) in object.sorted().into_iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    crate::json::escape(key, out);
                    out.push(':');
                    value.write_canonical(out);
                }
                out.push('}');
            }
        }
    }

    /// Returns the SHA-256 of the canonical text, in hexadecimal.
    pub fn digest(&self) -> String {
        let mut text = String::new();
        self.write_canonical(&mut text);
        hex(&Sha256::digest(text))
    }
}

/// Returns the bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Number(value.into())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Self::List(items)
    }
}

impl fmt::Display for Value {
    /// Writes compact JSON, each string, number and key as it was written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        crate::json::write(self, &mut text);
        f.write_str(&text)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(k, v)| (k, v))).finish()
    }
}

/// Builds a [`Value`] from JSON-like Rust: `value!({"a": [1, null]})`. Meant for tests and examples.
#[macro_export]
macro_rules! value {
    ($($json:tt)+) => {
        $crate::json::parse(stringify!($($json)+).as_bytes()).expect("the macro's argument is JSON")
    };
}
