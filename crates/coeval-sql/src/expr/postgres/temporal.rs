//! Dates, times and datetimes, all in UTC.

use coeval_core::expr::{Arithmetic, Expr, ExprType, Interval};

use super::{Postgres, Sql, call, raise};
use crate::expr::{Local, shared};

const DAY_MICROS: i64 = 86_400_000_000;

/// A datetime in UTC without its zone.
fn utc(sql: &str) -> String {
    call("timezone", &["'UTC'", sql])
}

impl Postgres<'_> {
    pub(super) fn temporal(&self, e: &Expr, op: Arithmetic, a: &Expr, b: &Expr) -> Sql {
        use ExprType as T;
        let sign = if op == Arithmetic::Subtract { -1 } else { 1 };
        match (&a.ty, &b.ty) {
            (T::Date, T::Date) => Ok(format!("(({} - {})::bigint)", self.expr(a)?, self.expr(b)?)),
            (T::Date, T::Integer) => self.days_later(a, b, sign),
            (T::Integer, T::Date) => self.days_later(b, a, 1),
            (T::Date | T::Datetime, T::Interval) => self.later(a, b, sign, e),
            (T::Interval, T::Date | T::Datetime) => self.later(b, a, 1, e),
            (_, _) => Err(Local::new("an interval is no value of a column", &e.span)),
        }
    }

    fn days_later(&self, date: &Expr, days: &Expr, sign: i64) -> Sql {
        let (date, days) = (self.expr(date)?, self.expr(days)?);
        self.bind(&[&days], |names| {
            let days = &names[0];
            // Further away there is no date of four digits.
            let small = format!("(CASE WHEN {days} BETWEEN -4000000 AND 4000000 THEN {days}::integer ELSE 4000000 END)");
            let symbol = if sign < 0 { "-" } else { "+" };
            self.in_calendar(&format!("(CASE WHEN {days} IS NOT NULL THEN {date} {symbol} {small} END)"), &ExprType::Date)
        })
    }

    fn later(&self, start: &Expr, interval: &Expr, sign: i64, e: &Expr) -> Sql {
        let span = interval_of(interval).and_then(|span| span.times(sign));
        let Some(span) = span else { return Err(Local::new("an interval that is computed from the record", &e.span)) };
        let sql = self.expr(start)?;
        if start.ty == ExprType::Date {
            if span.micros % DAY_MICROS != 0 {
                let wrong = raise("a date has no time of day to add hours to", &ExprType::Date);
                return Ok(format!("(CASE WHEN {sql} IS NOT NULL THEN {wrong} END)"));
            }
            let days = span.days.saturating_add(span.micros / DAY_MICROS);
            return self.in_calendar(
                &format!("(({sql} + {})::pg_catalog.date)", literal(Interval { days, micros: 0, ..span })),
                &start.ty,
            );
        }
        self.in_calendar(&utc(&format!("({} + {})", utc(&sql), literal(span))), &start.ty)
    }

    /// A date that must have a year of four digits.
    fn in_calendar(&self, sql: &str, ty: &ExprType) -> Sql {
        let (from, to) = match ty {
            ExprType::Date => ("'0001-01-01'::pg_catalog.date", "'10000-01-01'::pg_catalog.date"),
            _ => ("'0001-01-01T00:00:00Z'::timestamp with time zone", "'10000-01-01T00:00:00Z'::timestamp with time zone"),
        };
        let wrong = raise("the date is out of range for PostgreSQL", ty);
        self.bind(&[sql], |names| {
            let sql = &names[0];
            Ok(format!("(CASE WHEN {sql} < {from} OR {sql} >= {to} THEN {wrong} ELSE {sql} END)"))
        })
    }

    pub(super) fn extract(&self, args: &[Expr]) -> Sql {
        let field = field(&args[0])?;
        let sql = self.expr(&args[1])?;
        let source = if args[1].ty == ExprType::Datetime && field != "epoch" { utc(&sql) } else { sql };
        let made = format!("EXTRACT({field} FROM {source})");
        Ok(if matches!(field.as_str(), "second" | "epoch") { format!("({made}::numeric)") } else { format!("({made}::bigint)") })
    }

    pub(super) fn date_trunc(&self, args: &[Expr]) -> Sql {
        let field = field(&args[0])?;
        let sql = self.expr(&args[1])?;
        if args[1].ty == ExprType::Date {
            let cut = format!("pg_catalog.date_trunc('{field}', ({sql}::timestamp without time zone))");
            return self.in_calendar(&format!("({cut}::pg_catalog.date)"), &ExprType::Date);
        }
        self.in_calendar(&utc(&format!("pg_catalog.date_trunc('{field}', {})", utc(&sql))), &ExprType::Datetime)
    }

    pub(super) fn to_timestamp(&self, seconds: &str) -> Sql {
        self.bind(&[seconds], |names| {
            let seconds = &names[0];
            let micros = format!("({seconds} * 1000000)");
            let whole = format!("(pg_catalog.floor({micros} / {DAY_MICROS})::integer)");
            let rest = format!("({micros} - pg_catalog.floor({micros} / {DAY_MICROS}) * {DAY_MICROS})");
            let moment = format!(
                "('1970-01-01T00:00:00'::timestamp without time zone + {whole} * '1 day'::interval + \
                 ({rest}::double precision) * '1 microsecond'::interval)"
            );
            let wrong = raise("the date is out of range for PostgreSQL, or finer than a microsecond", &ExprType::Datetime);
            let fits = format!("{seconds} < -62135596800 OR {seconds} >= 253402300800 OR {micros} <> pg_catalog.trunc({micros})");
            Ok(format!("(CASE WHEN {fits} THEN {wrong} ELSE {} END)", utc(&moment)))
        })
    }
}

/// The name of a field, which the checker knows.
fn field(expr: &Expr) -> Sql {
    let field = shared::text(expr).filter(|field| field.bytes().all(|b| b.is_ascii_lowercase()));
    field.ok_or_else(|| Local::new("a field that is not spelled out", &expr.span))
}

/// The interval that an expression without inputs gives.
pub(in crate::expr) fn interval_of(expr: &Expr) -> Option<Interval> {
    if !expr.is_constant() || expr.ty != ExprType::Interval {
        return None;
    }
    let value = expr.eval_constant().ok()?;
    let [months, days, micros] = value.as_list()? else { return None };
    Some(Interval { months: months.as_i64()?, days: days.as_i64()?, micros: micros.as_i64()? })
}

/// Each part has its own sign, so that no setting gives one to another.
fn literal(span: Interval) -> String {
    let Interval { months, days, micros } = span;
    // Each number has to fit 32 bits where it is read.
    let (hours, rest) = (micros / 3_600_000_000, micros % 3_600_000_000);
    let (seconds, rest) = (rest / 1_000_000, rest % 1_000_000);
    format!("'{months:+} months {days:+} days {hours:+} hours {seconds:+} seconds {rest:+} microseconds'::interval")
}
