//! Values as `jsonb` and back; fields, items, lists, objects and maps.

use coeval_core::expr::{Expr, ExprType};

use super::super::shared;
use super::{Postgres, Sql, call, cast, raise, text};
use crate::Dialect;
use crate::expr::Local;
use crate::literal;
use crate::types::postgres_type;

/// How many arguments a function takes, less some.
const ARGUMENTS: usize = 90;

const NULL: &str = "'null'::pg_catalog.jsonb";

/// The value as `jsonb`; NULL stays NULL, which the functions that build JSON take for JSON's null.
pub(crate) fn to_json(sql: &str, ty: &ExprType) -> String {
    use ExprType as T;
    match ty {
        T::Json | T::Union { .. } | T::List(_) | T::Map(_) | T::Object(_) => sql.to_owned(),
        // A literal alone has no type yet.
        T::Null | T::String | T::Enum(_) | T::Ref(_) if ["'", "E'", "NULL"].iter().any(|start| sql.starts_with(start)) => {
            call("to_jsonb", &[&format!("({sql})::pg_catalog.text")])
        }
        T::Null
        | T::String
        | T::Enum(_)
        | T::Ref(_)
        | T::Integer
        | T::Number
        | T::Decimal { .. }
        | T::Float
        | T::Boolean
        | T::Uuid => call("to_jsonb", &[sql]),
        T::Date | T::Time | T::Datetime | T::Bytes | T::Interval => call("to_jsonb", &[&cast::to_text(sql, ty)]),
    }
}

/// The value of a `jsonb` that is known to be one of the type; JSON's null is NULL.
pub(crate) fn from_json(sql: &str, ty: &ExprType) -> String {
    use ExprType as T;
    let text = format!("({sql} #>> '{{}}')");
    match ty {
        T::Json | T::Union { .. } | T::List(_) | T::Map(_) | T::Object(_) => format!("NULLIF({sql}, {NULL})"),
        T::Null | T::String | T::Enum(_) | T::Ref(_) => text,
        T::Bytes => call("decode", &[&text, "'base64'"]),
        T::Integer | T::Number | T::Float | T::Boolean | T::Uuid | T::Interval => format!("({text}::{})", postgres_type(ty)),
        // Never rounded: more digits are an error.
        T::Decimal { .. } => format!("({text}::numeric)"),
        T::Date | T::Time | T::Datetime => cast::moment_of(&text, ty),
    }
}

impl Postgres<'_> {
    pub(super) fn field(&self, base: &Expr, name: &str, e: &Expr) -> Sql {
        if name.contains('\0') {
            return Err(Local::new("a name with the character NUL", &e.span));
        }
        if base.ty == ExprType::Null {
            return of_null(e);
        }
        let base = self.expr(base)?;
        Ok(from_json(&format!("({base} -> {})", text(name)), &e.ty))
    }

    pub(super) fn index(&self, base: &Expr, index: &Expr, e: &Expr) -> Sql {
        if base.ty == ExprType::Null && !shared::may_fail(index, Dialect::Postgres) {
            return of_null(e);
        }
        let sql = self.expr(base)?;
        if index.ty != ExprType::Integer {
            let key = self.expr(index)?;
            return Ok(from_json(&format!("({sql} -> {key})"), &e.ty));
        }
        let at = match shared::integer(index) {
            // Items are counted from 1; what is negative would count from the end.
            Some(number) if (1..=i64::from(i32::MAX)).contains(&number) => format!("({sql} -> {})", number - 1),
            Some(_) => "NULL::pg_catalog.jsonb".to_owned(),
            None => {
                let number = self.expr(index)?;
                self.bind(&[&number], |names| {
                    let number = &names[0];
                    Ok(format!("(CASE WHEN {number} BETWEEN 1 AND 2147483647 THEN {sql} -> ({number} - 1)::integer END)"))
                })?
            }
        };
        if !base.ty.is_dynamic() {
            return Ok(from_json(&at, &e.ty));
        }
        // A scalar would be taken for a list of itself.
        let guarded = format!("(CASE WHEN {} = 'array' THEN {at} END)", call("jsonb_typeof", &[&sql]));
        Ok(from_json(&guarded, &e.ty))
    }

    pub(super) fn json(&self, e: &Expr) -> Sql {
        if !shared::is_canonical(e) {
            return Err(Local::new("a moment of which the text is not known to be the one that a column has", &e.span));
        }
        Ok(to_json(&self.expr(e)?, &e.ty))
    }

    pub(super) fn list(&self, items: &[Expr]) -> Sql {
        let items = items.iter().map(|item| self.json(item)).collect::<Result<Vec<_>, _>>()?;
        Ok(joined(&items, ARGUMENTS, "jsonb_build_array"))
    }

    pub(super) fn object(&self, fields: &[(String, Expr)]) -> Sql {
        let mut parts = Vec::with_capacity(fields.len());
        for (name, field) in fields {
            if name.contains('\0') {
                return Err(Local::new("a name with the character NUL", &field.span));
            }
            parts.push(format!("{}, {}", text(name), self.json(field)?));
        }
        Ok(joined(&parts, ARGUMENTS / 2, "jsonb_build_object"))
    }

    pub(super) fn map(&self, entries: &[(Expr, Expr)], e: &Expr) -> Sql {
        let keys: Vec<Option<String>> = entries.iter().map(|(key, _)| shared::text(key)).collect();
        let distinct = keys.iter().enumerate().all(|(i, key)| key.is_some() && !keys[..i].contains(key));
        if distinct {
            let mut parts = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                parts.push(format!("{}, {}", self.expr(key)?, self.json(value)?));
            }
            return Ok(joined(&parts, ARGUMENTS / 2, "jsonb_build_object"));
        }
        let mut rows = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            rows.push(format!("({}, {})", self.expr(key)?, self.json(value)?));
        }
        let (key, value) = (self.names.fresh(), self.names.fresh());
        let rows = format!("(VALUES {}) AS {}({key}, {value})", rows.join(", "), self.names.fresh());
        Ok(unique(&key, &value, &rows, &e.ty))
    }
}

/// What there is in NULL.
fn of_null(e: &Expr) -> Sql {
    literal::of(&coeval_core::Value::Null, &e.ty, Dialect::Postgres).map_err(|unfit| Local::new(unfit.0, &e.span))
}

/// The object of keys and values, an error where a key is NULL or occurs twice.
pub(super) fn unique(key: &str, value: &str, rows: &str, ty: &ExprType) -> String {
    let made = call("jsonb_object_agg", &[key, value]);
    let count = format!("{} = {}", call("count", &["*"]), call("count", &[&format!("DISTINCT {key} {}", super::C)]));
    let raise = raise("the key of a map is NULL or occurs twice", ty);
    format!("(SELECT CASE WHEN {count} THEN COALESCE({made}, '{{}}'::pg_catalog.jsonb) ELSE {raise} END FROM {rows})")
}

/// Calls a function that builds an array or an object, several times where it has more arguments than one call takes.
fn joined(parts: &[String], each: usize, function: &str) -> String {
    if parts.is_empty() {
        return format!("pg_catalog.{function}()");
    }
    let calls: Vec<String> = parts.chunks(each).map(|chunk| format!("pg_catalog.{function}({})", chunk.join(", "))).collect();
    if calls.len() == 1 { calls.join("") } else { format!("({})", calls.join(" || ")) }
}

/// The table as one JSON object.
pub(super) fn table(table: &coeval_core::table::Table, e: &Expr) -> Sql {
    let rows: coeval_core::Object = table.iter().map(|(key, row)| (key.into(), row.clone())).collect();
    let value = coeval_core::Value::Object(rows);
    literal::of(&value, &ExprType::Json, Dialect::Postgres).map_err(|unfit| Local::new(unfit.0, &e.span))
}
