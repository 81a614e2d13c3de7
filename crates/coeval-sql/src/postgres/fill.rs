//! Backfills: the values of new columns for the rows that are there, as an UPDATE that a batch's condition is added to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use coeval_core::history::{Gate, Hidden, LineageId, NodeId, Time};
use coeval_plan::table::{Demand, Held, Table, View};

use super::Names;
use super::keep::{is_listed, type_of, typed};
use super::kept::Kept;
use crate::compute::stored::{Archived, Writer};
use crate::compute::{Compute, Given, Partial};
use crate::dialect::Dialect;
use crate::expr::{Local, refused};
use crate::name::ident;
use crate::types::KeyType;

/// What a backfill sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fill {
    /// The assignments of the UPDATE, after `SET`; the table is called `t`. Empty where the database computes nothing.
    pub set: String,
    /// The columns that are set.
    pub columns: Vec<usize>,
    /// Functions that it calls, complete statements.
    pub helpers: Vec<String>,
    /// The columns that the database cannot compute, which the engine does.
    pub streamed: Vec<Streamed>,
    /// What was kept of the nodes that these follow from, with the node: JSON where it belongs to what there is, else NULL.
    pub kept: Vec<(NodeId, String)>,
    /// The same of whole columns of lists or maps.
    pub whole: Vec<(usize, String)>,
    /// What was kept of such columns and does not belong to what there is: `v`, what the column held, and `was`, the lists and maps as the
    /// version showed them, by their nodes.
    pub earlier: Vec<(usize, String)>,
    /// What was kept of objects by their lineages: a JSON object of what is not declared in them.
    pub extras: Vec<(LineageId, String)>,
}

/// A column that the database cannot compute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Streamed {
    /// The column.
    pub column: usize,
    /// The property at which computing ends.
    pub property: String,
    /// What of it the database has no equal of.
    pub reason: String,
}

/// Renders the computation of columns from those that the versions up to `from` have; `None` where there is nothing to compute.
///
/// # Errors
/// A computation that the database cannot do.
pub fn fill(table: &Table<'_>, from: &View, columns: &[usize], names: &Names, keys: KeyType<'_>) -> Result<Option<Fill>, Local> {
    render(table, from, columns, None, names, keys)
}

/// As [`fill`], for rows of which something was kept when the columns were dropped: in `a.kept`, as [`super::keep`] makes it, at the
/// version `kept`.
///
/// # Errors
/// A computation that the database cannot do.
pub fn restore(
    table: &Table<'_>,
    from: &View,
    columns: &[usize],
    kept: &View,
    names: &Names,
    keys: KeyType<'_>,
) -> Result<Option<Fill>, Local> {
    render(table, from, columns, Some(kept), names, keys)
}

fn render(
    table: &Table<'_>,
    from: &View,
    columns: &[usize],
    kept: Option<&View>,
    names: &Names,
    keys: KeyType<'_>,
) -> Result<Option<Fill>, Local> {
    let known: BTreeSet<usize> = (0..table.columns.len()).filter(|at| !columns.contains(at)).collect();
    let compute = Compute::new(table, Dialect::Postgres, names, keys).among(&known);
    let order = table.order(from);
    let mut values: BTreeMap<NodeId, String> = BTreeMap::new();
    let mut blind = Blind::default();
    for node in 0..table.scope().nodes.len() {
        match compute.of_row(node, from, "t") {
            Ok(Some(value)) => drop(values.insert(node, value)),
            Ok(None) => {}
            Err(local) => drop(blind.0.insert(node, local)),
        }
    }
    // What is computed is given a name where something else reads it.
    let mut levels: Vec<(String, String)> = Vec::new();
    let mut failed: BTreeMap<NodeId, String> = BTreeMap::new();
    let kept = kept.map(|view| Kept::new(table, view));
    let wanted = wanted(table, &order, columns, &values);
    for hidden in order
        .hidden
        .iter()
        .filter(|hidden| wanted.contains(&hidden.node) && !values.contains_key(&hidden.node))
        .collect::<Vec<_>>()
    {
        if blind.0.contains_key(&hidden.node) {
            continue;
        }
        let given = Given(values.clone());
        let now = |node: NodeId| {
            let column = |at: &usize| known.contains(at) && table.columns[*at].held == Held::Failed { node };
            // What the version shows, too: a record that it cannot show is hidden at the ones that follow from it.
            let column = || (0..table.columns.len()).find(column);
            failed.get(&node).cloned().or_else(|| Some(format!("t.{} IS TRUE", ident(&table.columns[column()?].name))))
        };
        let partial = Partial { values: &given, failed: &now };
        let done = blind.behind(hidden).map_or_else(|| compute.calc(&order, hidden, &partial), Err);
        let mut computed = match done {
            Ok(computed) => computed,
            Err(local) => {
                blind.0.insert(hidden.node, local);
                continue;
            }
        };
        if let Some(failed) = computed.failed.take_if(|_| !is_told(table, hidden.node)) {
            // No column would say so, and what would be there was never written.
            let refused = refused("nothing gives the required value", &type_of(&compute, hidden.node));
            computed.sql = format!("CASE WHEN {failed} THEN {refused} ELSE {} END", computed.sql);
        }
        if let Some(kept) = &kept {
            let then = kept.reshaped(&compute, from, &given);
            computed = match kept.instead(&compute, (hidden.node, from), computed, &then) {
                Ok(computed) => computed,
                Err(local) => {
                    blind.0.insert(hidden.node, local);
                    continue;
                }
            };
        }
        let sql = typed(&compute, hidden.node, &computed.sql);
        let read_again = order.hidden.iter().any(|other| {
            wanted.contains(&other.node)
                && other.deps.iter().chain(other.gate.iter().flat_map(|gate| gate.sources.iter())).any(|dep| *dep == hidden.node)
        });
        if let Some(now) = computed.failed {
            let level = format!("f{}", hidden.node);
            if read_again {
                failed.insert(hidden.node, format!("{level}.v"));
                levels.push((level, now));
            } else {
                failed.insert(hidden.node, now);
            }
        }
        if read_again {
            values.insert(hidden.node, format!("l{}.v", hidden.node));
            levels.push((format!("l{}", hidden.node), sql));
        } else {
            values.insert(hidden.node, sql);
        }
    }
    let given = Given(values.clone());
    let extras = kept.as_ref().map(|kept| kept.extras(columns)).unwrap_or_default();
    let archived = Archived { extras: extras.clone(), ..Archived::default() };
    let writer = Writer { view: from, new: "t", old: None, kept: Some(&archived) };
    // What was kept belongs to lists and maps as its version has them.
    let then = kept.as_ref().map_or_else(|| given.clone(), |kept| kept.reshaped(&compute, from, &given));
    let (mut sets, mut streamed) = (Vec::new(), Vec::new());
    for at in columns {
        let column = &table.columns[*at];
        if let Some(local) = blind.of(table, *at) {
            streamed.push(local);
            continue;
        }
        let value = match column.held {
            Held::Unfit { node, time } if !shows(table, from, node, time) => compute.misfit(node, time, &given),
            // Of elements the database computes only those that are always there.
            Held::Unfit { .. } | Held::Id => None,
            Held::Failed { node } => {
                failed.get(&node).cloned().or_else(|| kept.as_ref().and_then(|kept| kept.said(&compute, *at, &then)))
            }
            // It began as everywhere that hides it; what was kept of it is all that there is to set.
            Held::Shown { node, .. } if column.constant.is_some() && kept.is_none() && order.index[node].is_some() => None,
            Held::Shown { .. } | Held::Hidden { .. } => {
                let value = match kept.as_ref().filter(|_| is_listed(table, *at)) {
                    Some(kept) => kept.whole(&compute, *at, &then, extras.clone()),
                    None => compute.kept(*at, &given, &writer),
                };
                match value {
                    Ok(value) => value,
                    Err(local) => {
                        streamed.push(Streamed { column: *at, property: column.name.clone(), reason: local.reason });
                        continue;
                    }
                }
            }
        };
        let Some(value) = value else { continue };
        sets.push((*at, value));
    }
    // Elements that the engine computes may fail.
    let signs: Vec<Streamed> = columns.iter().filter_map(|at| sign_of(table, *at, &streamed)).collect();
    streamed.extend(signs);
    if sets.is_empty() && streamed.is_empty() {
        return Ok(None);
    }
    let (mut kept_nodes, mut whole, mut earlier) = (Vec::new(), Vec::new(), Vec::new());
    if let Some(kept) = &kept {
        // Elements are kept with the column that they lie in.
        let nodes = order.hidden.iter().map(|hidden| hidden.node).filter(|node| wanted.contains(node));
        let nodes = nodes.filter(|node| table.scope().nodes[*node].elements.is_none() && !streamed.is_empty());
        kept_nodes = nodes.filter_map(|node| Some((node, kept.entry_of(&compute, node, &then)?))).collect();
        let listed = streamed.iter().filter(|streamed| is_listed(table, streamed.column));
        for streamed in listed {
            let at = streamed.column;
            whole.push((at, kept.as_kept(&compute, at, "NULL", &then)));
            earlier.extend(kept.earlier(&compute, (at, from), &then).map(|earlier| (at, earlier)));
            let signs = table.signs(at).into_iter().filter(|sign| columns.contains(sign));
            whole.extend(signs.map(|sign| (sign, kept.sign(&compute, at, sign, &then))));
        }
    }
    let set = assignments(table, &sets, &levels);
    let columns: Vec<usize> = sets.iter().map(|(at, _)| *at).collect();
    let helpers = called(compute.helping()?, &[&set]);
    let extras = if streamed.is_empty() { Vec::new() } else { extras.into_iter().collect() };
    Ok(Some(Fill { set, columns, helpers, streamed, kept: kept_nodes, whole, earlier, extras }))
}

/// Whether it is known of a node that it could not be computed, or nothing of it is stored.
fn is_told(table: &Table<'_>, node: NodeId) -> bool {
    table.failed(node).is_some() || table.homes(node).is_empty()
}

/// Whether a version shows a node as a moment needs it, so that it is as it should be.
fn shows(table: &Table<'_>, view: &View, node: NodeId, time: Time) -> bool {
    let sign = table.unfit(node, time);
    sign.is_some_and(|sign| view.hiding.contains(&sign))
}

/// The column that says that elements of streamed columns could not be computed.
fn sign_of(table: &Table<'_>, at: usize, streamed: &[Streamed]) -> Option<Streamed> {
    let Held::Unfit { node, .. } = table.columns[at].held else { return None };
    let of = |streamed: &&Streamed| table.nodes_in(streamed.column).contains(&node);
    let known = streamed.iter().any(|streamed| streamed.column == at);
    streamed.iter().find(of).filter(|_| !known).map(|streamed| Streamed { column: at, ..streamed.clone() })
}

/// Renders assignments, with what is computed on the way to them.
fn assignments(table: &Table<'_>, sets: &[(usize, String)], levels: &[(String, String)]) -> String {
    let name = |at: usize| ident(&table.columns[at].name);
    if levels.is_empty() || sets.is_empty() {
        sets.iter().map(|(at, value)| format!("{} = {value}", name(*at))).collect::<Vec<_>>().join(", ")
    } else {
        // Each level sees the ones before it. OFFSET 0 keeps the planner from copying an expression to everywhere it is read.
        let mut from = String::from("(SELECT 1) AS l");
        for (level, value) in levels {
            // Writing to a string cannot fail.
            let _ = write!(from, " CROSS JOIN LATERAL (SELECT {value} AS v OFFSET 0) AS {level}");
        }
        let names: Vec<String> = sets.iter().map(|(at, _)| name(*at)).collect();
        let values: Vec<&str> = sets.iter().map(|(_, value)| value.as_str()).collect();
        format!("({}) = (SELECT {} FROM {from})", names.join(", "), values.join(", "))
    }
}

/// The nodes that the database cannot compute, each with the reason.
#[derive(Debug, Default)]
pub(super) struct Blind(pub(super) BTreeMap<NodeId, Local>);

impl Blind {
    /// Why a node cannot be computed that follows from others.
    pub(super) fn behind(&self, hidden: &Hidden) -> Option<Local> {
        let mut deps = hidden.deps.iter().copied().chain(hidden.gate.iter().flat_map(Gate::deps));
        deps.find_map(|dep| self.0.get(&dep).cloned())
    }

    fn of(&self, table: &Table<'_>, at: usize) -> Option<Streamed> {
        let nodes = match table.columns[at].held {
            Held::Failed { node } | Held::Unfit { node, .. } => vec![node],
            Held::Shown { .. } | Held::Hidden { .. } | Held::Id => table.nodes_in(at),
        };
        let (node, local) = nodes.iter().find_map(|node| Some((node, self.0.get(node)?)))?;
        let property = table.scope().nodes[*node].key.split('@').next().unwrap_or_default().to_owned();
        Some(Streamed { column: at, property, reason: local.reason.clone() })
    }
}

/// The functions of some that texts call, and those that these call. Later ones may call earlier ones.
pub(super) fn called(helpers: Vec<String>, texts: &[&str]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for helper in helpers.into_iter().rev() {
        let name = helper.split_once("FUNCTION ").and_then(|(_, rest)| rest.split_once('(')).map(|(name, _)| name);
        let mut texts = texts.iter().copied().chain(out.iter().map(String::as_str));
        if name.is_some_and(|name| texts.any(|text| text.contains(name))) {
            out.push(helper);
        }
    }
    out.reverse();
    out
}

/// The nodes that columns need, with all that they follow from.
pub(super) fn wanted(
    table: &Table<'_>,
    order: &coeval_core::history::Order,
    columns: &[usize],
    known: &BTreeMap<NodeId, String>,
) -> BTreeSet<NodeId> {
    let mut open: Vec<NodeId> = Vec::new();
    for at in columns {
        match table.columns[*at].held {
            Held::Shown { node, time } => table.scope().tree(node, time).nodes(&mut open),
            Held::Hidden { node, .. } | Held::Failed { node } => open.push(node),
            Held::Unfit { node, time } => {
                open.push(node);
                open.extend(Demand::of(table.scope(), node, time).within);
            }
            Held::Id => {}
        }
    }
    let mut wanted = BTreeSet::new();
    while let Some(node) = open.pop() {
        if known.contains_key(&node) || !wanted.insert(node) {
            continue;
        }
        if let Some(hidden) = order.index[node].map(|at| &order.hidden[at]) {
            open.extend(&hidden.deps);
            open.extend(hidden.gate.iter().flat_map(coeval_core::history::Gate::deps));
        }
    }
    wanted
}
