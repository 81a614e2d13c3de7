//! Looks hand-written SQL through for what is dangerous on a database that is in use, and says the safe way.
//!
//! A text is cut into statements, each is read as far as it matters, and rules look at each in the light of what the text did
//! before: a table that it created is nobody's yet, a CHECK that it validated makes SET NOT NULL cheap. What cannot be read is
//! itself a finding, never passed over.

mod check;
mod cursor;
mod form;
mod known;
mod parse;
mod read;
mod read_table;
mod rules;
mod script;
mod suppress;

use std::ops::Range;

pub use known::Context;
pub use rules::{Rule, all as rules, page, rule};

use crate::sql::{Piece, SqlDialect};
use crate::standalone::Transaction;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Worth knowing.
    Note,
    /// Dangerous.
    Warning,
    /// It fails, or destroys what cannot be got back.
    Error,
}

impl Level {
    /// Returns the word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Something dangerous in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The stable code of the rule.
    pub code: &'static str,
    /// How bad it is.
    pub level: Level,
    /// The bytes of the text that are meant: a clause, or the whole statement.
    pub span: Range<usize>,
    /// Why it is dangerous, in one sentence.
    pub message: String,
    /// The safe way, with the names of this text.
    pub help: String,
}

/// Looks a text through, and returns what is dangerous in it, in the order of the text.
///
/// ```
/// use coeval_plan::lint::{Context, lint_sql};
/// use coeval_plan::SqlDialect;
///
/// let text = "SET lock_timeout = '200ms'; CREATE INDEX by_email ON users (email)";
/// let found = lint_sql(text, SqlDialect::Postgres, &Context::default());
/// assert_eq!(found[0].code, "PG001-create-index-not-concurrently");
/// assert_eq!(&text[found[0].span.clone()], "CREATE INDEX by_email ON users (email)");
/// ```
pub fn lint_sql(text: &str, dialect: SqlDialect, context: &Context) -> Vec<Finding> {
    lint_parts(&[text], dialect, context).into_iter().map(|(_, finding)| finding).collect()
}

/// As [`lint_sql`] for texts that run one after the other as one migration: what one creates is new to the others. Returns each
/// finding with the index of the text that it is in.
///
/// What cannot be read in one of them hides nothing in the others.
pub fn lint_parts(texts: &[&str], dialect: SqlDialect, context: &Context) -> Vec<(usize, Finding)> {
    let whole = texts.concat();
    let (mut all, mut trailing, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    let mut start = 0;
    for (part, text) in texts.iter().enumerate() {
        let (mut pieces, mut comments) = crate::sql::pieces(text, dialect);
        for piece in &mut pieces {
            piece.shift(start, part);
        }
        for comment in &mut comments {
            comment.start += start;
        }
        all.extend(pieces);
        trailing.extend(comments);
        starts.push(start);
        start += text.len();
    }
    let script = script::Script::read(&all, dialect);
    let mut found = check::check(&whole, &script, context);
    found.sort_by(|a, b| (a.span.start, a.code).cmp(&(b.span.start, b.code)));
    found.dedup();
    let found = suppress::apply(found, &all, &trailing);
    let part = |finding: Finding| {
        let part = starts.partition_point(|start| *start <= finding.span.start).saturating_sub(1);
        let span = finding.span.start - starts[part]..finding.span.end - starts[part];
        (part, Finding { span, ..finding })
    };
    found.into_iter().map(part).collect()
}

/// Returns how a statement stands to transactions.
pub(crate) fn transaction(piece: &Piece<'_>, dialect: SqlDialect) -> Transaction {
    let (form, _) = read::read(&piece.tokens);
    match form {
        form::Form::Begin { .. } | form::Form::Commit | form::Form::Rollback => Transaction::Controls,
        form::Form::Pragma { name, .. } if dialect == SqlDialect::Sqlite && name == "foreign_keys" => Transaction::Outside,
        other if check::fails_in_transaction(&other).is_some() => Transaction::Outside,
        _ => Transaction::Either,
    }
}
