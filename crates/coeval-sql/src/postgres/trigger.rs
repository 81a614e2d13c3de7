//! BEFORE triggers on the base table, written in PL/pgSQL.
//!
//! A row that is inserted through a version's view carries the version's number, where it matters. A row that is updated shows
//! by its changed columns which version wrote it; where several sides of a cluster were changed by one statement, the newest
//! wins.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use coeval_core::history::{Gate, Hidden, History, NodeId, Order, Time};
use coeval_plan::table::{Cluster, Held, MARKER, Table, View};

use super::Names;
use super::fill::called;
use crate::compute::stored::{self, Writer};
use crate::compute::{Compute, Given, Values, json};
use crate::dialect::Dialect;
use crate::expr::Local;
use crate::group::{Group, groups};
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
    let compute = Compute::new(table, Dialect::Postgres, names, keys);
    let (mut variables, mut insert, mut update) = (Variables::new(), String::new(), String::new());
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
        let is_watched = |column: &usize| {
            let views = table.views.iter().filter(|view| watched.contains(&view.version));
            views.flat_map(|view| &view.entries).any(|(_, shown)| shown == column)
        };
        columns.extend(groups.iter().flat_map(|group| group.columns.iter().copied()).filter(is_watched));
        assignments += cluster.nodes.len();
        let part = Part { compute, cluster };
        insert.push_str(&part.insert(&crate::group::groups(table, cluster, &telling), &mut variables)?);
        update.push_str(&part.update(&groups, &mut variables)?);
    }
    if insert.is_empty() {
        return Ok(None);
    }
    let declare: String = variables.iter().fold(String::new(), |mut text, (name, ty)| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name} {ty};");
        text
    });
    let function = |name: &str, body: &str, end: &str| {
        format!(
            "CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS {}",
            crate::name::body(&format!("\nDECLARE\n{declare}BEGIN\n{body}{end}  RETURN NEW;\nEND\n"))
        )
    };
    let clear = format!("  NEW.{} := NULL;\n", ident(MARKER));
    Ok(Some(Triggers {
        // Those that a computation of versions to come would call are not made.
        helpers: called(compute.helping()?, &[&insert, &update]),
        insert: function(&names.insert(), &insert, &clear),
        update: function(&names.update(), &update, ""),
        watched: columns.iter().map(|column| ident(&table.columns[*column].name)).collect(),
        assignments,
    }))
}

/// The variables of a function, with their types.
type Variables = BTreeMap<String, String>;

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

    fn declare(&self, node: NodeId, variables: &mut Variables) {
        if self.compute.direct(node).is_some() {
            return;
        }
        let ty = if self.compute.is_json(node) {
            "pg_catalog.jsonb".to_owned()
        } else {
            let node = &self.table().scope().nodes[node];
            column_type(&node.property(node.born).ty, self.compute.keys, Dialect::Postgres)
        };
        variables.insert(format!("n{node}"), ty);
    }

    /// New values: columns of the row, or variables.
    fn values(&self) -> Given {
        Given(self.cluster.nodes.iter().map(|node| (*node, self.slot(*node))).collect())
    }

    /// Puts what the version wrote into variables.
    fn take(&self, group: &Group<'_>, variables: &mut Variables) -> String {
        let mut out = String::new();
        for node in group.shown.iter().filter(|node| self.compute.direct(**node).is_none()) {
            let Some(spot) = self.table().spot(group.view, *node) else { continue };
            self.declare(*node, variables);
            let _ = writeln!(out, "    n{node} := {};", self.compute.stored(*node, spot.column, &spot.path, "NEW"));
        }
        out
    }

    /// Puts the values of nodes into the columns that the version does not show.
    fn put(&self, group: &Group<'_>, failed: &BTreeMap<NodeId, String>, dirty: Option<&Dirty>) -> Result<String, Local> {
        let mut out = String::new();
        let given = self.values();
        let after = dirty.map(|dirty| After(self, group.view, dirty));
        let values: &dyn Values = after.as_ref().map_or(&given, |after| after);
        for (at, column) in self.table().columns.iter().enumerate().filter(|(at, _)| !self.table().is_gone(*at)) {
            let target = self.column(at, "NEW");
            let value = match column.held {
                Held::Shown { node, .. } | Held::Hidden { node } => {
                    if !self.cluster.nodes.contains(&node) || group.columns.contains(&at) || self.compute.direct(node) == Some(at)
                    {
                        continue;
                    }
                    let writer = Writer { view: group.view, new: "NEW", old: dirty.map(|_| "OLD") };
                    self.compute.kept(at, values, &writer)?
                }
                Held::Failed { node } => failed.get(&node).cloned(),
                Held::Id => None,
            };
            if let Some(value) = value.filter(|value| *value != target) {
                let _ = writeln!(out, "    {target} := {value};");
            }
        }
        Ok(out)
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
    fn insert(&self, groups: &[Group<'_>], variables: &mut Variables) -> Result<String, Local> {
        match groups {
            [] => Ok(String::new()),
            [group] => {
                let mut out = self.take(group, variables);
                let (order, hidden) = self.hidden(group);
                let values = self.values();
                let mut failed = BTreeMap::new();
                for at in hidden {
                    let node = order.hidden[at].node;
                    self.declare(node, variables);
                    // Rows without a marker come from several versions: a column is as one of them wrote it, or as it begins.
                    let column = self.compute.direct(node).map(|at| &self.table().columns[at]);
                    if !group.view.marked && column.is_some_and(|column| column.constant.is_some()) {
                        continue;
                    }
                    let computed = self.compute.calc(&order, &order.hidden[at], &values)?;
                    let _ = writeln!(out, "    {} := {};", self.slot(node), computed.sql);
                    failed.extend(computed.failed.map(|failed| (node, failed)));
                }
                out.push_str(&self.put(group, &failed, None)?);
                Ok(out)
            }
            groups => {
                let (older, newer) = groups.split_at(groups.len() / 2);
                let version = newer[0].view.version;
                let newer = self.insert(newer, variables)?;
                let older = self.insert(older, variables)?;
                Ok(format!("  IF NEW.{} >= {version} THEN\n{newer}  ELSE\n{older}  END IF;\n", ident(MARKER)))
            }
        }
    }

    /// Whether one of the columns was changed.
    fn changed(&self, columns: &[usize]) -> String {
        let changed =
            |column: &usize| format!("{} IS DISTINCT FROM {}", self.column(*column, "NEW"), self.column(*column, "OLD"));
        let changed: Vec<String> = columns.iter().map(changed).collect();
        if changed.is_empty() { "FALSE".to_owned() } else { changed.join(" OR ") }
    }

    fn update(&self, groups: &[Group<'_>], variables: &mut Variables) -> Result<String, Local> {
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
                branches.push((condition, self.rewrite(group, variables)?));
            }
        }
        for group in &groups {
            branches.push((self.changed(&group.columns), self.rewrite(group, variables)?));
        }
        let mut out = String::new();
        for (at, (condition, body)) in branches.iter().enumerate() {
            let _ = write!(out, "  {} ({condition}) THEN\n{body}", if at == 0 { "IF" } else { "ELSIF" });
        }
        if !out.is_empty() {
            out.push_str("  END IF;\n");
        }
        Ok(out)
    }

    /// R2: what a write at the group's versions recomputes.
    fn rewrite(&self, group: &Group<'_>, variables: &mut Variables) -> Result<String, Local> {
        let mut out = self.take(group, variables);
        let (order, hidden) = self.hidden(group);
        let mut dirty = Dirty::new(self, group, variables, &mut out);
        for at in &hidden {
            let node = order.hidden[*at].node;
            self.declare(node, variables);
            if self.compute.direct(node).is_none() && !self.table().homes(node).is_empty() {
                let _ = writeln!(out, "    n{node} := {};", self.read(node, group.view, "OLD")?);
            }
        }
        let mut failed = BTreeMap::new();
        for at in hidden {
            self.recompute(group, &order.hidden[at], &mut dirty, variables, &mut out, &mut failed)?;
        }
        let put = self.put(group, &failed, Some(&dirty))?;
        out.push_str(&put);
        if out.is_empty() {
            out.push_str("    NULL;\n");
        }
        Ok(out)
    }

    fn recompute(
        &self,
        group: &Group<'_>,
        hidden: &Hidden,
        dirty: &mut Dirty,
        variables: &mut Variables,
        out: &mut String,
        failed: &mut BTreeMap<NodeId, String>,
    ) -> Result<(), Local> {
        let node = hidden.node;
        let slot = self.slot(node);
        let order = &self.table().order(group.view);
        let values = After(self, group.view, dirty);
        let touched = dirty.any(hidden.deps.iter().copied().chain(hidden.gate.iter().flat_map(Gate::deps)));
        let computed = self.compute.calc(order, hidden, &values)?;
        if !hidden.sticky {
            match &touched {
                Truth::Never => {}
                Truth::Always => {
                    let _ = writeln!(out, "    {slot} := {};", computed.sql);
                    failed.extend(computed.failed.map(|failed| (node, failed)));
                }
                Truth::When(condition) => {
                    let _ = writeln!(out, "    IF ({condition}) THEN\n      {slot} := {};\n    END IF;", computed.sql);
                    if let Some(now) = computed.failed {
                        let before = self.failed_before(node);
                        failed.insert(node, format!("CASE WHEN {condition} THEN {now} ELSE {before} END"));
                    }
                }
            }
            dirty.0.insert(node, touched);
            return Ok(());
        }
        // A value of its own goes only with the object that it lies in; one that follows goes on following.
        let old = Before(self, group.view);
        let before = self.compute.calc(order, hidden, &old)?;
        let flag = format!("d{node}");
        variables.insert(flag.clone(), "pg_catalog.bool".to_owned());
        let deleted = hidden.gate.as_ref().and_then(|gate| gate.edge).map(|edge| {
            let is = |values: &dyn Values| json::is_object(&values.value(edge), Dialect::Postgres);
            format!("{} AND NOT {}", is(&old), is(&values))
        });
        let _ = writeln!(out, "    {flag} := FALSE;\n    IF ({}) IS DISTINCT FROM ({}) THEN", old.value(node), before.sql);
        match deleted {
            Some(deleted) => {
                let _ =
                    writeln!(out, "      IF ({deleted}) THEN\n        {slot} := NULL;\n        {flag} := TRUE;\n      END IF;");
            }
            None => out.push_str("      NULL;\n"),
        }
        let (touched, now) = (touched.sql(), computed.sql);
        let _ = writeln!(out, "    ELSIF ({touched}) THEN\n      {slot} := {now};\n      {flag} := TRUE;\n    END IF;");
        dirty.0.insert(node, Truth::When(flag));
        Ok(())
    }

    fn failed_before(&self, node: NodeId) -> String {
        let column = (0..self.table().columns.len())
            .find(|at| self.table().columns[*at].held == Held::Failed { node } && !self.table().is_gone(*at));
        column.map_or_else(|| "NULL".to_owned(), |column| self.column(column, "OLD"))
    }
}

/// Whether something changed, as far as it is known beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Truth {
    Never,
    Always,
    When(String),
}

impl Truth {
    fn sql(&self) -> String {
        match self {
            Self::Never => "FALSE".to_owned(),
            Self::Always => "TRUE".to_owned(),
            Self::When(condition) => condition.clone(),
        }
    }
}

/// Which nodes a write changes.
struct Dirty(BTreeMap<NodeId, Truth>);

impl Dirty {
    /// The shown nodes: those whose values differ.
    fn new(part: &Part<'_, '_>, group: &Group<'_>, variables: &mut Variables, out: &mut String) -> Self {
        if group.shown.len() == 1 {
            return Self(group.shown.iter().map(|only| (*only, Truth::Always)).collect());
        }
        let mut known = BTreeMap::new();
        for node in &group.shown {
            let Some(spot) = part.table().spot(group.view, *node) else { continue };
            let flag = format!("d{node}");
            let old = part.compute.stored(*node, spot.column, &spot.path, "OLD");
            let _ = writeln!(out, "    {flag} := {} IS DISTINCT FROM ({old});", part.slot(*node));
            variables.insert(flag.clone(), "pg_catalog.bool".to_owned());
            known.insert(*node, Truth::When(flag));
        }
        Self(known)
    }

    fn any(&self, nodes: impl Iterator<Item = NodeId>) -> Truth {
        let mut conditions = BTreeSet::new();
        for node in nodes {
            match self.0.get(&node) {
                None | Some(Truth::Never) => {}
                Some(Truth::Always) => return Truth::Always,
                Some(Truth::When(condition)) => {
                    conditions.insert(condition.clone());
                }
            }
        }
        if conditions.is_empty() { Truth::Never } else { Truth::When(conditions.into_iter().collect::<Vec<_>>().join(" OR ")) }
    }
}

/// Renders the creation of the triggers, or of the one for updates with other columns. The functions are there.
///
/// With `others`, triggers of other people change rows before they are updated, columns that the statement does not name among them:
/// then it is the values that tell whether a watched column changed.
pub fn create_triggers(triggers: &Triggers, names: &Names, others: bool) -> Vec<String> {
    let (table, insert, update) = (&names.table, names.insert(), names.update());
    let mut out =
        vec![format!("CREATE OR REPLACE TRIGGER {INSERT} BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {insert}()")];
    let changed = |column: &String| format!("NEW.{column} IS DISTINCT FROM OLD.{column}");
    out.push(match triggers.watched.as_slice() {
        [] => format!("DROP TRIGGER IF EXISTS {UPDATE} ON {table}"),
        watched if others => {
            let changed: Vec<String> = watched.iter().map(changed).collect();
            format!(
                "CREATE OR REPLACE TRIGGER {UPDATE} BEFORE UPDATE ON {table} FOR EACH ROW WHEN ({}) EXECUTE FUNCTION {update}()",
                changed.join(" OR ")
            )
        }
        watched => format!(
            "CREATE OR REPLACE TRIGGER {UPDATE} BEFORE UPDATE OF {} ON {table} FOR EACH ROW EXECUTE FUNCTION {update}()",
            watched.join(", ")
        ),
    });
    out
}

/// Renders the drop of the triggers and their functions, but not of the functions that these call.
pub fn drop_triggers(names: &Names) -> Vec<String> {
    let mut out = vec![
        format!("DROP TRIGGER IF EXISTS {INSERT} ON {}", names.table),
        format!("DROP TRIGGER IF EXISTS {UPDATE} ON {}", names.table),
    ];
    out.extend(drop_functions(names));
    out
}

/// Renders the drop of the functions of the triggers, of a table that is gone.
pub fn drop_functions(names: &Names) -> Vec<String> {
    vec![format!("DROP FUNCTION IF EXISTS {}()", names.insert()), format!("DROP FUNCTION IF EXISTS {}()", names.update())]
}

/// Renders the drop of the functions that triggers called before and do not call any more.
pub fn drop_helpers(history: &History, triggers: Option<&Triggers>, names: &Names) -> Vec<String> {
    let mut out = Vec::new();
    for (id, recipe) in history.scope().recipes.iter().enumerate() {
        for at in 0..recipe.targets.len() {
            let name = names.guard(id, at);
            let called = |helper: &String| helper.contains(&format!("FUNCTION {name}("));
            if !triggers.is_some_and(|triggers| triggers.helpers.iter().any(called)) {
                out.push(format!("DROP FUNCTION IF EXISTS {name}"));
            }
        }
    }
    out
}

/// Triggers fire in the order of their names: after those of other people, whose changes they have to see.
const INSERT: &str = "zz_coeval_insert";
const UPDATE: &str = "zz_coeval_update";
