//! Reading and writing JSON without losing how it was written.
//!
//! A parser of our own, because every general one decides something about the text (numbers become doubles, escapes are
//! resolved, a repeated key wins or loses) that a migration must not decide.

mod write;

use std::collections::HashSet;

pub use write::{Style, escape, write};

use crate::number::{self, Number};
use crate::value::{Object, Text, Value};

/// How deep values may nest. Deeper ones are refused before the stack is at risk.
pub const DEPTH_LIMIT: usize = 500;

/// Why a text is not a JSON document that coeval accepts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct JsonError {
    /// What is wrong, for a person.
    pub message: String,
    /// The offset of the offending byte.
    pub at: usize,
    /// How many bytes the offending part has.
    pub length: usize,
}

impl JsonError {
    /// Returns line and column of the place, both from 1; the column counts characters.
    pub fn line_and_column(&self, text: &[u8]) -> (usize, usize) {
        let before = &text[..self.at.min(text.len())];
        let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let line = before.split(|b| *b == b'\n').count();
        (line, String::from_utf8_lossy(&before[start..]).chars().count() + 1)
    }
}

/// A parsed document and what its text had beside the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The value.
    pub value: Value,
    /// Whether writing the value compactly gives the same bytes.
    pub compact: bool,
}

/// Reads one JSON value that fills `text`.
///
/// # Errors
/// What is not JSON: invalid UTF-8, a byte-order mark, a repeated key, a lone surrogate, nesting beyond [`DEPTH_LIMIT`].
pub fn parse(text: &[u8]) -> Result<Value, JsonError> {
    Ok(parse_document(text)?.value)
}

/// Reads one JSON value that fills `text`, and notes whether it was written compactly.
///
/// # Errors
/// As [`parse`].
pub fn parse_document(text: &[u8]) -> Result<Parsed, JsonError> {
    let fail = |at, length, message: &str| Err(JsonError { message: message.to_owned(), at, length });
    let source = match std::str::from_utf8(text) {
        Ok(source) => source,
        Err(error) => {
            let length = error.error_len().unwrap_or(1);
            return fail(error.valid_up_to(), length, "the text is not valid UTF-8");
        }
    };
    if source.starts_with('\u{feff}') {
        return fail(0, 3, "the text starts with a byte-order mark; JSON has none, remove it");
    }
    let mut parser = Parser { source, text, at: 0, depth: 0, compact: true };
    parser.space();
    let value = parser.value()?;
    parser.space();
    if parser.at < text.len() {
        return Err(parser.error("unexpected text after the end of the value"));
    }
    Ok(Parsed { value, compact: parser.compact })
}

struct Parser<'a> {
    source: &'a str,
    text: &'a [u8],
    at: usize,
    depth: usize,
    compact: bool,
}

impl Parser<'_> {
    fn error(&self, message: impl Into<String>) -> JsonError {
        self.error_at(self.at, 1, message)
    }

    #[allow(clippy::unused_self, reason = "reads as the other calls on the parser")]
    fn error_at(&self, at: usize, length: usize, message: impl Into<String>) -> JsonError {
        JsonError { message: message.into(), at, length }
    }

    fn space(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.compact = false;
            self.at += 1;
        }
    }

    fn value(&mut self) -> Result<Value, JsonError> {
        match self.text.get(self.at) {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::list),
            Some(b'"') => Ok(Value::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(_) => Err(self.error("expected a JSON value: an object, list, string, number, true, false or null")),
            None => Err(self.error("the text ends where a JSON value is expected")),
        }
    }

    fn nested(&mut self, inner: impl Fn(&mut Self) -> Result<Value, JsonError>) -> Result<Value, JsonError> {
        if self.depth == DEPTH_LIMIT {
            return Err(self.error(format!("values nest deeper than {DEPTH_LIMIT} levels")));
        }
        self.depth += 1;
        self.at += 1;
        let value = inner(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<Value, JsonError> {
        let mut object = Object::new();
        let mut seen: HashSet<Box<str>> = HashSet::new();
        self.space();
        if self.text.get(self.at) == Some(&b'}') {
            self.at += 1;
            return Ok(Value::Object(object));
        }
        loop {
            let start = self.at;
            if self.text.get(self.at) != Some(&b'"') {
                return Err(self.error("expected a key in quotation marks"));
            }
            let key = self.string()?;
            // Small objects are searched, large ones hashed, so that a map of a million keys stays linear.
            let repeated = if object.len() < 16 {
                object.get(&key).is_some()
            } else {
                if seen.is_empty() {
                    seen.extend(object.iter().map(|(k, _)| Box::from(k.as_str())));
                }
                !seen.insert(key.as_str().into())
            };
            if repeated {
                return Err(self.error_at(start, self.at - start, format!("the key \"{}\" occurs twice", key.as_str())));
            }
            self.space();
            if self.text.get(self.at) != Some(&b':') {
                return Err(self.error("expected `:` after a key"));
            }
            self.at += 1;
            self.space();
            let value = self.value()?;
            object.push(key, value);
            self.space();
            match self.text.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Object(object));
                }
                _ => return Err(self.error("expected `,` or `}` in an object")),
            }
            self.space();
        }
    }

    fn list(&mut self) -> Result<Value, JsonError> {
        let mut items = Vec::new();
        self.space();
        if self.text.get(self.at) == Some(&b']') {
            self.at += 1;
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value()?);
            self.space();
            match self.text.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::List(items));
                }
                _ => return Err(self.error("expected `,` or `]` in a list")),
            }
            self.space();
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, JsonError> {
        if self.text[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.error(format!("expected `{word}`")))
        }
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let rest = &self.source[self.at..];
        let number = number::scan(rest.as_bytes()).and_then(|length| Number::parse(&rest[..length]));
        let Some(number) = number else { return Err(self.error("this is not a JSON number")) };
        self.at += number.as_str().len();
        Ok(Value::Number(number))
    }

    fn string(&mut self) -> Result<Text, JsonError> {
        let start = self.at + 1;
        let mut at = start;
        loop {
            match self.text.get(at) {
                Some(b'"') => break,
                Some(b'\\') => return self.escaped(start, at),
                Some(0..=0x1f) => {
                    self.at = at;
                    return Err(self.error("a control character in a string must be escaped"));
                }
                Some(_) => at += 1,
                None => return Err(self.error_at(start - 1, 1, "this string has no end")),
            }
        }
        self.at = at + 1;
        Ok(self.source[start..at].into())
    }

    /// Reads a string from `start` whose first backslash is at `at`.
    fn escaped(&mut self, start: usize, mut at: usize) -> Result<Text, JsonError> {
        let mut text = self.source[start..at].to_owned();
        loop {
            match self.text.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    let (character, length) = self.escape_at(at)?;
                    text.push(character);
                    at += length;
                }
                Some(0..=0x1f) => {
                    self.at = at;
                    return Err(self.error("a control character in a string must be escaped"));
                }
                Some(_) => {
                    let end = self.text[at..].iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f));
                    let end = end.map_or(self.text.len(), |length| at + length);
                    text.push_str(&self.source[at..end]);
                    at = end;
                }
                None => return Err(self.error_at(start - 1, 1, "this string has no end")),
            }
        }
        self.at = at + 1;
        let raw = &self.source[start..at];
        let mut canonical = String::with_capacity(raw.len() + 2);
        escape(&text, &mut canonical);
        Ok(if canonical[1..canonical.len() - 1] == *raw { text.into() } else { Text::with_raw(text, raw) })
    }

    fn escape_at(&self, at: usize) -> Result<(char, usize), JsonError> {
        let unit = |at: usize| -> Option<u32> {
            let digits = self.source.get(at..at + 4)?;
            digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
        };
        let simple = match self.text.get(at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let Some(first) = unit(at + 2) else {
                    return Err(self.error_at(at, 2, "\\u needs four hexadecimal digits"));
                };
                if let Some(character) = char::from_u32(first) {
                    return Ok((character, 6));
                }
                let paired = (self.text.get(at + 6..at + 8) == Some(b"\\u")).then(|| unit(at + 8)).flatten();
                let second = paired.filter(|low| first < 0xdc00 && (0xdc00..0xe000).contains(low));
                let character = second.and_then(|low| char::from_u32(0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00)));
                return character
                    .map(|character| (character, 12))
                    .ok_or_else(|| self.error_at(at, 6, "half of a surrogate pair is not a character"));
            }
            _ => return Err(self.error_at(at, 2, "this is not an escape that JSON knows")),
        };
        Ok((simple, 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(text: &str) -> String {
        parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}")).to_string()
    }

    #[test]
    fn what_is_read_compactly_is_written_alike() {
        for text in [
            r#"{"b":1.10,"a":12345678901234567890,"ab":1e400}"#,
            r#"{"a":"A\/é\ud83d\ude00","\u0061b":[null,true,false,[],{}]}"#,
            r#""\u00e9\n\t\"\\""#,
            "-0.0E+07",
        ] {
            assert_eq!(text_of(text), text);
            assert!(parse_document(text.as_bytes()).is_ok_and(|p| p.compact));
        }
        assert_eq!(text_of(" [ 1 , 2 ] "), "[1,2]");
        assert!(parse_document(b"[1, 2]").is_ok_and(|p| !p.compact));
    }

    #[test]
    fn bad_texts_are_told_apart() {
        let deep = "[".repeat(100_000);
        for (text, message) in [
            (&b"{\"a\":1,\"a\":2}"[..], "the key \"a\" occurs twice"),
            (b"\xff", "the text is not valid UTF-8"),
            (b"\xef\xbb\xbf{}", "the text starts with a byte-order mark; JSON has none, remove it"),
            (b"{\"a\":01}", "this is not a JSON number"),
            (b"\"\\ud800\"", "half of a surrogate pair is not a character"),
            (b"[1,]", "expected a JSON value: an object, list, string, number, true, false or null"),
            (b"\"a\nb\"", "a control character in a string must be escaped"),
            (b"{} x", "unexpected text after the end of the value"),
            (b"\"abc", "this string has no end"),
            (b"", "the text ends where a JSON value is expected"),
            (deep.as_bytes(), "values nest deeper than 500 levels"),
        ] {
            assert_eq!(parse(text).map_err(|e| e.message), Err(message.to_owned()));
        }
    }

    #[test]
    fn a_repeated_key_is_found_in_a_large_object() {
        let mut text: String = (0..40).map(|i| format!("\"k{i}\":{i},")).collect::<Vec<_>>().concat();
        text = format!("{{{text}\"k3\":0}}");
        assert!(parse(text.as_bytes()).is_err_and(|e| e.message == "the key \"k3\" occurs twice"));
    }
}
