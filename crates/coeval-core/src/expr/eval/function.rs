//! Calls: arguments evaluated, NULL passed on, and the function applied.

use std::borrow::Cow;

use super::numeric::Whole;
use super::text::Side;
use super::{Env, NULL, Outcome, at, cast, collections, compare, error, eval, numeric, size, temporal, text};
use crate::expr::EvalError;
use crate::expr::ast::{Expr, ExprKind};
use crate::expr::function::Function;
use crate::expr::types::ExprType;
use crate::value::Value;

type Result<'e> = std::result::Result<Cow<'e, Value>, EvalError>;

/// Calls a function. All but `coalesce`, `nullif` and `concat_ws` give NULL where an argument is NULL.
pub(super) fn call<'e>(function: Function, expr: &'e Expr, args: &'e [Expr], env: &Env<'e>) -> Result<'e> {
    match function {
        Function::Coalesce => return coalesce(args, env),
        Function::Nullif => return nullif(expr, args, env),
        Function::ConcatWs => return concat_ws(expr, args, env),
        _ => {}
    }
    let mut values = Vec::with_capacity(args.len());
    for arg in args {
        match &arg.kind {
            ExprKind::Lambda { .. } | ExprKind::Pattern(_) | ExprKind::Table(_) => values.push(NULL),
            _ => {
                let value = eval(arg, env)?;
                if *value == Value::Null {
                    return Ok(NULL);
                }
                values.push(value);
            }
        }
    }
    match function {
        Function::Coalesce | Function::Nullif | Function::ConcatWs => Ok(NULL),
        Function::Lower | Function::Upper | Function::Replace | Function::Lpad | Function::RegexpReplace => {
            let made = at(new_text(function, args, &values, env), &expr.span)?;
            env.string(made, &expr.span)
        }
        Function::Trim | Function::Ltrim | Function::Rtrim | Function::Substring | Function::SplitPart => {
            let part = at(part_of(function, &values), &expr.span)?.to_owned();
            env.string(part, &expr.span)
        }
        Function::Length | Function::Position | Function::StartsWith => {
            at(about_text(function, &values), &expr.span).map(Cow::Owned)
        }
        Function::Abs | Function::Round | Function::Floor | Function::Ceil | Function::Mod | Function::Power => {
            let number = at(number(function, expr, &values), &expr.span)?;
            env.charge(size(&number), &expr.span)?;
            Ok(Cow::Owned(number))
        }
        Function::Extract | Function::DateTrunc | Function::ToTimestamp => {
            at(moment(function, args, &values), &expr.span).map(Cow::Owned)
        }
        Function::ListTransform | Function::ListFilter | Function::TransformValues => {
            over_elements(function, expr, args, &values, env).map(Cow::Owned)
        }
        Function::Cardinality
        | Function::ArrayToString
        | Function::StringToArray
        | Function::MapKeys
        | Function::MapValues
        | Function::MapEntries
        | Function::MapFromEntries => {
            // What these make is made of their arguments.
            env.charge(values.iter().map(|value| size(value)).sum(), &expr.span)?;
            let made = at(collection(function, args, &values, env), &expr.span)?;
            env.charge(size(&made), &expr.span)?;
            Ok(Cow::Owned(made))
        }
        Function::JsonKind => Ok(Cow::Owned(Value::from(values[0].kind()))),
        Function::Lookup => match &args[0].kind {
            ExprKind::Table(table) => Ok(table.row(at(text::str(&values[1]), &expr.span)?).map_or(NULL, Cow::Borrowed)),
            _ => Err(error(&expr.span, "expected a table")),
        },
    }
}

fn coalesce<'e>(args: &'e [Expr], env: &Env<'e>) -> Result<'e> {
    for arg in args {
        let value = eval(arg, env)?;
        if *value != Value::Null {
            return Ok(value);
        }
    }
    Ok(NULL)
}

fn nullif<'e>(expr: &'e Expr, args: &'e [Expr], env: &Env<'e>) -> Result<'e> {
    let (value, other) = (eval(&args[0], env)?, eval(&args[1], env)?);
    let differ = *value == Value::Null || *other == Value::Null;
    Ok(if !differ && at(compare::equal(&args[0].ty, &value, &other), &expr.span)? { NULL } else { value })
}

fn concat_ws<'e>(expr: &'e Expr, args: &'e [Expr], env: &Env<'e>) -> Result<'e> {
    let values = args.iter().map(|arg| eval(arg, env)).collect::<std::result::Result<Vec<_>, _>>()?;
    let Some((separator, rest)) = values.split_first() else { return Ok(NULL) };
    if **separator == Value::Null {
        return Ok(NULL);
    }
    let separator = at(text::str(separator), &expr.span)?;
    let mut joined = String::new();
    for (i, value) in rest.iter().filter(|value| ***value != Value::Null).enumerate() {
        if i > 0 {
            joined.push_str(separator);
        }
        let part = at(text::str(value), &expr.span)?;
        env.charge(part.len() + separator.len(), &expr.span)?;
        joined.push_str(part);
    }
    Ok(Cow::Owned(Value::from(joined)))
}

/// The characters of an argument.
fn str<'v>(values: &'v [Cow<'_, Value>], at: usize) -> Outcome<&'v str> {
    text::str(&values[at])
}

fn new_text(function: Function, args: &[Expr], values: &[Cow<'_, Value>], env: &Env<'_>) -> Outcome<String> {
    let text = str(values, 0)?;
    match function {
        Function::Lower => Ok(text.to_lowercase()),
        Function::Upper => Ok(text.to_uppercase()),
        Function::Replace => text::replace(text, str(values, 1)?, str(values, 2)?, env.left()),
        Function::Lpad => {
            let fill = if values.len() > 2 { str(values, 2)? } else { " " };
            text::lpad(text, numeric::integer(&values[1])?, fill)
        }
        _ => match &args[1].kind {
            ExprKind::Pattern(pattern) => {
                let replaced = pattern.replace(text, str(values, 2)?, env.left());
                replaced.map(Cow::into_owned).ok_or_else(|| "the result is too long".to_owned())
            }
            _ => Err("expected a pattern".to_owned()),
        },
    }
}

fn part_of<'v>(function: Function, values: &'v [Cow<'_, Value>]) -> Outcome<&'v str> {
    let text = str(values, 0)?;
    match function {
        Function::Substring => {
            let count = values.get(2).map(|count| numeric::integer(count)).transpose()?;
            text::substring(text, numeric::integer(&values[1])?, count)
        }
        Function::SplitPart => text::split_part(text, str(values, 1)?, numeric::integer(&values[2])?),
        _ => {
            let characters = if values.len() > 1 { str(values, 1)? } else { " " };
            let side = match function {
                Function::Ltrim => Side::Left,
                Function::Rtrim => Side::Right,
                _ => Side::Both,
            };
            Ok(text::trim(text, characters, side))
        }
    }
}

fn about_text(function: Function, values: &[Cow<'_, Value>]) -> Outcome<Value> {
    let text = str(values, 0)?;
    Ok(match function {
        Function::Length => Value::from(text::length(text)),
        Function::Position => Value::from(text::position(text, str(values, 1)?)),
        _ => Value::from(text.starts_with(str(values, 1)?)),
    })
}

fn number(function: Function, expr: &Expr, values: &[Cow<'_, Value>]) -> Outcome<Value> {
    let value = &values[0];
    match function {
        Function::Abs => numeric::abs(&expr.ty, value),
        Function::Floor => numeric::whole(&expr.ty, value, Whole::Floor),
        Function::Ceil => numeric::whole(&expr.ty, value, Whole::Ceil),
        Function::Round if values.len() == 1 => numeric::whole(&expr.ty, value, Whole::Nearest),
        Function::Round => numeric::from_decimal(&numeric::round(&numeric::decimal(value)?, numeric::integer(&values[1])?)),
        _ => numeric::power(&expr.ty, value, &values[1]),
    }
}

fn moment(function: Function, args: &[Expr], values: &[Cow<'_, Value>]) -> Outcome<Value> {
    match function {
        Function::Extract => temporal::extract(str(values, 0)?, &args[1].ty, &values[1]),
        Function::DateTrunc => temporal::truncate(str(values, 0)?, &args[1].ty, &values[1]),
        _ => temporal::from_epoch(&values[0]),
    }
}

fn over_elements(
    function: Function,
    expr: &Expr,
    args: &[Expr],
    values: &[Cow<'_, Value>],
    env: &Env<'_>,
) -> std::result::Result<Value, EvalError> {
    match function {
        Function::TransformValues => {
            collections::transform_values(at(collections::entries(&values[0]), &expr.span)?, &args[1], env)
        }
        Function::ListFilter => collections::filter(at(collections::items(&values[0]), &expr.span)?, &args[1], env),
        _ => collections::transform(at(collections::items(&values[0]), &expr.span)?, &args[1], env),
    }
}

fn collection(function: Function, args: &[Expr], values: &[Cow<'_, Value>], env: &Env<'_>) -> Outcome<Value> {
    let value = &*values[0];
    Ok(match function {
        Function::Cardinality => {
            let count = match value {
                Value::Object(map) => map.len(),
                other => collections::items(other)?.len(),
            };
            Value::from(i64::try_from(count).unwrap_or(i64::MAX))
        }
        Function::ArrayToString => {
            let json = ExprType::Json;
            let ty = if let ExprType::List(items) = &args[0].ty { &items.ty } else { &json };
            let null = if values.len() > 2 { Some(str(values, 2)?) } else { None };
            let of = |item: &Value| cast::to_text(item, ty);
            Value::from(collections::join(collections::items(value)?, &of, str(values, 1)?, null, env.left())?)
        }
        Function::StringToArray => Value::List(collections::split(text::str(value)?, str(values, 1)?)),
        Function::MapKeys => collections::keys(collections::entries(value)?),
        Function::MapValues => collections::values(collections::entries(value)?),
        Function::MapEntries => collections::to_entries(collections::entries(value)?),
        _ => collections::from_entries(collections::items(value)?)?,
    })
}
