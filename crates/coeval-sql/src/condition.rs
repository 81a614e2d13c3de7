//! Conditions that people demand of records, on the columns of a table.

use std::collections::BTreeSet;

use coeval_core::expr::{Compiled, Input, Names, Scope};
use coeval_core::path::Segment;
use coeval_core::schema::Property;
use coeval_core::table::Tables;
use coeval_plan::table::{Table, View, is_json};
use coeval_plan::{Condition, columns_of};

use crate::compute::json;
use crate::dialect::Dialect;
use crate::expr::{Rendered, landed, render, render_with_failure};
use crate::literal::Unfit;
use crate::name::ident;
use crate::types::from_json;

/// A condition to which a version's own clients are held by its view, on the columns of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The constraint.
    pub name: String,
    /// The condition, as people wrote it.
    pub expr: String,
    /// The version whose names it uses.
    pub at: u32,
    /// The same on columns, as [`holding`] renders it.
    pub sql: String,
    /// The columns that it reads.
    pub columns: BTreeSet<usize>,
}

impl Guard {
    /// Says what is wrong with a record that breaks it.
    pub fn violation(&self) -> String {
        format!("`{}` does not hold: {}", self.name, self.expr)
    }
}

/// Renders what a version's own clients are held to by its view: the conditions that do not refuse what older versions write. `row` is as
/// for [`condition`].
///
/// # Errors
/// What is no condition, and what the database cannot compute.
pub fn guards(table: &Table<'_>, view: &View, row: &str, dialect: Dialect) -> Result<Vec<Guard>, Unfit> {
    let all = coeval_plan::guards(table, view).map_err(|unsuitable| Unfit(unsuitable.message))?;
    let one = |(name, known): (String, Condition)| {
        let sql = holding(table, known.at, &known.expr, row, dialect)?;
        Ok(Guard { name, sql, at: known.at, columns: columns_of(table, &known), expr: known.expr })
    };
    all.into_iter().map(one).collect()
}

/// Renders a condition over the properties of a version, retired or not, on a row that is called `row`; on columns without the name of a
/// table where that is empty. Like any condition of SQL it is NULL where it cannot be told.
///
/// # Errors
/// What is no condition, and what the database cannot compute.
pub fn condition(table: &Table<'_>, at: u32, source: &str, row: &str, dialect: Dialect) -> Result<String, Unfit> {
    let (compiled, rendered) = expression(table, at, source, row, dialect)?;
    let boolean = Property::new(coeval_core::Type::Boolean);
    compiled.check_target(&boolean).map_err(|invalid| unfit(source, &invalid.message))?;
    Ok(rendered.sql)
}

/// Renders the same where a record that breaks it is to be read: it raises no error, and is false where it cannot be computed.
///
/// # Errors
/// As [`condition`], and where it cannot be told beforehand whether it can be computed.
pub fn holding(table: &Table<'_>, at: u32, source: &str, row: &str, dialect: Dialect) -> Result<String, Unfit> {
    let sql = condition(table, at, source, row, dialect)?;
    let (compiled, inputs) = read(table, at, source, row, dialect)?;
    let (_, failure) = render_with_failure(&compiled, &inputs, dialect).map_err(|local| unfit(source, &local.reason))?;
    let no = match dialect {
        Dialect::Postgres => "FALSE",
        Dialect::Sqlite => "0",
    };
    Ok(failure.map_or_else(|| sql.clone(), |failure| format!("CASE WHEN {failure} THEN {no} ELSE {sql} END")))
}

/// Renders when an expression has no value, as a condition that is never NULL; `None` where it always has one.
///
/// # Errors
/// As [`holding`].
pub fn failing(table: &Table<'_>, at: u32, source: &str, row: &str, dialect: Dialect) -> Result<Option<String>, Unfit> {
    let (compiled, inputs) = read(table, at, source, row, dialect)?;
    Ok(render_with_failure(&compiled, &inputs, dialect).map_err(|local| unfit(source, &local.reason))?.1)
}

/// Renders the value of an expression over the properties of a version as one of a column, as [`condition`] renders its.
///
/// # Errors
/// What has no such value, and what the database cannot compute.
pub fn value_of(
    table: &Table<'_>,
    at: u32,
    source: &str,
    (row, column): (&str, usize),
    dialect: Dialect,
) -> Result<String, Unfit> {
    let (compiled, rendered) = expression(table, at, source, row, dialect)?;
    let target = &table.columns[column].property.ty;
    let landed = landed(rendered, compiled.root(), target, dialect);
    Ok(landed.map_err(|local| unfit(source, &local.reason))?.sql)
}

fn expression(table: &Table<'_>, at: u32, source: &str, row: &str, dialect: Dialect) -> Result<(Compiled, Rendered), Unfit> {
    let (compiled, inputs) = read(table, at, source, row, dialect)?;
    let rendered = render(&compiled, &inputs, dialect).map_err(|local| unfit(source, &local.reason))?;
    Ok((compiled, rendered))
}

fn unfit(source: &str, reason: &str) -> Unfit {
    Unfit(format!("`{source}`: {reason}"))
}

/// An expression, and the texts of what it reads.
fn read(table: &Table<'_>, at: u32, source: &str, row: &str, dialect: Dialect) -> Result<(Compiled, Vec<String>), Unfit> {
    let unfit = |reason: String| unfit(source, &reason);
    let view = table.made(at).ok_or_else(|| unfit(format!("there is no version {at}")))?;
    let model = table.model(&view).ok_or_else(|| unfit(format!("the model is not in version {}", view.version)))?;
    let scope = Scope { names: Names::Record(&model.properties), tables: &Tables::new(), absent_is_null: true };
    let compiled = Compiled::compile(source, &scope).map_err(|invalid| unfit(invalid.message))?;
    let mut inputs = Vec::new();
    for input in compiled.inputs() {
        let Input::Property(path) = input else { return Err(unfit("a record has no key of an element".to_owned())) };
        let unknown = || unfit(format!("there is no column for `{path}`"));
        let names: Vec<&str> = path
            .segments()
            .iter()
            .map(|segment| match segment {
                Segment::Name(name) => Ok(name.as_str()),
                Segment::Items | Segment::Values => Err(unknown()),
            })
            .collect::<Result<_, _>>()?;
        let (first, rest) = names.split_first().ok_or_else(unknown)?;
        let at = view.entries.iter().find(|(name, _)| name == first).map(|(_, at)| *at).ok_or_else(unknown)?;
        let column = &table.columns[at];
        let own = ident(&column.name);
        let own = if row.is_empty() { own } else { format!("{row}.{own}") };
        let property = model.at(path).ok_or_else(unknown)?;
        inputs.push(match (rest, column.is_json()) {
            ([], false) => own,
            (rest, _) => {
                let value = rest.iter().fold(own, |object, name| json::member(&object, name, dialect));
                let value = json::without_null(&value, dialect);
                if is_json(&property.ty) { value } else { from_json(&value, &property.ty, dialect).ok_or_else(unknown)? }
            }
        });
    }
    Ok((compiled, inputs))
}
