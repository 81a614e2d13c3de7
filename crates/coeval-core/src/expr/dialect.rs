//! What of SQL's grammar there is: PostgreSQL's operators and precedences, lambdas, and literals of objects and maps.
//!
//! A dialect of our own, because PostgreSQL's own reserves words that are ordinary names of properties (`user`, `path`, `point`),
//! and because the generic way to parse a word tries several and goes back, which costs exponential time on hostile input.
//! Here each word decides at once.

use sqlparser::ast::{
    CastKind, Expr, LambdaFunction, LambdaFunctionParameter, LambdaSyntax, Map, MapEntry, ObjectName, OneOrManyWithParens,
    TrimWhereField,
};
use sqlparser::dialect::{Dialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, Word};

/// The language's dialect.
#[derive(Debug)]
pub(super) struct Sql;

/// Words that are never names unless quoted.
const RESERVED: &[Keyword] = &[
    Keyword::AND,
    Keyword::AS,
    Keyword::BETWEEN,
    Keyword::CASE,
    Keyword::DISTINCT,
    Keyword::ELSE,
    Keyword::END,
    Keyword::EXISTS,
    Keyword::FALSE,
    Keyword::FOR,
    Keyword::FROM,
    Keyword::ILIKE,
    Keyword::IN,
    Keyword::IS,
    Keyword::LIKE,
    Keyword::NOT,
    Keyword::NULL,
    Keyword::OR,
    Keyword::SELECT,
    Keyword::SIMILAR,
    Keyword::THEN,
    Keyword::TRUE,
    Keyword::WHEN,
];

/// Words that PostgreSQL answers without parentheses.
const CLOCK: &[Keyword] = &[
    Keyword::CURRENT_DATE,
    Keyword::CURRENT_TIME,
    Keyword::CURRENT_TIMESTAMP,
    Keyword::CURRENT_USER,
    Keyword::LOCALTIME,
    Keyword::LOCALTIMESTAMP,
    Keyword::SESSION_USER,
];

impl Dialect for Sql {
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '"'
    }

    fn identifier_quote_style(&self, _identifier: &str) -> Option<char> {
        Some('"')
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_' || !ch.is_ascii()
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_' || ch == '$' || !ch.is_ascii()
    }

    fn supports_dictionary_syntax(&self) -> bool {
        true
    }

    fn supports_nested_comments(&self) -> bool {
        true
    }

    fn supports_extract_comma_syntax(&self) -> bool {
        false
    }

    fn allow_extract_custom(&self) -> bool {
        true
    }

    fn allow_extract_single_quotes(&self) -> bool {
        true
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        let word = match &parser.peek_token_ref().token {
            Token::LParen => return lambda_in_parentheses(parser),
            Token::Word(word) => word.clone(),
            _ => return None,
        };
        if RESERVED.contains(&word.keyword) {
            return Some(reserved(parser, &word));
        }
        if CLOCK.contains(&word.keyword) {
            return Some(Err(fail(parser, "expressions have no clock and no session")));
        }
        let quoted = word.quote_style.is_some();
        match &parser.peek_nth_token_ref(1).token {
            Token::Arrow => Some(lambda(parser, 1)),
            Token::LParen if !quoted => Some(call(parser)),
            // `date '2026-11-21'` is left to the parser.
            Token::SingleQuotedString(_) if !quoted => None,
            Token::LBracket if word.keyword == Keyword::ARRAY => Some(array(parser)),
            Token::LBrace if word.keyword == Keyword::MAP => Some(map(parser)),
            _ => Some(parser.parse_identifier().map(Expr::Identifier)),
        }
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        // The arrow stands only after parameters, the colon between a key and a value, the bracket after a value: never between two
        // operands.
        match &parser.peek_token_ref().token {
            Token::StringConcat => Some(Ok(70)),
            Token::Arrow | Token::Colon | Token::LBracket => Some(Ok(0)),
            _ => None,
        }
    }

    fn prec_value(&self, prec: Precedence) -> u8 {
        match prec {
            Precedence::Period => 200,
            Precedence::DoubleColon => 140,
            Precedence::AtTz => 110,
            Precedence::Caret => 100,
            Precedence::MulDivModOp => 90,
            Precedence::PlusMinus => 80,
            Precedence::Xor => 75,
            Precedence::Ampersand | Precedence::Pipe | Precedence::Colon | Precedence::PgOther => 70,
            Precedence::Between | Precedence::Like => 60,
            Precedence::Eq => 50,
            Precedence::Is => 40,
            Precedence::UnaryNot => 30,
            Precedence::And => 20,
            Precedence::Or => 10,
        }
    }
}

/// An error at the next token.
fn fail(parser: &Parser, message: &str) -> ParserError {
    ParserError::ParserError(format!("{message}{}", parser.peek_token_ref().span.start))
}

/// Parses what starts with a reserved word.
fn reserved(parser: &mut Parser, word: &Word) -> Result<Expr, ParserError> {
    match word.keyword {
        Keyword::TRUE | Keyword::FALSE | Keyword::NULL => parser.parse_value().map(Expr::Value),
        Keyword::CASE => {
            parser.advance_token();
            parser.parse_case_expr()
        }
        Keyword::NOT => {
            parser.advance_token();
            parser.parse_not()
        }
        Keyword::EXISTS | Keyword::SELECT => Err(fail(parser, "expressions have no subqueries")),
        _ => Err(fail(parser, &format!("expected an expression, found `{}`", word.value))),
    }
}

/// Parses a function's name and its arguments, some of which have words between them.
fn call(parser: &mut Parser) -> Result<Expr, ParserError> {
    let token = parser.peek_token_ref().clone();
    let Token::Word(word) = token.token else { return Err(fail(parser, "expected a function")) };
    if matches!(word.keyword, Keyword::SUBSTRING | Keyword::SUBSTR) {
        return parser.parse_substring();
    }
    parser.advance_token();
    match word.keyword {
        Keyword::CAST => parser.parse_cast_expr(CastKind::Cast),
        Keyword::EXTRACT => parser.parse_extract_expr(),
        Keyword::POSITION => position(parser),
        Keyword::TRIM => trim(parser),
        _ => parser.parse_function(ObjectName::from(vec![word.into_ident(token.span)])),
    }
}

/// Parses `array [a, b]`.
fn array(parser: &mut Parser) -> Result<Expr, ParserError> {
    parser.advance_token();
    parser.expect_token(&Token::LBracket)?;
    parser.parse_array_expr(true)
}

/// Parses `map {key: value}`.
fn map(parser: &mut Parser) -> Result<Expr, ParserError> {
    parser.advance_token();
    parser.expect_token(&Token::LBrace)?;
    let mut entries = Vec::new();
    if !parser.consume_token(&Token::RBrace) {
        entries = parser.parse_comma_separated(|parser| {
            let key = Box::new(parser.parse_expr()?);
            parser.expect_token(&Token::Colon)?;
            Ok(MapEntry { key, value: Box::new(parser.parse_expr()?) })
        })?;
        parser.expect_token(&Token::RBrace)?;
    }
    Ok(Expr::Map(Map { entries }))
}

/// Parses `(part in text)`.
fn position(parser: &mut Parser) -> Result<Expr, ParserError> {
    parser.expect_token(&Token::LParen)?;
    let part = parser.parse_subexpr(60)?;
    parser.expect_keyword_is(Keyword::IN)?;
    let text = parser.parse_expr()?;
    parser.expect_token(&Token::RParen)?;
    Ok(Expr::Position { expr: Box::new(part), r#in: Box::new(text) })
}

/// Parses `(text)`, `(text, characters)`, `(both characters from text)`, and `(leading from text)`, which the parser does not know.
fn trim(parser: &mut Parser) -> Result<Expr, ParserError> {
    parser.expect_token(&Token::LParen)?;
    let side = match parser.parse_one_of_keywords(&[Keyword::BOTH, Keyword::LEADING, Keyword::TRAILING]) {
        Some(Keyword::LEADING) => Some(TrimWhereField::Leading),
        Some(Keyword::TRAILING) => Some(TrimWhereField::Trailing),
        Some(_) => Some(TrimWhereField::Both),
        None => None,
    };
    let mut what = None;
    if side.is_none() || !parser.parse_keyword(Keyword::FROM) {
        what = Some(parser.parse_expr()?);
    }
    let (text, what) = match what {
        Some(text) if parser.consume_token(&Token::Comma) => (text, Some(parser.parse_expr()?)),
        Some(what) if parser.parse_keyword(Keyword::FROM) => (parser.parse_expr()?, Some(what)),
        Some(text) => (text, None),
        None => (parser.parse_expr()?, None),
    };
    parser.expect_token(&Token::RParen)?;
    Ok(Expr::Trim { expr: Box::new(text), trim_where: side, trim_what: what.map(Box::new), trim_characters: None })
}

/// Parses `(a, b) -> …`; leaves other parentheses to the parser.
fn lambda_in_parentheses(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    let mut at = 1;
    loop {
        let Token::Word(word) = &parser.peek_nth_token_ref(at).token else { return None };
        if RESERVED.contains(&word.keyword) {
            return None;
        }
        match &parser.peek_nth_token_ref(at + 1).token {
            Token::Comma => at += 2,
            Token::RParen => break,
            _ => return None,
        }
    }
    if parser.peek_nth_token_ref(at + 2).token != Token::Arrow {
        return None;
    }
    parser.advance_token();
    Some(lambda(parser, at.div_ceil(2)))
}

/// Parses so many parameters, the arrow and what follows it.
fn lambda(parser: &mut Parser, count: usize) -> Result<Expr, ParserError> {
    let mut params = Vec::with_capacity(count);
    while params.len() < count {
        params.push(LambdaFunctionParameter { name: parser.parse_identifier()?, data_type: None });
        if count > 1 {
            // A comma, or the closing parenthesis.
            parser.advance_token();
        }
    }
    if count == 1 && parser.peek_token_ref().token == Token::RParen {
        parser.advance_token();
    }
    parser.expect_token(&Token::Arrow)?;
    let body = Box::new(parser.parse_expr()?);
    Ok(Expr::Lambda(LambdaFunction { params: OneOrManyWithParens::Many(params), body, syntax: LambdaSyntax::Arrow }))
}
