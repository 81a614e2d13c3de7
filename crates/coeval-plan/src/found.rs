//! What lies in a database, as far as models go: for taking a database over, and for telling what drifted from what should be.

use coeval_core::schema::{Model, Properties, Property, Type};
use coeval_core::{Object, Value};

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
    /// Whether the database computes it, so that nobody can write it.
    pub generated: bool,
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
/// that refers to a table is a reference where a model of the table's name is among `others`. What the model leaves out stays in
/// the table as it is.
///
/// # Errors
/// A table without a primary key that properties can be the key of, with the reason.
pub fn take(table: &FoundTable, others: &[&str]) -> Result<Taken, String> {
    let mut left = Vec::new();
    let mut properties = Properties::new();
    properties.additional = false;
    for column in &table.columns {
        let Some(ty) = column.ty.clone() else {
            left.push(format!("column `{}`: no type of a property holds a `{}`", column.name, column.native));
            continue;
        };
        if column.generated {
            left.push(format!("column `{}`: the database computes it", column.name));
            continue;
        }
        let mut references = table.references.iter().filter(|(_, other)| others.contains(&other.as_str()));
        let reference = references.find(|(own, _)| *own == column.name);
        let is_key = table.key.contains(&column.name);
        let mut property = Property::new(match reference {
            Some((_, other)) if !is_key => Type::Ref { model: other.clone() },
            _ => ty,
        });
        // What the database fills may be left out, unless it identifies the row.
        property.required = is_key || !column.nullable && column.default.is_none();
        property.unique = table.uniques.iter().any(|columns| columns.as_slice() == [column.name.clone()]);
        property.index = table.indexes.iter().any(|columns| columns.as_slice() == [column.name.clone()]);
        properties.insert(&column.name, property);
    }
    if table.key.is_empty() {
        return Err("it has no primary key, which tells its rows apart".to_owned());
    }
    if let Some(missing) = table.key.iter().find(|name| properties.get(name).is_none()) {
        return Err(format!("the column `{missing}` of its primary key has no type that a property can have"));
    }
    let mut options = Object::new();
    let place = table.schema.as_ref().map_or_else(|| table.name.clone(), |schema| format!("{schema}.{}", table.name));
    options.insert("table", Value::from(place.as_str()));
    let model = Model { key: table.key.clone(), properties, options, ..Model::new(&table.name) };
    Ok(Taken { model, left })
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
}

/// Returns how a table differs from what it should be, column by column: in words, each of which names the column.
pub fn drift(expected: &[Expected], found: &FoundTable) -> Vec<String> {
    let mut out = Vec::new();
    for column in expected {
        let name = &column.name;
        let Some(own) = found.columns.iter().find(|own| own.name == *name) else {
            out.push(format!("column `{name}` is missing"));
            continue;
        };
        if own.native != column.native {
            out.push(format!("column `{name}` is `{}` instead of `{}`", own.native, column.native));
        }
        match (own.nullable, column.nullable) {
            (true, false) => out.push(format!("column `{name}` may be null and should not")),
            (false, true) => out.push(format!("column `{name}` may not be null and should")),
            (true, true) | (false, false) => {}
        }
    }
    for column in &found.columns {
        if !expected.iter().any(|own| own.name == column.name) {
            out.push(format!("column `{}` (`{}`) is in no version", column.name, column.native));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, native: &str, ty: Option<Type>, nullable: bool) -> FoundColumn {
        FoundColumn { name: name.to_owned(), native: native.to_owned(), ty, nullable, default: None, generated: false }
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
        let alone = take(&users(), &[]).expect("it has a key");
        assert_eq!(alone.model.properties.get("team").map(|p| p.ty.clone()), Some(Type::Integer));
        let without = FoundTable { key: Vec::new(), ..users() };
        assert!(take(&without, &[]).is_err_and(|reason| reason.contains("no primary key")));
    }

    #[test]
    fn drift_names_each_column() {
        let expected =
            |name: &str, native: &str, nullable| Expected { name: name.to_owned(), native: native.to_owned(), nullable };
        let wanted = [
            expected("id", "bigint", false),
            expected("email", "character varying", true),
            expected("gone", "text", true),
            expected("place", "point", true),
            expected("shout", "text", true),
        ];
        let found = drift(&wanted, &users());
        assert_eq!(
            found,
            [
                "column `email` is `text` instead of `character varying`",
                "column `email` may not be null and should",
                "column `gone` is missing",
                "column `team` (`bigint`) is in no version",
            ]
        );
    }
}
