//! Arithmetic: integers of 64 bits, exact decimals, doubles. What does not fit is an error, never another number.

use bigdecimal::num_bigint::{BigInt, Sign};
use bigdecimal::{BigDecimal, RoundingMode, Zero};

use super::Outcome;
use crate::decode::found;
use crate::expr::ast::Arithmetic;
use crate::expr::types::ExprType;
use crate::number::Number;
use crate::value::Value;

/// How many digits a decimal may have, and how far its exponent may go, as [`Number::to_decimal`] has it.
const DIGIT_LIMIT: u64 = 10_000;

pub(super) fn integer(value: &Value) -> Outcome<i64> {
    value.as_i64().ok_or_else(|| format!("expected an integer, found {}", found(value)))
}

pub(super) fn decimal(value: &Value) -> Outcome<BigDecimal> {
    match value {
        Value::Number(number) => number.to_decimal().ok_or_else(out_of_range),
        other => Err(format!("expected a number, found {}", found(other))),
    }
}

pub(super) fn float(value: &Value) -> Outcome<f64> {
    match value {
        // The two zeros are one number.
        Value::Number(number) => number.to_f64().map(|x| x + 0.0).ok_or_else(out_of_range),
        other => Err(format!("expected a number, found {}", found(other))),
    }
}

fn out_of_range() -> String {
    "the number is out of range".to_owned()
}

fn overflow() -> String {
    "integer overflow".to_owned()
}

fn zero() -> String {
    "division by zero".to_owned()
}

/// The decimal as a value, where it is within the limits.
pub(super) fn from_decimal(decimal: &BigDecimal) -> Outcome<Value> {
    let normal = decimal.normalized();
    let (_, scale) = normal.as_bigint_and_exponent();
    if normal.digits() > DIGIT_LIMIT || scale.unsigned_abs() > DIGIT_LIMIT {
        return Err(out_of_range());
    }
    Ok(Value::Number(Number::from(&normal)))
}

pub(super) fn from_float(value: f64) -> Outcome<Value> {
    Number::from_f64(value + 0.0).map(Value::Number).ok_or_else(out_of_range)
}

/// Computes with two numbers of the type.
pub(super) fn arithmetic(op: Arithmetic, ty: &ExprType, a: &Value, b: &Value) -> Outcome<Value> {
    match ty {
        ExprType::Integer => integers(op, integer(a)?, integer(b)?).map(Value::from),
        ExprType::Float => floats(op, float(a)?, float(b)?).and_then(from_float),
        _ => decimals(op, &decimal(a)?, &decimal(b)?),
    }
}

fn integers(op: Arithmetic, a: i64, b: i64) -> Outcome<i64> {
    if b == 0 && matches!(op, Arithmetic::Divide | Arithmetic::Modulo) {
        return Err(zero());
    }
    match op {
        Arithmetic::Add => a.checked_add(b),
        Arithmetic::Subtract => a.checked_sub(b),
        Arithmetic::Multiply => a.checked_mul(b),
        Arithmetic::Divide => a.checked_div(b),
        // The remainder of the least integer by -1 is 0, though the quotient does not fit.
        Arithmetic::Modulo => Some(a.wrapping_rem(b)),
    }
    .ok_or_else(overflow)
}

fn floats(op: Arithmetic, a: f64, b: f64) -> Outcome<f64> {
    if b == 0.0 && matches!(op, Arithmetic::Divide | Arithmetic::Modulo) {
        return Err(zero());
    }
    Ok(match op {
        Arithmetic::Add => a + b,
        Arithmetic::Subtract => a - b,
        Arithmetic::Multiply => a * b,
        Arithmetic::Divide => a / b,
        Arithmetic::Modulo => a % b,
    })
}

fn decimals(op: Arithmetic, a: &BigDecimal, b: &BigDecimal) -> Outcome<Value> {
    from_decimal(&match op {
        Arithmetic::Add => a + b,
        Arithmetic::Subtract => a - b,
        Arithmetic::Multiply => a * b,
        Arithmetic::Divide => divide(a, b)?,
        Arithmetic::Modulo if b.is_zero() => return Err(zero()),
        Arithmetic::Modulo => remainder(a, b),
    })
}

/// Digits and power of ten without trailing zeros.
fn parts(decimal: &BigDecimal) -> (BigInt, i64) {
    decimal.normalized().into_bigint_and_exponent()
}

fn power_of_ten(exponent: i64) -> BigInt {
    u32::try_from(exponent).map_or_else(|_| BigInt::from(1), |exponent| BigInt::from(10).pow(exponent))
}

/// Numerator and denominator of `a / b * 10^scale`, both whole.
fn fraction(a: &BigDecimal, b: &BigDecimal, scale: i64) -> (BigInt, BigInt) {
    let ((a, a_scale), (b, b_scale)) = (parts(a), parts(b));
    let shift = scale + b_scale - a_scale;
    if shift >= 0 { (a * power_of_ten(shift), b) } else { (a, b * power_of_ten(-shift)) }
}

/// Exact where the quotient ends within 30 significant digits; else at least 20 significant digits, and as many after the point as
/// the operands have, halves away from zero.
pub(super) fn divide(a: &BigDecimal, b: &BigDecimal) -> Outcome<BigDecimal> {
    if b.is_zero() {
        return Err(zero());
    }
    if a.is_zero() {
        return Ok(BigDecimal::zero());
    }
    let ((_, a_scale), (_, b_scale)) = (parts(a), parts(b));
    let length = |x: &BigDecimal| i64::try_from(x.normalized().digits()).unwrap_or(i64::MAX / 4);
    // The quotient has this many digits before the point, or one more; negative where zeros follow the point.
    let whole = (length(a) - a_scale) - (length(b) - b_scale);
    let exact = (30 - whole).max(0);
    let (numerator, denominator) = fraction(a, b, exact);
    if (&numerator % &denominator).is_zero() {
        return Ok(BigDecimal::new(numerator / denominator, exact));
    }
    let scale = (20 - whole).max(a_scale).max(b_scale).max(0);
    let (numerator, denominator) = fraction(a, b, scale);
    Ok(BigDecimal::new(divide_rounded(&numerator, &denominator), scale))
}

/// The whole quotient nearest to the exact one, halves away from zero.
fn divide_rounded(numerator: &BigInt, denominator: &BigInt) -> BigInt {
    let (quotient, rest) = (numerator / denominator, numerator % denominator);
    let twice: BigInt = rest * 2;
    if twice.magnitude() < denominator.magnitude() {
        return quotient;
    }
    if (numerator.sign() == Sign::Minus) == (denominator.sign() == Sign::Minus) { quotient + 1 } else { quotient - 1 }
}

/// The remainder, with the sign of the dividend.
fn remainder(a: &BigDecimal, b: &BigDecimal) -> BigDecimal {
    let ((a, a_scale), (b, b_scale)) = (parts(a), parts(b));
    let scale = a_scale.max(b_scale);
    BigDecimal::new((a * power_of_ten(scale - a_scale)) % (b * power_of_ten(scale - b_scale)), scale)
}

pub(super) fn negate(ty: &ExprType, value: &Value) -> Outcome<Value> {
    match ty {
        ExprType::Integer => integer(value)?.checked_neg().map(Value::from).ok_or_else(overflow),
        ExprType::Float => from_float(-float(value)?),
        _ => from_decimal(&-decimal(value)?),
    }
}

pub(super) fn abs(ty: &ExprType, value: &Value) -> Outcome<Value> {
    match ty {
        ExprType::Integer => integer(value)?.checked_abs().map(Value::from).ok_or_else(overflow),
        ExprType::Float => from_float(float(value)?.abs()),
        _ => from_decimal(&decimal(value)?.abs()),
    }
}

/// Which way a number is made whole.
#[derive(Clone, Copy)]
pub(super) enum Whole {
    Floor,
    Ceil,
    Nearest,
}

pub(super) fn whole(ty: &ExprType, value: &Value, way: Whole) -> Outcome<Value> {
    match ty {
        ExprType::Integer => integer(value).map(Value::from),
        ExprType::Float => {
            let x = float(value)?;
            from_float(match way {
                Whole::Floor => x.floor(),
                Whole::Ceil => x.ceil(),
                Whole::Nearest => x.round_ties_even(),
            })
        }
        _ => from_decimal(&round_decimal(&decimal(value)?, 0, way)),
    }
}

fn round_decimal(decimal: &BigDecimal, digits: i64, way: Whole) -> BigDecimal {
    let mode = match way {
        Whole::Floor => RoundingMode::Floor,
        Whole::Ceil => RoundingMode::Ceiling,
        Whole::Nearest => RoundingMode::HalfUp,
    };
    let normal = decimal.normalized();
    // Nothing to cut, and no zeros to write.
    if normal.as_bigint_and_exponent().1 <= digits { normal } else { normal.with_scale_round(digits, mode) }
}

/// The number rounded to so many digits after the point, halves away from zero.
pub(super) fn round(decimal: &BigDecimal, digits: i64) -> BigDecimal {
    let limit = i64::try_from(2 * DIGIT_LIMIT).unwrap_or(i64::MAX);
    round_decimal(decimal, digits.clamp(-limit, limit), Whole::Nearest)
}

/// The integer nearest to a decimal, where it fits.
pub(super) fn to_integer(decimal: &BigDecimal) -> Outcome<i64> {
    Value::Number(Number::from(&round(decimal, 0))).as_i64().ok_or_else(overflow)
}

pub(super) fn power(ty: &ExprType, base: &Value, exponent: &Value) -> Outcome<Value> {
    if *ty == ExprType::Float {
        let (base, exponent) = (float(base)?, float(exponent)?);
        if base == 0.0 && exponent < 0.0 {
            return Err(zero());
        }
        return from_float(base.powf(exponent));
    }
    let (x, y) = (decimal(base)?, decimal(exponent)?);
    if x.is_zero() && y.sign() == Sign::Minus {
        return Err(zero());
    }
    let whole = y.normalized();
    if whole.as_bigint_and_exponent().1 > 0 {
        if x.sign() == Sign::Minus {
            return Err("a negative number has no power with a fraction".to_owned());
        }
        let result = float(base)?.powf(float(exponent)?);
        return from_float(result).and_then(|value| from_decimal(&decimal(&value)?));
    }
    whole_power(&x, &whole)
}

/// The exact power with a whole exponent; its inverse for a negative one.
fn whole_power(base: &BigDecimal, exponent: &BigDecimal) -> Outcome<Value> {
    let base = base.normalized();
    let one = BigDecimal::from(1);
    if base.is_zero() || base == one {
        return from_decimal(if exponent.is_zero() { &one } else { &base });
    }
    let exponent = to_integer(exponent).map_err(|_| out_of_range())?;
    if base == -&one {
        return from_decimal(if exponent % 2 == 0 { &one } else { &base });
    }
    // A power has at least (digits - 1) * exponent digits, and its scale is exact: refused before it is computed.
    let count = exponent.unsigned_abs();
    let (digits, scale) = (base.digits(), base.as_bigint_and_exponent().1.unsigned_abs());
    let bits = base.as_bigint_and_exponent().0.bits();
    let too_long = (bits.saturating_sub(1)).saturating_mul(count) > DIGIT_LIMIT * 4;
    if too_long || scale.saturating_mul(count) > DIGIT_LIMIT || digits.saturating_sub(1).saturating_mul(count) > DIGIT_LIMIT {
        return Err(out_of_range());
    }
    let mut result = one.clone();
    let mut square = base;
    let mut rest = count;
    while rest > 0 {
        if rest % 2 == 1 {
            result = &result * &square;
        }
        rest /= 2;
        if rest > 0 {
            square = &square * &square;
        }
    }
    from_decimal(&if exponent < 0 { divide(&one, &result)? } else { result })
}
