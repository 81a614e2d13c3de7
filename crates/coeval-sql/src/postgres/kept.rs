//! What was kept of a row when columns were dropped, and how it comes back with them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use coeval_core::history::{Gate, Hidden, LineageId, NodeId, Order};
use coeval_plan::table::{Held, Table, View};

use super::keep::{object, whole_name};
use crate::compute::stored::{Archived, Writer};
use crate::compute::{Compute, Computed, Given, Values, json};
use crate::dialect::Dialect;
use crate::expr::Local;
use crate::name::string;
use crate::types::{from_json, to_json};

const D: Dialect = Dialect::Postgres;

/// What was kept when only what the versions up to one have stayed.
pub(super) struct Kept<'t, 'h> {
    table: &'t Table<'h>,
    order: Arc<Order>,
    /// That version.
    view: View,
}

impl<'t, 'h> Kept<'t, 'h> {
    pub(super) fn new(table: &'t Table<'h>, at: &View) -> Self {
        Self { table, order: table.order(at), view: at.clone() }
    }

    pub(super) fn name(&self, node: NodeId) -> String {
        self.table.scope().nodes[node].key.clone()
    }

    pub(super) fn extras_name(&self, lineage: LineageId) -> String {
        let first = self.table.scope().nodes.iter().find(|node| node.lineage == Some(lineage));
        format!("+{}", first.map(|node| node.key.as_str()).unwrap_or_default())
    }

    /// The objects in these columns in which things may lie that are not declared: with each column, and the node in it.
    pub(super) fn objects(&self, columns: &[usize]) -> BTreeMap<LineageId, Vec<(usize, NodeId)>> {
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
    pub(super) fn unheld(&self, lineage: LineageId, columns: &[usize]) -> Option<BTreeSet<String>> {
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

    pub(super) fn fingerprint(&self, compute: &Compute<'_, '_>, nodes: &[NodeId], values: &Given) -> String {
        let (mut sources, mut seen) = (BTreeSet::new(), BTreeSet::new());
        for node in nodes {
            self.sources(*node, &mut sources, &mut seen);
        }
        let values: Vec<String> = sources.iter().map(|node| self.boxed(compute, *node, &values.value(*node))).collect();
        // Equal numbers are equal here, however they are written.
        format!("pg_catalog.jsonb_hash_extended(pg_catalog.jsonb_build_array({}), 0)", values.join(", "))
    }

    pub(super) fn fingerprint_of_column(&self, compute: &Compute<'_, '_>, at: usize, values: &Given) -> String {
        self.fingerprint(compute, &self.table.nodes_in(at), values)
    }

    /// The shown node of the object that a node of its own lies in.
    fn edge(hidden: &Hidden) -> Option<NodeId> {
        hidden.gate.as_ref().filter(|_| hidden.sticky).and_then(|gate| gate.anchor)
    }

    pub(super) fn entry(
        &self,
        compute: &Compute<'_, '_>,
        hidden: &Hidden,
        actual: &str,
        bad: Option<&str>,
        values: &Given,
    ) -> String {
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
            let from = self.table.scope().nodes[node].nearest(self.view.time);
            compute.reshaped(node, from, view.time, &value, None)?
        } else {
            let node = &self.table.scope().nodes[node];
            let ty = &node.property(node.born).ty;
            from_json(&json::without_null(&value, D), ty, D).unwrap_or(value)
        };
        // What cannot fail when it is computed from the version may have when a newer one wrote.
        let sign = || self.table.failed(node).map(|_| "FALSE".to_owned());
        let failed = computed.failed.or_else(sign).map(|failed| {
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

    /// What a column of lists or maps is: as it was kept, where it belongs to what there is; else its elements that go on keep what they
    /// had. `None` where nothing is to be set.
    pub(super) fn whole(
        &self,
        compute: &Compute<'_, '_>,
        at: usize,
        values: &Given,
        extras: BTreeMap<LineageId, String>,
    ) -> Result<Option<String>, Local> {
        let (elements, again) = self.continued(compute, at, values);
        let archived = Archived { extras, elements };
        let writer = Writer { view: &self.view, new: "t", old: None, kept: Some(&archived) };
        let value = compute.kept(at, &Continued { values, again: &again }, &writer)?;
        Ok(value.map(|value| self.as_kept(compute, at, &value, values)))
    }

    /// A column of lists or maps as it was kept, where it belongs to what there is, else something else.
    pub(super) fn as_kept(&self, compute: &Compute<'_, '_>, at: usize, otherwise: &str, values: &Given) -> String {
        let name = whole_name(self.table, at);
        let fingerprint = self.fingerprint_of_column(compute, at, values);
        let belongs = Self::belongs(&name, Some(fingerprint), None, values);
        format!("CASE WHEN {belongs} THEN (a.kept #> ARRAY[{}, 'v']) ELSE {otherwise} END", string(&name, D))
    }

    /// A column of lists or maps as it was kept, where it does not belong to what there is. What is computed from another version than it
    /// was kept at has other lists and maps.
    pub(super) fn earlier(&self, compute: &Compute<'_, '_>, (at, from): (usize, &View), values: &Given) -> Option<String> {
        let name = whole_name(self.table, at);
        let fingerprint = self.fingerprint_of_column(compute, at, values);
        let belongs = Self::belongs(&name, Some(fingerprint), None, values);
        (from.version == self.view.version)
            .then(|| format!("CASE WHEN ({belongs}) IS NOT TRUE THEN (a.kept -> {}) END", string(&name, D)))
    }

    /// How it is called that a column says of something which the version shows that it could not be computed, with its fingerprint.
    pub(super) fn sign_of_shown(&self, compute: &Compute<'_, '_>, at: usize, values: &Given) -> Option<(String, String)> {
        let Held::Failed { node } = self.table.columns[at].held else { return None };
        if self.hidden(node).is_some() || !values.0.contains_key(&node) {
            return None;
        }
        Some((format!("!{}", self.table.columns[at].name), self.fingerprint(compute, &[node], values)))
    }

    /// Whether such a column says so.
    pub(super) fn said(&self, compute: &Compute<'_, '_>, at: usize, values: &Given) -> Option<String> {
        let (name, of) = self.sign_of_shown(compute, at, values)?;
        Some(format!("CASE WHEN {} THEN TRUE END", Self::belongs(&name, Some(of), None, values)))
    }

    /// The lists and maps in a column.
    fn listed(&self, at: usize) -> impl Iterator<Item = NodeId> {
        self.table.nodes_in(at).into_iter().filter(|node| self.table.scope().nodes[*node].elements.is_some())
    }

    /// The lists and maps in a column as the version shows them, or their fingerprints where it does not.
    pub(super) fn elements(&self, compute: &Compute<'_, '_>, at: usize, values: &Given) -> Option<String> {
        let member = |node: NodeId| {
            let value = match self.hidden(node) {
                None => values.value(node),
                Some(_) => format!("pg_catalog.to_jsonb({})", self.fingerprint(compute, &[node], values)),
            };
            (self.name(node), value)
        };
        let members: Vec<(String, String)> = self.listed(at).map(member).collect();
        let members: Vec<(&str, Option<String>)> =
            members.iter().map(|(name, value)| (name.as_str(), Some(value.clone()))).collect();
        (!members.is_empty()).then(|| object(&members))
    }

    /// The lists and maps in a column as they were kept, in the shape of the version and in that of the column; and when those that the
    /// version does not show are computed anew.
    fn continued(&self, compute: &Compute<'_, '_>, at: usize, values: &Given) -> (Elements, BTreeMap<NodeId, String>) {
        let name = string(&whole_name(self.table, at), D);
        let (mut elements, mut again) = (BTreeMap::new(), BTreeMap::new());
        for node in self.listed(at) {
            let Some(spot) = self.table.homes(node).iter().find(|spot| spot.column == at) else { continue };
            let own =
                spot.path.iter().fold(format!("(a.kept #> ARRAY[{name}, 'v'])"), |object, name| json::member(&object, name, D));
            let was = format!("ARRAY[{name}, 'was', {}]", string(&self.name(node), D));
            let Some(hidden) = self.hidden(node) else {
                elements.insert((at, node), (format!("(a.kept #> {was})"), own));
                continue;
            };
            let same = format!("(a.kept #>> {was})::bigint IS NOT DISTINCT FROM {}", self.fingerprint(compute, &[node], values));
            let stays = hidden
                .sticky
                .then(|| format!(" AND NOT ({})", Self::belongs(&self.name(node), None, Self::edge(hidden), values)));
            again.insert(node, format!("NOT ({same}){}", stays.unwrap_or_default()));
            elements.insert((at, node), ("NULL".to_owned(), own));
        }
        (elements, again)
    }

    /// Values for a version, with lists and maps in the shape that they have for the one that things were kept at.
    pub(super) fn reshaped(&self, compute: &Compute<'_, '_>, view: &View, values: &Given) -> Given {
        let mut out = values.clone();
        for (node, value) in &mut out.0 {
            let known = &self.table.scope().nodes[*node];
            if view.version == self.view.version || known.elements.is_none() {
                continue;
            }
            let there = if self.hidden(*node).is_none() { compute.of_row(*node, &self.view, "t").ok().flatten() } else { None };
            let made = || compute.reshaped(*node, known.nearest(view.time), self.view.time, value, None);
            // In another shape it belongs to nothing that was kept.
            if let Some(then) = there.or_else(|| made().ok()) {
                *value = then;
            }
        }
        out
    }
}

type Elements = BTreeMap<(usize, NodeId), (String, String)>;

/// Values, some of them of lists and maps that are computed anew in some rows only.
struct Continued<'v> {
    values: &'v Given,
    again: &'v BTreeMap<NodeId, String>,
}

impl Values for Continued<'_> {
    fn value(&self, node: NodeId) -> String {
        self.values.value(node)
    }

    fn is_new(&self, node: NodeId) -> Option<String> {
        self.again.get(&node).cloned()
    }
}
