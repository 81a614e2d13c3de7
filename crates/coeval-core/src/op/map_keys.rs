//! Renames keys of a map, or properties of an object, all at once.

use std::collections::{BTreeMap, BTreeSet};

use super::support::{existing, map_value, rename_item_key, string_map};
use super::{Context, Example, LensEdit, Named, Op, Operation};
use crate::decode;
use crate::history::{Edit, Filling, Function, OnFail, Side};
use crate::invalid::Invalid;
use crate::path::Path;
use crate::schema::{Model, Properties, Type};
use crate::value::Object;

/// Renames keys. Keys that are not named pass through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapKeys {
    /// The map or object.
    pub path: Path,
    /// Older names and their newer ones; a bijection.
    pub keys: BTreeMap<String, String>,
}

impl MapKeys {
    fn reverse(&self) -> BTreeMap<String, String> {
        self.keys.iter().map(|(from, to)| (to.clone(), from.clone())).collect()
    }

    fn check_object(&self, properties: &Properties) -> Result<(), Invalid> {
        for (from, to) in &self.keys {
            let place = |e: Invalid| e.beneath(from).beneath("keys");
            if properties.get(from).is_none() {
                return Err(place(Invalid::new(format!("`{}` has no property `{from}`", self.path))));
            }
            if properties.get(to).is_some() && !self.keys.contains_key(to) {
                return Err(place(Invalid::new(format!("`{}` has a property `{to}` already", self.path))));
            }
        }
        Ok(())
    }
}

impl Named for MapKeys {}

impl Op for MapKeys {
    const NAME: &'static str = "map_keys";
    const EXAMPLE: Example = Example {
        properties: r#"{"translations": {"type": "map", "values": "string"}}"#,
        operation: r#"{"path": "translations", "keys": {"de": "deu", "fr": "fra"}}"#,
        older: r#"{"translations":{"de":"Tschad","it":"Ciad"}}"#,
        newer: r#"{"translations":{"deu":"Tschad","it":"Ciad"}}"#,
    };

    fn from_fields(fields: &Object) -> Result<Self, Invalid> {
        decode::known_keys(fields, &["path", "keys"])?;
        decode::required(fields, "keys")?;
        Ok(Self { path: decode::path(fields, "path")?, keys: string_map(fields, "keys")? })
    }

    fn to_fields(&self) -> Object {
        Object::from_iter([("path".into(), self.path.to_string().into()), ("keys".into(), map_value(&self.keys))])
    }

    fn check(&self, before: &Model) -> Result<(), Invalid> {
        let property = existing(before, &self.path, "path")?;
        let mut seen = BTreeSet::new();
        if let Some((from, to)) = self.keys.iter().find(|(_, to)| !seen.insert(*to)) {
            let invalid = Invalid::new(format!("two keys would become `{to}`, and one value would be lost"));
            return Err(invalid.beneath(from).beneath("keys"));
        }
        match &property.ty {
            Type::Map { .. } => Ok(()),
            Type::Object(properties) => self.check_object(properties),
            other => {
                let message =
                    format!("`{}` is {} {}, not a map or object", self.path, super::support::article(other.name()), other.name());
                Err(Invalid::new(message).beneath("path"))
            }
        }
    }

    fn apply(&self, model: &mut Model) {
        if self.path.last_name().is_none() {
            rename_item_key(model, &self.path, |key| self.keys.get(key).cloned());
        }
        let Some(property) = model.at_mut(&self.path) else { return };
        if let Type::Object(properties) = &mut property.ty {
            let renamed =
                properties.iter().map(|(name, p)| (self.keys.get(name).map_or_else(|| name.to_owned(), Clone::clone), p.clone()));
            let mut renamed: Properties = renamed.collect();
            renamed.additional = properties.additional;
            *properties = renamed;
        }
    }

    fn lens(&self, before: &Model, _context: &Context<'_>) -> Result<LensEdit, Invalid> {
        let (within, path) = self.path.split_element();
        let property = existing(before, &self.path, "path")?;
        if matches!(property.ty, Type::Object(_)) {
            // By way of names that no property can have, so that names may be swapped.
            let aside = |i: usize| path.join(&format!("\u{0}{i}"));
            let away = self.keys.keys().enumerate().map(|(i, from)| Edit::Move { from: path.join(from), to: aside(i) });
            let back = self.keys.values().enumerate().map(|(i, to)| Edit::Move { from: aside(i), to: path.join(to) });
            return Ok(LensEdit::new(within, away.chain(back).collect()));
        }
        let side = |keys| Side::single(&path, Function::Keys(keys), Filling::None, OnFail::Quarantine);
        let group = Edit::Group {
            old: vec![path.clone()],
            new: vec![(path.clone(), property.clone())],
            up: side(self.keys.clone()),
            down: side(self.reverse()),
        };
        Ok(LensEdit::new(within, vec![group]))
    }

    fn inverse(&self, _before: &Model) -> Option<Operation> {
        Some(Operation::MapKeys(Self { path: self.path.clone(), keys: self.reverse() }))
    }

    fn describe(&self) -> String {
        let keys: Vec<String> = self.keys.iter().map(|(from, to)| format!("{from} to {to}")).collect();
        format!("rename keys of {}: {}", self.path, keys.join(", "))
    }
}
