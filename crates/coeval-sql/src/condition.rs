//! Conditions that people demand of records, on the columns of a table.

use coeval_core::expr::{Compiled, Input, Names, Scope};
use coeval_core::path::Segment;
use coeval_core::schema::Property;
use coeval_core::table::Tables;
use coeval_plan::table::{Table, View, is_json};

use crate::compute::json;
use crate::dialect::Dialect;
use crate::expr::render;
use crate::literal::Unfit;
use crate::name::ident;
use crate::types::from_json;

/// Renders a condition over the properties of a version, on a row that is called `row`; on columns without the name of a table where
/// that is empty. Like any condition of SQL it is NULL where it cannot be told.
///
/// # Errors
/// What is no condition, and what the database cannot compute.
pub fn condition(table: &Table<'_>, view: &View, source: &str, row: &str, dialect: Dialect) -> Result<String, Unfit> {
    let unfit = |reason: String| Unfit(format!("`{source}`: {reason}"));
    let model = table.model(view).ok_or_else(|| unfit(format!("the model is not in version {}", view.version)))?;
    let scope = Scope { names: Names::Record(&model.properties), tables: &Tables::new(), absent_is_null: true };
    let compiled = Compiled::compile(source, &scope).map_err(|invalid| unfit(invalid.message))?;
    let boolean = Property::new(coeval_core::Type::Boolean);
    compiled.check_target(&boolean).map_err(|invalid| unfit(invalid.message))?;
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
    let rendered = render(&compiled, &inputs, dialect).map_err(|local| unfit(local.reason))?;
    Ok(rendered.sql)
}
