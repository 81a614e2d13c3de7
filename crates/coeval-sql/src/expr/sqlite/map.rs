//! Maps: the text of JSON objects, read entry by entry.
//!
//! Keys are compared as what they spell, not as how they are written. Only a number that lies at a key which is written with an escape
//! is out of reach: its own digits are, and an error is raised.

use coeval_core::expr::{Expr, ExprType};

use super::call::null_with;
use super::{Sql, Sqlite, raise, text, to_json};
use crate::expr::Local;

/// The columns of a map's entries as a source of rows.
pub(super) struct Entries {
    /// The key, a text.
    pub(super) key: String,
    /// The value, the text of JSON.
    pub(super) value: String,
    /// What follows FROM.
    pub(super) rows: String,
}

/// The value in a row of `json_each` over an object, as the text of JSON.
pub(crate) fn value_of(object: &str, each: &str) -> String {
    let lost = raise("a number at a key that is written with an escape");
    format!(
        "CASE {each}.type WHEN 'text' THEN json_quote({each}.value) WHEN 'object' THEN {each}.value WHEN 'array' THEN {each}.value \
         WHEN 'integer' THEN coalesce({object} -> {each}.fullkey, {lost}) WHEN 'real' THEN coalesce({object} -> {each}.fullkey, {lost}) \
         ELSE {each}.type END"
    )
}

/// The object of keys and values, an error where a key is NULL or occurs twice.
fn unique(key: &str, value: &str, rows: &str, end: &str) -> String {
    let wrong = raise("the key of a map is NULL or occurs twice");
    format!("(SELECT iif(count(*) = count(DISTINCT {key}), {}{end}, {wrong}) FROM {rows})", joined(key, value))
}

/// The object of the keys and values of all rows.
fn joined(key: &str, value: &str) -> String {
    format!("'{{' || coalesce(group_concat(json_quote({key}) || ':' || {value}, ','), '') || '}}'")
}

/// The object with its keys renamed; an error where a key occurs to which another one is renamed.
pub(in crate::expr) fn rename_keys(input: &str, keys: &std::collections::BTreeMap<String, String>) -> String {
    let mut branches: Vec<String> = keys.iter().map(|(from, to)| format!("WHEN {} THEN {}", text(from), text(to))).collect();
    if branches.is_empty() {
        return input.to_owned();
    }
    let wrong = raise("a key occurs to which another key is renamed");
    let taken = keys.values().filter(|to| !keys.contains_key(*to));
    branches.extend(taken.map(|to| format!("WHEN {} THEN {wrong}", text(to))));
    let renamed = format!("CASE \"@e\".key {} ELSE \"@e\".key END", branches.join(" "));
    let made = joined("\"@k\"", "\"@v\"");
    format!(
        "(CASE WHEN {input} IS NOT NULL THEN (SELECT {made} FROM (SELECT {renamed} AS \"@k\", {} AS \"@v\" \
         FROM json_each({input}) AS \"@e\" ORDER BY \"@e\".id)) END)",
        value_of(input, "\"@e\"")
    )
}

impl Sqlite<'_> {
    /// The entries of a map that has a name, in the order of their keys.
    pub(super) fn rows_of(&self, map: &str, ty: &ExprType) -> Entries {
        let checked = match ty {
            ExprType::Map(_) => map.to_owned(),
            _ => format!("iif(coalesce(json_type({map}), 'object') = 'object', {map}, {})", raise("expected a map")),
        };
        let [each, key, value, outer] = std::array::from_fn(|_| self.names.fresh());
        let rows = format!(
            "(SELECT {each}.key AS {key}, {of} AS {value} FROM json_each({checked}) AS {each} ORDER BY {each}.key LIMIT -1 OFFSET 0) AS {outer}",
            of = value_of(map, &each)
        );
        Entries { key, value, rows }
    }

    /// A list of what is made of each key and value of a map, both the text of JSON, in the order of the keys.
    pub(super) fn entries(&self, map: &Expr, make: impl FnOnce(&str, &str) -> String) -> Sql {
        let ty = &map.ty;
        let map = self.expr(map)?;
        self.bind(&[&map], |names| {
            let map = &names[0];
            let Entries { key, value, rows } = self.rows_of(map, ty);
            let made = make(&format!("json_quote({key})"), &value);
            Ok(format!("(SELECT '[' || coalesce(group_concat({made}, ','), '') || ']' || {} FROM {rows})", null_with(map)))
        })
    }

    pub(super) fn transform_values(&self, args: &[Expr]) -> Sql {
        let map = self.expr(&args[0])?;
        self.bind(&[&map], |names| {
            let map = &names[0];
            let Entries { key, value, rows } = self.rows_of(map, &args[0].ty);
            let (body, of) = self.body(&args[1], vec![format!("json_quote({key})"), value])?;
            let json = to_json(&body, &of.ty).ok_or_else(|| Local::new(format!("{} as JSON in SQLite", of.ty.a()), &of.span))?;
            Ok(format!("(SELECT {} || {} FROM {rows})", joined(&key, &json), null_with(map)))
        })
    }

    pub(super) fn map_from_entries(&self, args: &[Expr]) -> Sql {
        if !matches!(args[0].ty, ExprType::List(_)) {
            return Err(Local::new(format!("the items of {} in SQLite", args[0].ty.a()), &args[0].span));
        }
        let list = self.expr(&args[0])?;
        self.bind(&[&list], |names| {
            let list = &names[0];
            let (item, rows, _) = self.items(list);
            let [key, value, outer] = std::array::from_fn(|_| self.names.fresh());
            let wrong = raise("the key of an entry must be a string");
            let rows = format!(
                "(SELECT iif(json_type({item}, '$.key') = 'text', {item} ->> '$.key', {wrong}) AS {key}, \
                 coalesce({item} -> '$.value', 'null') AS {value} FROM {rows} LIMIT -1 OFFSET 0) AS {outer}"
            );
            Ok(unique(&key, &value, &rows, &format!(" || {}", null_with(list))))
        })
    }

    /// A map with keys that are computed.
    pub(super) fn computed_map(&self, entries: &[(Expr, Expr)]) -> Sql {
        let [key, value, outer] = std::array::from_fn(|_| self.names.fresh());
        let mut rows = Vec::with_capacity(entries.len());
        for (name, entry) in entries {
            rows.push(format!("SELECT {} AS {key}, {} AS {value}", self.expr(name)?, self.json(entry)?));
        }
        Ok(unique(&key, &value, &format!("({}) AS {outer}", rows.join(" UNION ALL ")), ""))
    }

    /// The value at a key that is computed, as the text of JSON.
    pub(super) fn at_key(&self, map: &str, key: &Expr) -> Sql {
        let key = self.expr(key)?;
        self.bind(&[map, &key], |names| {
            let (map, key) = (&names[0], &names[1]);
            let [each, bound, inner] = std::array::from_fn(|_| self.names.fresh());
            Ok(format!(
                "(SELECT {} FROM (SELECT {map} AS {bound}) AS {inner}, json_each({inner}.{bound}) AS {each} WHERE {each}.key = {key} COLLATE BINARY \
                 AND json_type({inner}.{bound}) = 'object')",
                value_of(&format!("{inner}.{bound}"), &each)
            ))
        })
    }
}
