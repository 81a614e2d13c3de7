//! Adds, renames, merges and removes the values of an enum.

use std::collections::BTreeMap;

use super::support::{check_fallback, existing, map_value, not_key, put, string_map};
use super::{Context, Example, LensEdit, Named, Op, Operation, Policies};
use crate::decode;
use crate::history::{Edit, Filling, Function, OnFail, Side};
use crate::invalid::Invalid;
use crate::path::Path;
use crate::schema::{Model, Property, Type};
use crate::value::{Object, Value};

/// Changes the values of an enum. A value of both versions that neither table names stays itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapEnum {
    /// Where it lies.
    pub path: Path,
    /// The newer values in order.
    pub values: Vec<String>,
    /// What older values become.
    pub up: BTreeMap<String, String>,
    /// What newer values become.
    pub down: BTreeMap<String, String>,
    /// What a value without a counterpart becomes, and what happens where there is none.
    pub on_fail: Policies,
}

impl MapEnum {
    fn old_values(property: &Property) -> &[String] {
        if let Type::Enum { values } = &property.ty { values } else { &[] }
    }

    /// The whole table each way: what the fields say, the reverse of `up` where it is one, and values of both versions.
    fn tables(&self, old: &[String]) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
        let mut up = self.up.clone();
        let mut down = self.down.clone();
        for value in old.iter().filter(|v| self.values.contains(v)) {
            up.entry(value.clone()).or_insert_with(|| value.clone());
            down.entry(value.clone()).or_insert_with(|| value.clone());
        }
        for value in &self.values {
            let mut sources = up.iter().filter(|(_, to)| *to == value).map(|(from, _)| from.clone());
            if let (Some(only), None) = (sources.next(), sources.next()) {
                down.entry(value.clone()).or_insert(only);
            }
        }
        (up, down)
    }

    fn after(&self, old: &Property) -> Property {
        let (up, _) = self.tables(Self::old_values(old));
        let default = match &old.default {
            Some(Value::String(text)) => up.get(text.as_str()).map(|to| to.as_str().into()),
            other => other.clone(),
        };
        Property { ty: Type::Enum { values: self.values.clone() }, default, ..old.clone() }
    }
}

impl Named for MapEnum {}

impl Op for MapEnum {
    const NAME: &'static str = "map_enum";
    const EXAMPLE: Example = Example {
        properties: r#"{"status": {"type": "enum", "values": ["todo", "doing", "done"]}}"#,
        operation: r#"{"path": "status", "values": ["open", "done"], "up": {"todo": "open", "doing": "open"}, "down": {"open": "todo"}}"#,
        older: r#"{"status":"doing"}"#,
        newer: r#"{"status":"open"}"#,
    };

    fn from_fields(fields: &Object) -> Result<Self, Invalid> {
        decode::known_keys(fields, &["path", "values", "up", "down", "fallback", "on_fail"])?;
        let mut on_fail = Policies::read(fields)?;
        if let Some(fallback) = fields.get("fallback") {
            // Where the fallback is a mapping, it names a value for each direction; a plain one is the older version's.
            if let Value::Object(both) = fallback {
                decode::known_keys(both, &["up", "down"]).map_err(|e| e.beneath("fallback"))?;
                for (key, side) in [("up", &mut on_fail.up), ("down", &mut on_fail.down)] {
                    if let Some(value) = both.get(key) {
                        *side = OnFail::Fallback(value.clone());
                    }
                }
            } else {
                on_fail.down = OnFail::Fallback(fallback.clone());
            }
        }
        decode::required(fields, "values")?;
        Ok(Self {
            path: decode::path(fields, "path")?,
            values: decode::strings(fields, "values")?,
            up: string_map(fields, "up")?,
            down: string_map(fields, "down")?,
            on_fail,
        })
    }

    fn to_fields(&self) -> Object {
        let mut out = Object::new();
        out.insert("path", self.path.to_string().into());
        out.insert("values", Value::List(self.values.iter().map(|v| v.as_str().into()).collect()));
        put(&mut out, "up", (!self.up.is_empty()).then(|| map_value(&self.up)));
        put(&mut out, "down", (!self.down.is_empty()).then(|| map_value(&self.down)));
        match (&self.on_fail.up, &self.on_fail.down) {
            (OnFail::Reject, OnFail::Fallback(value)) => drop(out.insert("fallback", value.clone())),
            _ => put(&mut out, "on_fail", self.on_fail.to_value()),
        }
        out
    }

    fn check(&self, before: &Model) -> Result<(), Invalid> {
        let old = existing(before, &self.path, "path")?;
        not_key(before, &self.path, "mapped", "path")?;
        let Type::Enum { values } = &old.ty else {
            let message = format!("`{}` is {} {}, not an enum", self.path, super::support::article(old.ty.name()), old.ty.name());
            return Err(Invalid::new(message).beneath("path"));
        };
        if self.values.is_empty() {
            return Err(Invalid::new("an enum needs at least one value").beneath("values"));
        }
        let known = |table: &BTreeMap<String, String>, from: &[String], to: &[String], field: &str| {
            let (of, into) = if field == "up" { ("older", "newer") } else { ("newer", "older") };
            for (a, b) in table {
                let wrong = if !from.contains(a) {
                    Some((a, of))
                } else if !to.contains(b) {
                    Some((b, into))
                } else {
                    None
                };
                if let Some((value, which)) = wrong {
                    return Err(Invalid::new(format!("`{value}` is not one of the {which} values")).beneath(a).beneath(field));
                }
            }
            Ok(())
        };
        known(&self.up, values, &self.values, "up")?;
        known(&self.down, &self.values, values, "down")?;
        let (up, down) = self.tables(values);
        let unmapped = |from: &[String], table: &BTreeMap<String, String>| from.iter().find(|v| !table.contains_key(*v)).cloned();
        if self.on_fail.up == OnFail::Reject
            && let Some(value) = unmapped(values, &up)
        {
            let invalid = Invalid::new(format!("the older value `{value}` has no newer one")).beneath("values");
            return Err(invalid.help(format!("add it to `up: {{{value}: …}}`, or say `on_fail: quarantine`")));
        }
        if self.on_fail.down == OnFail::Reject
            && let Some(value) = unmapped(&self.values, &down)
        {
            let invalid = Invalid::new(format!("the newer value `{value}` has no older one")).beneath("values");
            return Err(invalid.help(format!(
                "add it to `down: {{{value}: …}}`, give a `fallback` for older versions, or say `on_fail: quarantine`"
            )));
        }
        check_fallback(&self.on_fail.up, &self.after(old))?;
        check_fallback(&self.on_fail.down, old)
    }

    fn apply(&self, model: &mut Model) {
        if let Some(property) = model.at_mut(&self.path) {
            *property = self.after(property);
        }
    }

    fn lens(&self, before: &Model, _context: &Context<'_>) -> Result<LensEdit, Invalid> {
        let (within, path) = self.path.split_element();
        let old = existing(before, &self.path, "path")?;
        let (up, down) = self.tables(Self::old_values(old));
        let side = |table, policy: &OnFail| Side::single(&path, Function::Enum(table), Filling::None, policy.clone());
        let group = Edit::Group {
            old: vec![path.clone()],
            new: vec![(path.clone(), self.after(old))],
            up: side(up, &self.on_fail.up),
            down: side(down, &self.on_fail.down),
        };
        Ok(LensEdit::new(within, vec![group]))
    }

    fn inverse(&self, before: &Model) -> Option<Operation> {
        let old = before.at(&self.path)?;
        let (up, down) = self.tables(Self::old_values(old));
        Some(Operation::MapEnum(Self {
            path: self.path.clone(),
            values: Self::old_values(old).to_vec(),
            up: down,
            down: up,
            on_fail: Policies { up: self.on_fail.down.clone(), down: self.on_fail.up.clone() },
        }))
    }

    fn describe(&self) -> String {
        format!("change the values of {} to {}", self.path, self.values.join(", "))
    }
}
