//! Casts.

use coeval_core::expr::{Expr, ExprType};

use super::{C, Postgres, Sql, call, from_json, text, to_json};
use crate::expr::Local;
use crate::expr::shared;
use crate::types::postgres_type;

/// What is cut off both ends of a text that is read.
const SPACES: &str = "E' \\t\\n\\r\\x0b\\f'";

/// The one text of a scalar.
pub(super) fn to_text(sql: &str, ty: &ExprType) -> String {
    use ExprType as T;
    // The fraction without trailing zeros, and without its point where nothing is left.
    let trimmed = |text: &str| format!("pg_catalog.rtrim(pg_catalog.rtrim({text}, '0'), '.')");
    match ty {
        T::Null | T::String | T::Enum(_) => sql.to_owned(),
        T::Number | T::Decimal { .. } => format!("({}::pg_catalog.text)", call("trim_scale", &[sql])),
        T::Float => float_text(sql),
        T::Date => call("to_char", &[sql, "'YYYY-MM-DD'"]),
        T::Datetime => {
            let utc = call("timezone", &["'UTC'", sql]);
            format!("({} || 'Z')", trimmed(&call("to_char", &[&utc, "'YYYY-MM-DD\"T\"HH24:MI:SS.US'"])))
        }
        T::Bytes => call("replace", &[&call("encode", &[sql, "'base64'"]), "E'\\n'", "''"]),
        T::Ref(_)
        | T::Integer
        | T::Boolean
        | T::Uuid
        | T::Time
        | T::Json
        | T::Union { .. }
        | T::List(_)
        | T::Map(_)
        | T::Object(_)
        | T::Interval => format!("({sql}::pg_catalog.text)"),
    }
}

/// The shortest decimal that reads back as the float.
fn exact(sql: &str) -> String {
    format!("(({sql}::pg_catalog.text)::numeric)")
}

/// The text of a float: plain between 0.0001 and ten to the 16, else with an exponent that has neither plus nor leading zero.
fn float_text(sql: &str) -> String {
    let size = call("abs", &[sql]);
    let plain = format!("(pg_catalog.trim_scale({})::pg_catalog.text)", exact(sql));
    let short = format!("pg_catalog.regexp_replace(({sql}::pg_catalog.text), 'e[+]?(-?)0*', E'e\\\\1')");
    format!("(CASE WHEN {sql} = 0 THEN '0' WHEN {size} >= 1e16 OR {size} < 1e-4 THEN {short} ELSE {plain} END)")
}

/// A text that has the shape, without the spaces around it; else a text that no cast takes, so that the cast raises an error.
fn shaped(sql: &str, shape: &str, what: &str) -> String {
    let trimmed = call("btrim", &[sql, SPACES]);
    let shape = text(&format!("^{shape}$"));
    format!("(CASE WHEN {trimmed} {C} ~ {shape} THEN {trimmed} ELSE {} || {sql} END)", text(&format!("coeval: not {what}: ")))
}

/// The moment that a text spells, in the one way that the language has; PostgreSQL reads much more.
pub(super) fn moment_of(sql: &str, ty: &ExprType) -> String {
    const DAY: &str = "[0-9]{4}-[0-9]{2}-[0-9]{2}";
    // Finer than a microsecond would be rounded.
    const CLOCK: &str = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6}0{0,3})?";
    let shape = match ty {
        ExprType::Date => DAY.to_owned(),
        ExprType::Time => CLOCK.to_owned(),
        _ => format!("{DAY}[Tt ]{CLOCK}([Zz]|[+-][0-9]{{2}}:[0-9]{{2}})"),
    };
    format!("({}::{})", shaped(sql, &shape, &ty.a()), postgres_type(ty))
}

/// Whether a text cannot be read as a value of the type; `None` where that is not told without reading it.
pub(in crate::expr) fn unreadable(sql: &str, to: &ExprType) -> Option<String> {
    use ExprType as T;
    let trimmed = call("btrim", &[sql, SPACES]);
    let fits = |shape: &str| format!("{trimmed} {C} ~ {}", text(&format!("^{shape}$")));
    Some(match to {
        T::Integer => format!(
            "CASE WHEN NOT ({}) THEN true WHEN pg_catalog.char_length(pg_catalog.ltrim({trimmed}, '+-0')) > 19 THEN true \
             ELSE {trimmed}::numeric NOT BETWEEN -9223372036854775808 AND 9223372036854775807 END",
            fits("[+-]?[0-9]+")
        ),
        T::Boolean => {
            format!(
                "NOT ({})",
                fits(
                    "([tT]([rR]([uU][eE]?)?)?|[yY]([eE][sS]?)?|[oO][nN]|1|[fF]([aA]([lL]([sS][eE]?)?)?)?|[nN][oO]?|[oO][fF][fF]?|0)"
                )
            )
        }
        T::Uuid => format!("NOT ({})", fits("[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")),
        T::Date => {
            let part = |from: usize, length: usize| format!("(pg_catalog.substr({trimmed}, {from}, {length})::integer)");
            let (year, month, day) = (part(1, 4), part(6, 2), part(9, 2));
            let leap = format!("({year} % 4 = 0 AND ({year} % 100 <> 0 OR {year} % 400 = 0))");
            let length =
                format!("CASE WHEN {month} IN (4, 6, 9, 11) THEN 30 WHEN {month} <> 2 THEN 31 WHEN {leap} THEN 29 ELSE 28 END");
            format!(
                "CASE WHEN {} THEN {year} < 1 OR {month} NOT BETWEEN 1 AND 12 OR {day} NOT BETWEEN 1 AND {length} ELSE {sql} IS NOT NULL END",
                fits("[0-9]{4}-[0-9]{2}-[0-9]{2}")
            )
        }
        // Of an exponent any size may follow.
        T::Null
        | T::String
        | T::Number
        | T::Float
        | T::Decimal { .. }
        | T::Time
        | T::Datetime
        | T::Bytes
        | T::Enum(_)
        | T::Ref(_)
        | T::Json
        | T::Union { .. }
        | T::List(_)
        | T::Map(_)
        | T::Object(_)
        | T::Interval => return None,
    })
}

/// Reads a text.
fn of_text(sql: &str, to: &ExprType) -> Option<String> {
    use ExprType as T;
    const NUMBER: &str = "[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?";
    let typed = |shaped: String| format!("({shaped}::{})", postgres_type(to));
    Some(match to {
        T::Integer => typed(shaped(sql, "[+-]?[0-9]+", "an integer")),
        T::Number | T::Float => typed(shaped(sql, NUMBER, "a number")),
        T::Decimal { .. } => format!("({}::numeric::{})", shaped(sql, NUMBER, "a number"), postgres_type(to)),
        T::Boolean => typed(call("btrim", &[sql, SPACES])),
        T::Date | T::Time | T::Datetime => moment_of(sql, to),
        T::Uuid => typed(shaped(sql, "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", "a UUID")),
        T::Null
        | T::String
        | T::Bytes
        | T::Enum(_)
        | T::Ref(_)
        | T::Json
        | T::Union { .. }
        | T::List(_)
        | T::Map(_)
        | T::Object(_)
        | T::Interval => return None,
    })
}

impl Postgres<'_> {
    pub(in crate::expr) fn cast(&self, sql: &str, from: &ExprType, to: &ExprType, e: &Expr) -> Sql {
        use ExprType as T;
        let local = |reason: &str| Err(Local::new(reason, &e.span));
        if *to == T::Json {
            return Ok(to_json(sql, from));
        }
        if shared::keeps(from, to) {
            return Ok(match (from, to) {
                (T::Null, _) | (T::Integer, T::Number) => format!("({sql}::{})", postgres_type(to)),
                (T::Integer, T::Ref(_)) => return local("whether a reference is a number is not known here"),
                _ => sql.to_owned(),
            });
        }
        match (from, to) {
            (T::Json | T::Union { .. }, to) => self.bind(&[sql], |names| self.of_dynamic(&names[0], to, e)),
            (T::Ref(_), T::String) => Ok(to_text(sql, from)),
            (T::Ref(_), _) => local("whether a reference is a number is not known here"),
            (T::List(a), T::List(b)) => self.each(sql, "jsonb_array_elements", "jsonb_agg", |item| {
                Ok(to_json(&self.cast(&from_json(item, &a.ty), &a.ty, &b.ty, e)?, &b.ty))
            }),
            (T::Map(a), T::Map(b)) => self.each(sql, "jsonb_each", "jsonb_object_agg", |value| {
                Ok(to_json(&self.cast(&from_json(value, &a.ty), &a.ty, &b.ty, e)?, &b.ty))
            }),
            (T::Object(_), T::Object(_)) => local("a cast of an object's fields"),
            (from, T::String) => {
                // A float's text is made of it several times.
                self.bind(&[sql], |names| Ok(to_text(&names[0], from)))
            }
            (T::String | T::Enum(_), to) => self.bind(&[sql], |names| {
                of_text(&names[0], to).ok_or_else(|| Local::new(format!("a cast from string to {to}"), &e.span))
            }),
            (T::Boolean, T::Integer) => Ok(format!("({sql}::integer::bigint)")),
            (T::Integer, T::Boolean) => Ok(format!("({sql} <> 0)")),
            (T::Float, to) if to.is_numeric() => Ok(format!("({}::{})", exact(sql), postgres_type(to))),
            (from, to) if from.is_numeric() && to.is_numeric() => Ok(format!("({sql}::{})", postgres_type(to))),
            (T::Date, T::Datetime) => Ok(call("timezone", &["'UTC'", &format!("({sql}::timestamp without time zone)")])),
            (T::Datetime, T::Date | T::Time) => Ok(format!("({}::{})", call("timezone", &["'UTC'", sql]), postgres_type(to))),
            (from, to) => local(&format!("a cast from {from} to {to}")),
        }
    }

    /// Takes a scalar out of JSON, whose kind must be that of the type.
    fn of_dynamic(&self, sql: &str, to: &ExprType, e: &Expr) -> Sql {
        use ExprType as T;
        let inner = format!("({sql} #>> '{{}}')");
        let (kind, value) = match to {
            T::String => ("string", inner),
            to if to.is_numeric() => ("number", self.cast(&format!("({inner}::numeric)"), &T::Number, to, e)?),
            T::Boolean => ("boolean", format!("({inner}::boolean)")),
            T::Date | T::Time | T::Datetime | T::Uuid => ("string", self.cast(&inner, &T::String, to, e)?),
            to => return Err(Local::new(format!("a cast from json to {to}"), &e.span)),
        };
        let kind_of = call("jsonb_typeof", &[sql]);
        let raise = super::raise(&format!("expected {}", to.a()), to);
        Ok(format!(
            "(CASE {kind_of} WHEN '{kind}' THEN {value} WHEN 'null' THEN NULL ELSE CASE WHEN {sql} IS NOT NULL THEN {raise} END END)"
        ))
    }

    /// Applies a function to each item of a list (`jsonb_agg`) or each value of a map (`jsonb_object_agg`).
    pub(super) fn each(&self, sql: &str, rows: &str, aggregate: &str, make: impl FnOnce(&str) -> Sql) -> Sql {
        let (key, value, order, alias) = (self.names.fresh(), self.names.fresh(), self.names.fresh(), self.names.fresh());
        let made = make(&value)?;
        let (columns, args, empty) = if aggregate == "jsonb_agg" {
            (value.clone(), made, "[]")
        } else {
            (format!("{key}, {value}"), format!("{key}, {made}"), "{}")
        };
        self.bind(&[sql], |names| {
            let sql = &names[0];
            Ok(format!(
                "(CASE WHEN {sql} IS NOT NULL THEN (SELECT COALESCE(pg_catalog.{aggregate}({args} ORDER BY {order}), \
                 '{empty}'::pg_catalog.jsonb) FROM pg_catalog.{rows}({sql}) WITH ORDINALITY AS {alias}({columns}, {order})) END)"
            ))
        })
    }
}
