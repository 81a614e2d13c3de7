//! What a column of a type is, its values as JSON and back, and what pins the type where the column does not.

use coeval_core::expr::ExprType;
use coeval_core::{Property, Type};

use crate::Dialect;
use crate::expr::{postgres, sqlite};
use crate::name::string;

/// Finds the type of the key of the model that a reference names.
pub type KeyType<'a> = &'a dyn Fn(&str) -> Option<Type>;

/// Returns the type of a column.
///
/// In SQLite everything that is neither `integer`, `boolean`, `float` nor `bytes` is TEXT in one canonical form, so that no affinity
/// changes a value and equal values have equal texts: numbers are plain decimals without trailing zeros, datetimes are in UTC
/// and end with `Z`, UUIDs are in lower case. [`crate::literal`] writes these, and [`facet_check`] holds a column to them.
pub fn column_type(ty: &Type, key: KeyType<'_>, dialect: Dialect) -> String {
    let ty = match ty {
        Type::Ref { model } => match key(model) {
            // A key that is a reference itself: of one more step at most, or two models could name each other forever.
            Some(Type::Ref { model }) => key(&model).unwrap_or(Type::String),
            Some(ty) => ty,
            None => Type::String,
        },
        ty => ty.clone(),
    };
    let ty = ExprType::of(&ty);
    match dialect {
        Dialect::Postgres => postgres_type(&ty),
        Dialect::Sqlite => sqlite_type(&ty).to_owned(),
    }
}

/// The type in PostgreSQL; qualified where a user's type could have the name.
pub(crate) fn postgres_type(ty: &ExprType) -> String {
    use ExprType as T;
    match ty {
        T::Decimal { precision, scale } => return format!("numeric({precision},{scale})"),
        T::Null | T::String | T::Enum(_) | T::Ref(_) => "pg_catalog.text",
        T::Integer => "bigint",
        T::Number => "numeric",
        T::Float => "double precision",
        T::Boolean => "boolean",
        T::Date => "pg_catalog.date",
        T::Time => "time without time zone",
        T::Datetime => "timestamp with time zone",
        T::Interval => "interval",
        T::Uuid => "pg_catalog.uuid",
        T::Bytes => "pg_catalog.bytea",
        T::Json | T::Union { .. } | T::List(_) | T::Map(_) | T::Object(_) => "pg_catalog.jsonb",
    }
    .to_owned()
}

fn sqlite_type(ty: &ExprType) -> &'static str {
    use ExprType as T;
    match ty {
        T::Integer | T::Boolean => "INTEGER",
        T::Float => "REAL",
        T::Bytes => "BLOB",
        T::Null
        | T::String
        | T::Enum(_)
        | T::Ref(_)
        | T::Number
        | T::Decimal { .. }
        | T::Date
        | T::Time
        | T::Datetime
        | T::Interval
        | T::Uuid
        | T::Json
        | T::Union { .. }
        | T::List(_)
        | T::Map(_)
        | T::Object(_) => "TEXT",
    }
}

/// Returns an expression that gives a column's value as JSON: `jsonb` in PostgreSQL, text in SQLite. NULL gives NULL in PostgreSQL and
/// the text `null` in SQLite, which is what the functions that build JSON want there.
///
/// `None` where the dialect cannot: bytes and floats in SQLite, which has no base 64 and rounds a double that it prints.
pub fn to_json(sql: &str, ty: &Type, dialect: Dialect) -> Option<String> {
    match dialect {
        Dialect::Postgres => Some(postgres::to_json(sql, &ExprType::of(ty))),
        Dialect::Sqlite => sqlite::to_json(sql, &ExprType::of(ty)),
    }
}

/// Returns an expression that gives the column's value of one JSON value: of `jsonb` in PostgreSQL, of text in SQLite. JSON's null
/// gives NULL. A value of another kind than the type's raises an error, or is found by [`facet_check`].
///
/// `None` where the dialect cannot: bytes in SQLite.
pub fn from_json(sql: &str, ty: &Type, dialect: Dialect) -> Option<String> {
    match dialect {
        Dialect::Postgres => Some(postgres::from_json(sql, &ExprType::of(ty))),
        Dialect::Sqlite => sqlite::from_json(sql, &ExprType::of(ty)),
    }
}

/// Returns a condition on a column that is true or NULL for the values of the property's type, where the type of the column
/// itself admits more.
pub fn facet_check(column: &str, property: &Property, dialect: Dialect) -> Option<String> {
    match dialect {
        Dialect::Postgres => postgres_check(column, &property.ty),
        Dialect::Sqlite => Some(sqlite_check(column, &property.ty)),
    }
}

fn listed(column: &str, values: &[String], dialect: Dialect) -> String {
    if values.is_empty() {
        return format!("({column} IS NULL)");
    }
    let values: Vec<String> = values.iter().map(|value| string(value, dialect)).collect();
    let collate = if dialect == Dialect::Postgres { "pg_catalog.\"C\"" } else { "BINARY" };
    format!("({column} COLLATE {collate} IN ({}))", values.join(", "))
}

fn postgres_check(column: &str, ty: &Type) -> Option<String> {
    let kind = |kind: &str| Some(format!("(pg_catalog.jsonb_typeof({column}) = '{kind}')"));
    match ty {
        Type::Enum { values } => Some(listed(column, values, Dialect::Postgres)),
        Type::Object(_) | Type::Map { .. } => kind("object"),
        Type::Array { .. } => kind("array"),
        Type::Number | Type::Decimal { .. } => {
            Some(format!("({column} NOT IN ('NaN'::numeric, 'Infinity'::numeric, '-Infinity'::numeric))"))
        }
        Type::Float => Some(format!(
            "({column} NOT IN ('NaN'::double precision, 'Infinity'::double precision, '-Infinity'::double precision))"
        )),
        Type::Date => Some(format!("({column} BETWEEN '0001-01-01'::pg_catalog.date AND '9999-12-31'::pg_catalog.date)")),
        Type::Time => Some(format!("({column} < '24:00:00'::time without time zone)")),
        Type::Datetime => Some(format!(
            "({column} >= '0001-01-01T00:00:00Z'::timestamp with time zone AND {column} < \
             pg_catalog.timezone('UTC', '10000-01-01T00:00:00'::timestamp without time zone))"
        )),
        Type::String | Type::Integer | Type::Boolean | Type::Uuid | Type::Bytes | Type::Json | Type::Ref { .. } => None,
        Type::Union { .. } => Some(format!("(pg_catalog.jsonb_typeof({column}) <> 'null')")),
    }
}

fn sqlite_check(column: &str, ty: &Type) -> String {
    let typed = |name: &str| format!("typeof({column}) = '{name}'");
    let json = |kinds: &str| {
        format!("CASE WHEN {} AND json_valid({column}) THEN json_type({column}) IN ({kinds}) ELSE 0 END", typed("text"))
    };
    let day = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]";
    let clock = "[0-2][0-9]:[0-5][0-9]:[0-5][0-9]";
    // Nothing after the seconds, or a fraction that is digits without a last zero.
    let fraction = |rest: String| {
        format!(
            "({rest} = '' OR ({rest} GLOB '.[0-9]*' AND length({rest}) BETWEEN 2 AND 10 AND substr({rest}, 2) NOT GLOB '*[^0-9]*' \
             AND {rest} NOT GLOB '*0'))"
        )
    };
    let condition = match ty {
        Type::String => format!("{} AND instr({column}, char(0)) = 0", typed("text")),
        Type::Ref { .. } => format!("typeof({column}) IN ('text', 'integer')"),
        Type::Integer => typed("integer"),
        Type::Float => format!("{} AND abs({column}) <= 1.7976931348623157e308", typed("real")),
        Type::Number => format!("{} AND {}", typed("text"), sqlite::is_decimal(column)),
        Type::Decimal { precision, scale } => {
            let digits = format!("ltrim({column}, '-')");
            let point = format!("instr({digits} || '.', '.')");
            // A leading zero is not a digit of the number.
            format!(
                "{} AND {} AND length({digits}) - {point} <= {scale} AND length(ltrim(substr({digits}, 1, {point} - 1), '0')) <= {}",
                typed("text"),
                sqlite::is_decimal(column),
                precision - scale
            )
        }
        Type::Boolean => format!("{} AND {column} IN (0, 1)", typed("integer")),
        Type::Date => format!("{} AND {column} GLOB '{day}' AND date({column}, '+0 days') = {column}", typed("text")),
        Type::Time => {
            let seconds = format!("substr({column}, 1, 8)");
            format!(
                "{} AND {seconds} GLOB '{clock}' AND {seconds} < '24' AND {}",
                typed("text"),
                fraction(format!("substr({column}, 9)"))
            )
        }
        Type::Datetime => {
            let (date, seconds) = (format!("substr({column}, 1, 10)"), format!("substr({column}, 12, 8)"));
            format!(
                "{} AND {column} GLOB '{day}T*Z' AND date({date}, '+0 days') = {date} AND {seconds} GLOB '{clock}' \
                 AND {seconds} < '24' AND {}",
                typed("text"),
                fraction(format!("substr({column}, 20, length({column}) - 20)"))
            )
        }
        Type::Uuid => {
            let hex = |n: usize| "[0-9a-f]".repeat(n);
            let shape = [8, 4, 4, 4, 12].map(hex).join("-");
            format!("{} AND {column} GLOB '{shape}'", typed("text"))
        }
        Type::Bytes => typed("blob"),
        Type::Enum { values } => format!("{} AND {}", typed("text"), listed(column, values, Dialect::Sqlite)),
        Type::Object(_) | Type::Map { .. } => json("'object'"),
        Type::Array { .. } => json("'array'"),
        Type::Json => format!("{} AND json_valid({column})", typed("text")),
        Type::Union { .. } => json("'object', 'array', 'text', 'integer', 'real', 'true', 'false'"),
    };
    format!("({column} IS NULL OR ({condition}))")
}
