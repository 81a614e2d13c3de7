//! What lies in a database, as far as models go: for taking a database over, and for telling what drifted from what should be.

use std::fmt;

use coeval_core::schema::{Model, Properties, Property, Type};
use coeval_core::{Object, Value};

use crate::table::{CARRIES, ID};

/// A table that was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FoundTable {
    /// Its schema; `None` where the database has none.
    pub schema: Option<String>,
    /// Its name.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<FoundColumn>,
    /// The columns of its primary key, in the key's order.
    pub key: Vec<String>,
    /// The columns of each unique constraint or index, but for the key.
    pub uniques: Vec<Vec<String>>,
    /// The columns of each other index.
    pub indexes: Vec<Vec<String>>,
    /// The columns that refer to the key of another table, with that table's name.
    pub references: Vec<(String, String)>,
    /// Why it cannot be taken over, where something of it does not go together with versions.
    pub cannot: Option<String>,
    /// What is said of it.
    pub comment: Option<String>,
    /// What of it stays beneath the versions as it is, in words: rules, triggers, rights.
    pub stays: Vec<String>,
    /// Whether the database tells rows apart where there is no key, so that coeval can give them one.
    pub keyless: bool,
    /// Whether views of it are written as the table is, so that they can carry along any column, not only those that are computed.
    pub carries: bool,
}

/// A column that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundColumn {
    /// Its name.
    pub name: String,
    /// Its type as the database calls it.
    pub native: String,
    /// The type of a property that holds its values; `None` where there is none.
    pub ty: Option<Type>,
    /// Whether it may be null.
    pub nullable: bool,
    /// The expression of its default, as the database prints it.
    pub default: Option<String>,
    /// The value of its default, where that is always the same.
    pub value: Option<Value>,
    /// Whether the database computes it, so that nobody can write it.
    pub generated: bool,
    /// What is said of it.
    pub comment: Option<String>,
}

/// A model for a table, and what it leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The model.
    pub model: Model,
    /// What of the table no property stands for, with the reason.
    pub left: Vec<String>,
}

/// Returns the model that a table is, at the first version: every column that a type stands for is a property of its name.
///
/// A column that may be null is an optional property; one that the database fills, and that may be left out therefore, too. One
/// that refers to a table is a reference where a model of the table's name is among `others`. Where there is no primary key, a
/// unique one whose columns are never null is taken for it, or else the model has none. What the model leaves out stays in the
/// table as it is.
///
/// # Errors
/// A table that versions cannot be laid over, with the reason.
pub fn take(table: &FoundTable, others: &[&str]) -> Result<Taken, String> {
    if let Some(reason) = &table.cannot {
        return Err(reason.clone());
    }
    let mut left = Vec::new();
    let key = key(table, &mut left)?;
    let (mut properties, mut carried) = (Properties::new(), Vec::new());
    properties.additional = false;
    for column in &table.columns {
        match property(table, column, &key, others) {
            Ok(property) => {
                let filled = column.default.as_ref().filter(|_| !column.nullable && !property.required);
                left.extend(filled.map(|default| {
                    let name = &column.name;
                    format!("column `{name}`: the database fills it in ({default}); a version that converts it has to be given a value")
                }));
                properties.insert(&column.name, property);
            }
            Err(reason) => {
                left.push(format!("column `{}`: {reason}", column.name));
                if column.generated || table.carries {
                    carried.push(Value::from(column.name.as_str()));
                }
            }
        }
    }
    if let Some(missing) = key.iter().find(|name| properties.get(name).is_none()) {
        return Err(format!("the column `{missing}` of its primary key has no type that a property can have"));
    }
    left.extend(table.stays.iter().cloned());
    let mut options = Object::new();
    let place = table.schema.as_ref().map_or_else(|| table.name.clone(), |schema| format!("{schema}.{}", table.name));
    options.insert("table", Value::from(place.as_str()));
    if !carried.is_empty() {
        options.insert(CARRIES, Value::List(carried));
    }
    if let Some(comment) = &table.comment {
        options.insert("description", Value::from(comment.as_str()));
    }
    let model = Model { key, properties, options, ..Model::new(&table.name) };
    Ok(Taken { model, left })
}

/// What tells the rows of a table apart; nothing where rows are given a key.
fn key(table: &FoundTable, left: &mut Vec<String>) -> Result<Vec<String>, String> {
    if !table.key.is_empty() {
        return Ok(table.key.clone());
    }
    let fits = |name: &String| {
        let column = table.columns.iter().find(|column| column.name == *name);
        column.is_some_and(|column| column.ty.is_some() && !column.nullable && !column.generated)
    };
    if let Some(unique) = table.uniques.iter().find(|columns| columns.iter().all(fits)) {
        let names: Vec<String> = unique.iter().map(|name| format!("`{name}`")).collect();
        left.push(format!(
            "it has no primary key: {}, of which no two rows have the same, is taken for one",
            names.join(" with ")
        ));
        return Ok(unique.clone());
    }
    if !table.keyless {
        return Err("it has no primary key, which tells its rows apart".to_owned());
    }
    if table.columns.iter().any(|column| column.name.eq_ignore_ascii_case(ID)) {
        return Err(format!("it has no primary key, and the column `{ID}`, which rows would be given for one, is another one"));
    }
    left.push(format!("it has no primary key: `migrate` gives every row one, in a new column `{ID}`"));
    Ok(Vec::new())
}

/// The property that a column is, or why there is none.
fn property(table: &FoundTable, column: &FoundColumn, key: &[String], others: &[&str]) -> Result<Property, String> {
    if column.generated {
        return Err("the database computes it; the versions show it, and nobody writes it".to_owned());
    }
    let Some(ty) = column.ty.clone() else {
        if table.carries {
            return Err(format!("no type of a property holds a `{}`; the versions show it in SQL as it is", column.native));
        }
        let must = if column.nullable || column.default.is_some() {
            ""
        } else {
            "; it must have a value and has no default, so that no row can be inserted through a version until it has one"
        };
        return Err(format!("no type of a property holds a `{}`; the versions do not show it{must}", column.native));
    };
    let mut references = table.references.iter().filter(|(_, other)| others.contains(&other.as_str()));
    let reference = references.find(|(own, _)| *own == column.name);
    let is_key = key.contains(&column.name);
    let mut property = Property::new(match reference {
        Some((_, other)) if !is_key => Type::Ref { model: other.clone() },
        _ => ty,
    });
    property.default = column.value.clone().filter(|value| !is_key && property.ty.admits(value));
    // What the database fills in by itself may be left out, unless it identifies the row.
    property.required = is_key || !column.nullable && (column.default.is_none() || property.default.is_some());
    property.unique = table.uniques.iter().any(|columns| columns.as_slice() == [column.name.clone()]);
    property.index = table.indexes.iter().any(|columns| columns.as_slice() == [column.name.clone()]);
    property.description.clone_from(&column.comment);
    Ok(property)
}

/// A column that should be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Its name.
    pub name: String,
    /// Its type as the database calls it.
    pub native: String,
    /// Whether it may be null.
    pub nullable: bool,
    /// The expression of its default, as the database prints it, if any; `None` where any will do.
    #[allow(clippy::option_option, reason = "unknown, none, or an expression")]
    pub default: Option<Option<String>>,
}

/// How something differs from what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What it is, with its name: ``column `price` ``.
    pub what: String,
    /// What it should be; `None` where it should not be there.
    pub expected: Option<String>,
    /// What it is; `None` where it is not there.
    pub found: Option<String>,
}

impl Difference {
    /// Says what something should be, and what it is.
    pub fn new(what: impl Into<String>, expected: Option<String>, found: Option<String>) -> Self {
        Self { what: what.into(), expected, found }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.expected, &self.found) {
            (Some(expected), Some(found)) => write!(f, "{} is {found} instead of {expected}", self.what),
            (Some(expected), None) => write!(f, "{} is missing: {expected}", self.what),
            (None, Some(found)) => write!(f, "{} is in no version: {found}", self.what),
            (None, None) => write!(f, "{} differs", self.what),
        }
    }
}

/// Returns how the columns of a table differ from what they should be, each with its name.
pub fn drift(expected: &[Expected], found: &FoundTable) -> Vec<Difference> {
    let mut out = Vec::new();
    let words = |native: &str, nullable: bool| format!("`{native}`{}", if nullable { "" } else { " NOT NULL" });
    for column in expected {
        let wanted = words(&column.native, column.nullable);
        let own = found.columns.iter().find(|own| own.name == column.name);
        let there = own.map(|own| words(&own.native, own.nullable));
        if there.as_ref() != Some(&wanted) {
            out.push(Difference::new(format!("column `{}`", column.name), Some(wanted), there));
        }
        let default = |default: Option<&String>| default.map_or_else(|| "none".to_owned(), |default| format!("`{default}`"));
        let Some(own) = own else { continue };
        if let Some(wanted) = &column.default
            && *wanted != own.default
        {
            let what = format!("default of column `{}`", column.name);
            out.push(Difference::new(what, Some(default(wanted.as_ref())), Some(default(own.default.as_ref()))));
        }
    }
    for column in &found.columns {
        if !expected.iter().any(|own| own.name == column.name) {
            let there = words(&column.native, column.nullable);
            out.push(Difference::new(format!("column `{}`", column.name), None, Some(there)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, native: &str, ty: Option<Type>, nullable: bool) -> FoundColumn {
        FoundColumn {
            name: name.to_owned(),
            native: native.to_owned(),
            ty,
            nullable,
            default: None,
            value: None,
            generated: false,
            comment: None,
        }
    }

    fn users() -> FoundTable {
        FoundTable {
            schema: Some("public".to_owned()),
            name: "users".to_owned(),
            columns: vec![
                FoundColumn { default: Some("nextval('s')".to_owned()), ..column("id", "bigint", Some(Type::Integer), false) },
                column("email", "text", Some(Type::String), false),
                column("place", "point", None, true),
                FoundColumn { generated: true, ..column("shout", "text", Some(Type::String), true) },
                column("team", "bigint", Some(Type::Integer), true),
            ],
            key: vec!["id".to_owned()],
            uniques: vec![vec!["email".to_owned()]],
            indexes: Vec::new(),
            references: vec![("team".to_owned(), "teams".to_owned())],
            keyless: true,
            carries: true,
            ..FoundTable::default()
        }
    }

    #[test]
    fn a_table_is_a_model_and_what_it_is_not_is_said() {
        let taken = take(&users(), &["teams"]).expect("it has a key");
        let of = |name: &str| taken.model.properties.get(name).cloned();
        assert!(of("id").is_some_and(|p| p.required) && of("email").is_some_and(|p| p.required && p.unique));
        assert_eq!(of("team").map(|p| (p.ty, p.required)), Some((Type::Ref { model: "teams".to_owned() }, false)));
        assert_eq!(taken.left.len(), 2, "{:?}", taken.left);
        assert_eq!(taken.model.options.get("table"), Some(&Value::from("public.users")));
        let carried =
            |table: &FoundTable| take(table, &[]).expect("it has a key").model.options.get(CARRIES).map(Value::to_string);
        assert_eq!(carried(&users()).as_deref(), Some(r#"["place","shout"]"#));
        assert_eq!(carried(&FoundTable { carries: false, ..users() }).as_deref(), Some(r#"["shout"]"#));
        let alone = take(&users(), &[]).expect("it has a key");
        assert_eq!(alone.model.properties.get("team").map(|p| p.ty.clone()), Some(Type::Integer));
        let without = FoundTable { key: Vec::new(), ..users() };
        assert_eq!(take(&without, &[]).expect("the address is unique").model.key, ["email"]);
        let alone = FoundTable { uniques: Vec::new(), ..without };
        let taken = take(&alone, &[]).expect("it is given a key");
        assert!(taken.model.key.is_empty() && taken.left[0].contains("`_id`"), "{:?}", taken.left);
        let lost = FoundTable { keyless: false, ..alone };
        assert!(take(&lost, &[]).is_err_and(|reason| reason.contains("no primary key")));
        let refused = FoundTable { cannot: Some("it is partitioned".to_owned()), ..users() };
        assert!(take(&refused, &[]).is_err_and(|reason| reason.contains("partitioned")));
    }

    #[test]
    fn drift_names_each_column() {
        let expected = |name: &str, native: &str, nullable| Expected {
            name: name.to_owned(),
            native: native.to_owned(),
            nullable,
            default: None,
        };
        let wanted = [
            Expected { default: Some(None), ..expected("id", "bigint", false) },
            expected("email", "character varying", true),
            expected("gone", "text", true),
            expected("place", "point", true),
            expected("shout", "text", true),
        ];
        let found: Vec<String> = drift(&wanted, &users()).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "default of column `id` is `nextval('s')` instead of none",
                "column `email` is `text` NOT NULL instead of `character varying`",
                "column `gone` is missing: `text`",
                "column `team` is in no version: `bigint`",
            ]
        );
    }
}
