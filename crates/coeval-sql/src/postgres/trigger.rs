//! BEFORE triggers on the base table, written in PL/pgSQL.
//!
//! A row that is inserted through a version's view carries the version's number, where it matters. A row that is updated shows
//! by its changed columns which version wrote it; where several sides of a cluster were changed by one statement, the newest
//! wins.

mod dirty;
mod refuse;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use coeval_core::history::{Gate, Hidden, NodeId, Order, Time};
use coeval_plan::table::{Cluster, Held, MARKER, Spot, Table, View};

use dirty::{Dirty, Truth};
pub(crate) use refuse::HINT;
pub use refuse::LOCAL;

use super::Names;
use super::fill::called;
use super::make::everybodys;
use crate::compute::stored::{self, Writer};
use crate::compute::{Compute, Given, Partial, Values, json};
use crate::dialect::Dialect;
use crate::expr::Local;
use crate::group::{Group, groups, is_shown_of};
use crate::name::ident;
use crate::types::{KeyType, column_type};

/// The triggers of a table, and the functions that they call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Triggers {
    /// Functions that the others call, complete statements.
    pub helpers: Vec<String>,
    /// The function for inserts, a complete statement.
    pub insert: String,
    /// The function for updates, a complete statement.
    pub update: String,
    /// The columns whose update has to be looked at, quoted.
    pub watched: Vec<String>,
    /// How many values a write computes at most, over all clusters.
    pub assignments: usize,
    /// What the database cannot compute: the properties, each with the reason. A write that would need it is refused with the code
    /// 0A000 and [`LOCAL`], unless whoever writes has computed everything: on the base table, with a negative marker.
    pub local: Vec<(String, String)>,
    /// The properties that it can compute for some values only; a write of others is refused in the same way.
    pub partly: Vec<String>,
}

/// Renders the triggers of a table for the versions that are live; `None` where views need none. `watched` are the versions that
/// clients write at already: a backfill sets columns that only others show, and does not fire the trigger.
///
/// # Errors
/// A computation that the database cannot do.
pub fn triggers(
    table: &Table<'_>,
    live: &[u32],
    watched: &[u32],
    names: &Names,
    keys: KeyType<'_>,
) -> Result<Option<Triggers>, Local> {
    let compute = Compute::new(table, Dialect::Postgres, names, keys).partly();
    let (mut frame, mut insert, mut update) = (Frame::default(), String::new(), String::new());
    let mut columns = BTreeSet::new();
    let mut assignments = 0;
    // A row without the marker comes from any of the versions before the first that has one. They differ only in what they hide
    // behind constants, which are the columns' defaults: the newest of them knows all that was written.
    let unmarked = table.views.iter().filter(|view| live.contains(&view.version) && !view.marked).map(|view| view.version).max();
    let telling: Vec<u32> = live.iter().copied().filter(|version| unmarked.is_none_or(|newest| *version >= newest)).collect();
    for cluster in &table.clusters {
        let groups = groups(table, cluster, live);
        if groups.len() < 2 {
            continue;
        }
        // What a version showed before a newer one came is written until that one is there for clients.
        let written = table.views.iter().filter(|view| watched.contains(&view.version)).flat_map(View::columns);
        columns.extend(written.filter(|column| is_shown_of(table, cluster, *column) && !table.is_gone(*column)));
        assignments += cluster.nodes.len();
        let part = Part { compute, cluster };
        insert.push_str(&part.insert(&crate::group::groups(table, cluster, &telling), &mut frame));
        update.push_str(&part.update(&groups, &mut frame));
    }
    if insert.is_empty() {
        return Ok(None);
    }
    let declare: String = frame.variables.iter().fold(String::new(), |mut text, (name, ty)| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name} {ty};");
        text
    });
    let clear = format!("  NEW.{} := NULL;\n", ident(MARKER));
    // What the engine has computed, all of it, is not computed here. Only the base table has the marker: no client of a view can set it.
    let patched = || table.views.iter().any(|view| live.contains(&view.version) && table.shows_elements(view));
    let given = if frame.local.is_empty() && frame.partly.is_empty() && !patched() {
        String::new()
    } else {
        format!("  IF NEW.{} < 0 THEN\n  {clear}    RETURN NEW;\n  END IF;\n", ident(MARKER))
    };
    let function = |name: &str, body: &str, end: &str| {
        format!(
            "CREATE OR REPLACE FUNCTION {name}() RETURNS trigger {}",
            crate::name::plpgsql(&format!("\nDECLARE\n{declare}BEGIN\n{given}{body}{end}  RETURN NEW;\nEND\n"))
        )
    };
    Ok(Some(Triggers {
        // Those that a computation of versions to come would call are not made.
        helpers: everybodys(called(compute.helping()?, &[&insert, &update])),
        insert: function(&names.insert(), &insert, &clear),
        update: function(&names.update(), &update, ""),
        watched: columns.iter().map(|column| ident(&table.columns[*column].name)).collect(),
        assignments,
        local: frame.local.into_iter().collect(),
        partly: frame.partly.into_iter().collect(),
    }))
}

/// What the functions have beside the row.
#[derive(Debug, Default)]
struct Frame {
    /// The variables, with their types.
    variables: BTreeMap<String, String>,
    /// What they refuse to compute: the names of the properties, each with the reason.
    local: BTreeMap<String, String>,
    /// The names of the properties that they may refuse to compute.
    partly: BTreeSet<String>,
}

/// The code of one cluster.
#[derive(Clone, Copy)]
struct Part<'c, 'h> {
    compute: Compute<'c, 'h>,
    cluster: &'c Cluster,
}

/// The values of the row as it was.
struct Before<'c, 'h>(&'c Part<'c, 'h>, &'c View);

impl Values for Before<'_, '_> {
    fn value(&self, node: NodeId) -> String {
        // What cannot be read so is found when the new values are put together.
        self.0.read(node, self.1, "OLD").unwrap_or_else(|_| format!("n{node}"))
    }

    fn shaped(&self, node: NodeId, to: Time) -> Option<String> {
        self.0.compute.in_shape(node, to, "OLD")
    }
}

/// The values that a write at a version leaves, which are columns of the row or variables.
struct After<'c, 'h>(&'c Part<'c, 'h>, &'c View, &'c Dirty);

impl Values for After<'_, '_> {
    fn value(&self, node: NodeId) -> String {
        self.0.slot(node)
    }

    fn before(&self, node: NodeId, to: Time) -> Option<(String, String)> {
        let shaped = self.0.compute.in_shape(node, to, "OLD")?;
        Some((self.0.read(node, self.1, "OLD").ok()?, shaped))
    }

    fn is_new(&self, node: NodeId) -> Option<String> {
        self.0.table().order(self.1).index[node]?;
        Some(format!("({})", self.2.any(std::iter::once(node)).sql()))
    }
}

impl Part<'_, '_> {
    fn table(&self) -> &Table<'_> {
        self.compute.table
    }

    fn column(&self, column: usize, row: &str) -> String {
        stored::column(self.table(), column, row)
    }

    /// A node's value in a row. A link of a chain is computed anew from what is beside it, and in a variable by then.
    fn read(&self, node: NodeId, view: &View, row: &str) -> Result<String, Local> {
        Ok(self.compute.of_row(node, view, row)?.unwrap_or_else(|| format!("n{node}")))
    }

    /// Where a node's new value is.
    fn slot(&self, node: NodeId) -> String {
        match self.compute.direct(node) {
            Some(column) => self.column(column, "NEW"),
            None => format!("n{node}"),
        }
    }

    fn declare(&self, node: NodeId, frame: &mut Frame) {
        if self.compute.direct(node).is_some() {
            return;
        }
        let ty = if self.compute.is_json(node) {
            "pg_catalog.jsonb".to_owned()
        } else {
            let node = &self.table().scope().nodes[node];
            column_type(&node.property(node.born).ty, self.compute.keys, Dialect::Postgres)
        };
        frame.variables.insert(format!("n{node}"), ty);
    }

    /// New values: columns of the row, or variables.
    fn values(&self) -> Given {
        Given(self.cluster.nodes.iter().map(|node| (*node, self.slot(*node))).collect())
    }

    /// Puts what the version wrote into variables.
    fn take(&self, group: &Group<'_>, frame: &mut Frame) -> String {
        let mut out = String::new();
        for node in group.shown.iter().filter(|node| self.compute.direct(**node).is_none()) {
            let Some(spot) = self.table().spot(group.view, *node) else { continue };
            self.declare(*node, frame);
            let _ = writeln!(out, "    n{node} := {};", self.compute.stored(*node, spot.column, &spot.path, "NEW"));
        }
        out
    }

    /// Where a hidden node lies as it is in a new row without a marker. Such rows come from several versions: a column is as one of them
    /// wrote it, or as it begins.
    fn begun(&self, group: &Group<'_>, node: NodeId) -> Option<&Spot> {
        let begins = |spot: &&Spot| !self.table().is_gone(spot.column) && self.table().columns[spot.column].constant.is_some();
        self.table().homes(node).iter().filter(|_| !group.view.marked).find(begins)
    }

    /// Puts the values of nodes into the columns that the version does not show. Of the nodes in `blind` the values are not known.
    fn put(
        &self,
        group: &Group<'_>,
        failed: &BTreeMap<NodeId, String>,
        dirty: Option<&Dirty>,
        blind: &BTreeMap<NodeId, Local>,
        frame: &mut Frame,
    ) -> String {
        let mut out = String::new();
        let given = self.values();
        let after = dirty.map(|dirty| After(self, group.view, dirty));
        let values: &dyn Values = after.as_ref().map_or(&given, |after| after);
        for (at, column) in self.table().columns.iter().enumerate().filter(|(at, _)| !self.table().is_gone(*at)) {
            let target = self.column(at, "NEW");
            let value = match column.held {
                Held::Shown { node, .. } | Held::Hidden { node, .. } => {
                    let begun = dirty.is_none() && self.begun(group, node).is_some_and(|spot| spot.column == at);
                    let given = begun || group.columns.contains(&at) || self.compute.direct(node) == Some(at);
                    if given || !self.cluster.nodes.contains(&node) {
                        continue;
                    }
                    let writer = Writer { view: group.view, new: "NEW", old: dirty.map(|_| "OLD"), kept: None };
                    let nodes = self.table().nodes_in(at);
                    let unknown = nodes.iter().find_map(|node| blind.get(node));
                    match unknown.map_or_else(|| self.compute.kept(at, values, &writer), |local| Err(local.clone())) {
                        Ok(value) => value,
                        Err(local) => {
                            let when = dirty.map_or(Truth::Always, |dirty| dirty.any(nodes.into_iter()));
                            out.push_str(&self.cannot(node, &local, &when, frame));
                            None
                        }
                    }
                }
                Held::Failed { node } => failed.get(&node).cloned(),
                // Of elements the database computes only those that are always there.
                Held::Unfit { node, time } if self.cluster.nodes.contains(&node) => self.compute.misfit(node, time, values),
                Held::Unfit { .. } | Held::Id => None,
            };
            if let Some(value) = value.filter(|value| *value != target) {
                if let Held::Shown { node, .. } | Held::Hidden { node, .. } = column.held {
                    self.note(node, &value, frame);
                }
                let _ = writeln!(out, "    {target} := {value};");
            }
        }
        out
    }

    /// The hidden nodes of the cluster, in order.
    fn hidden(&self, group: &Group<'_>) -> (Arc<Order>, Vec<usize>) {
        let order = self.table().order(group.view);
        let homed = |node: &NodeId| !self.table().homes(*node).is_empty();
        // What only versions to come have need of is not computed: it could fail.
        let mut needed: BTreeSet<NodeId> = BTreeSet::new();
        for hidden in order.hidden.iter().rev().filter(|hidden| self.cluster.nodes.contains(&hidden.node)) {
            if homed(&hidden.node) || needed.contains(&hidden.node) {
                needed.insert(hidden.node);
                needed.extend(hidden.deps.iter().copied().chain(hidden.gate.iter().flat_map(Gate::deps)));
            }
        }
        let at = (0..order.hidden.len()).filter(|at| needed.contains(&order.hidden[*at].node)).collect();
        (order, at)
    }

    /// R1: what a birth at the groups' versions computes. The marker is searched by halves.
    fn insert(&self, groups: &[Group<'_>], frame: &mut Frame) -> String {
        match groups {
            [] => String::new(),
            [group] => {
                let mut out = self.require(group) + &self.take(group, frame);
                let (order, hidden) = self.hidden(group);
                let values = self.values();
                let mut failed = BTreeMap::new();
                for at in hidden {
                    let node = order.hidden[at].node;
                    self.declare(node, frame);
                    if let Some(spot) = self.begun(group, node) {
                        if self.compute.direct(node).is_none() {
                            let stored = self.compute.stored(node, spot.column, &spot.path, "NEW");
                            let _ = writeln!(out, "    {} := {stored};", self.slot(node));
                        }
                        continue;
                    }
                    let known = |node: NodeId| failed.get(&node).cloned();
                    let computed =
                        match self.compute.calc(&order, &order.hidden[at], &Partial { values: &values, failed: &known }) {
                            Ok(computed) => computed,
                            Err(local) => return self.cannot(node, &local, &Truth::Always, frame),
                        };
                    self.note(node, &computed.sql, frame);
                    if let Some(now) = computed.failed {
                        failed.insert(node, self.tell(node, &now, frame, &mut out));
                    }
                    let _ = writeln!(out, "    {} := {};", self.slot(node), computed.sql);
                }
                out.push_str(&self.put(group, &failed, None, &BTreeMap::new(), frame));
                out
            }
            groups => {
                let (older, newer) = groups.split_at(groups.len() / 2);
                let version = newer[0].view.version;
                let newer = self.insert(newer, frame);
                let older = self.insert(older, frame);
                format!("  IF NEW.{} >= {version} THEN\n{newer}  ELSE\n{older}  END IF;\n", ident(MARKER))
            }
        }
    }

    /// Whether one of the columns was changed.
    fn changed(&self, columns: &[usize]) -> String {
        let changed = |column: &usize| {
            let [new, old] = ["NEW", "OLD"].map(|row| {
                let value = self.column(*column, row);
                match self.table().columns[*column].held {
                    Held::Shown { node, .. } => self.compute.exact(node, value),
                    Held::Hidden { .. } | Held::Failed { .. } | Held::Unfit { .. } | Held::Id => value,
                }
            });
            format!("{new} IS DISTINCT FROM {old}")
        };
        let changed: Vec<String> = columns.iter().map(changed).collect();
        if changed.is_empty() { "FALSE".to_owned() } else { changed.join(" OR ") }
    }

    fn update(&self, groups: &[Group<'_>], frame: &mut Frame) -> String {
        let groups: Vec<&Group<'_>> = groups.iter().rev().filter(|group| !group.columns.is_empty()).collect();
        let shares = |a: &Group<'_>, b: &Group<'_>| a.columns.iter().any(|column| b.columns.contains(column));
        let overlap = groups.iter().enumerate().any(|(at, a)| groups[..at].iter().any(|b| shares(a, b)));
        let all: BTreeSet<usize> = groups.iter().flat_map(|group| group.columns.iter().copied()).collect();
        let mut branches = Vec::new();
        if overlap {
            // Of two versions that share a column, it is the one that shows all that was changed.
            for group in &groups {
                let others: Vec<usize> = all.iter().copied().filter(|column| !group.columns.contains(column)).collect();
                let condition = format!("({}) AND NOT ({})", self.changed(&group.columns), self.changed(&others));
                branches.push((condition, self.rewrite(group, frame)));
            }
        }
        for group in &groups {
            branches.push((self.changed(&group.columns), self.rewrite(group, frame)));
        }
        let mut out = String::new();
        for (at, (condition, body)) in branches.iter().enumerate() {
            let _ = write!(out, "  {} ({condition}) THEN\n{body}", if at == 0 { "IF" } else { "ELSIF" });
        }
        if !out.is_empty() {
            out.push_str("  END IF;\n");
        }
        out
    }

    /// R2: what a write at the group's versions recomputes.
    fn rewrite(&self, group: &Group<'_>, frame: &mut Frame) -> String {
        let mut out = self.require(group) + &self.take(group, frame);
        let (order, hidden) = self.hidden(group);
        let mut dirty = Dirty::new(self, group, frame, &mut out);
        let mut blind = BTreeMap::new();
        for at in &hidden {
            let node = order.hidden[*at].node;
            self.declare(node, frame);
            if self.compute.direct(node).is_none() && !self.table().homes(node).is_empty() {
                match self.read(node, group.view, "OLD") {
                    Ok(old) => drop(writeln!(out, "    n{node} := {old};")),
                    Err(local) => drop(blind.insert(node, local)),
                }
            }
        }
        let mut failed = BTreeMap::new();
        for at in hidden {
            let hidden = &order.hidden[at];
            let unknown = hidden.deps.iter().copied().chain(hidden.gate.iter().flat_map(Gate::deps));
            let unknown = std::iter::once(hidden.node).chain(unknown).find_map(|node| blind.get(&node).cloned());
            let done = match unknown {
                Some(local) => Err(local),
                None => self.recompute(group, hidden, &mut dirty, frame, &mut out, &mut failed),
            };
            if let Err(local) = done {
                let touched = dirty.by(hidden);
                out.push_str(&self.cannot(hidden.node, &local, &touched, frame));
                dirty.0.insert(hidden.node, touched);
                if self.table().homes(hidden.node).is_empty() {
                    blind.insert(hidden.node, local);
                }
            }
        }
        let put = self.put(group, &failed, Some(&dirty), &blind, frame);
        out.push_str(&put);
        if out.is_empty() {
            out.push_str("    NULL;\n");
        }
        out
    }

    fn recompute(
        &self,
        group: &Group<'_>,
        hidden: &Hidden,
        dirty: &mut Dirty,
        frame: &mut Frame,
        out: &mut String,
        failed: &mut BTreeMap<NodeId, String>,
    ) -> Result<(), Local> {
        let node = hidden.node;
        let slot = self.slot(node);
        let order = &self.table().order(group.view);
        let values = After(self, group.view, dirty);
        let touched = dirty.by(hidden);
        let is_hidden = |node: NodeId| order.index[node].is_some();
        let now = |node: NodeId| match failed.get(&node) {
            Some(failed) => Some(format!("coalesce({failed}, FALSE)")),
            None => self.failed_column(node).filter(|_| is_hidden(node)).map(|at| format!("{} IS TRUE", self.column(at, "NEW"))),
        };
        let mut computed = self.compute.calc(order, hidden, &Partial { values: &values, failed: &now })?;
        // What cannot fail now may have failed when another version wrote.
        computed.failed = computed.failed.or_else(|| self.failed_column(node).map(|_| "FALSE".to_owned()));
        self.note(node, &computed.sql, frame);
        if !hidden.sticky {
            match &touched {
                Truth::Never => {}
                Truth::Always => {
                    if let Some(now) = computed.failed {
                        failed.insert(node, self.tell(node, &now, frame, out));
                    }
                    let _ = writeln!(out, "    {slot} := {};", computed.sql);
                }
                Truth::When(condition) => {
                    if let Some(now) = computed.failed {
                        let now = format!("CASE WHEN {condition} THEN {now} ELSE {} END", self.failed_before(node));
                        failed.insert(node, self.tell(node, &now, frame, out));
                    }
                    let _ = writeln!(out, "    IF ({condition}) THEN {slot} := {}; END IF;", computed.sql);
                }
            }
            dirty.0.insert(node, touched);
            return Ok(());
        }
        // A value of its own goes only with the object that it lies in; one that follows goes on following.
        let old = Before(self, group.view);
        let was = |node: NodeId| {
            self.failed_column(node).filter(|_| is_hidden(node)).map(|at| format!("{} IS TRUE", self.column(at, "OLD")))
        };
        let before = self.compute.calc(order, hidden, &Partial { values: &old, failed: &was })?;
        let flag = format!("d{node}");
        frame.variables.insert(flag.clone(), "pg_catalog.bool".to_owned());
        let deleted = hidden.gate.as_ref().and_then(|gate| gate.anchor).map(|edge| {
            let is = |values: &dyn Values| json::is_object(&values.value(edge), Dialect::Postgres);
            format!("{} AND NOT {}", is(&old), is(&values))
        });
        // In one line: the parser counts lines from the beginning for each condition that begins in another line than it ends in.
        let gone = deleted
            .map_or_else(|| "NULL;".to_owned(), |deleted| format!("IF ({deleted}) THEN {slot} := NULL; {flag} := TRUE; END IF;"));
        let (touched, now) = (touched.sql(), computed.sql);
        let _ = writeln!(
            out,
            "    {flag} := FALSE;\n    IF ({}) IS DISTINCT FROM ({}) THEN {gone} ELSIF ({touched}) THEN {slot} := {now}; {flag} := TRUE; END IF;",
            self.compute.own(node, old.value(node)),
            before.sql
        );
        if let Some(now) = computed.failed {
            let now = format!("CASE WHEN {flag} THEN {now} ELSE {} END", self.failed_before(node));
            failed.insert(node, self.tell(node, &now, frame, out));
        }
        dirty.0.insert(node, Truth::When(flag));
        Ok(())
    }
}
