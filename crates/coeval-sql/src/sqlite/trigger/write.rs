//! What the triggers for inserts and updates do, one statement after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use coeval_core::history::{Gate, Hidden, NodeId};

use super::{Row, Writer};
use crate::compute::json;
use crate::dialect::Dialect;
use crate::literal::Unfit;
use crate::name::ident;

impl Writer<'_, '_> {
    /// R1: what a birth at the version computes.
    pub(super) fn insert(&mut self) -> Result<String, Unfit> {
        let (scratch, side) = (self.scratch(), self.side());
        let mut given = Vec::new();
        for (name, at) in &self.view.entries {
            given.push(self.given(name, *at, true)?);
        }
        let shown = self.column_list(self.view.entries.iter().map(|(_, at)| *at));
        let mut out = format!("  DELETE FROM {scratch};\n");
        let _ = writeln!(out, "  INSERT INTO {scratch} ({side}, {shown}) VALUES (1, {});", given.join(", "));
        out.push_str(&self.refusals(true));
        out.push_str(&self.take());
        let order = std::sync::Arc::clone(&self.order);
        for at in self.computed() {
            let hidden = &order.hidden[at];
            let slot = self.slot(hidden.node);
            match self.calc(hidden) {
                Ok(computed) => {
                    out.push_str(&self.refuse_failed(hidden, &computed, None));
                    if let (Some(column), Some(failed)) = (self.failed_column(hidden.node), computed.failed) {
                        out.push_str(&self.set(true, &column, &failed, None));
                    }
                    out.push_str(&self.set(true, &slot, &computed.sql, None));
                }
                Err(local) => out.push_str(&self.cannot(hidden.node, local, None)),
            }
        }
        let (refused, columns, values) = self.written()?;
        out.push_str(&refused);
        let _ = write!(
            out,
            "  INSERT INTO {} ({columns}) SELECT {} FROM {};\n  DELETE FROM {scratch};\n",
            self.names.table(),
            values,
            self.rows()
        );
        Ok(out)
    }

    /// R2: what a write at the version recomputes.
    pub(super) fn update(&mut self) -> Result<String, Unfit> {
        self.is_update = true;
        let (scratch, side, key) = (self.scratch(), self.side(), self.key());
        let table = self.names.table();
        let all = self.column_list(self.present.iter().copied());
        let new: Vec<String> = self
            .present
            .iter()
            .map(|at| {
                let name = self.view.entries.iter().find(|(_, column)| column == at).map(|(name, _)| name);
                // Without a default there is nothing that could not be written.
                let given = name.and_then(|name| self.given(name, *at, false).ok());
                given.unwrap_or_else(|| ident(&self.table().columns[*at].name))
            })
            .collect();
        let mut out = format!("  DELETE FROM {scratch};\n");
        let _ = writeln!(out, "  INSERT INTO {scratch} ({side}, {all}) SELECT 0, {all} FROM {table} WHERE {key};");
        let _ = writeln!(out, "  INSERT INTO {scratch} ({side}, {all}) SELECT 1, {} FROM {table} WHERE {key};", new.join(", "));
        out.push_str(&self.refusals(false));
        out.push_str(&self.take());
        let order = std::sync::Arc::clone(&self.order);
        let mut flags = Vec::new();
        let shown: Vec<NodeId> = self.wanted.iter().copied().filter(|node| order.index[*node].is_none()).collect();
        for node in shown {
            let flag = self.extra('d', node);
            flags.push((ident(&flag), different(&self.value(node, Row::New), &self.value(node, Row::Old))));
            let flag = self.at(Row::Own, &flag);
            self.dirty.insert(node, BTreeSet::from([flag]));
        }
        out.push_str(&self.compare(&flags));
        let sources = self.sources();
        // What no column holds is computed anew as it was, before it is computed as it will be; where that changes nothing it is left
        // alone, since it need not be one of those that the database can compute.
        for at in self.computed() {
            let hidden = &order.hidden[at];
            if self.home(hidden.node).is_some() {
                continue;
            }
            match self.calc(hidden) {
                Ok(computed) => {
                    let slot = self.slot(hidden.node);
                    let read = sources.get(&hidden.node).into_iter().flatten();
                    let touched: BTreeSet<String> = read.filter_map(|node| self.dirty.get(node)).flatten().cloned().collect();
                    if touched.is_empty() {
                        continue;
                    }
                    let touched = self.where_new(&touched.into_iter().collect::<Vec<_>>().join(" OR "));
                    out.push_str(&self.set(false, &slot, &computed.sql, Some(&touched)));
                    let old = self.value(hidden.node, Row::Old);
                    out.push_str(&self.compare(&[(slot, old)]));
                }
                Err(local) => drop(self.blind.insert(hidden.node, local)),
            }
        }
        for at in self.computed() {
            out.push_str(&self.recompute(&order.hidden[at]));
        }
        let (refused, columns, values) = self.written()?;
        out.push_str(&refused);
        let _ = write!(
            out,
            "  UPDATE {table} SET ({columns}) = (SELECT {} FROM {}) WHERE {key};\n  DELETE FROM {scratch};\n",
            values,
            self.rows()
        );
        let named = self.table().key().into_iter().filter_map(|at| self.view.entries.iter().find(|(_, column)| *column == at));
        let moved: Vec<String> =
            named.map(|(name, _)| different(&format!("OLD.{}", ident(name)), &format!("NEW.{}", ident(name)))).collect();
        if !moved.is_empty() {
            out.push_str(&self.forget(Some(&moved.join(" OR "))));
        }
        Ok(out)
    }

    /// For each hidden node, the nodes that the version shows and that it is computed from, or anything that is computed from it.
    fn sources(&self) -> BTreeMap<NodeId, BTreeSet<NodeId>> {
        let computed = self.computed();
        let deps = |at: usize| {
            let hidden = &self.order.hidden[at];
            hidden.deps.iter().copied().chain(hidden.gate.iter().flat_map(Gate::deps))
        };
        let mut read: BTreeMap<NodeId, BTreeSet<NodeId>> = BTreeMap::new();
        for at in &computed {
            let mut own = BTreeSet::new();
            for dep in deps(*at) {
                match (self.order.index[dep], read.get(&dep)) {
                    (None, _) => drop(own.insert(dep)),
                    (Some(_), known) => own.extend(known.into_iter().flatten()),
                }
            }
            read.insert(self.order.hidden[*at].node, own);
        }
        for at in computed.iter().rev() {
            let own = read.get(&self.order.hidden[*at].node).cloned().unwrap_or_default();
            for dep in deps(*at) {
                if let Some(known) = read.get_mut(&dep) {
                    known.extend(&own);
                }
            }
        }
        read
    }

    /// What refuses the write, the columns that it sets, and what they become: those that the version shows, then all others.
    fn written(&mut self) -> Result<(String, String, String), Unfit> {
        let own = self.view.entries.iter().map(|(_, at)| (*at, format!("n.{}", ident(&self.table().columns[*at].name))));
        let own: Vec<(usize, String)> = own.collect();
        let (before, puts) = self.puts();
        let all: Vec<(usize, String)> = own.into_iter().chain(puts).collect();
        let refused = before + &self.guard(&all)?;
        let columns = self.column_list(all.iter().map(|(at, _)| *at));
        let values: Vec<String> = all.into_iter().map(|(_, value)| value).collect();
        Ok((refused, columns, values.join(", ")))
    }

    /// Recomputes a hidden node where the write touches it.
    fn recompute(&mut self, hidden: &Hidden) -> String {
        let node = hidden.node;
        let deps = hidden.deps.iter().copied().chain(hidden.gate.iter().flat_map(Gate::deps));
        let touched: BTreeSet<String> = deps.filter_map(|dep| self.dirty.get(&dep)).flatten().cloned().collect();
        let edge = hidden.gate.as_ref().and_then(|gate| gate.anchor);
        if touched.is_empty() && (!hidden.sticky || edge.is_none()) {
            return String::new();
        }
        let condition =
            if touched.is_empty() { "0".to_owned() } else { touched.iter().cloned().collect::<Vec<_>>().join(" OR ") };
        let slot = self.slot(node);
        let known = self.blind.get(&node).map_or(Ok(()), |local| Err(local.clone()));
        let mut computed = match known.and_then(|()| self.calc(hidden)) {
            Ok(computed) => computed,
            Err(local) => {
                self.dirty.insert(node, touched);
                return self.cannot(node, local, Some(&condition));
            }
        };
        // What cannot fail now may have failed when another version wrote.
        computed.failed = computed.failed.or_else(|| self.failed_column(node).map(|_| "0".to_owned()));
        let mut out = String::new();
        if !hidden.sticky {
            out.push_str(&self.refuse_failed(hidden, &computed, Some(&condition)));
            let failed = self.failed_column(node).zip(computed.failed);
            if let Some((column, failed)) = failed {
                out.push_str(&self.set(true, &column, &failed, Some(&condition)));
            }
            out.push_str(&self.set(true, &slot, &computed.sql, Some(&condition)));
            self.dirty.insert(node, touched);
            return out;
        }
        // A value of its own goes only with the object that it lies in; one that follows goes on following.
        let (follows, pinned, gone, flag) =
            (self.extra('f', node), self.extra('p', node), self.extra('g', node), self.extra('d', node));
        // Where nothing is touched it does not matter what would follow.
        let touched = Some(self.where_new(&condition)).filter(|_| condition != "0");
        out.push_str(&self.set(false, &ident(&follows), &computed.sql, touched.as_deref()));
        let is = |row: Row, edge: NodeId| json::is_object(&self.value(edge, row), Dialect::Sqlite);
        let deleted =
            edge.map_or_else(|| "0".to_owned(), |edge| format!("{} AND NOT {}", is(Row::Old, edge), is(Row::New, edge)));
        let own = different(&self.value(node, Row::Old), &self.at(Row::Old, &follows));
        out.push_str(&self.compare(&[(ident(&pinned), own), (ident(&gone), deleted)]));
        let [pinned, gone] = [pinned, gone].map(|name| self.at(Row::Own, &name));
        let goes = format!("{pinned} AND {gone}");
        let moves = format!("NOT {pinned} AND ({condition})");
        out.push_str(&self.refuse_failed(hidden, &computed, Some(&moves)));
        let failed = self.failed_column(node).zip(computed.failed);
        out.push_str(&self.set(true, &slot, "NULL", Some(&goes)));
        if let Some((column, failed)) = failed {
            out.push_str(&self.set(true, &column, &failed, Some(&moves)));
        }
        out.push_str(&self.set(true, &slot, &computed.sql, Some(&moves)));
        out.push_str(&self.set(true, &ident(&flag), &format!("({goes}) OR ({moves})"), None));
        let flag = self.at(Row::Own, &flag);
        self.dirty.insert(node, BTreeSet::from([flag]));
        out
    }
}

/// Whether two values are not the same, whatever the collation of a column that was there before holds for equal.
fn different(one: &str, other: &str) -> String {
    format!("{one} COLLATE BINARY IS NOT {other}")
}
