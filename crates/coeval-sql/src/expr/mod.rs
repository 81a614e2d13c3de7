//! Typed expressions as SQL text.
//!
//! The text stands wherever a scalar expression may: in a list of columns, an assignment of `UPDATE` or of PL/pgSQL, the body of a
//! trigger. It uses no common table expression. Where the reference evaluator fails, the text raises an error at run time; where
//! it cannot be made to agree with it, the expression is [`Local`].
//!
//! What reads nothing is computed while the text is made, by the reference evaluator itself: such a part is a literal, and no
//! planner can compute it too early, in a branch that is never reached.
//!
//! In PostgreSQL functions and types are qualified with `pg_catalog`, so that a user's of the same name do not stand in for them whatever
//! `search_path` is; operators are not, and a schema before `pg_catalog` that redefines one on built-in types would be used. The text
//! depends on no setting of the session but `extra_float_digits`, which must not be set below its default of 1 where the text
//! of a float is made.

mod failure;
mod function;
pub(crate) mod postgres;
mod shared;
pub(crate) use shared::TOO_DEEP;
pub(crate) mod sqlite;

use std::ops::Range;

use coeval_core::expr::Compiled;
use coeval_core::table::Table;

use crate::Dialect;

pub(crate) use failure::failure_beside;
pub use failure::render_with_failure;
pub use function::render_function;
pub(crate) use function::{failure_of, landed};
pub(crate) use postgres::refused;

/// An expression as SQL text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The text: a name, a literal, a call, or in parentheses.
    pub sql: String,
    /// Whether it may raise an error for some values.
    pub fallible: bool,
}

/// Why an expression is not pushed down: its values must be computed by the engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Local {
    /// What the dialect has no equal of.
    pub reason: String,
    /// The bytes of the source that cannot be pushed down.
    pub span: Range<usize>,
}

impl Local {
    pub(crate) fn new(reason: impl Into<String>, span: &Range<usize>) -> Self {
        Self { reason: reason.into(), span: span.clone() }
    }
}

/// What a renderer of one dialect gives.
pub(crate) type Sql = Result<String, Local>;

/// Returns the expression as SQL text.
///
/// `inputs[i]` is the text of the i-th of [`Compiled::inputs`]: a column or a variable of the column type of the input's type, NULL where
/// it is absent or null. It should be qualified (`NEW.x`), for it may be read inside of a subselect; no name in such a subselect is a
/// name without `@`.
///
/// # Errors
/// The expression is local in this dialect.
pub fn render(compiled: &Compiled, inputs: &[String], dialect: Dialect) -> Result<Rendered, Local> {
    render_beside(compiled, inputs, dialect, Beside::default())
}

/// Says where a table lies.
type Lookups<'a> = &'a dyn Fn(&Table) -> Option<String>;

/// What an expression finds beside it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Beside<'a> {
    /// Says where a table that expressions look things up in lies: a function of its key in PostgreSQL, a table in SQLite; `None` for
    /// one that is written out.
    pub(crate) lookups: Option<Lookups<'a>>,
    /// The function that refuses a statement, given as a text what the database cannot compute; in SQLite, what its refusal begins with.
    /// Where there is none, an expression is local if there is any value that the database cannot compute it for.
    pub(crate) beyond: Option<&'a str>,
}

/// As [`render`], with what lies beside the expression.
pub(crate) fn render_beside(
    compiled: &Compiled,
    inputs: &[String],
    dialect: Dialect,
    beside: Beside<'_>,
) -> Result<Rendered, Local> {
    let root = compiled.root();
    if inputs.len() < compiled.inputs().len() {
        return Err(Local::new("the text of an input is missing", &root.span));
    }
    let sql = match dialect {
        Dialect::Postgres => postgres::Postgres::new(inputs, beside).expr(root)?,
        Dialect::Sqlite => sqlite::Sqlite::new(inputs, beside).expr(root)?,
    };
    if dialect == Dialect::Sqlite {
        shared::check_depth(&sql, root)?;
    }
    Ok(Rendered { sql, fallible: shared::may_fail(root, dialect) })
}
