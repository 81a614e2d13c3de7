//! When a computation fails, in SQLite: it has no functions that catch an error, but nearly nothing of it raises one by itself. What
//! is made for it raises errors in one way; with NULL in the place of each, a computation that gives NULL only where it reads NULL
//! tells by its NULL that it fails.

use coeval_core::Value;
use coeval_core::schema::Type;

use crate::dialect::Dialect;
use crate::expr::{Beside, failure_beside};
use crate::sqlite::{LOCAL, NO_ROOM};
use coeval_core::expr::{self, Expr, ExprKind, ExprType};
use coeval_core::history::Function;

/// What each error begins with.
const RAISE: &str = "json_extract('{}', 'coeval: ";

/// Returns the condition that a function fails, by its text and those of its inputs; `None` where it cannot be told.
pub(super) fn fails(function: &Function, at: usize, inputs: &[String], sql: &str, beside: Beside<'_>) -> Option<String> {
    let reads: Vec<&String> = match function {
        Function::Expressions(expressions) => {
            let (expression, places) = expressions.get(at)?;
            let texts: Option<Vec<String>> = places.iter().map(|place| inputs.get(*place).cloned()).collect();
            if let Ok(condition) = failure_beside(expression, &texts?, Dialect::Sqlite, beside) {
                return Some(condition);
            }
            if !is_strict(expression.root()) {
                return None;
            }
            places.iter().filter_map(|place| inputs.get(*place)).collect()
        }
        Function::Enum(_) => inputs.iter().collect(),
        Function::Constant(_)
        | Function::Identity
        | Function::Wrap
        | Function::Pick { .. }
        | Function::Keys(_)
        | Function::Native(_) => return None,
    };
    let soft = soft(sql)?;
    let mut parts: Vec<String> = reads.into_iter().map(|input| format!("{input} IS NOT NULL")).collect();
    parts.push(format!("({soft}) IS NULL"));
    Some(parts.join(" AND "))
}

/// Whether what a function gives fits the target's type: an expression of the same type, of which every value is a value.
pub(super) fn is_sure(function: &Function, at: usize, target: &Type) -> bool {
    let Function::Expressions(expressions) = function else { return false };
    let plain = match target {
        Type::Integer | Type::Number | Type::Float | Type::Boolean | Type::Date | Type::Time | Type::Datetime | Type::Uuid => {
            true
        }
        Type::String
        | Type::Bytes
        | Type::Json
        | Type::Enum { .. }
        | Type::Decimal { .. }
        | Type::Object(_)
        | Type::Array { .. }
        | Type::Map { .. }
        | Type::Ref { .. }
        | Type::Union { .. } => false,
    };
    plain && expressions.get(at).is_some_and(|(expression, _)| expression.root().ty == ExprType::of(target))
}

/// The text with NULL in the place of each error, but for those that refuse a value of which SQLite can tell nothing: numbers that there
/// is no room for, letters whose case it does not know.
fn soft(sql: &str) -> Option<String> {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(at) = rest.find(RAISE) {
        out.push_str(&rest[..at]);
        let message = &rest[at + RAISE.len()..];
        // A quotation mark in the message is doubled.
        let mut end = 0;
        loop {
            end += message[end..].find('\'')?;
            if message[end..].starts_with("''") {
                end += 2;
            } else {
                break;
            }
        }
        let after = message[end..].strip_prefix("')")?;
        let raised = &rest[at..rest.len() - after.len()];
        let refuses = [NO_ROOM, LOCAL].iter().any(|refusal| message.starts_with(refusal));
        out.push_str(if refuses { raised } else { "NULL" });
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

/// Whether an expression is NULL exactly where something that it reads is NULL, or it fails.
fn is_strict(expression: &Expr) -> bool {
    let itself = match &expression.kind {
        ExprKind::Literal(value) => *value != Value::Null,
        ExprKind::Input(_) | ExprKind::Negate(_) | ExprKind::Arithmetic(..) | ExprKind::Concat(_) | ExprKind::Cast(_) => true,
        ExprKind::Call(function, _) => matches!(
            function,
            expr::Function::Lower
                | expr::Function::Upper
                | expr::Function::Trim
                | expr::Function::Ltrim
                | expr::Function::Rtrim
                | expr::Function::Length
                | expr::Function::Replace
                | expr::Function::Abs
                | expr::Function::Round
                | expr::Function::Floor
                | expr::Function::Ceil
        ),
        ExprKind::Interval(_)
        | ExprKind::Param(_)
        | ExprKind::Not(_)
        | ExprKind::Is(..)
        | ExprKind::Compare(..)
        | ExprKind::And(_)
        | ExprKind::Or(_)
        | ExprKind::Between { .. }
        | ExprKind::In { .. }
        | ExprKind::Case { .. }
        | ExprKind::Field(..)
        | ExprKind::Table(_)
        | ExprKind::Like { .. }
        | ExprKind::Lambda { .. }
        | ExprKind::Pattern(_)
        | ExprKind::Index(..)
        | ExprKind::List(_)
        | ExprKind::Object(_)
        | ExprKind::Map(_) => false,
    };
    itself && expression.children().into_iter().all(is_strict)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_become_null() {
        let sql = "CASE WHEN x THEN 1 ELSE json_extract('{}', 'coeval: it''s wrong') END || json_extract('{}', 'coeval: b')";
        assert_eq!(soft(sql).unwrap(), "CASE WHEN x THEN 1 ELSE NULL END || NULL");
        assert_eq!(soft("x").unwrap(), "x");
        let sql = format!("iif(x, json_extract('{{}}', 'coeval: {NO_ROOM}'), 0)");
        assert_eq!(soft(&sql).unwrap(), sql);
    }
}
