//! Arithmetic.

use coeval_core::expr::{Arithmetic, Expr, ExprType};

use super::{Postgres, Sql, call, raise};
use crate::expr::Local;
use crate::expr::shared;

impl Postgres<'_> {
    pub(super) fn arithmetic(&self, e: &Expr, op: Arithmetic, a: &Expr, b: &Expr) -> Sql {
        if !(a.ty.is_numeric() && b.ty.is_numeric()) {
            return self.temporal(e, op, a, b);
        }
        let (left, right) = (self.expr(a)?, self.expr(b)?);
        let symbol = match op {
            Arithmetic::Add => "+",
            Arithmetic::Subtract => "-",
            Arithmetic::Multiply => "*",
            Arithmetic::Divide => "/",
            Arithmetic::Modulo => "%",
        };
        match (op, &e.ty) {
            (Arithmetic::Modulo, ExprType::Float) => Err(Local::new("PostgreSQL has no remainder of floats", &e.span)),
            (Arithmetic::Divide, ExprType::Number) => self.divide(&left, &right, b),
            _ => Ok(format!("({left} {symbol} {right})")),
        }
    }

    /// Division of numbers as the language has it: exact where the quotient ends within 30 digits, else 20 digits and as many after
    /// the point as the operands have. PostgreSQL's own rounds elsewhere.
    fn divide(&self, a: &str, b: &str, divisor: &Expr) -> Sql {
        let general = self.bind(&[a, b], |names| Ok(self.divide_bound(&names[0], &names[1])))?;
        // By 100 and its like: the product with 0.01, where its digits are surely few enough.
        let inverse = shared::constant(divisor).and_then(Result::ok).and_then(|value| inverse(&value));
        let Some(inverse) = inverse else { return Ok(general) };
        let digits = 30_usize.saturating_sub(inverse.len());
        self.bind(&[a], |names| {
            let a = &names[0];
            let general = self.divide_bound(a, b);
            let short = format!("{} <= {digits}", call("char_length", &[&format!("({a}::pg_catalog.text)")]));
            Ok(format!("(CASE WHEN {short} THEN {a} * '{inverse}'::numeric ELSE {general} END)"))
        })
    }

    fn divide_bound(&self, a: &str, b: &str) -> String {
        let (ia, ib) = (whole_digits(a), whole_digits(b));
        let (sa, sb) =
            (format!("pg_catalog.scale(pg_catalog.trim_scale({a}))"), format!("pg_catalog.scale(pg_catalog.trim_scale({b}))"));
        let whole = format!("({ia} - {ib})");
        let (whole_name, inner) = (self.names.fresh(), self.names.fresh());
        let tens = |exponent: &str| format!("(('1e' || ({exponent}))::numeric)");
        let exact = format!("GREATEST(30 - {whole_name}, 0)");
        let scale = format!("GREATEST(20 - {whole_name}, {sa}, {sb}, 0)");
        let (abs_a, abs_b) = (call("abs", &[a]), call("abs", &[b]));
        let rounded = format!("pg_catalog.div(2 * {abs_a} * {} + {abs_b}, 2 * {abs_b})", tens(&scale));
        let sign = format!("pg_catalog.sign({a}) * pg_catalog.sign({b})");
        format!(
            "(SELECT CASE WHEN {a} IS NULL OR {b} IS NULL THEN NULL WHEN {b} = 0 THEN {zero} WHEN {a} = 0 THEN 0::numeric \
             WHEN {a} * {up} % {b} = 0 THEN pg_catalog.div({a} * {up}, {b}) * {down} \
             ELSE {sign} * {rounded} * {scaled} END FROM (SELECT {whole} AS {whole_name} OFFSET 0) AS {inner})",
            zero = raise("division by zero", &ExprType::Number),
            up = tens(&exact),
            down = tens(&format!("- {exact}")),
            scaled = tens(&format!("- {scale}")),
        )
    }
}

/// How many digits stand before the point; negative where zeros follow it.
fn whole_digits(number: &str) -> String {
    let whole = format!("(pg_catalog.trunc(pg_catalog.abs({number}))::pg_catalog.text)");
    let fraction = format!("pg_catalog.split_part(({number}::pg_catalog.text), '.', 2)");
    format!(
        "(CASE WHEN pg_catalog.abs({number}) >= 1 THEN pg_catalog.char_length({whole}) \
         ELSE pg_catalog.char_length(pg_catalog.ltrim({fraction}, '0')) - pg_catalog.char_length({fraction}) END)"
    )
}

/// One divided by a number, where that ends: `0.01` for 100.
pub(in crate::expr) fn inverse(value: &coeval_core::Value) -> Option<String> {
    let coeval_core::Value::Number(number) = value else { return None };
    let canonical = number.canonical();
    let (sign, rest) = canonical.strip_prefix('-').map_or(("", canonical.as_str()), |rest| ("-", rest));
    let (digits, power) = rest.split_once('e').unwrap_or((rest, "0"));
    let (mut digits, power): (u64, i32) = (digits.parse().ok()?, power.parse().ok()?);
    if digits == 0 || digits > 1_000_000 || power.abs() > 12 {
        return None;
    }
    // 1 / (2^i 5^j 10^k) = 2^(n-i) 5^(n-j) / 10^(n+k)
    let (mut twos, mut fives) = (0_u32, 0_u32);
    while digits.is_multiple_of(2) {
        digits /= 2;
        twos += 1;
    }
    while digits.is_multiple_of(5) {
        digits /= 5;
        fives += 1;
    }
    let n = twos.max(fives);
    let top = 2_u64.checked_pow(n - twos)?.checked_mul(5_u64.checked_pow(n - fives)?)?;
    let exponent = -(i32::try_from(n).ok()? + power);
    let number = coeval_core::number::Number::parse(&format!("{sign}{top}e{exponent}"))?;
    (digits == 1).then(|| crate::literal::decimal(&coeval_core::Value::Number(number))).flatten()
}
