//! Nine real releases of a data set: everything that follows from something is computed by the databases.

use std::collections::BTreeMap;

use coeval_core::history::{NodeId, Time};
use coeval_plan::table::{Ability, Table};
use coeval_testkit::world_countries;

use super::stored::Writer;
use super::{Compute, Given, Helpers, Values};
use crate::dialect::Dialect;
use crate::expr::sqlite::fits;

/// The values after a row was changed.
struct Updated<'c, 'h>(&'c Compute<'c, 'h>);

impl Values for Updated<'_, '_> {
    fn value(&self, node: NodeId) -> String {
        format!("n.n{node}")
    }

    fn before(&self, node: NodeId, to: Time) -> Option<(String, String)> {
        Some((format!("o.n{node}"), self.0.in_shape(node, to, "o")?))
    }
}

/// What is left to the engine, and why.
fn left(dialect: Dialect, knows_writer: bool) -> Vec<String> {
    let history = world_countries::load().history;
    let versions: Vec<u32> = (1..=9).collect();
    let table = Table::new(&history, &versions, Ability { knows_writer }).unwrap_or_else(|e| panic!("{e}"));
    let (postgres, sqlite) = (crate::postgres::Names::new("world", "country"), crate::sqlite::Names::new("country"));
    let helpers: &dyn Helpers = if dialect == Dialect::Postgres { &postgres } else { &sqlite };
    let compute = Compute::new(&table, dialect, helpers, &|_| None);
    let nodes = table.scope().nodes.len();
    let given = Given((0..nodes).map(|node| (node, format!("n{node}"))).collect::<BTreeMap<NodeId, String>>());
    let updated = Updated(&compute);
    let mut out = Vec::new();
    for view in &table.views {
        let order = table.order(view);
        for hidden in &order.hidden {
            match compute.calc(&order, hidden, &given).and_then(|_| compute.calc(&order, hidden, &updated)) {
                Ok(_) => {}
                Err(local) => out.push(format!("{} at {}: {local}", table.scope().nodes[hidden.node].key, view.version)),
            }
        }
        for at in 0..table.columns.len() {
            let old = Writer { view, new: "NEW", old: Some("OLD"), kept: None };
            match compute.kept(at, &given, &old) {
                Ok(Some(value)) if dialect == Dialect::Sqlite => {
                    assert!(fits(&value), "column {} from {}", table.columns[at].name, view.version);
                }
                Ok(_) => {}
                Err(local) => out.push(format!("column {} from {}: {local}", table.columns[at].name, view.version)),
            }
        }
    }
    out
}

#[test]
fn nothing_is_left_to_the_engine() {
    for dialect in [Dialect::Postgres, Dialect::Sqlite] {
        for knows_writer in [false, true] {
            let left = left(dialect, knows_writer);
            assert!(left.is_empty(), "{dialect:?}, knows_writer: {knows_writer}\n{}", left.join("\n"));
        }
    }
}
