//! Repairs: what an older version writes and breaks a condition is given another value, which is written like any other.

use coeval_core::schema::Policy;
use coeval_plan::table::Table;
use coeval_plan::{Condition, repaired};

use super::Names;
use crate::condition::{failing, holding, value_of};
use crate::dialect::Dialect;
use crate::literal::Unfit;
use crate::name::{ident, string};
use crate::types::{KeyType, column_type};

const D: Dialect = Dialect::Postgres;

/// What repairs rows that break a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// The function behind the trigger, who may call it, and the trigger: complete statements.
    pub statements: Vec<String>,
    /// Whether a row `t` breaks the condition, as a condition that is never NULL.
    pub broken: String,
    /// What such a row `t` is given: an assignment.
    pub set: String,
    /// Whether a row `t` that breaks it would do so with the other value too, as a condition that is never NULL.
    pub hopeless: String,
}

/// Renders what repairs a condition.
///
/// The trigger writes the value into the column that versions show which have the condition, as any client of theirs would: what follows
/// from it is computed by the triggers that there are. Its function has the rights of its owner, since whoever writes through a view has
/// none on the table, and so a search path of its own.
///
/// # Errors
/// What the database cannot compute, and a condition that is not repaired.
pub fn repair(table: &Table<'_>, name: &str, known: &Condition, names: &Names, keys: KeyType<'_>) -> Result<Repair, Unfit> {
    let not = || Unfit(format!("`{name}` is not repaired"));
    let (column, Policy::Repair(with)) = (repaired(table, known).ok_or_else(not)?, &known.policy) else { return Err(not()) };
    let (at, expr) = (known.at, known.expr.as_str());
    let held = &table.columns[column];
    let (own, ty) = (ident(&held.name), column_type(&held.property.ty, keys, D));
    let is_broken = |row: &str| Ok(format!("({}) IS FALSE", holding(table, at, expr, row, D)?));
    let value = |row: &str| value_of(table, at, with, (row, column), D);
    let key = |row: &str| {
        let columns = table.key().into_iter().map(|at| format!("{row}.{}", ident(&table.columns[at].name)));
        columns.collect::<Vec<_>>().join(", ")
    };
    let (base, function, trigger) = (&names.table, names.repair(name), Names::repair_trigger(name));
    let message = string(&format!("`{name}` does not hold, and what repairs it does not either: {expr}"), D);
    let (is_key, broken) = (format!("({}) = ({})", key("t"), key("NEW")), is_broken("t")?);
    let body = format!(
        "
DECLARE
  r record;
BEGIN
  SELECT * INTO r FROM {base} AS t WHERE {is_key} AND {broken};
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  r.{own} := {};
  IF {} THEN
    RAISE EXCEPTION USING ERRCODE = '23514', CONSTRAINT = {}, MESSAGE = {message};
  END IF;
  UPDATE {base} AS t SET {own} = r.{own} WHERE {is_key};
  RETURN NULL;
END
",
        value("r")?,
        is_broken("r")?,
        string(name, D),
    );
    let statements = vec![
        format!(
            "CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER \
             SET search_path = pg_catalog, pg_temp SET row_security = off AS {}",
            crate::name::body(&body)
        ),
        // A trigger on a table of somebody's own could call it otherwise, with casts of theirs.
        format!("REVOKE ALL ON FUNCTION {function}() FROM PUBLIC"),
        format!(
            "CREATE OR REPLACE TRIGGER {trigger} AFTER INSERT OR UPDATE ON {base} FOR EACH ROW WHEN ({}) \
             EXECUTE FUNCTION {function}()",
            is_broken("NEW")?
        ),
    ];
    let other = value("t")?;
    let mut hopeless = format!("(SELECT {} FROM (SELECT ({other})::{ty} AS {own}) AS r)", is_broken("r")?);
    if let Some(failing) = failing(table, at, with, "t", D)? {
        hopeless = format!("CASE WHEN {failing} THEN TRUE ELSE {hopeless} END");
    }
    Ok(Repair { statements, broken, set: format!("{own} = {other}"), hopeless })
}

/// Renders the drop of what repairs a condition.
pub fn drop_repair(name: &str, names: &Names) -> Vec<String> {
    vec![
        format!("DROP TRIGGER IF EXISTS {} ON {}", Names::repair_trigger(name), names.table),
        format!("DROP FUNCTION IF EXISTS {}()", names.repair(name)),
    ]
}
