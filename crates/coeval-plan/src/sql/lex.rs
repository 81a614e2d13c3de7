//! From a text to tokens. Never fails: what is opened and not closed is a token of its own kind, up to the end of the text.

use super::SqlDialect;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A keyword or a name without quotes.
    Word,
    /// A name in quotes.
    Quoted,
    /// A text in quotes or between dollars.
    String,
    /// A number.
    Number,
    /// Anything else: one sign.
    Sign,
    /// A command of a client, not of the database: `\i file`, `DELIMITER //`.
    Client,
    /// A comment; only [`lex`] knows of them, no statement does.
    Comment,
    /// A quote or comment that is never closed.
    Unclosed,
}

/// A token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// What it is.
    pub(crate) kind: Kind,
    /// How it is written.
    pub(crate) text: &'a str,
    /// Its first byte in the text.
    pub(crate) start: usize,
}

impl Token<'_> {
    /// Returns the byte after its last.
    pub(crate) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Returns whether it is a keyword, in any case.
    pub(crate) fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// Returns whether it is a sign.
    pub(crate) fn is_sign(&self, sign: char) -> bool {
        self.kind == Kind::Sign && self.text.starts_with(sign)
    }
}

/// Cuts a text into tokens; comments are among them, white space is not.
pub(crate) fn lex(text: &str, dialect: SqlDialect) -> Vec<Token<'_>> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c.is_whitespace() || c == '\u{feff}' {
            at += c.len_utf8();
            continue;
        }
        let (kind, length) = token(&text[at..], at == 0 || text[..at].ends_with('\n'), dialect);
        out.push(Token { kind, text: &text[at..at + length], start: at });
        at += length;
    }
    out
}

/// The kind and length of the token at the start of `rest`.
fn token(rest: &str, line_start: bool, dialect: SqlDialect) -> (Kind, usize) {
    let (postgres, mysql) = (dialect == SqlDialect::Postgres, dialect == SqlDialect::MySql);
    let c = rest.chars().next().unwrap_or(' ');
    let next = rest[c.len_utf8()..].chars().next();
    let line = rest.find('\n').unwrap_or(rest.len());
    match c {
        // MySQL takes two minuses for a comment only where a blank follows.
        '-' if rest.starts_with("--") && !(mysql && rest[2..].starts_with(|c: char| !c.is_whitespace() && !c.is_control())) => {
            (Kind::Comment, line)
        }
        '#' if mysql => (Kind::Comment, line),
        '/' if next == Some('*') => comment(rest, postgres),
        '\'' => quoted(rest, 0, '\'', mysql, Kind::String),
        '"' if mysql => quoted(rest, 0, '"', true, Kind::String),
        '"' => quoted(rest, 0, '"', false, Kind::Quoted),
        '`' if !postgres => quoted(rest, 0, '`', false, Kind::Quoted),
        '[' if dialect == SqlDialect::Sqlite => {
            rest.find(']').map_or((Kind::Unclosed, rest.len()), |end| (Kind::Quoted, end + 1))
        }
        '$' if postgres => dollars(rest),
        '\\' if line_start && postgres => (Kind::Client, line),
        'e' | 'E' if postgres && next == Some('\'') => quoted(rest, 1, '\'', true, Kind::String),
        'b' | 'B' | 'x' | 'X' | 'n' | 'N' if next == Some('\'') => quoted(rest, 1, '\'', mysql, Kind::String),
        'u' | 'U' if postgres && rest[1..].starts_with("&'") => quoted(rest, 2, '\'', false, Kind::String),
        'u' | 'U' if postgres && rest[1..].starts_with("&\"") => quoted(rest, 2, '"', false, Kind::Quoted),
        _ if c.is_ascii_digit() || (c == '.' && next.is_some_and(|c| c.is_ascii_digit())) => (Kind::Number, number(rest)),
        _ if is_word(c) => {
            let end = rest.find(|c: char| !is_word(c) && c != '$').unwrap_or(rest.len());
            let client = mysql && line_start && rest[..end].eq_ignore_ascii_case("delimiter");
            if client { (Kind::Client, line) } else { (Kind::Word, end) }
        }
        _ => (Kind::Sign, c.len_utf8()),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || (!c.is_ascii() && !c.is_whitespace())
}

fn number(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let exponent = matches!(byte, b'e' | b'E') && matches!(bytes.get(at + 1), Some(b'+' | b'-' | b'0'..=b'9'));
        if exponent && !rest.starts_with("0x") {
            at += 2;
        } else if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') {
            at += 1;
        } else {
            break;
        }
    }
    at
}

/// A quoted token whose quote stands after `prefix` bytes; a doubled quote stands for one, and a backslash hides the next sign
/// where there are escapes.
fn quoted(rest: &str, prefix: usize, quote: char, escapes: bool, kind: Kind) -> (Kind, usize) {
    let mut chars = rest[prefix + 1..].char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && escapes {
            chars.next();
        } else if c == quote && chars.next_if(|(_, c)| *c == quote).is_none() {
            return (kind, prefix + 1 + at + 1);
        }
    }
    (Kind::Unclosed, rest.len())
}

/// `/* … */`; PostgreSQL's nest.
fn comment(rest: &str, nested: bool) -> (Kind, usize) {
    let (mut depth, mut at) = (1, 2);
    while depth > 0 {
        let close = rest[at..].find("*/");
        let open = rest[at..].find("/*").filter(|open| nested && close.is_some_and(|close| *open < close));
        match (open, close) {
            (Some(open), _) => (depth, at) = (depth + 1, at + open + 2),
            (None, Some(close)) => (depth, at) = (depth - 1, at + close + 2),
            (None, None) => return (Kind::Unclosed, rest.len()),
        }
    }
    (Kind::Comment, at)
}

/// `$$ … $$`, `$tag$ … $tag$`, and `$1`.
fn dollars(rest: &str) -> (Kind, usize) {
    let tag = rest[1..].find(|c: char| !is_word(c)).map_or(rest.len(), |end| end + 1);
    if rest[tag..].starts_with('$') && !rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
        let mark = &rest[..=tag];
        return match rest[tag + 1..].find(mark) {
            Some(end) => (Kind::String, tag + 1 + end + mark.len()),
            None => (Kind::Unclosed, rest.len()),
        };
    }
    let digits = rest[1..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - 1);
    if digits == 0 { (Kind::Sign, 1) } else { (Kind::Number, 1 + digits) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str, dialect: SqlDialect) -> Vec<(Kind, &str)> {
        lex(text, dialect).into_iter().map(|token| (token.kind, token.text)).collect()
    }

    #[test]
    fn quotes_and_comments_are_those_of_the_dialect() {
        use Kind::{Client, Comment, Number, Quoted, Sign, String, Unclosed, Word};
        use SqlDialect::{MySql, Postgres, Sqlite};
        for (dialect, text, expected) in [
            (Postgres, r"'a\' 'it''s'", vec![(String, r"'a\'"), (String, "'it''s'")]),
            (Postgres, r"E'a\' b'", vec![(String, r"E'a\' b'")]),
            (MySql, r"'a\' b'", vec![(String, r"'a\' b'")]),
            (MySql, "\"text\" `name`", vec![(String, "\"text\""), (Quoted, "`name`")]),
            (Sqlite, "\"name\" [a b]", vec![(Quoted, "\"name\""), (Quoted, "[a b]")]),
            (Postgres, "$$ ; $a$ ; $$ $1", vec![(String, "$$ ; $a$ ; $$"), (Number, "$1")]),
            (Postgres, "$a$ $$ $b$ $a$", vec![(String, "$a$ $$ $b$ $a$")]),
            (Postgres, "/* a /* b */ c */ d", vec![(Comment, "/* a /* b */ c */"), (Word, "d")]),
            (MySql, "/* a /* b */ c", vec![(Comment, "/* a /* b */"), (Word, "c")]),
            (MySql, "1--1 -- c", vec![(Number, "1"), (Sign, "-"), (Sign, "-"), (Number, "1"), (Comment, "-- c")]),
            (MySql, "# c\nDELIMITER //\n", vec![(Comment, "# c"), (Client, "DELIMITER //")]),
            (Postgres, "\\i a.sql\nx", vec![(Client, "\\i a.sql"), (Word, "x")]),
            (Postgres, "1.5e-3 0xff é$1", vec![(Number, "1.5e-3"), (Number, "0xff"), (Word, "é$1")]),
            (Postgres, "a 'b; c", vec![(Word, "a"), (Unclosed, "'b; c")]),
            (Postgres, "/* a", vec![(Unclosed, "/* a")]),
            (Postgres, "$a$ b", vec![(Unclosed, "$a$ b")]),
        ] {
            assert_eq!(kinds(text, dialect), expected, "{text}");
        }
    }
}
