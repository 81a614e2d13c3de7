//! The reference evaluator: from a typed expression and the values it reads to its value.

pub(super) mod cast;
mod collections;
mod compare;
mod function;
mod like;
mod numeric;
mod temporal;
mod text;

use std::borrow::Cow;
use std::cell::Cell;
use std::cmp::Ordering;
use std::ops::Range;

use super::EvalError;
use super::ast::{Comparison, Expr, ExprKind, Test};
use super::types::ExprType;
use crate::value::{Object, Text, Value};

/// How many bytes of new values one evaluation may make.
const MEMORY_LIMIT: usize = 64 << 20;

/// What goes wrong, before its place is known.
type Outcome<T> = Result<T, String>;

/// What an expression sees.
struct Env<'e> {
    inputs: &'e [&'e Value],
    frame: Option<&'e Frame<'e>>,
    /// How many bytes may still be made.
    memory: &'e Cell<usize>,
}

/// The value of a lambda's parameter.
struct Frame<'e> {
    value: &'e Value,
    outer: Option<&'e Frame<'e>>,
}

/// Evaluates an expression on its inputs.
pub(super) fn evaluate(expr: &Expr, inputs: &[&Value]) -> Result<Value, EvalError> {
    let memory = Cell::new(MEMORY_LIMIT);
    let env = Env { inputs, frame: None, memory: &memory };
    eval(expr, &env).map(Cow::into_owned)
}

impl<'e> Env<'e> {
    /// Counts new bytes.
    fn charge(&self, bytes: usize, span: &Range<usize>) -> Result<(), EvalError> {
        let left = self.memory.get().checked_sub(bytes);
        let left = left.ok_or_else(|| error(span, format!("the result is larger than {} MiB", MEMORY_LIMIT >> 20)))?;
        self.memory.set(left);
        Ok(())
    }

    /// Takes a value to put into a new one.
    fn own(&self, value: Cow<'_, Value>, span: &Range<usize>) -> Result<Value, EvalError> {
        let bytes = if let Cow::Borrowed(value) = &value { size(value) } else { 16 };
        self.charge(bytes, span)?;
        Ok(value.into_owned())
    }

    /// A new string.
    fn string(&self, text: impl Into<Text>, span: &Range<usize>) -> Result<Cow<'static, Value>, EvalError> {
        let text = text.into();
        self.charge(text.len(), span)?;
        Ok(Cow::Owned(Value::String(text)))
    }

    /// How many bytes a new value may have.
    fn left(&self) -> usize {
        self.memory.get()
    }

    /// What a lambda's body sees.
    fn with<'i>(&self, frame: &'i Frame<'i>) -> Env<'i>
    where
        'e: 'i,
    {
        Env { inputs: self.inputs, frame: Some(frame), memory: self.memory }
    }
}

/// How many bytes a copy of the value takes, about.
fn size(value: &Value) -> usize {
    16 + match value {
        Value::Null | Value::Bool(_) => 0,
        Value::Number(number) => number.as_str().len(),
        Value::String(text) => text.len(),
        Value::List(items) => items.iter().map(size).sum(),
        Value::Object(object) => object.iter().map(|(key, value)| key.len() + size(value)).sum(),
    }
}

fn error(span: &Range<usize>, message: impl Into<String>) -> EvalError {
    EvalError { message: message.into(), span: span.clone() }
}

/// Gives a failure its place.
fn at<T>(outcome: Outcome<T>, span: &Range<usize>) -> Result<T, EvalError> {
    outcome.map_err(|message| error(span, message))
}

const NULL: Cow<'static, Value> = Cow::Owned(Value::Null);

fn boolean(value: Option<bool>) -> Cow<'static, Value> {
    Cow::Owned(value.map_or(Value::Null, Value::Bool))
}

fn eval<'e>(expr: &'e Expr, env: &Env<'e>) -> Result<Cow<'e, Value>, EvalError> {
    match &expr.kind {
        ExprKind::Literal(value) => Ok(Cow::Borrowed(value)),
        ExprKind::Interval(interval) => Ok(Cow::Owned(interval.to_value())),
        ExprKind::Input(index) => {
            env.inputs.get(*index).map(|value| Cow::Borrowed(*value)).ok_or_else(|| error(&expr.span, "an input is missing"))
        }
        ExprKind::Param(index) => param(expr, *index, env),
        ExprKind::Not(inner) => Ok(boolean(truth(inner, env)?.map(|value| !value))),
        ExprKind::Negate(inner) => negate(expr, inner, env),
        ExprKind::Is(inner, test) => is(inner, *test, env),
        ExprKind::Arithmetic(op, a, b) => {
            let (left, right) = (eval(a, env)?, eval(b, env)?);
            if *left == Value::Null || *right == Value::Null {
                return Ok(NULL);
            }
            let value = match (&a.ty, &b.ty) {
                (a, b) if a.is_numeric() && b.is_numeric() => numeric::arithmetic(*op, &expr.ty, &left, &right),
                (a, b) => temporal::arithmetic(*op, a, b, &left, &right),
            };
            let value = at(value, &expr.span)?;
            env.charge(size(&value), &expr.span)?;
            Ok(Cow::Owned(value))
        }
        ExprKind::Compare(op, a, b) => comparison(expr, *op, a, b, env),
        ExprKind::And(parts) => logic(parts, false, env),
        ExprKind::Or(parts) => logic(parts, true, env),
        ExprKind::Concat(parts) => concat(expr, parts, env),
        ExprKind::Between { value, low, high } => between(expr, value, low, high, env),
        ExprKind::In { value, list } => in_list(expr, value, list, env),
        ExprKind::Like { value, pattern } => {
            let (text, pattern) = (eval(value, env)?, eval(pattern, env)?);
            if *text == Value::Null || *pattern == Value::Null {
                return Ok(NULL);
            }
            let holds = at(text::str(&text).and_then(|text| like::like(text, text::str(&pattern)?)), &expr.span)?;
            Ok(boolean(Some(holds)))
        }
        ExprKind::Case { operand, branches, otherwise } => case(expr, operand.as_deref(), branches, otherwise.as_deref(), env),
        ExprKind::Cast(inner) => {
            let value = eval(inner, env)?;
            if cast::keeps(&inner.ty, &expr.ty) || *value == Value::Null {
                return Ok(value);
            }
            let value = at(cast::cast_value(&value, &inner.ty, &expr.ty), &expr.span)?;
            env.charge(size(&value), &expr.span)?;
            Ok(Cow::Owned(value))
        }
        ExprKind::Call(function, args) => function::call(*function, expr, args, env),
        ExprKind::Field(base, name) => field(eval(base, env)?, name, env, &expr.span),
        ExprKind::Index(base, index) => {
            let (base, index) = (eval(base, env)?, eval(index, env)?);
            collections::index(base, &index, env, &expr.span)
        }
        ExprKind::List(items) => list(expr, items, env),
        ExprKind::Object(fields) => object(expr, fields, env),
        ExprKind::Map(entries) => map(expr, entries, env),
        ExprKind::Lambda { .. } | ExprKind::Pattern(_) | ExprKind::Table(_) => {
            Err(error(&expr.span, "this is only the argument of a function"))
        }
    }
}

fn param<'e>(expr: &'e Expr, index: usize, env: &Env<'e>) -> Result<Cow<'e, Value>, EvalError> {
    let mut frame = env.frame;
    for _ in 0..index {
        frame = frame.and_then(|frame| frame.outer);
    }
    frame.map(|frame| Cow::Borrowed(frame.value)).ok_or_else(|| error(&expr.span, "a parameter is missing"))
}

/// The truth value of a condition; `None` for NULL.
fn truth<'e>(expr: &'e Expr, env: &Env<'e>) -> Result<Option<bool>, EvalError> {
    match &*eval(expr, env)? {
        Value::Null => Ok(None),
        Value::Bool(value) => Ok(Some(*value)),
        other => Err(error(&expr.span, format!("expected true or false, found {}", crate::decode::found(other)))),
    }
}

fn negate<'e>(expr: &'e Expr, inner: &'e Expr, env: &Env<'e>) -> Result<Cow<'e, Value>, EvalError> {
    let value = eval(inner, env)?;
    if *value == Value::Null {
        return Ok(NULL);
    }
    let negative = if expr.ty == ExprType::Interval { temporal::negate(&value) } else { numeric::negate(&expr.ty, &value) };
    at(negative, &expr.span).map(Cow::Owned)
}

fn is<'e>(inner: &'e Expr, test: Test, env: &Env<'e>) -> Result<Cow<'e, Value>, EvalError> {
    let holds = match test {
        Test::Null => *eval(inner, env)? == Value::Null,
        Test::True => truth(inner, env)? == Some(true),
        Test::False => truth(inner, env)? == Some(false),
    };
    Ok(boolean(Some(holds)))
}

fn comparison<'e>(expr: &'e Expr, op: Comparison, a: &'e Expr, b: &'e Expr, env: &Env<'e>) -> Result<Cow<'e, Value>, EvalError> {
    let (left, right) = (eval(a, env)?, eval(b, env)?);
    if *left == Value::Null || *right == Value::Null {
        let distinct = (*left == Value::Null) != (*right == Value::Null);
        return Ok(boolean((op == Comparison::Distinct).then_some(distinct)));
    }
    let equal = || at(compare::equal(&a.ty, &left, &right), &expr.span);
    let order = || at(compare::order(&a.ty, &left, &right), &expr.span);
    let holds = match op {
        Comparison::Equal => equal()?,
        Comparison::NotEqual | Comparison::Distinct => !equal()?,
        Comparison::Less => order()? == Ordering::Less,
        Comparison::LessOrEqual => order()? != Ordering::Greater,
        Comparison::Greater => order()? == Ordering::Greater,
        Comparison::GreaterOrEqual => order()? != Ordering::Less,
    };
    Ok(boolean(Some(holds)))
}

/// `and` (decided by a false) or `or` (decided by a true); otherwise NULL where a part is.
fn logic<'e>(parts: &'e [Expr], decides: bool, env: &Env<'e>) -> Result<Cow<'e, Value>, EvalError> {
    let mut null = false;
    for part in parts {
        match truth(part, env)? {
            Some(value) if value == decides => return Ok(boolean(Some(decides))),
            Some(_) => {}
            None => null = true,
        }
    }
    Ok(boolean((!null).then_some(!decides)))
}

fn between<'e>(
    expr: &'e Expr,
    value: &'e Expr,
    low: &'e Expr,
    high: &'e Expr,
    env: &Env<'e>,
) -> Result<Cow<'e, Value>, EvalError> {
    let (middle, low, high) = (eval(value, env)?, eval(low, env)?, eval(high, env)?);
    let order = |a: &Value, b: &Value| {
        if *a == Value::Null || *b == Value::Null {
            return Ok(None);
        }
        at(compare::order(&value.ty, a, b), &expr.span).map(|order| Some(order != Ordering::Greater))
    };
    Ok(boolean(match (order(&low, &middle)?, order(&middle, &high)?) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }))
}

fn in_list<'e>(expr: &'e Expr, value: &'e Expr, list: &'e [Expr], env: &Env<'e>) -> Result<Cow<'e, Value>, EvalError> {
    let wanted = eval(value, env)?;
    if *wanted == Value::Null {
        return Ok(NULL);
    }
    let mut null = false;
    for item in list {
        let item = eval(item, env)?;
        if *item == Value::Null {
            null = true;
        } else if at(compare::equal(&value.ty, &wanted, &item), &expr.span)? {
            return Ok(boolean(Some(true)));
        }
    }
    Ok(boolean((!null).then_some(false)))
}

fn case<'e>(
    expr: &'e Expr,
    operand: Option<&'e Expr>,
    branches: &'e [(Expr, Expr)],
    otherwise: Option<&'e Expr>,
    env: &Env<'e>,
) -> Result<Cow<'e, Value>, EvalError> {
    let subject = operand.map(|operand| eval(operand, env)).transpose()?;
    for (condition, result) in branches {
        let holds = match &subject {
            None => truth(condition, env)? == Some(true),
            Some(subject) => {
                let other = eval(condition, env)?;
                **subject != Value::Null
                    && *other != Value::Null
                    && at(compare::equal(&condition.ty, subject, &other), &expr.span)?
            }
        };
        if holds {
            return eval(result, env);
        }
    }
    otherwise.map_or(Ok(NULL), |otherwise| eval(otherwise, env))
}

fn concat<'e>(expr: &'e Expr, parts: &'e [Expr], env: &Env<'e>) -> Result<Cow<'e, Value>, EvalError> {
    let values = parts.iter().map(|part| eval(part, env)).collect::<Result<Vec<_>, _>>()?;
    if values.iter().any(|value| **value == Value::Null) {
        return Ok(NULL);
    }
    if let ExprType::List(_) = expr.ty {
        let mut items = Vec::new();
        for value in &values {
            for item in at(collections::items(value), &expr.span)? {
                items.push(env.own(Cow::Borrowed(item), &expr.span)?);
            }
        }
        return Ok(Cow::Owned(Value::List(items)));
    }
    let mut text = String::new();
    for value in &values {
        let part = at(text::str(value), &expr.span)?;
        env.charge(part.len(), &expr.span)?;
        text.push_str(part);
    }
    Ok(Cow::Owned(Value::from(text)))
}

/// The field of an object; NULL where it has none, or is none.
fn field<'e>(base: Cow<'e, Value>, name: &str, env: &Env<'e>, span: &Range<usize>) -> Result<Cow<'e, Value>, EvalError> {
    match base {
        Cow::Borrowed(Value::Object(object)) => Ok(object.get(name).map_or(NULL, Cow::Borrowed)),
        Cow::Owned(Value::Object(mut object)) => Ok(Cow::Owned(object.remove(name).unwrap_or(Value::Null))),
        other => {
            env.charge(0, span)?;
            drop(other);
            Ok(NULL)
        }
    }
}

fn list<'e>(expr: &'e Expr, items: &'e [Expr], env: &Env<'e>) -> Result<Cow<'e, Value>, EvalError> {
    let mut values = Vec::with_capacity(items.len());
    for item in items {
        values.push(env.own(eval(item, env)?, &expr.span)?);
    }
    Ok(Cow::Owned(Value::List(values)))
}

fn object<'e>(expr: &'e Expr, fields: &'e [(String, Expr)], env: &Env<'e>) -> Result<Cow<'e, Value>, EvalError> {
    let mut object = Object::new();
    for (name, field) in fields {
        object.push(name.as_str().into(), env.own(eval(field, env)?, &expr.span)?);
    }
    Ok(Cow::Owned(Value::Object(object)))
}

fn map<'e>(expr: &'e Expr, entries: &'e [(Expr, Expr)], env: &Env<'e>) -> Result<Cow<'e, Value>, EvalError> {
    let mut object = collections::Unique::default();
    for (key, value) in entries {
        let name = eval(key, env)?;
        let value = env.own(eval(value, env)?, &expr.span)?;
        at(object.add(&name, value), &key.span)?;
    }
    Ok(Cow::Owned(Value::Object(object.into_object())))
}
