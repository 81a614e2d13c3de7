//! Calls with words between their arguments, and those whose first argument is a field of a moment.

use std::ops::Range;

use sqlparser::ast::{self as sql, TrimWhereField};

use super::call::Arg;
use super::{Checker, hull, node};
use crate::expr::ast::{Expr, ExprKind};
use crate::expr::function::Function;
use crate::expr::types::ExprType;
use crate::invalid::{Invalid, nearest};
use crate::value::Value;

impl Checker<'_> {
    /// `extract(year from x)`, `position(a in x)`, `substring(x from 1 for 2)`, `trim(both 'a' from x)`.
    pub(super) fn special(&mut self, tree: &sql::Expr) -> Result<Expr, Invalid> {
        let (function, args) = match tree {
            sql::Expr::Extract { field, expr, .. } => {
                let moment = self.lower(expr)?;
                let span = self.source.with_brackets(&moment.span, true);
                let text = field.to_string().to_lowercase();
                let text = text.trim_matches('\'').to_owned();
                let field_span = self.source.first_word_of_call(&span);
                let field = node(ExprKind::Literal(Value::from(text)), ExprType::String, false, field_span);
                return self.call(Function::Extract, vec![Arg::Typed(field), Arg::Typed(moment)], span);
            }
            sql::Expr::Position { expr, r#in } => (Function::Position, vec![self.lower(expr)?, self.lower(r#in)?]),
            sql::Expr::Substring { expr, substring_from, substring_for, .. } => {
                let mut args = vec![self.lower(expr)?];
                match substring_from {
                    Some(from) => args.push(self.lower(from)?),
                    None if substring_for.is_some() => {
                        let start = args[0].span.clone();
                        args.push(node(ExprKind::Literal(Value::from(1)), ExprType::Integer, false, start));
                    }
                    None => {}
                }
                if let Some(length) = substring_for {
                    args.push(self.lower(length)?);
                }
                (Function::Substring, args)
            }
            sql::Expr::Trim { expr, trim_where, trim_what, .. } => {
                let function = match trim_where {
                    None | Some(TrimWhereField::Both) => Function::Trim,
                    Some(TrimWhereField::Leading) => Function::Ltrim,
                    Some(TrimWhereField::Trailing) => Function::Rtrim,
                };
                let mut args = vec![self.lower(expr)?];
                if let Some(characters) = trim_what {
                    args.push(self.lower(characters)?);
                }
                (function, args)
            }
            _ => return Err(self.refused(tree)),
        };
        let inside = args.iter().map(|arg| hull(&args[0], arg)).reduce(|a, b| a.start.min(b.start)..a.end.max(b.end));
        let span = self.source.with_brackets(&inside.unwrap_or(0..0), true);
        self.call(function, args.into_iter().map(Arg::Typed).collect(), span)
    }
}

/// The fields of a date, and of a time of day.
const DATE_FIELDS: &[&str] = &["year", "quarter", "month", "week", "day", "dow", "isodow", "doy"];
const TIME_FIELDS: &[&str] = &["hour", "minute", "second"];
/// What `date_trunc` cuts a date to.
const DATE_UNITS: &[&str] = &["year", "quarter", "month", "week", "day"];

/// Types `extract` and `date_trunc`, whose fields depend on the type of the moment.
pub(super) fn moment(function: Function, args: Vec<Expr>, span: Range<usize>, nullable: bool) -> Result<Expr, Invalid> {
    let extract = function == Function::Extract;
    let moment = &args[1].ty;
    let dates = if extract { DATE_FIELDS } else { DATE_UNITS };
    let known: Vec<&str> = match moment {
        ExprType::Date if extract => dates.iter().chain(&["epoch"]).copied().collect(),
        ExprType::Date => dates.to_vec(),
        ExprType::Time if extract => TIME_FIELDS.to_vec(),
        ExprType::Time => {
            let invalid = Invalid::new("expected a date or a datetime, found a time").span(args[1].span.clone());
            return Err(invalid.help("only dates and datetimes are cut"));
        }
        _ if extract => dates.iter().chain(TIME_FIELDS).chain(&["epoch"]).copied().collect(),
        _ => dates.iter().chain(TIME_FIELDS).copied().collect(),
    };
    let field = args[0].literal_str().unwrap_or_default();
    if !known.contains(&field) {
        let invalid = Invalid::new(format!("{} has no field `{field}`", moment.a())).span(args[0].span.clone());
        return Err(match nearest(field, known.iter().copied()) {
            Some(near) => invalid.help(format!("did you mean `{near}`?")),
            None => invalid.help(format!("its fields are {}", known.join(", "))),
        });
    }
    let ty = match (extract, field) {
        (false, _) => moment.clone(),
        (true, "second" | "epoch") => ExprType::Number,
        (true, _) => ExprType::Integer,
    };
    Ok(node(ExprKind::Call(function, args), ty, nullable, span))
}
