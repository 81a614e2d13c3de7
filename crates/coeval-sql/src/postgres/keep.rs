//! What is kept of a row when columns are dropped: what could not be computed again, with a fingerprint of what it belongs to
//! (rule R3), as one JSON object.
//!
//! A member is called as the node is, and holds `v`, its value (none where it was absent), `bad` where it could not be computed, `of`,
//! the fingerprint, where others compute it, and `in` where it lies in an object that was there. A column of lists or maps that
//! versions give different shapes is kept as a whole; its member is called as the column, after `#`, its `bad` names the columns
//! which say that elements could not be computed, and its `was` has each list or map as the version that stays shows it, or the
//! fingerprint of one that is computed: elements that go on while the columns are away keep what they have. What is not declared in
//! an object and no column has any more is called as the object, after `+`. That something which the version shows could not be computed is
//! called as the column that says so, after `!`, with the fingerprint of what it shows.

use std::collections::{BTreeMap, BTreeSet};

use coeval_core::history::NodeId;
use coeval_plan::table::{Column, Held, Table, View};

use super::Names;
use super::fill::{Blind, called, wanted as wanted_of};
use super::kept::Kept;
use crate::compute::stored::Writer;
use crate::compute::{Compute, Given, Partial, json};
use crate::dialect::Dialect;
use crate::expr::Local;
use crate::name::{ident, string};
use crate::types::{KeyType, column_type};

const D: Dialect = Dialect::Postgres;

/// What is kept of the rows of a table, which is called `t`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// The object, empty where everything can be computed again.
    pub needed: String,
    /// The object with everything, for rows of which something cannot be computed now.
    pub all: String,
    /// The names of members that there can be.
    pub members: Vec<String>,
    /// Functions that it calls, complete statements.
    pub helpers: Vec<String>,
}

/// Renders what is kept of columns when only what the versions up to `to` have stays; `None` where nothing can be.
///
/// # Errors
/// A computation that the database cannot do.
pub fn keep(table: &Table<'_>, to: &View, columns: &[usize], names: &Names, keys: KeyType<'_>) -> Result<Option<Keep>, Local> {
    let stays: BTreeSet<usize> = (0..table.columns.len()).filter(|at| !columns.contains(at)).collect();
    let whole = Compute::new(table, D, names, keys);
    let compute = whole.among(&stays);
    let order = table.order(to);
    let mut values: BTreeMap<NodeId, String> = BTreeMap::new();
    let mut blind = Blind::default();
    for node in 0..table.scope().nodes.len() {
        match compute.of_row(node, to, "t") {
            Ok(Some(value)) => drop(values.insert(node, value)),
            Ok(None) => {}
            Err(local) => drop(blind.0.insert(node, local)),
        }
    }
    let kept = Kept::new(table, to);
    // What could not be computed, as columns say, gives nothing that follows from it either.
    let failed = |node: NodeId| {
        let says = |column: &&Column| column.held == Held::Failed { node };
        let column = table.columns.iter().enumerate().filter(|(at, _)| !table.is_gone(*at)).map(|(_, column)| column).find(says);
        column.map(|column| format!("t.{} IS TRUE", ident(&column.name)))
    };
    let wanted = wanted_of(table, &order, columns, &values);
    let mut members: Vec<(String, String, String)> = Vec::new();
    // When lists and maps are kept, and which of them a node follows from: it is kept with them, since the engine may be who computes it
    // again, and it does not ask what was kept of them.
    let mut listed: BTreeMap<NodeId, String> = BTreeMap::new();
    let mut behind: BTreeMap<NodeId, BTreeSet<NodeId>> = BTreeMap::new();
    for hidden in order
        .hidden
        .iter()
        .filter(|hidden| wanted.contains(&hidden.node) && !values.contains_key(&hidden.node))
        .collect::<Vec<_>>()
    {
        let lists = hidden.deps.iter().flat_map(|dep| {
            let own = Some(*dep).filter(|dep| listed.contains_key(dep));
            own.into_iter().chain(behind.get(dep).into_iter().flatten().copied())
        });
        let lists: BTreeSet<NodeId> = lists.collect();
        behind.insert(hidden.node, lists.clone());
        let given = Given(values.clone());
        let unknown = blind.behind(hidden).or_else(|| blind.0.get(&hidden.node).cloned());
        let partial = Partial { values: &given, failed: &failed };
        let computed = unknown.map_or_else(|| compute.calc(&order, hidden, &partial), Err);
        if table.homes(hidden.node).is_empty() {
            // A link of a chain: nothing of it is stored, so that nothing of it is kept.
            match computed {
                Ok(computed) => drop(values.insert(hidden.node, typed(&compute, hidden.node, &computed.sql))),
                Err(local) => drop(blind.0.insert(hidden.node, local)),
            }
            continue;
        }
        // As what the version shows would make it: a list or map in the shape that it has then.
        let actual = match whole.of_row(hidden.node, to, "t") {
            Ok(Some(actual)) => actual,
            Ok(None) => continue,
            // It is kept with the column that it lies in.
            Err(local) => {
                blind.0.insert(hidden.node, local);
                continue;
            }
        };
        let bad = table.columns.iter().find(|column| column.held == Held::Failed { node: hidden.node });
        let bad = bad.map(|column| format!("t.{}", ident(&column.name)));
        let ty = type_of(&compute, hidden.node);
        let differs = match &computed {
            Ok(computed) => {
                let differs = different(&actual, &computed.sql, &ty);
                match &bad {
                    Some(bad) => {
                        let now = computed.failed.as_deref().unwrap_or("FALSE");
                        format!("(({bad} IS TRUE) <> ({now}) OR {differs})")
                    }
                    None => differs,
                }
            }
            // Whether it could be computed again is not told here: it is kept in any case.
            Err(_) => "TRUE".to_owned(),
        };
        let lists: Vec<String> = lists.iter().filter_map(|node| listed.get(node).cloned()).collect();
        if table.scope().nodes[hidden.node].elements.is_some() {
            listed.insert(hidden.node, differs.clone());
        }
        let differs = std::iter::once(differs).chain(lists).collect::<Vec<_>>().join(" OR ");
        let entry = kept.entry(&compute, hidden, &actual, bad.as_deref(), &given);
        members.push((kept.name(hidden.node), differs, entry));
        values.insert(hidden.node, actual);
    }
    let given = Given(values);
    for at in columns.iter().copied().filter(|at| is_listed(table, *at)) {
        let actual = format!("t.{}", ident(&table.columns[at].name));
        let unknown = table.nodes_in(at).iter().any(|node| blind.0.contains_key(node));
        let differs = match compute.kept(at, &given, &Writer { view: to, new: "t", old: None, kept: None }) {
            Ok(None) => continue,
            Ok(Some(value)) if !unknown => different(&actual, &value, "pg_catalog.jsonb"),
            Ok(Some(_)) | Err(_) => "TRUE".to_owned(),
        };
        // Its shape may hold more than that of the version that stays does: where a list or map is kept, the columns that hold it or follow
        // from it are.
        let read = wanted_of(table, &order, &[at], &BTreeMap::new());
        let own = listed.iter().filter(|(node, _)| read.contains(node)).map(|(_, differs)| differs.clone());
        let differs = std::iter::once(differs).chain(own).collect::<Vec<_>>().join(" OR ");
        let signs = table.signs(at).into_iter().map(|sign| &table.columns[sign].name);
        let bad: Vec<(&str, Option<String>)> =
            signs.map(|name| (name.as_str(), Some(format!("CASE WHEN t.{} THEN TRUE END", ident(name))))).collect();
        let bad = (!bad.is_empty()).then(|| object(&bad));
        let of = kept.fingerprint_of_column(&compute, at, &given);
        let entry = object(&[("v", Some(actual)), ("bad", bad), ("of", Some(of)), ("was", kept.elements(&compute, at, &given))]);
        members.push((whole_name(table, at), differs, entry));
    }
    // That the version cannot show a record says a column of the newer one whose operation could not give what it shows.
    for at in columns {
        let Some((name, of)) = kept.sign_of_shown(&compute, *at, &given) else { continue };
        let sign = format!("t.{} IS TRUE", ident(&table.columns[*at].name));
        members.push((name, sign, object(&[("of", Some(of))])));
    }
    for (lineage, dropped) in kept.objects(columns) {
        let names = kept.unheld(lineage, columns);
        let part = |(at, node): (usize, NodeId)| {
            let all = compute.undeclared_in_column(at, node, "t")?;
            let members = |names: &BTreeSet<String>| -> String {
                let members = names.iter().map(|name| (name.clone(), json::member(&all, name, D), true));
                json::object(&members.collect::<Vec<_>>(), D)
            };
            Some(names.as_ref().map_or_else(|| format!("coalesce({all}, {})", json::empty(D)), members))
        };
        let all = dropped.into_iter().filter_map(part).reduce(|a, b| json::merge(&a, &b, D));
        let Some(all) = all.filter(|_| names.as_ref().is_none_or(|names| !names.is_empty())) else { continue };
        members.push((kept.extras_name(lineage), format!("{all} <> {}", json::empty(D)), object(&[("v", Some(all))])));
    }
    if members.is_empty() {
        return Ok(None);
    }
    let one = |name: &str, entry: &str| format!("pg_catalog.jsonb_build_object({}, {entry})", string(name, D));
    let needed: Vec<String> = members
        .iter()
        .map(|(name, differs, entry)| format!("CASE WHEN {differs} THEN {} ELSE '{{}}'::pg_catalog.jsonb END", one(name, entry)))
        .collect();
    let all: Vec<String> = members.iter().map(|(name, _, entry)| one(name, entry)).collect();
    let needed = format!("({})", needed.join(" || "));
    Ok(Some(Keep {
        helpers: called(compute.helping()?, &[&needed]),
        needed,
        all: format!("({})", all.join(" || ")),
        members: members.into_iter().map(|(name, _, _)| name).collect(),
    }))
}

/// The type that a node's value has while it is computed.
pub(super) fn type_of(compute: &Compute<'_, '_>, node: NodeId) -> String {
    if compute.is_json(node) {
        return "pg_catalog.jsonb".to_owned();
    }
    let node = &compute.table.scope().nodes[node];
    column_type(&node.property(node.born).ty, compute.keys, D)
}

/// A value with its type, which one that is NULL always has not.
pub(super) fn typed(compute: &Compute<'_, '_>, node: NodeId, sql: &str) -> String {
    format!("({sql})::{}", type_of(compute, node))
}

/// Whether two values of a type differ in anything.
fn different(a: &str, b: &str, ty: &str) -> String {
    format!("pg_catalog.record_image_ne(ROW(({a})::{ty}), ROW(({b})::{ty}))")
}

/// An object of the members that are there.
pub(super) fn object(members: &[(&str, Option<String>)]) -> String {
    let some = members.iter().filter_map(|(name, value)| Some(((*name).to_owned(), value.clone()?, true)));
    json::object(&some.map(|(name, value, _)| (name, format!("({value})"), true)).collect::<Vec<_>>(), D)
}

/// Whether a column holds lists or maps in a shape of their own.
pub(super) fn is_listed(table: &Table<'_>, at: usize) -> bool {
    table.columns[at].is_json() && table.nodes_in(at).into_iter().any(|node| table.scope().nodes[node].elements.is_some())
}

pub(super) fn whole_name(table: &Table<'_>, at: usize) -> String {
    format!("#{}", table.columns[at].name)
}
