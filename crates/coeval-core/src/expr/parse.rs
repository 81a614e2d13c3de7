//! From a text to the parser's tree, with the place of what is not an expression.

use std::ops::Range;

use sqlparser::ast::Expr;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token};

use super::dialect::Sql;
use super::function::FUNCTIONS;
use super::source::{Source, lower_first};
use crate::invalid::Invalid;

/// How deep expressions may nest.
pub(super) const DEPTH_LIMIT: usize = 100;

/// Parses the whole of a text.
pub(super) fn parse(text: &str) -> Result<(Source<'_>, Expr), Invalid> {
    let (source, tokens) = Source::scan(text)?;
    let mut parser = Parser::new(&Sql).with_recursion_limit(3 * DEPTH_LIMIT).with_tokens_with_locations(tokens);
    let expr = parser.parse_expr().map_err(|e| invalid(&source, e))?;
    let next = parser.peek_token_ref();
    if next.token != Token::EOF {
        let message = format!("expected the end of the expression, found `{}`", next.token);
        return Err(Invalid::new(message).span(source.range(next.span)));
    }
    Ok((source, expr))
}

/// The parser's complaint, with its place.
fn invalid(source: &Source, error: ParserError) -> Invalid {
    let message = match error {
        ParserError::RecursionLimitExceeded => return too_deep(0..source.text.len()),
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
    };
    let (message, location) = split_location(&message);
    let end = source.text.len();
    let span = location.map_or(end..end, |location| source.rest(source.offset(location)));
    let message = match message.split_once(", found: ") {
        Some((expected, "EOF")) => format!("{}, found the end", lower_first(&expected.replacen("Expected: ", "expected ", 1))),
        Some((expected, found)) => {
            format!("{}, found `{found}`", lower_first(&expected.replacen("Expected: ", "expected ", 1)))
        }
        None => lower_first(message),
    };
    Invalid::new(message).span(span)
}

/// Cuts the parser's ` at Line: 1, Column: 5` off.
fn split_location(message: &str) -> (&str, Option<Location>) {
    let Some((text, place)) = message.rsplit_once(" at Line: ") else { return (message, None) };
    let location = place
        .split_once(", Column: ")
        .and_then(|(line, column)| Some(Location { line: line.parse().ok()?, column: column.parse().ok()? }));
    (text, location.filter(|location| location.line > 0))
}

pub(super) fn too_deep(span: Range<usize>) -> Invalid {
    Invalid::new(format!("the expression nests deeper than {DEPTH_LIMIT} levels")).span(span)
}

pub(super) fn no_subqueries(span: Range<usize>) -> Invalid {
    Invalid::new("expressions have no subqueries").span(span).help(what_exists())
}

/// Lists what expressions have, for those who asked for something else.
pub(super) fn what_exists() -> String {
    let names: Vec<&str> = FUNCTIONS.iter().map(|e| e.name).collect();
    format!(
        "an expression computes one value from one record with + - * / % || = <> < <= > >= and or not, is null, is distinct from, \
         in, between, like, case, cast, x.field, m['key'], l[1], [a, b], {{'name': a}}, MAP {{'key': a}} and the functions {}",
        names.join(" ")
    )
}
