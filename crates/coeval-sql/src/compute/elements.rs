//! Elements of lists and maps with operations beneath them: from the shape of one moment to that of another, each for itself.
//!
//! An element that goes on keeps what the writer could not see: the values of a map by key; the items of a list by the declared
//! key, else as documents align them (PostgreSQL, by a function; SQLite, by what [`align`] writes).

use std::collections::BTreeMap;

use coeval_core::history::{Gate, HiddenRule, NodeId, Order, Shape as Names, Time};
use coeval_core::schema::Type;
use coeval_plan::table::elements_signature;

use super::{Bound, Compute, Given, Shape, Values, Within, align, json, local};
use crate::dialect::Dialect;
use crate::expr::Local;
use crate::expr::sqlite::value_of;

impl Compute<'_, '_> {
    /// A list or map in the shape of another moment. `before` is what it was, in the one shape and in the other.
    pub(crate) fn reshaped(
        &self,
        node: NodeId,
        from: Time,
        to: Time,
        value: &str,
        before: Option<(&str, &str)>,
    ) -> Result<String, Local> {
        let scope = self.scope();
        let to = scope.nodes[node].nearest(to);
        let signatures = (elements_signature(scope, node, from), elements_signature(scope, node, to));
        let (Some(elements), true) = (scope.nodes[node].elements.as_deref(), signatures.0 != signatures.1) else {
            return Ok(value.to_owned());
        };
        let depth = self.within.map_or(0, |within| within.depth + 1);
        let alias = format!("e{depth}");
        let property = scope.nodes[node].property(from);
        let (item_key, is_map) = match &property.ty {
            Type::Array { key, .. } => (key.clone(), false),
            _ => (None, true),
        };
        // Read from several times, of texts that may be long.
        let mut bound = Bound::new(self, "l");
        let value = bound.name(value.to_owned());
        let value = value.as_str();
        let before: Option<(String, String)> = before.map(|(from, to)| (bound.name(from.to_owned()), bound.name(to.to_owned())));
        let before = before.as_ref().map(|(from, to)| (from.as_str(), to.as_str()));
        // A row for each element has all that is read of it, by these names.
        let (key, number) = (format!("{alias}.k"), format!("({alias}.k + 1)"));
        let key = if is_map { &key } else { &number };
        let inner = Compute { within: Some(Within { scope: elements, key, depth }), ..*self };
        let (element, found) = (format!("{alias}.v"), (format!("{alias}.f"), format!("{alias}.t")));
        let found = before.map(|_| (found.0.as_str(), found.1.as_str()));
        let mut computed = Bound::of(self.dialect, &alias);
        let made = inner.element(from, to, &element, found, &mut computed)?;
        let rows = match (self.dialect, is_map) {
            (Dialect::Postgres, true) => entries(&alias, value, before),
            (Dialect::Postgres, false) => self.numbered(&alias, value, before, item_key.as_deref()),
            (Dialect::Sqlite, true) => values(&alias, value, before),
            (Dialect::Sqlite, false) => self.items(&alias, value, before, item_key.as_deref()),
        };
        let rows = computed.over(Some(rows)).unwrap_or_default();
        let null = json::null(self.dialect);
        let (is_whole, all) = match (self.dialect, is_map) {
            (Dialect::Postgres, true) => (
                json::is_object(value, self.dialect),
                format!("coalesce(pg_catalog.jsonb_object_agg({alias}.k, coalesce({made}, {null})), '{{}}'::pg_catalog.jsonb)"),
            ),
            (Dialect::Postgres, false) => (
                format!("pg_catalog.jsonb_typeof({value}) IS NOT DISTINCT FROM 'array'"),
                format!("coalesce(pg_catalog.jsonb_agg(coalesce({made}, {null}) ORDER BY {alias}.k), '[]'::pg_catalog.jsonb)"),
            ),
            (Dialect::Sqlite, true) => {
                (json::is_object(value, self.dialect), format!("json_group_object({alias}.k, json(coalesce({made}, {null})))"))
            }
            (Dialect::Sqlite, false) => {
                (format!("json_type({value}) IS 'array'"), format!("json_group_array(json(coalesce({made}, {null})))"))
            }
        };
        Ok(bound.around(format!("CASE WHEN {is_whole} THEN (SELECT {all} FROM {rows}) ELSE {value} END")))
    }

    /// The items of a list in PostgreSQL: `k`, the index, `v`, the item, and, where the list was there before, `f` and `t`, the item that
    /// it continues, in the writer's shape and in the wanted one.
    fn numbered(&self, alias: &str, list: &str, before: Option<(&str, &str)>, key: Option<&str>) -> String {
        let items = format!("pg_catalog.jsonb_array_elements({list}) WITH ORDINALITY AS {alias}(v, n)");
        let Some((old_from, old_to)) = before else {
            return format!("(SELECT {alias}.v, {alias}.n - 1 AS k FROM {items}) AS {alias}");
        };
        if let (None, Some(align)) = (key, self.helpers.align()) {
            let continued = format!("(SELECT {align}({old_from}, {list}) AS c OFFSET 0) AS {alias}z");
            let item = format!("{alias}z.c[{alias}.n::pg_catalog.int4]");
            return format!(
                "(SELECT {alias}.v, {alias}.n - 1 AS k, ({old_from} -> {item}) AS f, ({old_to} -> {item}) AS t FROM {continued} CROSS JOIN {items}) AS {alias}"
            );
        }
        let own = |item: &str| json::member(&format!("{item}.v"), key.unwrap_or_default(), self.dialect);
        format!(
            "(SELECT {alias}.v, {alias}.n - 1 AS k, ({old_from} -> {alias}a.n) AS f, ({old_to} -> {alias}a.n) AS t FROM {items} \
             LEFT JOIN LATERAL (SELECT (o.n - 1)::pg_catalog.int4 AS n FROM pg_catalog.jsonb_array_elements(\
             CASE WHEN pg_catalog.jsonb_typeof({old_from}) = 'array' THEN {old_from} ELSE '[]'::pg_catalog.jsonb END) WITH ORDINALITY AS o(v, n) \
             WHERE {} = {} ORDER BY (o.n = {alias}.n) DESC, o.n LIMIT 1) AS {alias}a ON TRUE) AS {alias}",
            own(alias),
            own("o")
        )
    }

    /// The items of a list in SQLite: `k`, the index, `v`, the item, and, where the list was there before, `f` and `t`, the item that
    /// it continues, in the writer's shape and in the wanted one.
    fn items(&self, alias: &str, list: &str, before: Option<(&str, &str)>, key: Option<&str>) -> String {
        let each = format!("{alias}e");
        let Some((old_from, old_to)) = before else {
            return format!(
                "(SELECT {each}.key AS k, ({list} -> {each}.fullkey) AS v FROM json_each({list}) AS {each} ORDER BY {each}.key LIMIT -1 OFFSET 0) \
                 AS {alias}"
            );
        };
        let (ends, index) = self.continued(alias, &each, (list, old_from), key);
        format!(
            "(SELECT k, v, ({old_from} -> c) AS f, ({old_to} -> c) AS t FROM \
             (SELECT {each}.key AS k, ({list} -> {each}.fullkey) AS v, {index} AS c FROM {ends}json_each({list}) AS {each} ORDER BY {each}.key \
             LIMIT -1 OFFSET 0)) AS {alias}"
        )
    }

    /// The index of the item that an item continues, in SQLite; before it what is the same for all items.
    fn continued(&self, alias: &str, each: &str, (new, old): (&str, &str), key: Option<&str>) -> (String, String) {
        let item = |list: &str, each: &str| format!("({list} -> {each}.fullkey)");
        // A name that no row has which the texts read.
        let was = format!("{alias}o");
        if let Some(key) = key {
            let same = format!(
                "{} = {}",
                json::member(&item(new, each), key, self.dialect),
                json::member(&item(old, &was), key, self.dialect)
            );
            let index = format!(
                "(SELECT coalesce(max(iif({was}.key = {each}.key, {was}.key, NULL)), min({was}.key)) FROM json_each({old}) AS {was} WHERE {same})"
            );
            return (String::new(), index);
        }
        (format!("{} CROSS JOIN ", align::source(alias, old, new)), align::index(alias, &format!("{each}.key")))
    }

    /// One element in the shape of another moment. What is computed on the way has names, so that it is computed once.
    fn element(
        &self,
        from: Time,
        to: Time,
        value: &str,
        before: Option<(&str, &str)>,
        computed: &mut Bound,
    ) -> Result<String, Local> {
        let scope = self.scope();
        let (order, target) = (scope.order(from), scope.order(to));
        let cells = |value: &str, shape: &Names| {
            let mut cells = BTreeMap::new();
            self.taken(value, shape, &mut cells);
            cells
        };
        let mut new = cells(value, &order.shape);
        let old = before.map(|(from, _)| cells(from, &order.shape)).unwrap_or_default();
        let kept = before.map(|(_, to)| cells(to, &target.shape)).unwrap_or_default();
        let changed: BTreeMap<NodeId, String> =
            new.iter().filter_map(|(node, now)| Some((*node, format!("{now} {} {}", self.distinct(), old.get(node)?)))).collect();
        let wanted = wanted(&order, &target.shown);
        let mut touched: BTreeMap<NodeId, Option<String>> = BTreeMap::new();
        let mut levels = BTreeMap::new();
        let mut old_values = old.clone();
        old_values.extend(kept.clone());
        let mut parts = Parts::default();
        for node in order.shown.iter().filter(|node| scope.nodes[**node].elements.is_some()) {
            let continued = old.get(node).cloned().zip(kept.get(node).cloned());
            parts.before.extend(continued.map(|continued| (*node, continued)));
        }
        for hidden in order.hidden.iter().filter(|hidden| wanted.contains(&hidden.node)) {
            let node = hidden.node;
            let now = self.calc(&order, hidden, &Given(new.clone()))?;
            if now.failed.is_some() {
                return Err(local("an element that cannot be computed hides its record, and no column would say so"));
            }
            let now = now.sql;
            let deps = hidden.deps.iter().copied().chain(hidden.gate.iter().flat_map(Gate::deps));
            let conditions: Vec<String> =
                deps.filter_map(|dep| changed.get(&dep).cloned().or_else(|| touched.get(&dep).cloned().flatten())).collect();
            let condition = (!conditions.is_empty()).then(|| format!("({})", conditions.join(" OR ")));
            let sql = match (before, kept.get(&node)) {
                (Some((there, _)), Some(own)) if !matches!(hidden.rule, HiddenRule::Lineage { .. } | HiddenRule::Kids { .. }) => {
                    let again = condition.clone().unwrap_or_else(|| "FALSE".to_owned());
                    let again = if hidden.sticky {
                        let then = self.calc(&order, hidden, &Given(old_values.clone()))?.sql;
                        format!("{again} AND NOT ({own} {} ({then}))", self.distinct())
                    } else {
                        again
                    };
                    let is_new = format!("{there} IS NULL OR {again}");
                    // A list or map within it has the wanted shape already; what follows from it reads the one nearest to the writer.
                    let known = self.reshaped(node, scope.nodes[node].nearest(to), from, own, None)?;
                    if known != *own {
                        parts.before.insert(node, ("NULL".to_owned(), own.clone()));
                        parts.again.insert(node, is_new.clone());
                    }
                    format!("CASE WHEN {is_new} THEN {now} ELSE {known} END")
                }
                (_, _) => now,
            };
            touched.insert(node, condition);
            let deps = hidden.deps.iter().copied().chain(hidden.gate.iter().flat_map(Gate::deps));
            let level = deps.filter_map(|dep| levels.get(&dep)).max().map_or(0, |highest: &usize| highest + 1);
            levels.insert(node, level);
            new.insert(node, computed.name_at(level, sql));
        }
        let Some(root) = target.shape.entries.first() else { return Ok(value.to_owned()) };
        let undeclared = |node: NodeId| self.undeclared_in(node, &order, to, value, before);
        let shape = Shape { from, to, undeclared: &undeclared, before: &|_| None };
        parts.values = new;
        self.gather(&scope.tree(root.node, to), &parts, &shape)
    }

    /// What is not declared in an object of an element.
    fn undeclared_in(&self, node: NodeId, order: &Order, to: Time, value: &str, before: Option<(&str, &str)>) -> Option<String> {
        let scope = self.scope();
        let Type::Object(properties) = &scope.nodes[node].property(to).ty else { return None };
        if !properties.additional {
            return None;
        }
        let names = |node: NodeId, t: Time| -> Vec<String> {
            scope.children(Some(node), t).iter().map(|child| scope.nodes[*child].place(t).name.clone()).collect()
        };
        let here = names(node, to);
        let own = before.map(|(_, own)| json::without(&self.member_at(own, node, to), &here, self.dialect));
        let lineage = scope.nodes[node].lineage;
        let Some(source) = order.shown.iter().copied().find(|shown| scope.nodes[*shown].lineage == lineage) else { return own };
        let there = names(source, order.time);
        let all: Vec<String> = there.iter().chain(here.iter().filter(|name| !there.contains(name))).cloned().collect();
        let written = json::without(&self.member_at(value, source, order.time), &all, self.dialect);
        let (Some(own), Some((from, _))) = (own, before) else { return Some(written) };
        let seen = json::without(&self.member_at(from, source, order.time), &there, self.dialect);
        let unseen = json::without_those_of(&own, &seen, self.dialect);
        Some(json::merge(&unseen, &written, self.dialect))
    }

    /// What lies at a node's place in an element.
    fn member_at(&self, element: &str, node: NodeId, t: Time) -> String {
        let mut names = Vec::new();
        let mut at = Some(node);
        while let Some(node) = at {
            let place = self.scope().nodes[node].place(t);
            // The element itself has no name.
            names.extend(Some(place.name.as_str()).filter(|name| !name.is_empty()));
            at = place.parent;
        }
        names.iter().rev().fold(element.to_owned(), |object, name| json::member(&object, name, self.dialect))
    }

    const fn distinct(&self) -> &'static str {
        match self.dialect {
            Dialect::Postgres => "IS DISTINCT FROM",
            Dialect::Sqlite => "IS NOT",
        }
    }

    /// The nodes of an element's JSON value.
    fn taken(&self, value: &str, shape: &Names, cells: &mut BTreeMap<NodeId, String>) {
        for entry in &shape.entries {
            let name = entry.name.as_str();
            let own = if name.is_empty() { value.to_owned() } else { json::member(value, name, self.dialect) };
            match &entry.shape {
                Some(inner) => {
                    self.taken(&own, inner, cells);
                    let (object, empty) = (json::is_object(&own, self.dialect), json::empty(self.dialect));
                    cells.insert(entry.node, format!("CASE WHEN {object} THEN {empty} ELSE {own} END"));
                }
                None => {
                    cells.insert(entry.node, own);
                }
            }
        }
    }
}

/// What is in an element.
#[derive(Default)]
struct Parts {
    values: BTreeMap<NodeId, String>,
    /// Lists and maps as they were, in the writer's shape and in the wanted one.
    before: BTreeMap<NodeId, (String, String)>,
    /// When those that the writer does not see are computed anew.
    again: BTreeMap<NodeId, String>,
}

impl Values for Parts {
    fn value(&self, node: NodeId) -> String {
        self.values.get(&node).cloned().unwrap_or_else(|| "NULL".to_owned())
    }

    fn before(&self, node: NodeId, _to: Time) -> Option<(String, String)> {
        self.before.get(&node).cloned()
    }

    fn is_new(&self, node: NodeId) -> Option<String> {
        self.again.get(&node).cloned()
    }
}

/// The values of a map in PostgreSQL: as the items of a list, with the key as `k`.
fn entries(alias: &str, map: &str, before: Option<(&str, &str)>) -> String {
    let each = format!("pg_catalog.jsonb_each({map}) AS {alias}(k, v)");
    match before {
        None => format!("(SELECT {alias}.k, {alias}.v FROM {each}) AS {alias}"),
        Some((from, to)) => {
            format!("(SELECT {alias}.k, {alias}.v, ({from} -> {alias}.k) AS f, ({to} -> {alias}.k) AS t FROM {each}) AS {alias}")
        }
    }
}

/// The values of a map in SQLite: as the items of a list, with the key as `k`.
fn values(alias: &str, map: &str, before: Option<(&str, &str)>) -> String {
    let each = format!("{alias}e");
    let continued = before.map(|(old_from, old_to)| {
        let at_key = |object: &str| {
            let inner = format!("{alias}b");
            let value = value_of(object, &inner);
            format!("(SELECT {value} FROM json_each({object}) AS {inner} WHERE {inner}.key = {each}.key)")
        };
        format!(", {} AS f, {} AS t", at_key(old_from), at_key(old_to))
    });
    format!(
        "(SELECT {each}.key AS k, {} AS v{} FROM json_each({map}) AS {each} ORDER BY {each}.id LIMIT -1 OFFSET 0) AS {alias}",
        value_of(map, &each),
        continued.unwrap_or_default()
    )
}

/// The nodes that others need, with all that they follow from.
fn wanted(order: &Order, nodes: &[NodeId]) -> std::collections::BTreeSet<NodeId> {
    let mut open = nodes.to_vec();
    let mut wanted = std::collections::BTreeSet::new();
    while let Some(node) = open.pop() {
        if !wanted.insert(node) {
            continue;
        }
        if let Some(at) = order.index[node] {
            let hidden = &order.hidden[at];
            open.extend(hidden.deps.iter().copied().chain(hidden.gate.iter().flat_map(Gate::deps)));
        }
    }
    wanted
}
