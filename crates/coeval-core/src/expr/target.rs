//! Whether the result of an expression may be stored in a property.

use std::ops::Range;

use super::ast::{Expr, ExprKind};
use super::check::{cast_help, enum_value};
use super::eval::cast::cast_value;
use super::function::Function;
use super::types::{ExprType, Typed};
use crate::invalid::{Invalid, nearest};
use crate::schema::{Properties, Property, Type};

/// Checks that an expression gives values of a property.
pub(super) fn check_target(root: &Expr, target: &Property) -> Result<(), Invalid> {
    // NULL where null is not allowed lands as absence, where that is.
    let null_fits = target.nullable || !target.required || target.ty == Type::Json;
    check(root, target, null_fits)
}

fn check(expr: &Expr, target: &Property, null_fits: bool) -> Result<(), Invalid> {
    if expr.nullable && !null_fits {
        let invalid = Invalid::new("this may be NULL, and the property is required").span(expr.span.clone());
        return Err(invalid.help("wrap it in `coalesce(…, a value)`, or make the property nullable"));
    }
    structure(expr, target)
}

/// Follows an expression to the parts that make its value, so that each is blamed in its own place.
fn structure(expr: &Expr, target: &Property) -> Result<(), Invalid> {
    match &expr.kind {
        ExprKind::Case { branches, otherwise, .. } => {
            let results = branches.iter().map(|(_, result)| result).chain(otherwise.as_deref());
            return results.into_iter().try_for_each(|result| structure(result, target));
        }
        ExprKind::Call(Function::Coalesce, args) => return args.iter().try_for_each(|arg| structure(arg, target)),
        ExprKind::Call(Function::Nullif, args) => return structure(&args[0], target),
        // A conversion that the text does not spell is there for the common type only.
        ExprKind::Cast(inner) if inner.span == expr.span => return structure(inner, target),
        ExprKind::Literal(value) if expr.literal_str().is_some() => {
            let text = value.as_str().unwrap_or_default();
            return literal(text, &expr.span, target);
        }
        ExprKind::List(items) => {
            if let Type::Array { items: target, .. } = &target.ty {
                return items.iter().try_for_each(|item| check(item, target, target.nullable || target.ty == Type::Json));
            }
        }
        ExprKind::Map(entries) => {
            if let Type::Map { values: target } = &target.ty {
                let fits = target.nullable || target.ty == Type::Json;
                return entries.iter().try_for_each(|(_, value)| check(value, target, fits));
            }
        }
        ExprKind::Object(fields) => {
            if let Type::Object(properties) = &target.ty {
                for (name, value) in fields {
                    match properties.get(name) {
                        Some(property) => check_target(value, property)?,
                        None if properties.additional && properties.is_empty() => {}
                        None => return Err(unknown(name, &value.span, properties)),
                    }
                }
                let given = |name: &str| fields.iter().any(|(field, _)| field == name);
                return missing(properties, given, &expr.span);
            }
        }
        _ => {}
    }
    assignable(&expr.ty, target).map_err(|problem| problem.at(&expr.span))
}

/// Why a type does not fit.
struct Problem {
    message: String,
    help: String,
}

impl Problem {
    fn at(self, span: &Range<usize>) -> Invalid {
        Invalid::new(self.message).span(span.clone()).help(self.help)
    }
}

/// Whether values of the type are values of the property, as far as the types say.
#[allow(clippy::match_same_arms, reason = "each arm is a rule of its own")]
fn assignable(ty: &ExprType, target: &Property) -> Result<(), Problem> {
    use ExprType as T;
    let fits = match (ty, &target.ty) {
        (T::Null, _) | (_, Type::Json) => true,
        (ty, Type::Number | Type::Decimal { .. }) => matches!(ty, T::Integer | T::Number | T::Decimal { .. }),
        (ty, Type::Float) => matches!(ty, T::Integer | T::Float),
        (ty, Type::String) => ty.is_text(),
        // Whether it is one of the values shows when it is stored.
        (T::String, Type::Enum { .. }) | (T::String | T::Integer, Type::Ref { .. }) => true,
        (T::Enum(from), Type::Enum { values: to }) => {
            return match from.iter().find(|value| !to.contains(value)) {
                None => Ok(()),
                Some(value) => Err(Problem {
                    message: format!("`{value}` is not one of the property's values"),
                    help: "map it with `case`".to_owned(),
                }),
            };
        }
        // Taken from JSON as it is; what does not fit shows when it is stored.
        (T::Json | T::Union { .. }, Type::Object(_) | Type::Array { .. } | Type::Map { .. } | Type::Union { .. }) => true,
        (T::List(items), Type::Array { items: target, .. }) => return element(items, target, "item"),
        (T::Map(values), Type::Map { values: target }) => return element(values, target, "value"),
        (T::Object(fields), Type::Object(properties)) => return object(fields, properties),
        (ty, Type::Union { of, .. }) => of.iter().any(|property| assignable(ty, property).is_ok()),
        (ty, target) => *ty == ExprType::of(target),
    };
    if fits {
        return Ok(());
    }
    let to = ExprType::of(&target.ty);
    Err(Problem { message: format!("this is {}, the property is {}", ty.a(), to.a()), help: cast_help(ty, &to) })
}

fn element(from: &Typed, target: &Property, what: &str) -> Result<(), Problem> {
    assignable(&from.ty, target)?;
    if from.nullable && from.ty != ExprType::Null && !target.nullable && target.ty != Type::Json {
        return Err(Problem {
            message: format!(
                "{} {what} may be NULL, and the property's are not nullable",
                if what == "item" { "an" } else { "a" }
            ),
            help: "wrap it in `coalesce(…, a value)`, or leave it out with `list_filter`".to_owned(),
        });
    }
    Ok(())
}

fn object(fields: &[(String, Typed)], properties: &Properties) -> Result<(), Problem> {
    for (name, property) in properties.iter() {
        let Some((_, typed)) = fields.iter().find(|(field, _)| field == name) else {
            if property.required {
                let message = format!("the object has no `{name}`, which is required");
                return Err(Problem { message, help: "build it: `{'name': value, …}`".to_owned() });
            }
            continue;
        };
        assignable(&typed.ty, property)
            .map_err(|p| Problem { message: format!("the field `{name}`: {}", p.message), help: p.help })?;
        if typed.nullable && property.required && !property.nullable && property.ty != Type::Json {
            return Err(Problem {
                message: format!("the field `{name}` may be NULL or absent, and the property is required"),
                help: "build the object with `coalesce` where it may be NULL".to_owned(),
            });
        }
    }
    if !properties.additional
        && let Some((name, _)) = fields.iter().find(|(name, _)| properties.get(name).is_none())
    {
        return Err(Problem {
            message: format!("the field `{name}` is not declared in the property"),
            help: "build the object without it: `{'name': value, …}`".to_owned(),
        });
    }
    Ok(())
}

/// Whether a text that is spelled out is a value of the property.
fn literal(text: &str, span: &Range<usize>, target: &Property) -> Result<(), Invalid> {
    match &target.ty {
        Type::Enum { values } => enum_value(text, values, span).map_or(Ok(()), Err),
        Type::Date | Type::Time | Type::Datetime | Type::Uuid | Type::Bytes => {
            let to = ExprType::of(&target.ty);
            match cast_value(&text.into(), &ExprType::String, &to) {
                Ok(value) if value.as_str() == Some(text) || target.ty.admits(&text.into()) => Ok(()),
                _ => Err(Invalid::new(format!("'{text}' is not {}", to.a())).span(span.clone())),
            }
        }
        Type::Union { of, .. } => {
            let fits = of.iter().any(|property| literal(text, span, property).is_ok());
            if fits { Ok(()) } else { Err(Invalid::new("no type of the union takes this text").span(span.clone())) }
        }
        _ => assignable(&ExprType::String, target).map_err(|problem| problem.at(span)),
    }
}

fn missing(properties: &Properties, given: impl Fn(&str) -> bool, span: &Range<usize>) -> Result<(), Invalid> {
    match properties.iter().find(|(name, property)| property.required && !given(name)) {
        Some((name, _)) => Err(Invalid::new(format!("`{name}` is required and missing")).span(span.clone())),
        None => Ok(()),
    }
}

fn unknown(name: &str, span: &Range<usize>, properties: &Properties) -> Invalid {
    let invalid = Invalid::new(format!("the property has no `{name}`")).span(span.clone());
    match nearest(name, properties.names()) {
        Some(near) => invalid.help(format!("did you mean `{near}`?")),
        None => invalid.help(format!("declared there: {}", properties.names().take(20).collect::<Vec<_>>().join(", "))),
    }
}
