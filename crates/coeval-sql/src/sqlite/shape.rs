//! Base tables as text, on one line and in one form: what `ALTER TABLE` adds to such a text and takes out of it again leaves the
//! text that there would be without it.

use std::fmt::Write as _;

use coeval_core::schema::Type;
use coeval_plan::{ColumnSpec, Holds};

use super::Names;
use crate::compute::json;
use crate::dialect::Dialect;
use crate::literal::{Unfit, literal};
use crate::name::ident;
use crate::types::{KeyType, column_type, facet_check};

/// A column of a base table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnText {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// Whether every row has a value.
    pub not_null: bool,
    /// The text of its default.
    pub default: Option<String>,
    /// The name of its check and the condition.
    pub check: Option<(String, String)>,
}

/// A column that holds the key of a row of another table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The constraint.
    pub name: String,
    /// The column.
    pub column: String,
    /// The other table.
    pub table: String,
    /// Its key.
    pub key: String,
}

/// A base table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableText {
    /// Its name.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<ColumnText>,
    /// The constraint of the primary key and its columns.
    pub key: Option<(String, Vec<String>)>,
    /// Its foreign keys, in order.
    pub references: Vec<Reference>,
}

impl ColumnText {
    /// Returns a column as a step describes it, not yet `NOT NULL`.
    ///
    /// # Errors
    /// A default that no column can hold.
    pub fn new(spec: &ColumnSpec, names: &Names, keys: KeyType<'_>) -> Result<Self, Unfit> {
        let kind = match spec.holds {
            Holds::Hidden => "TEXT".to_owned(),
            Holds::Marker => "INTEGER".to_owned(),
            Holds::Value | Holds::Failure | Holds::Id => column_type(&spec.property.ty, keys, Dialect::Sqlite),
        };
        let is_json = coeval_plan::table::is_json(&spec.property.ty);
        let ty = if is_json { &Type::Json } else { &spec.property.ty };
        let default = spec.default.as_ref().map(|value| literal(value, ty, Dialect::Sqlite)).transpose()?;
        let check = check(spec).map(|check| (names.check(&spec.name), check));
        Ok(Self { name: spec.name.clone(), kind, not_null: false, default, check })
    }

    /// Returns the definition.
    pub fn text(&self) -> String {
        let mut out = format!("{} {}", ident(&self.name), self.kind);
        if self.not_null {
            out.push_str(" NOT NULL");
        }
        if let Some(default) = &self.default {
            let _ = write!(out, " DEFAULT {default}");
        }
        if let Some((name, check)) = &self.check {
            let _ = write!(out, " CONSTRAINT {} CHECK ({check})", ident(name));
        }
        out
    }
}

impl TableText {
    /// Returns the statement that creates the table.
    pub fn text(&self) -> String {
        let mut parts: Vec<String> = self.columns.iter().map(ColumnText::text).collect();
        let list = |names: &[String]| names.iter().map(|name| ident(name)).collect::<Vec<_>>().join(", ");
        if let Some((name, columns)) = &self.key {
            parts.push(format!("CONSTRAINT {} PRIMARY KEY ({})", ident(name), list(columns)));
        }
        for reference in &self.references {
            let Reference { name, column, table, key } = reference;
            parts.push(format!(
                "CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({})",
                ident(name),
                ident(column),
                ident(table),
                ident(key)
            ));
        }
        format!("CREATE TABLE {} ({})", ident(&self.name), parts.join(", "))
    }
}

/// Returns what every value of a column fulfils, where its type does not say so.
pub fn check(spec: &ColumnSpec) -> Option<String> {
    if spec.holds != Holds::Value {
        return None;
    }
    let name = ident(&spec.name);
    let check = facet_check(&name, &spec.property, Dialect::Sqlite)?;
    let json = coeval_plan::table::is_json(&spec.property.ty) && spec.property.nullable && spec.property.ty != Type::Json;
    Some(if json { format!("{name} = {} OR {check}", json::null(Dialect::Sqlite)) } else { check })
}
