//! What a stored document carries beside its natural shape: kept values, their fingerprints, undeclared properties and
//! orders of keys that the stored version does not show (rules R3, R9).

use crate::decode;
use crate::invalid::Invalid;
use crate::value::{Object, Text, Value};

/// Kept values of one record or element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keep {
    /// Kept values by the key of their node.
    pub entries: Vec<(String, Entry)>,
    /// Undeclared properties that the stored version does not show, by the key of the object; empty for the top.
    pub extras: Vec<(String, Object)>,
    /// As `extras`, of objects that the stored version shows and that were not there.
    pub apart: Vec<(String, Object)>,
    /// Orders of keys, by version.
    pub layouts: Vec<(u32, StoredLayout)>,
}

/// How a version's document was written, where that does not follow from its schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredLayout {
    /// The keys of each object in order; an object is named by the key of its node, the top by nothing.
    pub orders: Vec<(String, Vec<Text>)>,
    /// The whole text, where it has spaces or escapes of its own between or in its keys.
    pub text: Option<Text>,
}

/// One kept value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// The value; where it is `None` and `items` is too, absence was kept.
    pub value: Option<Value>,
    /// Whether a failed conversion was kept.
    pub bad: bool,
    /// The fingerprint of what the value belongs to; one-way values have none.
    pub of: Option<String>,
    /// Whether the object that the one-way value lies in was there when it was kept.
    pub within: bool,
    /// What is kept of the elements of a list or map.
    pub items: Vec<Item>,
    /// Whether this entry only holds `items` of a list or map that the stored version shows.
    pub shown: bool,
}

/// What is kept of one element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The index in the list, or the key in the map.
    pub at: Value,
    /// The fingerprint of the element's natural value, in a list.
    pub of: Option<String>,
    /// The value of the declared key, in a list that has one.
    pub key: Option<Value>,
    /// What is kept.
    pub keep: Keep,
}

impl Keep {
    /// Returns whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.extras.is_empty() && self.apart.is_empty() && self.layouts.is_empty()
    }

    /// Returns the entry of a node.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|(k, _)| k == key).map(|(_, entry)| entry)
    }

    /// Adds what is kept to an object: `keep`, `extra`, `apart` and `layout`, each only where there is something.
    pub fn write(&self, out: &mut Object) {
        if !self.entries.is_empty() {
            let entries = self.entries.iter().map(|(key, entry)| (key.as_str().into(), entry.to_value()));
            out.insert("keep", entries.collect::<Object>().into());
        }
        for (name, extras) in [("extra", &self.extras), ("apart", &self.apart)] {
            if !extras.is_empty() {
                let extras = extras.iter().map(|(key, object)| (key.as_str().into(), object.clone().into()));
                out.insert(name, extras.collect::<Object>().into());
            }
        }
        if !self.layouts.is_empty() {
            let layouts = self.layouts.iter().map(|(version, layout)| (version.to_string().into(), layout.to_value()));
            out.insert("layout", layouts.collect::<Object>().into());
        }
    }

    /// Reads what [`Keep::write`] wrote.
    ///
    /// # Errors
    /// Anything that it does not write.
    pub fn read(object: &Object) -> Result<Self, Invalid> {
        let mut keep = Self::default();
        for (name, value) in object {
            let inner = decode::object(value, "kept values").map_err(|e| e.beneath(name))?;
            for (key, value) in inner {
                let place = |e: Invalid| e.beneath(key).beneath(name);
                match name.as_str() {
                    "keep" => keep.entries.push((key.as_str().to_owned(), Entry::from_value(value).map_err(place)?)),
                    "extra" | "apart" => {
                        let object = decode::object(value, "undeclared properties").map_err(place)?;
                        let extras = if name.as_str() == "extra" { &mut keep.extras } else { &mut keep.apart };
                        extras.push((key.as_str().to_owned(), object.clone()));
                    }
                    "layout" => {
                        let version = key.parse().map_err(|_| place(Invalid::new("expected a version's number")))?;
                        keep.layouts.push((version, StoredLayout::from_value(value).map_err(place)?));
                    }
                    _ => return Err(Invalid::new(format!("unknown key `{}`", name.as_str())).key(name.as_str())),
                }
            }
        }
        Ok(keep)
    }
}

impl StoredLayout {
    fn to_value(&self) -> Value {
        let mut out = Object::new();
        if !self.orders.is_empty() {
            let orders = self
                .orders
                .iter()
                .map(|(node, names)| (node.as_str().into(), Value::List(names.iter().cloned().map(Value::String).collect())));
            out.insert("order", orders.collect::<Object>().into());
        }
        if let Some(text) = &self.text {
            out.insert("text", Value::String(text.clone()));
        }
        out.into()
    }

    fn from_value(value: &Value) -> Result<Self, Invalid> {
        let object = decode::object(value, "an order of keys")?;
        decode::known_keys(object, &["order", "text"])?;
        let mut layout = Self::default();
        if let Some(orders) = object.get("order") {
            for (node, names) in decode::object(orders, "orders of keys").map_err(|e| e.beneath("order"))? {
                let place = |e: Invalid| e.beneath(node).beneath("order");
                let names = names.as_list().ok_or_else(|| place(Invalid::new("expected a list of keys")))?;
                let names = names.iter().map(|name| match name {
                    Value::String(text) => Ok(text.clone()),
                    _ => Err(place(Invalid::new("expected a key"))),
                });
                layout.orders.push((node.as_str().to_owned(), names.collect::<Result<_, _>>()?));
            }
        }
        if let Some(Value::String(text)) = object.get("text") {
            layout.text = Some(text.clone());
        }
        Ok(layout)
    }
}

impl Entry {
    fn to_value(&self) -> Value {
        let mut out = Object::new();
        if let Some(value) = &self.value {
            out.insert("value", value.clone());
        }
        if self.bad {
            out.insert("bad", true.into());
        }
        if let Some(of) = &self.of {
            out.insert("of", of.as_str().into());
        }
        if self.within {
            out.insert("in", true.into());
        }
        if !self.items.is_empty() {
            out.insert("items", Value::List(self.items.iter().map(Item::to_value).collect()));
        }
        out.into()
    }

    fn from_value(value: &Value) -> Result<Self, Invalid> {
        let object = decode::object(value, "a kept value")?;
        decode::known_keys(object, &["value", "bad", "of", "in", "items"])?;
        let mut entry = Self {
            value: object.get("value").cloned(),
            bad: decode::flag(object, "bad")?,
            of: decode::optional_string(object, "of")?.map(str::to_owned),
            within: decode::flag(object, "in")?,
            items: Vec::new(),
            shown: false,
        };
        if let Some(items) = object.get("items") {
            let items = items.as_list().ok_or_else(|| Invalid::new("expected a list").beneath("items"))?;
            for (i, item) in items.iter().enumerate() {
                entry.items.push(Item::from_value(item).map_err(|e| e.beneath(&i.to_string()).beneath("items"))?);
            }
        }
        entry.shown = entry.value.is_none() && !entry.items.is_empty();
        Ok(entry)
    }
}

impl Item {
    fn to_value(&self) -> Value {
        let mut out = Object::new();
        out.insert("at", self.at.clone());
        if let Some(of) = &self.of {
            out.insert("of", of.as_str().into());
        }
        if let Some(key) = &self.key {
            out.insert("key", key.clone());
        }
        self.keep.write(&mut out);
        out.into()
    }

    fn from_value(value: &Value) -> Result<Self, Invalid> {
        let object = decode::object(value, "what is kept of an element")?;
        decode::known_keys(object, &["at", "of", "key", "keep", "extra", "apart", "layout"])?;
        let rest = object.iter().filter(|(k, _)| matches!(k.as_str(), "keep" | "extra" | "apart" | "layout")).cloned().collect();
        Ok(Self {
            at: decode::required(object, "at")?.clone(),
            of: decode::optional_string(object, "of")?.map(str::to_owned),
            key: object.get("key").cloned(),
            keep: Keep::read(&rest)?,
        })
    }
}
