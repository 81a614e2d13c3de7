//! Base tables as they are, in the form in which they are made.

use coeval_core::schema::Type;
use coeval_plan::ColumnSpec;
use coeval_sql::sqlite::{ColumnText, Names, Reference, TableText};
use coeval_store::Result;

use crate::catalog;
use crate::rebuild::{Fill, rebuild};
use crate::statement::Session;

/// Reads a base table; `None` where there is none.
///
/// # Errors
/// A table that somebody changed by hand.
pub(crate) fn read(session: &Session<'_>, names: &Names) -> Result<Option<TableText>> {
    let Some(found) = catalog::table(session, names.base())? else { return Ok(None) };
    let check = |column: &str| {
        let name = names.check(column);
        let check = found.checks.iter().find(|check| check.name.as_deref() == Some(&name))?;
        Some((name, check.expression.clone()))
    };
    let columns = found.columns.iter().map(|column| ColumnText {
        name: column.name.clone(),
        kind: column.kind.clone(),
        not_null: column.not_null,
        default: column.default.as_ref().map(|text| {
            // SQLite tells an expression without the parentheses that it was written in.
            let within = format!("({text})");
            if found.sql.contains(&format!("DEFAULT {within}")) { within } else { text.clone() }
        }),
        check: check(&column.name),
    });
    let references = found.foreign_keys.iter().filter_map(|key| {
        let (column, target) = key.columns.first()?;
        let name = names.foreign_key(column);
        Some(Reference { name, column: column.clone(), table: key.table.clone(), key: target.clone().unwrap_or_default() })
    });
    let key = (!found.primary_key.is_empty()).then(|| (names.primary_key(), found.primary_key.clone()));
    let text = TableText { name: found.name.clone(), columns: columns.collect(), key, references: references.collect() };
    if text.text() != found.sql {
        let reason = format!("somebody changed the table `{}`: {} instead of {}", found.name, found.sql, text.text());
        return Err(session.failed(reason, Some("Bring it back to what coeval made.")));
    }
    Ok(Some(text))
}

/// Makes a table what a change of its text says, with its rows. Nothing happens where it is so already.
pub(crate) fn alter(session: &Session<'_>, names: &Names, change: impl FnOnce(&mut TableText)) -> Result<()> {
    let missing = || session.failed(format!("there is no table `{}`", names.base()), None);
    let before = read(session, names)?.ok_or_else(missing)?;
    let mut after = before.clone();
    change(&mut after);
    if after == before {
        return Ok(());
    }
    let same = |column: &&ColumnText| before.columns.iter().any(|old| old.name == column.name);
    let fill =
        after.columns.iter().filter(same).map(|column| Fill { column: column.name.clone(), from: catalog::quote(&column.name) });
    rebuild(session, names.base(), &after.text(), &fill.collect::<Vec<_>>())?;
    Ok(())
}

/// A column as a step describes it.
pub(crate) fn column(
    session: &Session<'_>,
    spec: &ColumnSpec,
    names: &Names,
    keys: &dyn Fn(&str) -> Option<Type>,
) -> Result<ColumnText> {
    ColumnText::new(spec, names, keys).map_err(|unfit| session.failed(format!("the column `{}`: {unfit}", spec.name), None))
}
