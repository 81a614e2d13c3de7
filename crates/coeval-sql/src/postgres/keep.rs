//! What is kept of a row when columns are dropped: what could not be computed again, with a fingerprint of what it belongs to
//! (rule R3), as one JSON object.
//!
//! A member is called as the node is, and holds `v`, its value (none where it was absent), `bad` where it could not be computed, `of`,
//! the fingerprint, where others compute it, and `in` where it lies in an object that was there. A column of lists or maps that
//! versions give different shapes is kept as a whole; its member is called as the column, after `#`, and its `bad` names the columns
//! which say that elements could not be computed. What is not declared in an object and no column has any more is called as the
//! object, after `+`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use coeval_core::history::{Gate, Hidden, LineageId, NodeId, Order, Time};
use coeval_plan::table::{Held, Table, View};

use super::Names;
use super::fill::{Blind, called, wanted as wanted_of};
use crate::compute::stored::Writer;
use crate::compute::{Compute, Computed, Given, Values, json};
use crate::dialect::Dialect;
use crate::expr::Local;
use crate::name::{ident, string};
use crate::types::{KeyType, column_type, from_json, to_json};

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
        let computed = unknown.map_or_else(|| compute.calc(&order, hidden, &given), Err);
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
        let entry = object(&[("v", Some(actual)), ("bad", bad), ("of", Some(kept.fingerprint_of_column(&compute, at, &given)))]);
        members.push((whole_name(table, at), differs, entry));
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
fn object(members: &[(&str, Option<String>)]) -> String {
    let some = members.iter().filter_map(|(name, value)| Some(((*name).to_owned(), value.clone()?, true)));
    json::object(&some.map(|(name, value, _)| (name, format!("({value})"), true)).collect::<Vec<_>>(), D)
}

/// Whether a column holds lists or maps in a shape of their own.
pub(super) fn is_listed(table: &Table<'_>, at: usize) -> bool {
    table.columns[at].is_json() && table.nodes_in(at).into_iter().any(|node| table.scope().nodes[node].elements.is_some())
}

fn whole_name(table: &Table<'_>, at: usize) -> String {
    format!("#{}", table.columns[at].name)
}

/// What was kept when only what the versions up to one have stayed.
pub(super) struct Kept<'t, 'h> {
    table: &'t Table<'h>,
    order: Arc<Order>,
    /// The moment of that version.
    time: Time,
}

impl<'t, 'h> Kept<'t, 'h> {
    pub(super) fn new(table: &'t Table<'h>, at: &View) -> Self {
        Self { table, order: table.order(at), time: at.time }
    }

    fn name(&self, node: NodeId) -> String {
        self.table.scope().nodes[node].key.clone()
    }

    fn extras_name(&self, lineage: LineageId) -> String {
        let first = self.table.scope().nodes.iter().find(|node| node.lineage == Some(lineage));
        format!("+{}", first.map(|node| node.key.as_str()).unwrap_or_default())
    }

    /// The objects in these columns in which things may lie that are not declared: with each column, and the node in it.
    fn objects(&self, columns: &[usize]) -> BTreeMap<LineageId, Vec<(usize, NodeId)>> {
        let mut found = BTreeMap::new();
        for at in columns.iter().filter(|at| !self.table.is_gone(**at)) {
            for node in self.table.nodes_in(*at) {
                if let Some(lineage) = self.table.scope().nodes[node].lineage {
                    found.entry(lineage).or_insert_with(Vec::new).push((*at, node));
                }
            }
        }
        found
    }

    /// The names of what is not declared in an object of some columns that no other column can hold; `None` for all names.
    fn unheld(&self, lineage: LineageId, columns: &[usize]) -> Option<BTreeSet<String>> {
        let (scope, stays) = (self.table.scope(), |at: usize| !columns.contains(&at));
        // No property is called so.
        if !self.table.holds_undeclared(lineage, "\0", &stays) {
            return None;
        }
        let of = |node: &NodeId| scope.nodes[*node].lineage == Some(lineage);
        let mut names = BTreeSet::new();
        for at in (0..self.table.columns.len()).filter(|at| stays(*at)) {
            for node in self.table.nodes_in(at).into_iter().filter(of) {
                let time = self.table.time_of(at, node);
                names.extend(scope.children(Some(node), time).iter().map(|child| scope.nodes[*child].place(time).name.clone()));
            }
        }
        names.retain(|name| !self.table.holds_undeclared(lineage, name, &stays));
        Some(names)
    }

    /// What was kept of objects in these columns: what is not declared in them.
    pub(super) fn extras(&self, columns: &[usize]) -> BTreeMap<LineageId, String> {
        let one = |lineage| {
            let name = string(&self.extras_name(lineage), D);
            (lineage, format!("coalesce((a.kept #> ARRAY[{name}, 'v']), {})", json::empty(D)))
        };
        let lost = |lineage: &LineageId| self.unheld(*lineage, columns).is_none_or(|names| !names.is_empty());
        self.objects(columns).into_keys().filter(lost).map(one).collect()
    }

    fn hidden(&self, node: NodeId) -> Option<&Hidden> {
        self.order.index[node].map(|at| &self.order.hidden[at])
    }

    /// A node's value in a list: none where it is absent.
    fn boxed(&self, compute: &Compute<'_, '_>, node: NodeId, value: &str) -> String {
        let lifted = if compute.is_json(node) {
            value.to_owned()
        } else {
            let node = &self.table.scope().nodes[node];
            to_json(value, &node.property(node.born).ty, D).unwrap_or_else(|| value.to_owned())
        };
        format!("CASE WHEN {value} IS NULL THEN '[]'::pg_catalog.jsonb ELSE pg_catalog.jsonb_build_array({lifted}) END")
    }

    /// The nodes that the version showed and that a node is computed from.
    fn sources(&self, node: NodeId, out: &mut BTreeSet<NodeId>, seen: &mut BTreeSet<NodeId>) {
        if !seen.insert(node) {
            return;
        }
        match self.hidden(node) {
            None => {
                out.insert(node);
            }
            Some(hidden) => {
                for dep in hidden.deps.iter().copied().chain(hidden.gate.iter().flat_map(Gate::deps)) {
                    self.sources(dep, out, seen);
                }
            }
        }
    }

    fn fingerprint(&self, compute: &Compute<'_, '_>, nodes: &[NodeId], values: &Given) -> String {
        let (mut sources, mut seen) = (BTreeSet::new(), BTreeSet::new());
        for node in nodes {
            self.sources(*node, &mut sources, &mut seen);
        }
        let values: Vec<String> = sources.iter().map(|node| self.boxed(compute, *node, &values.value(*node))).collect();
        // Equal numbers are equal here, however they are written.
        format!("pg_catalog.jsonb_hash_extended(pg_catalog.jsonb_build_array({}), 0)", values.join(", "))
    }

    fn fingerprint_of_column(&self, compute: &Compute<'_, '_>, at: usize, values: &Given) -> String {
        self.fingerprint(compute, &self.table.nodes_in(at), values)
    }

    /// The shown node of the object that a node of its own lies in.
    fn edge(hidden: &Hidden) -> Option<NodeId> {
        hidden.gate.as_ref().filter(|_| hidden.sticky).and_then(|gate| gate.anchor)
    }

    fn entry(&self, compute: &Compute<'_, '_>, hidden: &Hidden, actual: &str, bad: Option<&str>, values: &Given) -> String {
        let of = (!hidden.sticky).then(|| self.fingerprint(compute, &[hidden.node], values));
        let within =
            Self::edge(hidden).map(|edge| format!("CASE WHEN {} THEN TRUE END", json::is_object(&values.value(edge), D)));
        object(&[
            ("v", Some(format!("nullif({}, '[]'::pg_catalog.jsonb)", self.boxed(compute, hidden.node, actual)))),
            ("bad", bad.map(|bad| format!("CASE WHEN {bad} THEN TRUE END"))),
            ("of", of),
            ("in", within),
        ])
    }

    fn belongs(name: &str, fingerprint: Option<String>, edge: Option<NodeId>, values: &Given) -> String {
        let entry = format!("(a.kept -> {})", string(name, D));
        let mut conditions = vec![format!("{entry} IS NOT NULL")];
        if let Some(fingerprint) = fingerprint {
            conditions.push(format!("({entry} ->> 'of')::bigint = {fingerprint}"));
        }
        if let Some(edge) = edge {
            conditions.push(format!("({entry} -> 'in' IS NULL OR {})", json::is_object(&values.value(edge), D)));
        }
        conditions.join(" AND ")
    }

    /// What was kept of a node, where that belongs to what there is, else NULL; `None` where nothing is ever kept of it.
    pub(super) fn entry_of(&self, compute: &Compute<'_, '_>, node: NodeId, values: &Given) -> Option<String> {
        let hidden = self.hidden(node).filter(|_| !self.table.homes(node).is_empty())?;
        let name = self.name(node);
        let fingerprint = (!hidden.sticky).then(|| self.fingerprint(compute, &[node], values));
        let belongs = Self::belongs(&name, fingerprint, Self::edge(hidden), values);
        Some(format!("CASE WHEN {belongs} THEN a.kept -> {} END", string(&name, D)))
    }

    /// What a node's value is for a version: what was kept, where that belongs to what there is, else what is computed.
    pub(super) fn instead(
        &self,
        compute: &Compute<'_, '_>,
        (node, view): (NodeId, &View),
        computed: Computed,
        values: &Given,
    ) -> Result<Computed, Local> {
        let Some(hidden) = self.hidden(node).filter(|_| !self.table.homes(node).is_empty()) else { return Ok(computed) };
        let name = self.name(node);
        let fingerprint = (!hidden.sticky).then(|| self.fingerprint(compute, &[node], values));
        let belongs = Self::belongs(&name, fingerprint, Self::edge(hidden), values);
        let value = format!("(a.kept #> ARRAY[{}, 'v', '0'])", string(&name, D));
        let value = if compute.is_json(node) {
            let from = self.table.scope().nodes[node].nearest(self.time);
            compute.reshaped(node, from, view.time, &value, None)?
        } else {
            let node = &self.table.scope().nodes[node];
            let ty = &node.property(node.born).ty;
            from_json(&json::without_null(&value, D), ty, D).unwrap_or(value)
        };
        let failed = computed.failed.map(|failed| {
            format!("CASE WHEN {belongs} THEN (a.kept #> ARRAY[{}, 'bad']) IS NOT NULL ELSE {failed} END", string(&name, D))
        });
        Ok(Computed { sql: format!("CASE WHEN {belongs} THEN {value} ELSE {} END", computed.sql), failed })
    }

    /// Whether elements of a column of lists or maps could not be computed, as another column says.
    pub(super) fn sign(&self, compute: &Compute<'_, '_>, at: usize, sign: usize, values: &Given) -> String {
        let name = whole_name(self.table, at);
        let belongs = Self::belongs(&name, Some(self.fingerprint_of_column(compute, at, values)), None, values);
        let [name, sign] = [&name, &self.table.columns[sign].name].map(|name| string(name, D));
        format!("CASE WHEN {belongs} THEN coalesce(a.kept #> ARRAY[{name}, 'bad', {sign}], 'false'::pg_catalog.jsonb) END")
    }

    /// What a column of lists or maps is.
    pub(super) fn whole(&self, compute: &Compute<'_, '_>, at: usize, value: &str, values: &Given) -> String {
        let name = whole_name(self.table, at);
        let fingerprint = self.fingerprint_of_column(compute, at, values);
        let belongs = Self::belongs(&name, Some(fingerprint), None, values);
        format!("CASE WHEN {belongs} THEN (a.kept #> ARRAY[{}, 'v']) ELSE {value} END", string(&name, D))
    }
}
