//! Operators: arithmetic, comparison, logic, `||`.

use sqlparser::ast::{self as sql, BinaryOperator};

use super::literal::arithmetic_type;
use super::{Checker, hull, negated, node};
use crate::expr::ast::{Arithmetic, Comparison, Expr, ExprKind};
use crate::expr::types::ExprType;
use crate::invalid::Invalid;

impl Checker<'_> {
    pub(super) fn arithmetic(&mut self, op: &BinaryOperator, a: &sql::Expr, b: &sql::Expr) -> Result<Expr, Invalid> {
        let (a, b) = (self.lower(a)?, self.lower(b)?);
        let span = hull(&a, &b);
        let op = match op {
            BinaryOperator::Plus => Arithmetic::Add,
            BinaryOperator::Minus => Arithmetic::Subtract,
            BinaryOperator::Multiply => Arithmetic::Multiply,
            BinaryOperator::Divide => Arithmetic::Divide,
            BinaryOperator::Modulo => Arithmetic::Modulo,
            other => return Err(Self::no_operator(&other.to_string(), span)),
        };
        self.compute(op, a, b)
    }

    /// Arithmetic on two typed operands.
    pub(super) fn compute(&mut self, op: Arithmetic, a: Expr, b: Expr) -> Result<Expr, Invalid> {
        let span = hull(&a, &b);
        let nullable = a.nullable || b.nullable;
        let (a, b, ty) = match temporal(op, &a.ty, &b.ty) {
            Some(ty) => (a, b, ty),
            None if is_temporal(&a.ty) || is_temporal(&b.ty) => {
                let message = format!("{} {} {} has no meaning", a.ty.a(), symbol(op), b.ty.a());
                let help = "there are date and datetime plus or minus interval, date plus or minus integer, date minus date, \
                            interval plus or minus interval, interval times integer";
                return Err(Invalid::new(message).span(span).help(help));
            }
            None => {
                let (a, b) = (self.numeric(a)?, self.numeric(b)?);
                let ty = arithmetic_type(&a.ty.common(&b.ty).map_or(ExprType::Number, |ty| ty));
                if op == Arithmetic::Modulo && ty == ExprType::Float {
                    let invalid = Invalid::new("there is no remainder of floats").span(span);
                    return Err(invalid.help("cast them to number"));
                }
                (self.convert(a, &ty, true)?, self.convert(b, &ty, true)?, ty)
            }
        };
        Ok(node(ExprKind::Arithmetic(op, Box::new(a), Box::new(b)), ty, nullable, span))
    }

    pub(super) fn comparison(&mut self, op: Comparison, a: &sql::Expr, b: &sql::Expr) -> Result<Expr, Invalid> {
        let (a, b) = (self.lower(a)?, self.lower(b)?);
        let span = hull(&a, &b);
        let ordered = !matches!(op, Comparison::Equal | Comparison::NotEqual | Comparison::Distinct);
        let nullable = op != Comparison::Distinct && (a.nullable || b.nullable);
        let mut pair = self.comparable(vec![a, b], ordered)?;
        match (pair.pop(), pair.pop()) {
            (Some(b), Some(a)) => Ok(node(ExprKind::Compare(op, Box::new(a), Box::new(b)), ExprType::Boolean, nullable, span)),
            _ => Err(Invalid::new("expected two operands").span(span)),
        }
    }

    /// Gives expressions that are compared with the first their common type.
    pub(super) fn comparable(&mut self, exprs: Vec<Expr>, ordered: bool) -> Result<Vec<Expr>, Invalid> {
        let types: Vec<ExprType> = exprs.iter().map(|e| e.ty.clone()).collect();
        for ty in &types {
            if let ExprType::Enum(values) = ty {
                // A literal that an enum does not have is a mistake, not a comparison that never holds.
                let mut literals = exprs.iter().filter_map(|e| e.literal_str().map(|text| (text, e)));
                let wrong = literals.find_map(|(text, e)| super::convert::enum_value(text, values, &e.span));
                if let (Some(invalid), true) = (wrong, types.iter().filter(|ty| matches!(ty, ExprType::Enum(_))).count() == 1) {
                    return Err(invalid);
                }
            }
        }
        let (exprs, common) = self.unify(exprs).map_err(|mut invalid| {
            if let Some((a, b)) = invalid.message.strip_suffix(" have no common type").and_then(|m| m.split_once(" and ")) {
                invalid.message = format!("cannot compare {a} with {b}");
            }
            invalid
        })?;
        let unordered = common.ty.is_dynamic()
            || matches!(
                common.ty,
                ExprType::List(_) | ExprType::Map(_) | ExprType::Object(_) | ExprType::Bytes | ExprType::Ref(_)
            );
        match exprs.first() {
            Some(first) if ordered && unordered => {
                let message = format!("{} has no order", common.ty.a());
                Err(Invalid::new(message).span(first.span.clone()).help("only `=` and `<>` compare it"))
            }
            _ => Ok(exprs),
        }
    }

    pub(super) fn between(&mut self, value: &sql::Expr, low: &sql::Expr, high: &sql::Expr, not: bool) -> Result<Expr, Invalid> {
        let parts = vec![self.lower(value)?, self.lower(low)?, self.lower(high)?];
        let span = hull(&parts[0], &parts[2]);
        let nullable = parts.iter().any(|e| e.nullable);
        let parts: [Expr; 3] =
            self.comparable(parts, true)?.try_into().map_err(|_| Invalid::new("expected two bounds").span(span.clone()))?;
        let [value, low, high] = parts.map(Box::new);
        let expr = node(ExprKind::Between { value, low, high }, ExprType::Boolean, nullable, span);
        Ok(if not { negated(expr) } else { expr })
    }

    pub(super) fn in_list(&mut self, value: &sql::Expr, list: &[sql::Expr], not: bool) -> Result<Expr, Invalid> {
        let mut exprs = vec![self.lower(value)?];
        for item in list {
            exprs.push(self.lower(item)?);
        }
        let end = exprs.last().map_or(0..0, |item| item.span.clone());
        let span = exprs[0].span.start..self.source.with_brackets(&end, false).end;
        let nullable = exprs.iter().any(|e| e.nullable);
        let mut exprs = self.comparable(exprs, false)?.into_iter();
        let Some(value) = exprs.next().map(Box::new) else { return Err(Invalid::new("expected a value").span(span)) };
        let expr = node(ExprKind::In { value, list: exprs.collect() }, ExprType::Boolean, nullable, span);
        Ok(if not { negated(expr) } else { expr })
    }

    pub(super) fn like(&mut self, value: &sql::Expr, pattern: &sql::Expr, not: bool) -> Result<Expr, Invalid> {
        let (value, pattern) = (self.lower(value)?, self.lower(pattern)?);
        let span = hull(&value, &pattern);
        let (value, pattern) = (self.text(value)?, self.text(pattern)?);
        let nullable = value.nullable || pattern.nullable;
        let kind = ExprKind::Like { value: Box::new(value), pattern: Box::new(pattern) };
        let expr = node(kind, ExprType::Boolean, nullable, span);
        Ok(if not { negated(expr) } else { expr })
    }

    /// `a and b and c`, the same of `or` and `||`: one node, however long.
    pub(super) fn chain(&mut self, op: &BinaryOperator, tree: &sql::Expr) -> Result<Expr, Invalid> {
        let mut operands = Vec::new();
        let mut left = tree;
        while let sql::Expr::BinaryOp { left: inner, op: o, right } = left
            && o == op
        {
            operands.push(&**right);
            left = inner;
        }
        operands.push(left);
        let exprs = operands.into_iter().rev().map(|operand| self.lower(operand)).collect::<Result<Vec<_>, _>>()?;
        let span = exprs[0].span.start..exprs[exprs.len() - 1].span.end;
        let nullable = exprs.iter().any(|e| e.nullable);
        if *op == BinaryOperator::StringConcat {
            return self.concat(exprs, span, nullable);
        }
        let exprs = exprs.into_iter().map(|e| self.boolean(e)).collect::<Result<Vec<_>, _>>()?;
        let kind = if *op == BinaryOperator::And { ExprKind::And(exprs) } else { ExprKind::Or(exprs) };
        Ok(node(kind, ExprType::Boolean, nullable, span))
    }

    fn concat(&mut self, exprs: Vec<Expr>, span: std::ops::Range<usize>, nullable: bool) -> Result<Expr, Invalid> {
        if exprs.iter().any(|e| matches!(e.ty, ExprType::List(_))) {
            if let Some(wrong) = exprs.iter().find(|e| !matches!(e.ty, ExprType::List(_) | ExprType::Null)) {
                let invalid = Invalid::new(format!("expected a list, found {}", wrong.ty.a())).span(wrong.span.clone());
                return Err(invalid.help("put it into brackets: `l || [x]`"));
            }
            let (exprs, common) = self.unify(exprs)?;
            return Ok(node(ExprKind::Concat(exprs), common.ty, nullable, span));
        }
        if !exprs.iter().any(|e| e.ty.is_text() || e.ty == ExprType::Null) {
            let invalid = Invalid::new(format!("`||` joins texts or lists, found {}", exprs[0].ty.a()));
            return Err(invalid.span(exprs[0].span.clone()).help("wrap it in `cast(… as string)`"));
        }
        let exprs = exprs.into_iter().map(|e| self.scalar_text(e)).collect::<Result<Vec<_>, _>>()?;
        Ok(node(ExprKind::Concat(exprs), ExprType::String, nullable, span))
    }

    /// Demands a string.
    pub(super) fn text(&mut self, expr: Expr) -> Result<Expr, Invalid> {
        match &expr.ty {
            ExprType::String | ExprType::Enum(_) | ExprType::Null => self.convert(expr, &ExprType::String, true),
            ty => {
                let help = super::convert::cast_help(ty, &ExprType::String);
                Err(Invalid::new(format!("expected a string, found {}", ty.a())).span(expr.span).help(help))
            }
        }
    }

    /// Demands something with one obvious text, and takes that.
    pub(super) fn scalar_text(&mut self, expr: Expr) -> Result<Expr, Invalid> {
        if expr.ty.is_scalar() { self.convert(expr, &ExprType::String, true) } else { self.text(expr) }
    }
}

fn is_temporal(ty: &ExprType) -> bool {
    matches!(ty, ExprType::Date | ExprType::Time | ExprType::Datetime | ExprType::Interval)
}

/// The type of arithmetic with dates, datetimes and intervals, where it exists.
fn temporal(op: Arithmetic, a: &ExprType, b: &ExprType) -> Option<ExprType> {
    use Arithmetic::{Add, Multiply, Subtract};
    use ExprType::{Date, Datetime, Integer, Interval};
    Some(match (op, a, b) {
        (Add | Subtract, Date, Interval | Integer) | (Add, Interval | Integer, Date) => Date,
        (Add | Subtract, Datetime, Interval) | (Add, Interval, Datetime) => Datetime,
        (Subtract, Date, Date) => Integer,
        (Add | Subtract, Interval, Interval) | (Multiply, Interval, Integer) | (Multiply, Integer, Interval) => Interval,
        _ => return None,
    })
}

pub(super) const fn symbol(op: Arithmetic) -> &'static str {
    match op {
        Arithmetic::Add => "+",
        Arithmetic::Subtract => "-",
        Arithmetic::Multiply => "*",
        Arithmetic::Divide => "/",
        Arithmetic::Modulo => "%",
    }
}
