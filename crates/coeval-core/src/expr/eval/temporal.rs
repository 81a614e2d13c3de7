//! Dates, times and datetimes. Whatever looks into a datetime takes it in UTC and gives it in UTC, so that equal moments
//! give equal results whatever zone they were written in.

use bigdecimal::{BigDecimal, ToPrimitive};
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};

use super::{Outcome, numeric, text};
use crate::expr::ast::Arithmetic;
use crate::expr::interval::Interval;
use crate::expr::types::ExprType;
use crate::schema::Type;
use crate::value::Value;

const DAY_MICROS: i64 = 86_400_000_000;

fn out_of_range() -> String {
    "the date is out of range".to_owned()
}

/// Reads the text of a type's value, after a check by the schema's own rule.
fn checked<'v>(ty: &Type, value: &'v Value) -> Outcome<&'v str> {
    let text = text::str(value)?;
    if ty.admits(value) { Ok(text) } else { Err(format!("{} is not a {}", crate::decode::found(value), ty.name())) }
}

pub(super) fn date(value: &Value) -> Outcome<NaiveDate> {
    NaiveDate::parse_from_str(checked(&Type::Date, value)?, "%Y-%m-%d").map_err(|_| out_of_range())
}

pub(super) fn time(value: &Value) -> Outcome<NaiveTime> {
    NaiveTime::parse_from_str(checked(&Type::Time, value)?, "%H:%M:%S%.f").map_err(|_| out_of_range())
}

pub(super) fn datetime(value: &Value) -> Outcome<DateTime<Utc>> {
    let parsed = DateTime::parse_from_rfc3339(checked(&Type::Datetime, value)?);
    parsed.map(|moment| moment.with_timezone(&Utc)).map_err(|_| out_of_range())
}

/// `.5`, without trailing zeros.
fn fraction(nanos: u32) -> String {
    let nanos = nanos % 1_000_000_000;
    if nanos == 0 { String::new() } else { format!(".{nanos:09}").trim_end_matches('0').to_owned() }
}

pub(super) fn from_date(date: NaiveDate) -> Outcome<Value> {
    if !(0..=9999).contains(&date.year()) {
        return Err(out_of_range());
    }
    Ok(Value::from(date.format("%Y-%m-%d").to_string()))
}

pub(super) fn from_time(time: NaiveTime) -> Value {
    Value::from(format!("{}{}", time.format("%H:%M:%S"), fraction(time.nanosecond())))
}

pub(super) fn from_datetime(moment: NaiveDateTime) -> Outcome<Value> {
    if !(0..=9999).contains(&moment.year()) {
        return Err(out_of_range());
    }
    Ok(Value::from(format!("{}{}Z", moment.format("%Y-%m-%dT%H:%M:%S"), fraction(moment.nanosecond()))))
}

fn interval(value: &Value) -> Outcome<Interval> {
    Interval::from_value(value).ok_or_else(|| "expected an interval".to_owned())
}

pub(super) fn negate(value: &Value) -> Outcome<Value> {
    interval(value)?.times(-1).map(Interval::to_value).ok_or_else(|| "the interval is out of range".to_owned())
}

/// Arithmetic with dates, datetimes and intervals.
pub(super) fn arithmetic(op: Arithmetic, a_type: &ExprType, b_type: &ExprType, a: &Value, b: &Value) -> Outcome<Value> {
    use ExprType as T;
    let sign = if op == Arithmetic::Subtract { -1 } else { 1 };
    let too_long = || "the interval is out of range".to_owned();
    match (a_type, b_type) {
        (T::Date, T::Date) => Ok(Value::from(date(a)?.signed_duration_since(date(b)?).num_days())),
        (T::Date, T::Integer) => days_later(a, numeric::integer(b)?.checked_mul(sign)),
        (T::Integer, T::Date) => days_later(b, Some(numeric::integer(a)?)),
        (T::Interval, T::Interval) => {
            let other = interval(b)?.times(sign).ok_or_else(too_long)?;
            interval(a)?.plus(other).map(Interval::to_value).ok_or_else(too_long)
        }
        (T::Interval, T::Integer) => interval(a)?.times(numeric::integer(b)?).map(Interval::to_value).ok_or_else(too_long),
        (T::Integer, T::Interval) => interval(b)?.times(numeric::integer(a)?).map(Interval::to_value).ok_or_else(too_long),
        (T::Interval, _) => later(b_type, b, interval(a)?),
        _ => later(a_type, a, interval(b)?.times(sign).ok_or_else(too_long)?),
    }
}

fn days_later(start: &Value, days: Option<i64>) -> Outcome<Value> {
    let delta = days.and_then(TimeDelta::try_days).ok_or_else(out_of_range)?;
    from_date(date(start)?.checked_add_signed(delta).ok_or_else(out_of_range)?)
}

/// Adds months (to the last day, where the month is shorter), then days, then time.
fn later(ty: &ExprType, start: &Value, interval: Interval) -> Outcome<Value> {
    if *ty == ExprType::Date {
        if interval.micros % DAY_MICROS != 0 {
            return Err("a date has no time of day to add hours to; cast it to datetime".to_owned());
        }
        let days = interval.days.checked_add(interval.micros / DAY_MICROS).ok_or_else(out_of_range)?;
        return from_date(add_days(date(start)?, interval.months, days)?);
    }
    let moment = datetime(start)?.naive_utc();
    let day = add_days(moment.date(), interval.months, interval.days)?;
    let delta = TimeDelta::microseconds(interval.micros);
    from_datetime(day.and_time(moment.time()).checked_add_signed(delta).ok_or_else(out_of_range)?)
}

fn add_days(date: NaiveDate, months: i64, days: i64) -> Outcome<NaiveDate> {
    let count = Months::new(u32::try_from(months.unsigned_abs()).map_err(|_| out_of_range())?);
    let moved = if months < 0 { date.checked_sub_months(count) } else { date.checked_add_months(count) };
    let count = Days::new(days.unsigned_abs());
    let moved = moved.and_then(|date| if days < 0 { date.checked_sub_days(count) } else { date.checked_add_days(count) });
    moved.ok_or_else(out_of_range)
}

/// A field of a moment.
pub(super) fn extract(field: &str, ty: &ExprType, value: &Value) -> Outcome<Value> {
    let midnight = NaiveTime::MIN;
    let moment = match ty {
        ExprType::Date => date(value)?.and_time(midnight),
        ExprType::Time => NaiveDate::default().and_time(time(value)?),
        _ => datetime(value)?.naive_utc(),
    };
    let nanos = i64::from(moment.nanosecond());
    Ok(Value::from(match field {
        "year" => i64::from(moment.year()),
        "quarter" => i64::from(moment.month().div_ceil(3)),
        "month" => i64::from(moment.month()),
        "week" => i64::from(moment.iso_week().week()),
        "day" => i64::from(moment.day()),
        "dow" => i64::from(moment.weekday().num_days_from_sunday()),
        "isodow" => i64::from(moment.weekday().number_from_monday()),
        "doy" => i64::from(moment.ordinal()),
        "hour" => i64::from(moment.hour()),
        "minute" => i64::from(moment.minute()),
        "second" => return numeric::from_decimal(&with_nanos(i64::from(moment.second()), nanos)),
        "epoch" => return numeric::from_decimal(&with_nanos(moment.and_utc().timestamp(), nanos)),
        other => return Err(format!("there is no field `{other}`")),
    }))
}

fn with_nanos(seconds: i64, nanos: i64) -> BigDecimal {
    BigDecimal::from(seconds) + BigDecimal::new(nanos.into(), 9)
}

/// The beginning of a field's unit.
pub(super) fn truncate(unit: &str, ty: &ExprType, value: &Value) -> Outcome<Value> {
    let moment = if *ty == ExprType::Date { date(value)?.and_time(NaiveTime::MIN) } else { datetime(value)?.naive_utc() };
    let day = moment.date();
    let (month, weekday) = (day.month(), u64::from(day.weekday().num_days_from_monday()));
    let cut = match unit {
        "year" => day.with_ordinal(1),
        "quarter" => day.with_day(1).and_then(|day| day.with_month(month - (month - 1) % 3)),
        "month" => day.with_day(1),
        "week" => day.checked_sub_days(Days::new(weekday)),
        _ => Some(day),
    }
    .ok_or_else(out_of_range)?;
    let time = moment.time();
    let time = match unit {
        "hour" => NaiveTime::from_hms_opt(time.hour(), 0, 0),
        "minute" => NaiveTime::from_hms_opt(time.hour(), time.minute(), 0),
        "second" => NaiveTime::from_hms_opt(time.hour(), time.minute(), time.second()),
        _ => Some(NaiveTime::MIN),
    }
    .ok_or_else(out_of_range)?;
    if *ty == ExprType::Date { from_date(cut) } else { from_datetime(cut.and_time(time)) }
}

/// The moment so many seconds after the beginning of 1970, to the nanosecond.
pub(super) fn from_epoch(value: &Value) -> Outcome<Value> {
    let seconds = numeric::decimal(value)?;
    if seconds.digits() > 60 {
        return Err(out_of_range());
    }
    let nanos = numeric::round(&(seconds * BigDecimal::from(1_000_000_000)), 0).to_i128().ok_or_else(out_of_range)?;
    let whole = i64::try_from(nanos.div_euclid(1_000_000_000)).map_err(|_| out_of_range())?;
    let rest = u32::try_from(nanos.rem_euclid(1_000_000_000)).map_err(|_| out_of_range())?;
    from_datetime(DateTime::from_timestamp(whole, rest).ok_or_else(out_of_range)?.naive_utc())
}
