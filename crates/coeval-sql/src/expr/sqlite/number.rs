//! Arithmetic: integers whose overflow is noticed, and exact decimals.
//!
//! A decimal is its text. It is computed with as a whole number of 64 bits and a count of digits after the point; what does not fit
//! raises an error, so that no digit is ever lost.

use coeval_core::expr::{Arithmetic, Expr, ExprType};

use super::{Sql, Sqlite, raise};
use crate::expr::postgres::inverse;
use crate::expr::{Local, shared};
use crate::sqlite::NO_ROOM;

/// Whether a text is a decimal as they are written here: no needless zero, no `-0`.
pub(crate) fn is_decimal(sql: &str) -> String {
    let digits = format!("ltrim({sql}, '-')");
    format!(
        "({sql} NOT GLOB '*[^-.0-9]*' AND {digits} GLOB '[0-9]*' AND length({sql}) - length({digits}) <= 1 AND instr({digits}, '-') = 0 \
         AND {sql} <> '-0' AND ({digits} = '0' OR {digits} GLOB '0.*' OR {digits} NOT GLOB '0*') \
         AND (instr({digits}, '.') = 0 OR ({digits} GLOB '*.[0-9]*' AND {digits} NOT GLOB '*.*.*' AND {digits} NOT GLOB '*0')))"
    )
}

/// How many digits follow the point.
pub(super) fn scale(sql: &str) -> String {
    format!("iif(instr({sql}, '.'), length({sql}) - instr({sql}, '.'), 0)")
}

/// The digits as a whole number, times ten to a power.
fn whole(sql: &str, zeros: &str) -> String {
    format!("CAST(replace({sql}, '.', '') || {zeros} AS INTEGER)")
}

fn zeros(count: &str) -> String {
    format!("substr('000000000000000000', 1, {count})")
}

/// Whether the digits with so many more behind them surely fit 64 bits.
fn fits(sql: &str, more: &str) -> String {
    format!("length(replace(ltrim({sql}, '-'), '.', '')) + {more} <= 18")
}

/// Whether a product has no room.
pub(in crate::expr) fn crowded(a: &str, b: &str) -> String {
    let product = format!("{} * {}", whole(a, "''"), whole(b, "''"));
    let fit = format!("{} AND {} AND typeof({product}) = 'integer'", fits(a, "0"), fits(b, "0"));
    format!("coalesce(NOT ({fit}) AND {a} IS NOT NULL AND {b} IS NOT NULL, 0)")
}

/// The decimal with the whole number `n` and so many digits after the point.
fn decimal(n: &str, scale: &str) -> String {
    let digits = format!("printf('%0*d', {scale} + 1, abs({n}))");
    let pointed =
        format!("substr({digits}, 1, length({digits}) - {scale}) || '.' || substr({digits}, length({digits}) - {scale} + 1)");
    // `printf` takes NULL for zero.
    format!(
        "CASE WHEN {n} IS NULL THEN NULL WHEN {scale} = 0 THEN CAST({n} AS TEXT) ELSE iif({n} < 0, '-', '') || rtrim(rtrim({pointed}, '0'), '.') END"
    )
}

impl Sqlite<'_> {
    pub(super) fn arithmetic(&self, e: &Expr, op: Arithmetic, a: &Expr, b: &Expr) -> Sql {
        if !(a.ty.is_numeric() && b.ty.is_numeric()) {
            return self.temporal(e, op, a, b);
        }
        let (left, right) = (self.expr(a)?, self.expr(b)?);
        match &e.ty {
            ExprType::Integer => self.integers(op, &left, &right),
            ExprType::Float => self.floats(op, &left, &right, e),
            _ => match op {
                Arithmetic::Add => self.sum("+", &left, &right),
                Arithmetic::Subtract => self.sum("-", &left, &right),
                Arithmetic::Modulo => self.sum("%", &left, &right),
                Arithmetic::Multiply => self.product(&left, &right),
                Arithmetic::Divide => match shared::constant(b).and_then(Result::ok).and_then(|value| inverse(&value)) {
                    Some(inverse) => self.product(&left, &format!("'{inverse}'")),
                    None => Err(Local::new("SQLite has no exact quotients", &e.span)),
                },
            },
        }
    }

    /// The whole number that an expression gives, an error where it is no whole number of 64 bits.
    pub(super) fn checked(&self, sql: &str, what: &str) -> Sql {
        let raise = raise(what);
        self.bind(&[sql], |names| Ok(format!("(CASE typeof({0}) WHEN 'real' THEN {raise} ELSE {0} END)", names[0])))
    }

    fn integers(&self, op: Arithmetic, a: &str, b: &str) -> Sql {
        match op {
            Arithmetic::Add => self.checked(&format!("({a} + {b})"), "integer overflow"),
            Arithmetic::Subtract => self.checked(&format!("({a} - {b})"), "integer overflow"),
            Arithmetic::Multiply => self.checked(&format!("({a} * {b})"), "integer overflow"),
            Arithmetic::Divide => {
                let quotient = self.bind(&[b], |names| self.by(&names[0], &format!("{a} / {}", names[0]), a))?;
                self.checked(&quotient, "integer overflow")
            }
            Arithmetic::Modulo => self.bind(&[b], |names| self.by(&names[0], &format!("{a} % {}", names[0]), a)),
        }
    }

    /// What is computed with a divisor, an error where that is zero.
    #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "reads as the other steps")]
    fn by(&self, divisor: &str, sql: &str, dividend: &str) -> Sql {
        Ok(format!("(CASE WHEN {divisor} = 0 AND {dividend} IS NOT NULL THEN {} ELSE {sql} END)", raise("division by zero")))
    }

    fn floats(&self, op: Arithmetic, a: &str, b: &str, e: &Expr) -> Sql {
        let made = match op {
            Arithmetic::Add => format!("({a} + {b})"),
            Arithmetic::Subtract => format!("({a} - {b})"),
            Arithmetic::Multiply => format!("({a} * {b})"),
            Arithmetic::Divide => self.bind(&[b], |names| self.by(&names[0], &format!("{a} / {}", names[0]), a))?,
            Arithmetic::Modulo => return Err(Local::new("SQLite's remainder is one of whole numbers", &e.span)),
        };
        let raise = raise("the number is out of range");
        self.bind(&[&made], |names| {
            Ok(format!("(CASE WHEN abs({0}) > 1.7976931348623157e308 THEN {raise} ELSE {0} END)", names[0]))
        })
    }

    pub(super) fn negate(&self, inner: &Expr, e: &Expr) -> Sql {
        let sql = self.expr(inner)?;
        match &e.ty {
            ExprType::Integer => self.checked(&format!("(- {sql})"), "integer overflow"),
            ExprType::Float => Ok(format!("(0.0 - {sql})")),
            ExprType::Number => self.bind(&[&sql], |names| {
                let sql = &names[0];
                Ok(format!("(CASE WHEN {sql} = '0' THEN '0' WHEN {sql} GLOB '-*' THEN substr({sql}, 2) ELSE '-' || {sql} END)"))
            }),
            ty => Err(Local::new(format!("the negation of {}", ty.a()), &e.span)),
        }
    }

    /// Sum, difference or remainder: both are brought to one count of digits.
    pub(super) fn sum(&self, op: &str, a: &str, b: &str) -> Sql {
        self.bind(&[a, b], |names| {
            let (a, b) = (&names[0], &names[1]);
            let [scaled, left, right, n, one, two, three] = std::array::from_fn(|_| self.names.fresh());
            let (more_a, more_b) = (format!("({scaled} - ({}))", scale(a)), format!("({scaled} - ({}))", scale(b)));
            let fit = format!("{} AND {}", fits(a, &more_a), fits(b, &more_b));
            let (whole_a, whole_b) = (whole(a, &zeros(&more_a)), whole(b, &zeros(&more_b)));
            let zero = if op == "%" { format!("WHEN {left} IS NOT NULL AND {right} = 0 THEN {} ", raise("division by zero")) } else { String::new() };
            Ok(format!(
                "(SELECT {made} FROM (SELECT {scaled} AS {scaled}, CASE {zero}WHEN {left} IS NOT NULL THEN {left} {op} {right} END AS {n} \
                 FROM (SELECT {scaled} AS {scaled}, CASE WHEN {a} IS NULL OR {b} IS NULL THEN NULL WHEN {fit} THEN {whole_a} ELSE {no} END AS {left}, \
                 {whole_b} AS {right} FROM (SELECT max({sa}, {sb}) AS {scaled} LIMIT 1 OFFSET 0) AS {one} LIMIT 1 OFFSET 0) AS {two} LIMIT 1 OFFSET 0) AS {three})",
                made = decimal(&n, &scaled),
                no = raise(NO_ROOM),
                sa = scale(a),
                sb = scale(b),
            ))
        })
    }

    pub(super) fn product(&self, a: &str, b: &str) -> Sql {
        self.bind(&[a, b], |names| {
            let (a, b) = (&names[0], &names[1]);
            let [n, one] = std::array::from_fn(|_| self.names.fresh());
            let product = format!("{} * {}", whole(a, "''"), whole(b, "''"));
            let fit = format!("{} AND {} AND typeof({product}) = 'integer'", fits(a, "0"), fits(b, "0"));
            let scaled = format!("({} + {})", scale(a), scale(b));
            Ok(format!(
                "(SELECT {made} FROM (SELECT CASE WHEN {a} IS NULL OR {b} IS NULL THEN NULL WHEN {fit} THEN {product} ELSE {no} END AS {n}) \
                 AS {one})",
                made = decimal(&n, &scaled),
                no = raise(NO_ROOM),
            ))
        })
    }

    /// The order of two decimals of any size: by sign, by how many digits stand before the point, and by digits.
    pub(super) fn compare_numbers(&self, symbol: &str, a: &str, b: &str) -> Sql {
        self.bind(&[a, b], |names| {
            let (a, b) = (&names[0], &names[1]);
            let long = |x: &str| format!("instr({x} || '.', '.')");
            let (la, lb) = (long(a), long(b));
            let order = format!(
                "CASE WHEN {a} = {b} THEN 0 WHEN {a} GLOB '-*' AND {b} GLOB '-*' THEN \
                 iif({la} <> {lb}, iif({la} < {lb}, 1, -1), iif({a} < {b}, 1, -1)) \
                 WHEN {a} GLOB '-*' THEN -1 WHEN {b} GLOB '-*' THEN 1 \
                 WHEN {a} IS NULL OR {b} IS NULL THEN NULL \
                 ELSE iif({la} <> {lb}, iif({la} < {lb}, -1, 1), iif({a} < {b}, -1, 1)) END"
            );
            Ok(format!("(CASE WHEN {a} IS NULL OR {b} IS NULL THEN NULL ELSE {order} END {symbol} 0)"))
        })
    }

    /// The decimal made whole or rounded to digits that are spelled out, in texts alone: `way` is what is done with what is cut off.
    pub(super) fn rounded(&self, sql: &str, digits: i64, way: Way, e: &Expr) -> Sql {
        if !(0..=15).contains(&digits) {
            return Err(Local::new("SQLite rounds to 0 to 15 digits here", &e.span));
        }
        self.bind(&[sql], |names| {
            let sql = &names[0];
            let point = format!("instr({sql}, '.')");
            let kept = format!("substr({sql}, 1, {point} + {digits})");
            let down = format!("{sql} GLOB '-*'");
            let further = match way {
                Way::Nearest => format!("substr({sql}, {point} + {digits} + 1, 1) >= '5'"),
                Way::Floor => down.clone(),
                Way::Ceil => format!("NOT {down}"),
            };
            let n = format!("{} + iif({further}, iif({down}, -1, 1), 0)", whole(&kept, "''"));
            let made = if digits == 0 {
                format!("CAST({n} AS TEXT)")
            } else {
                let [name, alias] = std::array::from_fn(|_| self.names.fresh());
                format!("(SELECT {} FROM (SELECT {n} AS {name}) AS {alias})", decimal(&name, &digits.to_string()))
            };
            Ok(format!(
                "(CASE WHEN {point} = 0 OR length({sql}) - {point} <= {digits} THEN {sql} WHEN length({kept}) > 19 THEN {no} ELSE {made} END)",
                no = raise(NO_ROOM),
            ))
        })
    }
}

/// A number without its sign.
pub(super) fn abs(sql: &str, ty: &ExprType) -> String {
    match ty {
        // The least integer raises an error here.
        ExprType::Integer | ExprType::Float => format!("abs({sql})"),
        _ => format!("ltrim({sql}, '-')"),
    }
}

/// Which way a number is made whole.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    Nearest,
    Floor,
    Ceil,
}
