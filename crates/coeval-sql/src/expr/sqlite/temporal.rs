//! Dates, times and datetimes: texts in one form, all in UTC.

use coeval_core::expr::{Arithmetic, Expr, ExprType};

use super::{Sql, Sqlite, raise};
use crate::expr::postgres::interval_of;
use crate::expr::{Local, shared};

const DAY_MICROS: i64 = 86_400_000_000;

fn part(sql: &str, from: usize, length: usize) -> String {
    format!("CAST(substr({sql}, {from}, {length}) AS INTEGER)")
}

impl Sqlite<'_> {
    pub(super) fn temporal(&self, e: &Expr, op: Arithmetic, a: &Expr, b: &Expr) -> Sql {
        use ExprType as T;
        let sign = if op == Arithmetic::Subtract { -1 } else { 1 };
        match (&a.ty, &b.ty) {
            (T::Date, T::Date) => {
                let days = |sql: &str| format!("CAST(strftime('%s', {sql}) AS INTEGER)");
                Ok(format!("(({} - {}) / 86400)", days(&self.expr(a)?), days(&self.expr(b)?)))
            }
            (T::Date, T::Integer) => self.days_later(&self.expr(a)?, &self.expr(b)?, if sign < 0 { "-" } else { "" }),
            (T::Integer, T::Date) => self.days_later(&self.expr(b)?, &self.expr(a)?, ""),
            (T::Date | T::Datetime, T::Interval) => self.later(a, b, sign, e),
            (T::Interval, T::Date | T::Datetime) => self.later(b, a, 1, e),
            (_, _) => Err(Local::new("an interval is no value of a column", &e.span)),
        }
    }

    fn days_later(&self, date: &str, days: &str, sign: &str) -> Sql {
        self.bind(&[date, days], |names| {
            let (date, days) = (&names[0], &names[1]);
            let made = format!("date({date}, ({sign}({days})) || ' days')");
            // Further away there is no date of four digits.
            let near = format!("iif({days} BETWEEN -4000000 AND 4000000, {made}, NULL)");
            let made = self.in_calendar(&near, date)?;
            Ok(format!("(CASE WHEN {days} IS NOT NULL THEN {made} END)"))
        })
    }

    /// What a function of dates gave for a start: NULL or a year of other than four digits is an error, unless the start was NULL.
    fn in_calendar(&self, sql: &str, start: &str) -> Sql {
        let wrong = raise("the date is out of range");
        self.bind(&[sql], |names| {
            let made = &names[0];
            Ok(format!("(CASE WHEN {made} GLOB '[0-9][0-9][0-9][0-9]-*' THEN {made} WHEN {start} IS NOT NULL THEN {wrong} END)"))
        })
    }

    fn later(&self, start: &Expr, interval: &Expr, sign: i64, e: &Expr) -> Sql {
        let span = interval_of(interval).and_then(|span| span.times(sign));
        let Some(span) = span else { return Err(Local::new("an interval that is computed from the record", &e.span)) };
        let sql = self.expr(start)?;
        let date = start.ty == ExprType::Date;
        if date && span.micros % DAY_MICROS != 0 {
            let wrong = raise("a date has no time of day to add hours to");
            return Ok(format!("(CASE WHEN {sql} IS NOT NULL THEN {wrong} END)"));
        }
        if span.micros % 1_000_000 != 0 {
            return Err(Local::new("SQLite adds whole seconds only", &e.span));
        }
        let seconds = span.micros / 1_000_000;
        let (days, seconds) = if date { (span.days + seconds / 86_400, 0) } else { (span.days, seconds) };
        if span.months.abs() > 120_000 || days.abs() > 4_000_000 || seconds.abs() > 400_000_000_000 {
            return Err(Local::new("an interval of more than ten thousand years", &e.span));
        }
        self.bind(&[&sql], |names| {
            let start = &names[0];
            let mut day = format!("substr({start}, 1, 10)");
            if span.months != 0 {
                // To the last day, where the month is shorter.
                let first = format!("date({day}, 'start of month', '{} months')", span.months);
                let last = format!("date({first}, '+1 month', '-1 day')");
                day = format!("date({first}, (min({}, {}) - 1) || ' days')", part(&day, 9, 2), part(&last, 9, 2));
            }
            if days != 0 {
                day = format!("date({day}, '{days} days')");
            }
            if date {
                return self.in_calendar(&day, start);
            }
            let clock = format!("substr({start}, 12, 8)");
            let moved = if seconds == 0 {
                format!("({day} || 'T' || {clock})")
            } else {
                format!("strftime('%Y-%m-%dT%H:%M:%S', {day} || 'T' || {clock}, '{seconds} seconds')")
            };
            self.in_calendar(&format!("({moved} || substr({start}, 20))"), start)
        })
    }

    pub(super) fn extract(&self, args: &[Expr]) -> Sql {
        let field = shared::text(&args[0]).unwrap_or_default();
        let sql = self.expr(&args[1])?;
        let time = if args[1].ty == ExprType::Time { 1 } else { 12 };
        self.bind(&[&sql], |names| {
            let x = &names[0];
            let month = part(x, 6, 2);
            let day = format!("substr({x}, 1, 10)");
            let strftime = |format: &str| format!("CAST(strftime('{format}', {day}) AS INTEGER)");
            Ok(match field.as_str() {
                "year" => part(x, 1, 4),
                "quarter" => format!("(({month} + 2) / 3)"),
                "month" => month,
                // The Thursday of the week is in the year that the week belongs to.
                "week" => format!("((strftime('%j', date({day}, '-3 days', 'weekday 4')) - 1) / 7 + 1)"),
                "day" => part(x, 9, 2),
                "dow" => strftime("%w"),
                "isodow" => format!("(({} + 6) % 7 + 1)", strftime("%w")),
                "doy" => strftime("%j"),
                "hour" => part(x, time, 2),
                "minute" => part(x, time + 3, 2),
                "second" => {
                    let text = format!("rtrim(substr({x}, {}), 'Z')", time + 6);
                    format!("iif(ltrim({text}, '0') GLOB '[1-9]*', ltrim({text}, '0'), iif({x} IS NULL, NULL, '0' || ltrim({text}, '0')))")
                }
                "epoch" => {
                    let seconds = format!("strftime('%s', substr({x}, 1, 19))");
                    if args[1].ty == ExprType::Date {
                        format!("strftime('%s', {x})")
                    } else {
                        let fraction = format!("('0' || rtrim(substr({x}, 20), 'Z'))");
                        let sum = self.sum("+", &seconds, &fraction)?;
                        format!("iif(length({x}) > 20, {sum}, {seconds})")
                    }
                }
                other => return Err(Local::new(format!("there is no field `{other}`"), &args[0].span)),
            })
        })
    }

    pub(super) fn date_trunc(&self, args: &[Expr]) -> Sql {
        let unit = shared::text(&args[0]).unwrap_or_default();
        let sql = self.expr(&args[1])?;
        self.bind(&[&sql], |names| {
            let x = &names[0];
            let day = match unit.as_str() {
                "year" => format!("substr({x}, 1, 4) || '-01-01'"),
                "quarter" => format!("substr({x}, 1, 5) || printf('%02d', ({} - 1) / 3 * 3 + 1) || '-01'", part(x, 6, 2)),
                "month" => format!("substr({x}, 1, 7) || '-01'"),
                "week" => self.in_calendar(&format!("date(substr({x}, 1, 10), '-6 days', 'weekday 1')"), x)?,
                _ => format!("substr({x}, 1, 10)"),
            };
            if args[1].ty == ExprType::Date {
                return Ok(format!("({day})"));
            }
            let clock = match unit.as_str() {
                "hour" => format!("substr({x}, 11, 3) || ':00:00Z'"),
                "minute" => format!("substr({x}, 11, 6) || ':00Z'"),
                "second" => format!("substr({x}, 11, 9) || 'Z'"),
                _ => "'T00:00:00Z'".to_owned(),
            };
            Ok(format!("({day} || {clock})"))
        })
    }
}
