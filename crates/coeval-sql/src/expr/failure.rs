//! When the text of an expression would raise an error, as a condition that raises none itself.

use coeval_core::expr::{Arithmetic, Compiled, Expr, ExprKind, ExprType, Function};

use super::{Beside, Local, Rendered, Sql, postgres, render, shared, sqlite};
use crate::Dialect;
use crate::sqlite::NO_ROOM;

/// The renderer of one dialect.
enum Renderer<'a> {
    Postgres(postgres::Postgres<'a>),
    Sqlite {
        renderer: sqlite::Sqlite<'a>,
        /// Whether numbers that SQLite has no room for are an error of the condition, and no failure.
        refuses: bool,
    },
}

/// Returns the expression as SQL text, with a condition that is true exactly where the text would raise an error; `None` where it never
/// does. The condition itself raises none, and is never NULL.
///
/// # Errors
/// The expression is local in this dialect, or there is no such condition for it: whoever needs one must compute it in the engine.
pub fn render_with_failure(
    compiled: &Compiled,
    inputs: &[String],
    dialect: Dialect,
) -> Result<(Rendered, Option<String>), Local> {
    let rendered = render(compiled, inputs, dialect)?;
    let failure = if rendered.fallible { Some(condition(compiled, inputs, dialect, Beside::default(), false)?) } else { None };
    Ok((rendered, failure))
}

/// When an expression fails, with what lies beside it. Unlike the condition of [`render_with_failure`] this one raises an error for
/// numbers that SQLite has no room for, which is no failure of the expression.
pub(crate) fn failure_beside(compiled: &Compiled, inputs: &[String], dialect: Dialect, beside: Beside<'_>) -> Sql {
    condition(compiled, inputs, dialect, beside, true)
}

fn condition(compiled: &Compiled, inputs: &[String], dialect: Dialect, beside: Beside<'_>, refuses: bool) -> Sql {
    let renderer = match dialect {
        Dialect::Postgres => Renderer::Postgres(postgres::Postgres::new(inputs, beside)),
        Dialect::Sqlite => Renderer::Sqlite { renderer: sqlite::Sqlite::new(inputs, beside), refuses },
    };
    let failure = renderer.failure(compiled.root())?;
    if dialect == Dialect::Sqlite {
        shared::check_depth(&failure, compiled.root())?;
    }
    Ok(failure)
}

impl Renderer<'_> {
    fn dialect(&self) -> Dialect {
        match self {
            Self::Postgres(_) => Dialect::Postgres,
            Self::Sqlite { .. } => Dialect::Sqlite,
        }
    }

    fn expr(&self, e: &Expr) -> Sql {
        match self {
            Self::Postgres(renderer) => renderer.expr(e),
            Self::Sqlite { renderer, .. } => renderer.expr(e),
        }
    }

    fn bind(&self, value: &str, make: impl FnOnce(&str) -> Sql) -> Sql {
        match self {
            Self::Postgres(renderer) => renderer.bind(&[value], |names| make(&names[0])),
            Self::Sqlite { renderer, .. } => renderer.bind(&[value], |names| make(&names[0])),
        }
    }

    fn word(&self, value: bool) -> &'static str {
        match (self.dialect(), value) {
            (Dialect::Postgres, true) => "true",
            (Dialect::Postgres, false) => "false",
            (Dialect::Sqlite, true) => "1",
            (Dialect::Sqlite, false) => "0",
        }
    }

    /// The condition for an expression and all beneath it.
    fn failure(&self, e: &Expr) -> Sql {
        let (yes, no) = (self.word(true), self.word(false));
        if !shared::may_fail(e, self.dialect()) {
            return Ok(no.to_owned());
        }
        if shared::constant(e).is_some() {
            return Ok(yes.to_owned());
        }
        let mut steps = Vec::new();
        let mut last = no.to_owned();
        match &e.kind {
            // In order, up to the part that decides.
            ExprKind::And(parts) | ExprKind::Or(parts) => {
                let decided = if matches!(e.kind, ExprKind::And(_)) { no } else { yes };
                for part in parts {
                    self.step(part, &mut steps)?;
                    steps.push(format!("WHEN {} IS {decided} THEN {no}", self.expr(part)?));
                }
            }
            ExprKind::Case { operand: None, branches, otherwise } => {
                for (condition, result) in branches {
                    self.step(condition, &mut steps)?;
                    steps.push(format!("WHEN {} THEN {}", self.expr(condition)?, self.failure(result)?));
                }
                if let Some(otherwise) = otherwise {
                    last = self.failure(otherwise)?;
                }
            }
            ExprKind::Call(Function::Coalesce, args) => {
                for arg in args {
                    self.step(arg, &mut steps)?;
                    steps.push(format!("WHEN {} IS NOT NULL THEN {no}", self.expr(arg)?));
                }
            }
            ExprKind::Call(Function::Nullif | Function::ConcatWs, _)
            | ExprKind::Not(_)
            | ExprKind::Negate(_)
            | ExprKind::Is(..)
            | ExprKind::Arithmetic(..)
            | ExprKind::Compare(..)
            | ExprKind::Concat(_)
            | ExprKind::Between { .. }
            | ExprKind::Like { .. }
            | ExprKind::Cast(_)
            | ExprKind::List(_)
            | ExprKind::Object(_) => {
                for child in e.children() {
                    self.step(child, &mut steps)?;
                }
                last = self.own(e)?;
            }
            // What follows a NULL is not computed.
            ExprKind::Call(_, args) => {
                for arg in args {
                    self.step(arg, &mut steps)?;
                    if arg.nullable && shared::may_fail(e, self.dialect()) && !matches!(arg.kind, ExprKind::Lambda { .. }) {
                        steps.push(format!("WHEN {} IS NULL THEN {no}", self.expr(arg)?));
                    }
                }
                last = self.own(e)?;
            }
            ExprKind::Literal(_)
            | ExprKind::Interval(_)
            | ExprKind::Input(_)
            | ExprKind::Param(_)
            | ExprKind::In { .. }
            | ExprKind::Case { operand: Some(_), .. }
            | ExprKind::Lambda { .. }
            | ExprKind::Pattern(_)
            | ExprKind::Field(..)
            | ExprKind::Index(..)
            | ExprKind::Map(_)
            | ExprKind::Table(_) => return Err(unknown(e)),
        }
        if steps.is_empty() { Ok(last) } else { Ok(format!("(CASE {} ELSE {last} END)", steps.join(" "))) }
    }

    /// One part that is computed before what follows.
    fn step(&self, part: &Expr, steps: &mut Vec<String>) -> Result<(), Local> {
        let failure = self.failure(part)?;
        if failure != self.word(false) {
            steps.push(format!("WHEN {failure} THEN {}", self.word(true)));
        }
        Ok(())
    }

    /// The condition for what an expression itself does, its parts having been computed.
    fn own(&self, e: &Expr) -> Sql {
        let condition = match &e.kind {
            ExprKind::Arithmetic(op, a, b) if a.ty.is_numeric() && b.ty.is_numeric() => {
                let (left, right) = (self.expr(a)?, self.expr(b)?);
                let zero = match b.ty {
                    ExprType::Number | ExprType::Decimal { .. } if self.dialect() == Dialect::Sqlite => "'0'",
                    _ => "0",
                };
                match (op, &e.ty) {
                    (Arithmetic::Divide | Arithmetic::Modulo, ExprType::Integer) => {
                        let overflow = if *op == Arithmetic::Divide {
                            format!(" OR {right} = -1 AND {left} < -9223372036854775807")
                        } else {
                            String::new()
                        };
                        format!("{left} IS NOT NULL AND ({right} = 0{overflow})")
                    }
                    (_, ExprType::Integer) => self.overflow(&left, *op, &right),
                    (Arithmetic::Add | Arithmetic::Subtract | Arithmetic::Multiply, ExprType::Number)
                        if self.dialect() == Dialect::Postgres =>
                    {
                        return Ok(self.word(false).to_owned());
                    }
                    (Arithmetic::Divide | Arithmetic::Modulo, ExprType::Number) if self.dialect() == Dialect::Postgres => {
                        format!("{left} IS NOT NULL AND {right} = {zero}")
                    }
                    (Arithmetic::Multiply, ExprType::Number) => return self.crowded(&left, &right),
                    (Arithmetic::Divide, ExprType::Number) => {
                        let inverse = shared::constant(b).and_then(Result::ok).and_then(|value| postgres::inverse(&value));
                        return self.crowded(&left, &format!("'{}'", inverse.ok_or_else(|| unknown(e))?));
                    }
                    _ => return Err(unknown(e)),
                }
            }
            ExprKind::Negate(inner) if e.ty == ExprType::Integer => format!("{} < -9223372036854775807", self.expr(inner)?),
            ExprKind::Negate(_) if e.ty == ExprType::Number => return Ok(self.word(false).to_owned()),
            ExprKind::Cast(inner) if !shared::cast_fails(&inner.ty, &e.ty) => return Ok(self.word(false).to_owned()),
            ExprKind::Cast(inner) => return self.unreadable(&self.expr(inner)?, &inner.ty, e),
            ExprKind::Call(function, args) if !shared::call_fails(*function, args, self.dialect()) => {
                return Ok(self.word(false).to_owned());
            }
            ExprKind::Call(Function::Round | Function::Floor | Function::Ceil, args)
                if self.dialect() == Dialect::Postgres || args[0].ty == ExprType::Integer =>
            {
                return Ok(self.word(false).to_owned());
            }
            ExprKind::Call(Function::Abs, args) if args[0].ty == ExprType::Integer => {
                format!("{} < -9223372036854775807", self.expr(&args[0])?)
            }
            ExprKind::Call(Function::Abs, _)
            | ExprKind::Not(_)
            | ExprKind::Is(..)
            | ExprKind::Compare(..)
            | ExprKind::Concat(_)
            | ExprKind::Between { .. }
            | ExprKind::Like { .. }
            | ExprKind::List(_)
            | ExprKind::Object(_) => return Ok(self.word(false).to_owned()),
            _ => return Err(unknown(e)),
        };
        Ok(format!("coalesce({condition}, {})", self.word(false)))
    }

    /// Whether an integer operation leaves 64 bits.
    fn overflow(&self, left: &str, op: Arithmetic, right: &str) -> String {
        let symbol = match op {
            Arithmetic::Add => "+",
            Arithmetic::Subtract => "-",
            Arithmetic::Multiply | Arithmetic::Divide | Arithmetic::Modulo => "*",
        };
        match self.dialect() {
            Dialect::Postgres => {
                format!("{left}::numeric {symbol} {right} NOT BETWEEN -9223372036854775808 AND 9223372036854775807")
            }
            Dialect::Sqlite => format!("typeof({left} {symbol} {right}) = 'real'"),
        }
    }

    /// Whether SQLite has no room for a product.
    fn crowded(&self, left: &str, right: &str) -> Sql {
        match self {
            Self::Postgres(_) => Ok(self.word(false).to_owned()),
            Self::Sqlite { renderer, refuses } => renderer.bind(&[left, right], |names| {
                let crowded = sqlite::crowded(&names[0], &names[1]);
                Ok(if *refuses { format!("iif({crowded}, {}, 0)", sqlite::raise(NO_ROOM)) } else { crowded })
            }),
        }
    }

    /// Whether a value cannot be cast.
    fn unreadable(&self, sql: &str, from: &ExprType, e: &Expr) -> Sql {
        use ExprType as T;
        let no = self.word(false);
        self.bind(sql, |sql| {
            let condition = match (self.dialect(), from, &e.ty) {
                (Dialect::Postgres, T::String | T::Enum(_), to) => postgres::unreadable(sql, to),
                (Dialect::Sqlite, T::String | T::Enum(_), to) => sqlite::unreadable(sql, to),
                (Dialect::Postgres, T::Number | T::Decimal { .. }, T::Integer) => {
                    Some(format!("pg_catalog.round({sql}) NOT BETWEEN -9223372036854775808 AND 9223372036854775807"))
                }
                (Dialect::Postgres, T::Integer | T::Number | T::Decimal { .. }, T::Decimal { precision, scale }) => Some(
                    format!("pg_catalog.abs(pg_catalog.round({sql}::numeric, {scale})) >= '1e{}'::numeric", precision - scale),
                ),
                _ => None,
            };
            let condition = condition.ok_or_else(|| unknown(e))?;
            Ok(format!("coalesce({condition}, {no})"))
        })
    }
}

fn unknown(e: &Expr) -> Local {
    Local::new("whether this fails is not told without computing it", &e.span)
}
