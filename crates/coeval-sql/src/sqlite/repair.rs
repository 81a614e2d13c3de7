//! Repairs: what an older version writes and breaks a condition is given another value, through the view of a version that has it.

use coeval_core::schema::Policy;
use coeval_plan::table::{Table, View};
use coeval_plan::{Condition, repaired};

use super::Names;
use crate::condition::{failing, holding, value_of};
use crate::dialect::Dialect;
use crate::literal::Unfit;
use crate::name::{ident, string};

const D: Dialect = Dialect::Sqlite;

/// What repairs rows that break a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// The triggers on the base table, complete statements. What they write goes through a view.
    pub triggers: [String; 2],
    /// The write through the view for all rows that are there, a complete statement.
    pub mend: String,
    /// Whether a row `t` breaks the condition, as a condition that is never NULL.
    pub broken: String,
    /// Whether a row `t` that breaks it would do so with the other value too, as a condition that is never NULL.
    pub hopeless: String,
}

/// Renders what repairs a condition, through a view in which the property that it reads has a name; see [`Names::mending`].
///
/// # Errors
/// What the database cannot compute, and a condition that is not repaired.
pub fn repair(
    table: &Table<'_>,
    name: &str,
    known: &Condition,
    (view, property): (&View, &str),
    names: &Names,
) -> Result<Repair, Unfit> {
    let not = || Unfit(format!("`{name}` is not repaired"));
    let (column, Policy::Repair(with)) = (repaired(table, known).ok_or_else(not)?, &known.policy) else { return Err(not()) };
    let (at, expr) = (known.at, known.expr.as_str());
    let own = ident(&table.columns[column].name);
    let is_broken = |row: &str| Ok(format!("({}) IS 0", holding(table, at, expr, row, D)?));
    let value = |row: &str| value_of(table, at, with, (row, column), D);
    let broken = is_broken("t")?;
    let mut hopeless = format!("(SELECT {} FROM (SELECT {} AS {own}) AS r)", is_broken("r")?, value("t")?);
    if let Some(failing) = failing(table, at, with, "t", D)? {
        hopeless = format!("CASE WHEN {failing} THEN 1 ELSE {hopeless} END");
    }
    let (target, property) = (ident(&Names::view(view)), ident(property));
    let is_key = |row: &str, of: &str, shown: bool| {
        let part = |at: usize| {
            let column = &table.columns[at].name;
            let known = view.entries.iter().find(|(_, known)| shown && *known == at);
            format!("{of}{} = {row}.{}", ident(known.map_or(column.as_str(), |(name, _)| name.as_str())), ident(column))
        };
        table.key().into_iter().map(part).collect::<Vec<_>>().join(" AND ")
    };
    let (base, new) = (names.table(), value("t")?);
    let (when, row, same) = (is_broken("NEW")?, is_key("NEW", "t.", false), is_key("t", &format!("{target}."), true));
    let message = format!("{}: `{name}` does not hold, and what repairs it does not either: {expr}", table.name);
    // The row as it is by now: several conditions may be repaired one after the other.
    let body = format!(
        "  SELECT RAISE(ABORT, {}) FROM {base} AS t WHERE {row} AND {broken} AND {hopeless};\n  \
         UPDATE {target} SET {property} = (SELECT {new} FROM {base} AS t WHERE {row}) \
         WHERE {} AND EXISTS (SELECT 1 FROM {base} AS t WHERE {row} AND {broken});\n",
        string(&message, D),
        is_key("NEW", "", true)
    );
    let [insert, update] = names.repair(name, at);
    let trigger =
        |name: &str, event: &str| format!("CREATE TRIGGER {} AFTER {event} ON {base} WHEN {when} BEGIN\n{body}END", ident(name));
    let triggers = [trigger(&insert, "INSERT"), trigger(&update, "UPDATE")];
    let mend = format!(
        "UPDATE {target} SET {property} = (SELECT {new} FROM {base} AS t WHERE {same}) \
         WHERE EXISTS (SELECT 1 FROM {base} AS t WHERE {same} AND {broken})"
    );
    Ok(Repair { triggers, mend, broken, hopeless })
}
