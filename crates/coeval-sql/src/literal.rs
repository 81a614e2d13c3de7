//! Values as typed literals.

use chrono::{DateTime, Timelike as _};
use coeval_core::expr::ExprType;
use coeval_core::{Type, Value};

use crate::Dialect;
use crate::name::string;

/// Why a value has no literal: no column of the type can hold it in the dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(pub String);

/// How many digits a number has at most, before the point and after it.
const DIGIT_LIMIT: usize = 10_000;

/// Returns a value as a literal of the type's column; NULL is typed too. That of a reference is not: its column is of the type of
/// another model's key.
///
/// Equal values give equal literals: a datetime is written in UTC, a number without trailing zeros, a UUID in lower case.
///
/// # Errors
/// A value that the type does not admit; a character NUL; a number beyond ten to the ±10,000; in PostgreSQL the year zero, a leap
/// second, and a fraction of a second finer than a microsecond.
pub fn literal(value: &Value, ty: &Type, dialect: Dialect) -> Result<String, Unfit> {
    if *value != Value::Null && !ty.admits(value) {
        return Err(Unfit(format!("{value} is not of type {}", ty.name())));
    }
    match (ty, value) {
        // Of the type of the other model's key, which the column knows.
        (Type::Ref { .. }, Value::Number(number)) => Ok(match dialect {
            Dialect::Postgres => format!("'{number}'"),
            Dialect::Sqlite => number.to_i64().map_or_else(|| format!("'{number}'"), |n| integer(n, dialect)),
        }),
        (Type::Ref { .. }, Value::Null) => Ok("NULL".to_owned()),
        (Type::Ref { .. }, _) => plain(value, &ExprType::of(ty), dialect),
        (ty, value) => of(value, &ExprType::of(ty), dialect),
    }
}

/// As [`literal`], for a type of an expression.
pub(crate) fn of(value: &Value, ty: &ExprType, dialect: Dialect) -> Result<String, Unfit> {
    let plain = if *value == Value::Null { "NULL".to_owned() } else { plain(value, ty, dialect)? };
    Ok(match dialect {
        Dialect::Postgres => format!("{plain}::{}", crate::types::postgres_type(ty)),
        Dialect::Sqlite => plain,
    })
}

fn plain(value: &Value, ty: &ExprType, dialect: Dialect) -> Result<String, Unfit> {
    use ExprType as T;
    let wrong = || Unfit(format!("{value} is not {}", ty.a()));
    let quoted = |text: &str| no_nul(text).map(|text| string(text, dialect));
    match ty {
        T::String | T::Enum(_) => quoted(value.as_str().ok_or_else(wrong)?),
        T::Ref(_) => match value {
            Value::Number(_) => Err(Unfit("whether a reference is a number is not known here".to_owned())),
            other => quoted(other.as_str().ok_or_else(wrong)?),
        },
        T::Integer => value.as_i64().map(|n| integer(n, dialect)).ok_or_else(wrong),
        T::Number | T::Decimal { .. } => decimal(value).ok_or_else(wrong).map(|text| format!("'{text}'")),
        T::Float => float(value, dialect).ok_or_else(wrong),
        T::Boolean => match (value.as_bool().ok_or_else(wrong)?, dialect) {
            (value, Dialect::Postgres) => Ok(format!("'{value}'")),
            (value, Dialect::Sqlite) => Ok(if value { "1" } else { "0" }.to_owned()),
        },
        T::Date | T::Time => {
            let text = value.as_str().ok_or_else(wrong)?;
            let text = if *ty == T::Time { time(text) } else { text.to_owned() };
            fits_postgres(&text, dialect).ok_or_else(wrong)?;
            quoted(&text)
        }
        T::Datetime => {
            let text = datetime(value.as_str().ok_or_else(wrong)?).ok_or_else(wrong)?;
            fits_postgres(&text, dialect).ok_or_else(wrong)?;
            quoted(&text)
        }
        T::Uuid => quoted(&value.as_str().ok_or_else(wrong)?.to_ascii_lowercase()),
        T::Bytes => {
            let hex = base64_to_hex(value.as_str().ok_or_else(wrong)?).ok_or_else(wrong)?;
            Ok(match dialect {
                Dialect::Postgres => format!("E'\\\\x{hex}'"),
                Dialect::Sqlite => format!("x'{hex}'"),
            })
        }
        T::Json | T::Union { .. } | T::List(_) | T::Map(_) | T::Object(_) => {
            json_fits(value)?;
            quoted(&canonical_escapes(value))
        }
        T::Null | T::Interval => Err(wrong()),
    }
}

fn no_nul(text: &str) -> Result<&str, Unfit> {
    if text.contains('\0') { Err(Unfit("a text with the character NUL cannot be stored".to_owned())) } else { Ok(text) }
}

fn integer(n: i64, dialect: Dialect) -> String {
    match dialect {
        // A minus before a cast is applied after it.
        Dialect::Postgres => format!("'{n}'"),
        // The least integer is read as a real number where it is written as a negation.
        Dialect::Sqlite if n == i64::MIN => "(-9223372036854775807 - 1)".to_owned(),
        Dialect::Sqlite if n < 0 => format!("({n})"),
        Dialect::Sqlite => n.to_string(),
    }
}

/// The decimal written plainly, without trailing zeros.
pub(crate) fn decimal(value: &Value) -> Option<String> {
    let Value::Number(number) = value else { return None };
    let canonical = number.canonical();
    let (sign, rest) = canonical.strip_prefix('-').map_or(("", canonical.as_str()), |rest| ("-", rest));
    let (digits, power) = rest.split_once('e').unwrap_or((rest, "0"));
    let power: i64 = power.parse().ok()?;
    let limit = i64::try_from(DIGIT_LIMIT).ok()?;
    if power.abs() > limit || digits.len() > DIGIT_LIMIT || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let shift = usize::try_from(power.unsigned_abs()).ok()?;
    if power >= 0 {
        return Some(format!("{sign}{digits}{}", "0".repeat(shift)));
    }
    let padded = format!("{digits:0>width$}", width = shift + 1);
    let (whole, fraction) = padded.split_at(padded.len() - shift);
    Some(format!("{sign}{whole}.{fraction}"))
}

fn float(value: &Value, dialect: Dialect) -> Option<String> {
    let Value::Number(number) = value else { return None };
    let double = number.to_f64()? + 0.0;
    Some(match dialect {
        Dialect::Postgres => format!("'{double:?}'"),
        Dialect::Sqlite => sqlite_float(double),
    })
}

/// SQLite reads few decimals as the nearest double: others are given as a whole number times or by powers of two, which is exact.
fn sqlite_float(double: f64) -> String {
    let text = format!("{double:?}");
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if digits <= 15 && !text.contains('e') {
        return format!("({text})");
    }
    let bits = double.to_bits();
    let sign = if double < 0.0 { "-" } else { "" };
    let (exponent, fraction) = ((bits >> 52) & 0x7ff, bits & ((1 << 52) - 1));
    let (whole, mut power) = match exponent {
        0 => (fraction, -1074),
        exponent => (fraction | (1 << 52), i64::try_from(exponent).unwrap_or(0) - 1075),
    };
    let mut sql = format!("({sign}{whole}.0");
    let operator = if power < 0 { "/" } else { "*" };
    while power != 0 {
        let step = power.abs().min(32);
        sql.extend([" ", operator, " ", &(1_u64 << step).to_string(), ".0"]);
        power -= step * power.signum();
    }
    sql.push(')');
    sql
}

/// The time without trailing zeros in its fraction.
fn time(text: &str) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
}

/// The moment in UTC.
fn datetime(text: &str) -> Option<String> {
    let utc = DateTime::parse_from_rfc3339(text).ok()?.naive_utc();
    let nanos = utc.nanosecond();
    let fraction = if nanos == 0 { String::new() } else { format!(".{nanos:09}").trim_end_matches('0').to_owned() };
    let text = format!("{}{fraction}Z", utc.format("%Y-%m-%dT%H:%M:%S"));
    // Five digits, or a sign, where the year has left the calendar.
    (nanos < 1_000_000_000 && text.as_bytes().get(4) == Some(&b'-') && !text.starts_with(['-', '+'])).then_some(text)
}

/// `None` for what PostgreSQL would refuse or round.
fn fits_postgres(text: &str, dialect: Dialect) -> Option<()> {
    let year_zero = text.starts_with("0000-");
    let leap = text.contains(":60");
    let fine = text.split_once('.').is_some_and(|(_, fraction)| fraction.trim_end_matches('Z').len() > 6);
    let fits = match dialect {
        Dialect::Postgres => !year_zero && !leap && !fine,
        Dialect::Sqlite => !leap,
    };
    fits.then_some(())
}

/// The bytes of base 64; `None` where the text is not the one that they would be written as.
pub(crate) fn base64_to_hex(text: &str) -> Option<String> {
    let body = text.trim_end_matches('=');
    let (mut bits, mut count, mut hex) = (0_u32, 0, String::with_capacity(text.len() * 3 / 2));
    for b in body.bytes() {
        let six = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            let byte = (bits >> count) & 0xff;
            hex.extend([byte >> 4, byte & 15].into_iter().filter_map(|half| char::from_digit(half, 16)));
        }
        bits &= (1 << count) - 1;
    }
    (text.len().is_multiple_of(4) && text.len() - body.len() <= 2 && bits == 0).then_some(hex)
}

/// Refuses what JSON in a database cannot hold.
fn json_fits(value: &Value) -> Result<(), Unfit> {
    match value {
        Value::Number(_) if decimal(value).is_none() => Err(Unfit(format!("{value} has too many digits"))),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        Value::String(text) => no_nul(text).map(|_| ()),
        Value::List(items) => items.iter().try_for_each(json_fits),
        Value::Object(object) => object.iter().try_for_each(|(key, value)| {
            no_nul(key)?;
            json_fits(value)
        }),
    }
}

/// The JSON text with strings as they are always written, so that keys are found by their text.
pub(crate) fn canonical_escapes(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null | Value::Bool(_) => out.push_str(&value.to_string()),
        // As it was written, but without an exponent, which the dialects write differently.
        Value::Number(number) => match decimal(value).filter(|_| number.as_str().contains(['e', 'E'])) {
            Some(plain) => out.push_str(&plain),
            None => out.push_str(number.as_str()),
        },
        Value::String(text) => coeval_core::json::escape(text, out),
        Value::List(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(object) => {
            out.push('{');
            for (i, (key, value)) in object.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                coeval_core::json::escape(key, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}
