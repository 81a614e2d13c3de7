//! Lookup tables that are shipped with a manifest.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::decode::{found, object};
use crate::expr::{ExprType, Typed};
use crate::invalid::Invalid;
use crate::value::{Object, Value};

/// The tables of a manifest by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tables(BTreeMap<String, Arc<Table>>);

/// Rows by key: `{"de": {"name": "Germany", "region": "Europe"}, …}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    name: String,
    rows: Vec<(String, Value)>,
    by_key: HashMap<String, usize>,
    columns: Vec<(String, Typed)>,
    digest: String,
}

impl Tables {
    /// Returns no tables.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds a table; replaces one of the same name.
    pub fn insert(&mut self, table: Table) {
        self.0.insert(table.name.clone(), Arc::new(table));
    }

    /// Returns the table called `name`.
    pub fn get(&self, name: &str) -> Option<&Arc<Table>> {
        self.0.get(name)
    }

    /// Returns the tables in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.0.values()
    }

    /// Returns the names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl FromIterator<Table> for Tables {
    fn from_iter<I: IntoIterator<Item = Table>>(iter: I) -> Self {
        let mut tables = Self::new();
        iter.into_iter().for_each(|table| tables.insert(table));
        tables
    }
}

impl Table {
    /// Reads a table: an object of rows, each an object of columns.
    ///
    /// A column that a row does not have, or has as null, may be NULL. A column has the type that all its values share
    /// (`string`, `integer`, `number` or `boolean`), else `json`.
    ///
    /// # Errors
    /// A table or a row that is no object, and a value in a row that is a list or an object.
    pub fn from_value(name: &str, value: &Value) -> Result<Self, Invalid> {
        let source = object(value, "a table")?;
        let mut table = Self {
            name: name.to_owned(),
            rows: Vec::with_capacity(source.len()),
            by_key: HashMap::with_capacity(source.len()),
            columns: Vec::new(),
            digest: value.digest(),
        };
        for (key, row) in source {
            let columns = object(row, "a row").map_err(|e| e.beneath(key))?;
            for (column, value) in columns {
                table.note(column, value).map_err(|e| e.beneath(column).beneath(key))?;
            }
            table.by_key.insert(key.as_str().to_owned(), table.rows.len());
            table.rows.push((key.as_str().to_owned(), row.clone()));
        }
        for (column, typed) in &mut table.columns {
            let everywhere = table.rows.iter().all(|(_, row)| {
                let value = row.as_object().and_then(|row| row.get(column));
                value.is_some_and(|value| *value != Value::Null)
            });
            typed.nullable = !everywhere;
            if typed.ty == ExprType::Null {
                typed.ty = ExprType::String;
            }
        }
        Ok(table)
    }

    /// Widens the column's type to hold the value.
    fn note(&mut self, column: &str, value: &Value) -> Result<(), Invalid> {
        let ty = match value {
            Value::Null => ExprType::Null,
            Value::Bool(_) => ExprType::Boolean,
            Value::String(_) => ExprType::String,
            Value::Number(number) if number.to_i64().is_some() => ExprType::Integer,
            Value::Number(_) => ExprType::Number,
            Value::List(_) | Value::Object(_) => {
                return Err(Invalid::new(format!("expected a string, a number, true, false or null, found {}", found(value))));
            }
        };
        match self.columns.iter_mut().find(|(name, _)| name == column) {
            Some((_, typed)) => typed.ty = typed.ty.common(&ty).unwrap_or(ExprType::Json),
            None => self.columns.push((column.to_owned(), Typed::new(ty, false))),
        }
        Ok(())
    }

    /// Returns the table's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the row at `key`.
    pub fn get(&self, key: &str) -> Option<&Object> {
        self.row(key)?.as_object()
    }

    /// Returns the row at `key` as a value.
    pub fn row(&self, key: &str) -> Option<&Value> {
        Some(&self.rows[*self.by_key.get(key)?].1)
    }

    /// Returns the columns and their types, in the order in which they first occur.
    pub fn columns(&self) -> &[(String, Typed)] {
        &self.columns
    }

    /// Returns the type of the rows.
    pub fn row_type(&self) -> ExprType {
        ExprType::Object(self.columns.clone())
    }

    /// Returns keys and rows in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.rows.iter().map(|(key, row)| (key.as_str(), row))
    }

    /// Returns the SHA-256 of the content, in hexadecimal; the order of rows and columns does not count.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}
