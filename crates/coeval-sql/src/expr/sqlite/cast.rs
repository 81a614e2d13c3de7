//! Casts.

use coeval_core::expr::{Expr, ExprType};

use super::number::Way;
use super::{Sql, Sqlite, raise, to_json};
use crate::expr::{Local, shared};

/// What is cut off both ends of a text that is read.
const SPACES: &str = "char(32, 9, 10, 13, 11, 12)";

/// A time, datetime or UUID that is known to be one, in the one form that columns have.
pub(super) fn canonical(sql: &str, ty: &ExprType) -> String {
    match ty {
        ExprType::Uuid => format!("lower({sql})"),
        ExprType::Time => format!("iif(instr({sql}, '.'), rtrim(rtrim({sql}, '0'), '.'), {sql})"),
        _ => in_utc(sql),
    }
}

/// A datetime in UTC. The fraction of a second is the same in each zone.
fn in_utc(sql: &str) -> String {
    let zulu = format!("{sql} GLOB '*[Zz]'");
    let zone = format!("iif({zulu}, 'Z', substr({sql}, length({sql}) - 5))");
    let body = format!("iif({zulu}, substr({sql}, 1, length({sql}) - 1), substr({sql}, 1, length({sql}) - 6))");
    let seconds = format!("strftime('%Y-%m-%dT%H:%M:%S', replace(substr({sql}, 1, 19), 't', 'T') || {zone})");
    format!("({seconds} || rtrim(rtrim(substr({body}, 20), '0'), '.') || 'Z')")
}

impl Sqlite<'_> {
    pub(in crate::expr) fn cast(&self, sql: &str, from: &ExprType, to: &ExprType, e: &Expr) -> Sql {
        use ExprType as T;
        let local = |reason: String| Err(Local::new(reason, &e.span));
        if *to == T::Json {
            let json = to_json(sql, from).ok_or_else(|| Local::new(format!("{} as JSON in SQLite", from.a()), &e.span))?;
            return Ok(if shared::is_json(from) { sql.to_owned() } else { format!("nullif({json}, 'null')") });
        }
        if shared::keeps(from, to) {
            return match (from, to) {
                (T::Integer, T::Number) => Ok(format!("CAST({sql} AS TEXT)")),
                (T::Integer, T::Ref(_)) => local("whether a reference is a number is not known here".to_owned()),
                _ => Ok(sql.to_owned()),
            };
        }
        match (from, to) {
            (T::Json | T::Union { .. }, to) => self.bind(&[sql], |names| self.of_dynamic(&names[0], to, e)),
            (T::Ref(_) | T::Integer, T::String) => Ok(format!("CAST({sql} AS TEXT)")),
            (T::Ref(_), _) => local("whether a reference is a number is not known here".to_owned()),
            (T::Float | T::Bytes, T::String) => local(format!("the text of {}", from.a())),
            (T::Boolean, T::String) => Ok(format!("(CASE {sql} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END)")),
            (T::Number | T::Decimal { .. } | T::Date | T::Time | T::Datetime | T::Uuid, T::String) | (T::Boolean, T::Integer) => {
                Ok(sql.to_owned())
            }
            (T::String | T::Enum(_), to) => self.of_text(sql, to, e),
            (T::Integer, T::Boolean) => Ok(format!("({sql} <> 0)")),
            (T::Integer, T::Float) => Ok(format!("CAST({sql} AS REAL)")),
            (T::Integer, T::Decimal { precision, scale }) => self.sized(&format!("CAST({sql} AS TEXT)"), *precision, *scale, e),
            (T::Number | T::Decimal { .. }, T::Decimal { precision, scale }) => self.sized(sql, *precision, *scale, e),
            (T::Number | T::Decimal { .. }, T::Integer) => {
                let whole = self.rounded(sql, 0, Way::Nearest, e)?;
                self.bind(&[&whole], |names| Ok(in_range(&names[0], &names[0])))
            }
            (T::Date, T::Datetime) => Ok(format!("({sql} || 'T00:00:00Z')")),
            (T::Datetime, T::Date) => Ok(format!("substr({sql}, 1, 10)")),
            (T::Datetime, T::Time) => Ok(format!("rtrim(substr({sql}, 12), 'Z')")),
            (from, to) => local(format!("a cast from {from} to {to}")),
        }
    }

    /// Rounds to a scale and checks how many digits stand before the point.
    fn sized(&self, sql: &str, precision: u32, scale: u32, e: &Expr) -> Sql {
        let rounded = self.rounded(sql, i64::from(scale), Way::Nearest, e)?;
        let wrong = raise("the number does not fit the decimal");
        self.bind(&[&rounded], |names| {
            let x = &names[0];
            let digits = format!("ltrim({x}, '-')");
            let whole = format!("length(ltrim(substr({digits}, 1, instr({digits} || '.', '.') - 1), '0'))");
            Ok(format!("(CASE WHEN {whole} > {} THEN {wrong} ELSE {x} END)", precision - scale))
        })
    }

    fn of_text(&self, sql: &str, to: &ExprType, e: &Expr) -> Sql {
        use ExprType as T;
        let trimmed = format!("trim({sql}, {SPACES})");
        let wrong = raise(&format!("the text is not {}", to.a()));
        self.bind(&[&trimmed], |names| {
            let t = &names[0];
            let unsigned = format!("iif({t} GLOB '[-+]*', substr({t}, 2), {t})");
            let checked = |condition: &str, value: &str| {
                format!("(CASE WHEN {t} IS NULL THEN NULL WHEN {condition} THEN {value} ELSE {wrong} END)")
            };
            match to {
                T::Integer => self.bind(&[&unsigned], |names| {
                    let d = &names[0];
                    Ok(checked(&format!("{d} <> '' AND {d} NOT GLOB '*[^0-9]*'"), &in_range(t, t)))
                }),
                T::Number => self.number_of_text(t, &unsigned, &wrong),
                T::Decimal { precision, scale } => {
                    let number = self.number_of_text(t, &unsigned, &wrong)?;
                    self.sized(&number, *precision, *scale, e)
                }
                T::Boolean => Ok(format!(
                    "(CASE WHEN lower({t}) IN ('t', 'tr', 'tru', 'true', 'y', 'ye', 'yes', 'on', '1') THEN 1 \
                     WHEN lower({t}) IN ('f', 'fa', 'fal', 'fals', 'false', 'n', 'no', 'of', 'off', '0') THEN 0 \
                     WHEN {t} IS NOT NULL THEN {wrong} END)"
                )),
                T::Date => Ok(checked(&is_day(t), t)),
                T::Time => Ok(checked(&is_clock(t), &canonical(t, to))),
                T::Datetime => {
                    let rest = format!("substr({t}, 12)");
                    let zulu = format!("({t} GLOB '*[Zz]' AND {})", is_clock(&format!("substr({rest}, 1, length({rest}) - 1)")));
                    let zone = format!("substr({t}, -6)");
                    let shifted = format!(
                        "({zone} GLOB '[-+][01][0-9]:[0-5][0-9]' AND {})",
                        is_clock(&format!("substr({rest}, 1, length({rest}) - 6)"))
                    );
                    let day = format!("{} AND substr({t}, 11, 1) IN ('T', 't', ' ')", is_day(&format!("substr({t}, 1, 10)")));
                    let made = in_utc(t);
                    Ok(checked(
                        &format!("{day} AND ({zulu} OR {shifted})"),
                        &format!("(CASE WHEN {made} GLOB '[0-9]*' THEN {made} ELSE {wrong} END)"),
                    ))
                }
                T::Uuid => {
                    let shape = [8, 4, 4, 4, 12].map(|n| "[0-9A-Fa-f]".repeat(n)).join("-");
                    Ok(checked(&format!("{t} GLOB '{shape}'"), &format!("lower({t})")))
                }
                to => Err(Local::new(format!("a cast from string to {to} in SQLite"), &e.span)),
            }
        })
    }

    fn number_of_text(&self, t: &str, unsigned: &str, wrong: &str) -> Sql {
        self.bind(&[unsigned], |names| {
            let d = &names[0];
            let point = format!("instr({d} || '.', '.')");
            let whole =
                format!("iif(ltrim(substr({d}, 1, {point} - 1), '0') = '', '0', ltrim(substr({d}, 1, {point} - 1), '0'))");
            let made = format!("rtrim({whole} || rtrim('.' || substr({d}, {point} + 1), '0'), '.')");
            let signed = format!("iif({made} <> '0' AND {t} GLOB '-*', '-', '') || {made}");
            let power = raise("a number with an exponent is not read by SQLite");
            let mantissa = format!("{d} GLOB '*[0-9]*' AND {d} NOT GLOB '*[^0-9.]*' AND {d} NOT GLOB '*.*.*'");
            Ok(format!(
                "(CASE WHEN {t} IS NULL THEN NULL WHEN {mantissa} THEN {signed} \
                 WHEN {d} GLOB '*[0-9.][eE]*[0-9]' AND {d} NOT GLOB '*[^-+0-9.eE]*' THEN {power} ELSE {wrong} END)"
            ))
        })
    }

    /// Takes a scalar out of JSON, whose kind must be that of the type.
    fn of_dynamic(&self, sql: &str, to: &ExprType, e: &Expr) -> Sql {
        use ExprType as T;
        let (kinds, value) = match to {
            T::String => ("'text'", format!("({sql} ->> '$')")),
            T::Number | T::Integer | T::Decimal { .. } => {
                let number = super::from_json(sql, &T::Number).unwrap_or_default();
                let cast = if *to == T::Number { number } else { self.cast(&number, &T::Number, to, e)? };
                ("'integer', 'real'", cast)
            }
            T::Boolean => ("'true', 'false'", format!("({sql} ->> '$')")),
            T::Date | T::Time | T::Datetime | T::Uuid => ("'text'", self.of_text(&format!("({sql} ->> '$')"), to, e)?),
            to => return Err(Local::new(format!("a cast from json to {to} in SQLite"), &e.span)),
        };
        let wrong = raise(&format!("expected {}", to.a()));
        Ok(format!(
            "(CASE WHEN {sql} IS NULL OR {sql} = 'null' THEN NULL WHEN json_type({sql}) IN ({kinds}) THEN {value} ELSE {wrong} END)"
        ))
    }
}

/// Whether a text cannot be read as a value of the type; `None` where that is not told without reading it.
pub(in crate::expr) fn unreadable(sql: &str, to: &ExprType) -> Option<String> {
    use ExprType as T;
    let t = format!("trim({sql}, {SPACES})");
    let valid = match to {
        T::Integer => {
            let unsigned = format!("substr({t}, iif({t} GLOB '[-+]*', 2, 1))");
            let digits = format!("ltrim({t}, '+-0')");
            let limit = format!("iif({t} GLOB '-*', '9223372036854775808', '9223372036854775807')");
            format!(
                "{unsigned} <> '' AND {unsigned} NOT GLOB '*[^0-9]*' AND (length({digits}) < 19 OR length({digits}) = 19 AND {digits} <= {limit})"
            )
        }
        T::Number => {
            let unsigned = format!("substr({t}, iif({t} GLOB '[-+]*', 2, 1))");
            format!("{unsigned} GLOB '*[0-9]*' AND {unsigned} NOT GLOB '*[^0-9.]*' AND {unsigned} NOT GLOB '*.*.*'")
        }
        T::Boolean => format!(
            "lower({t}) IN ('t', 'tr', 'tru', 'true', 'y', 'ye', 'yes', 'on', '1', 'f', 'fa', 'fal', 'fals', 'false', 'n', 'no', 'of', 'off', '0')"
        ),
        T::Date => is_day(&t),
        T::Time => is_clock(&t),
        T::Uuid => format!("{t} GLOB '{}'", [8, 4, 4, 4, 12].map(|n| "[0-9A-Fa-f]".repeat(n)).join("-")),
        T::Null
        | T::String
        | T::Float
        | T::Decimal { .. }
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
    };
    Some(format!("{sql} IS NOT NULL AND coalesce(NOT ({valid}), 1)"))
}

/// A whole number's text as an integer, an error beyond 64 bits.
fn in_range(text: &str, digits: &str) -> String {
    let digits = format!("ltrim({digits}, '+-0')");
    let limit = format!("iif({text} GLOB '-*', '9223372036854775808', '9223372036854775807')");
    let wrong = raise("integer overflow");
    format!(
        "(CASE WHEN length({digits}) < 19 OR (length({digits}) = 19 AND {digits} <= {limit}) THEN CAST({text} AS INTEGER) \
         WHEN {text} IS NOT NULL THEN {wrong} END)"
    )
}

fn is_day(t: &str) -> String {
    format!("({t} GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]' AND date({t}, '+0 days') = {t})")
}

fn is_clock(t: &str) -> String {
    let (seconds, rest) = (format!("substr({t}, 1, 8)"), format!("substr({t}, 9)"));
    format!(
        "({seconds} GLOB '[0-2][0-9]:[0-5][0-9]:[0-5][0-9]' AND {seconds} < '24' AND ({rest} = '' OR \
         ({rest} GLOB '.[0-9]*' AND length({rest}) <= 10 AND substr({rest}, 2) NOT GLOB '*[^0-9]*')))"
    )
}
