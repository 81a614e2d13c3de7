//! Whether a statement can be read at all, by a real parser; no type of it leaves this file.

use std::ops::Range;

use sqlparser::dialect::{Dialect, MySqlDialect, PostgreSqlDialect, SQLiteDialect};
use sqlparser::parser::{Parser, ParserError};

use crate::sql::SqlDialect;

/// How deep a statement may nest.
const DEPTH: usize = 200;

/// Parses a statement. Returns where it cannot be read, and why.
pub(super) fn problem(text: &str, dialect: SqlDialect) -> Option<(Range<usize>, String)> {
    let of: &dyn Dialect = match dialect {
        SqlDialect::Postgres => &PostgreSqlDialect {},
        SqlDialect::MySql => &MySqlDialect {},
        SqlDialect::Sqlite => &SQLiteDialect {},
    };
    let parsed = Parser::new(of).with_recursion_limit(DEPTH).try_with_sql(text).and_then(|mut parser| parser.parse_statements());
    let message = match parsed {
        Ok(_) => return None,
        Err(ParserError::RecursionLimitExceeded) => "it nests too deep".to_owned(),
        Err(ParserError::TokenizerError(message) | ParserError::ParserError(message)) => message,
    };
    let (message, place) = message.rsplit_once(" at Line: ").unwrap_or((&message, ""));
    let at = place.split_once(", Column: ").and_then(|(line, column)| offset(text, line.parse().ok()?, column.parse().ok()?));
    let start = at.unwrap_or(0);
    let rest = &text[start..];
    let end = match at {
        Some(_) => rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len()),
        None => rest.len(),
    };
    let first = rest.chars().next().map_or(0, char::len_utf8);
    let message =
        message.replacen("Expected: ", "expected ", 1).replace(", found: EOF", ", found the end").replace("found: ", "found ");
    Some((start..start + end.max(first), message))
}

/// The byte at a line and column, both from 1.
fn offset(text: &str, line: usize, column: usize) -> Option<usize> {
    let from = match line.checked_sub(1)? {
        0 => 0,
        before => text.match_indices('\n').nth(before - 1)?.0 + 1,
    };
    let within = text[from..].char_indices().nth(column.checked_sub(1)?).map(|(at, _)| at);
    Some(from + within.unwrap_or(text.len() - from))
}
