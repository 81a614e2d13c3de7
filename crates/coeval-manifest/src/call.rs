//! The call syntax of Spinta's frozen steps: `create_table(country, column(_id, uuid4(), primary_key: true))`.

use std::ops::Range;

use coeval_core::number::Number;
use coeval_core::{Invalid, Value};

/// How deep calls may nest.
const DEPTH_LIMIT: usize = 50;

/// A call, and the bytes of the text that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What is called.
    pub name: String,
    /// The arguments without a name, in order.
    pub args: Vec<Arg>,
    /// The arguments with a name.
    pub named: Vec<(String, Arg)>,
    /// The bytes of the text.
    pub span: Range<usize>,
}

/// An argument, and the bytes of the text that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arg {
    /// What it is.
    pub kind: ArgKind,
    /// The bytes of the text.
    pub span: Range<usize>,
}

/// What an argument is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArgKind {
    /// A bare word: the name of a table, column or model.
    Word(String),
    /// A string in quotation marks, number, `true`, `false` or `null`.
    Literal(Value),
    /// A list in brackets.
    List(Vec<Arg>),
    /// A call.
    Call(Call),
}

/// Reads the calls of a text, one after the other; a comma, a semicolon or white space lies between two.
///
/// # Errors
/// What is no call, with the bytes that are wrong.
pub fn parse(text: &str) -> Result<Vec<Call>, Invalid> {
    let mut parser = Parser { text, at: 0 };
    let mut calls = Vec::new();
    loop {
        while parser.eat(',') || parser.eat(';') {}
        if parser.at == text.len() {
            return Ok(calls);
        }
        match parser.arg(0)? {
            Arg { kind: ArgKind::Call(call), .. } => calls.push(call),
            arg => {
                let invalid = Invalid::new("expected a call").span(arg.span);
                return Err(invalid.help("steps are calls: `create_table(country, column(name, string()))`"));
            }
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn eat(&mut self, mark: char) -> bool {
        self.space();
        let found = self.text[self.at..].starts_with(mark);
        self.at += if found { mark.len_utf8() } else { 0 };
        if found {
            self.space();
        }
        found
    }

    fn fail<T>(&self, message: &str) -> Result<T, Invalid> {
        let width = self.text[self.at..].chars().next().map_or(0, char::len_utf8);
        Err(Invalid::new(message).span(self.at..self.at + width))
    }

    fn arg(&mut self, depth: usize) -> Result<Arg, Invalid> {
        self.space();
        let start = self.at;
        if depth == DEPTH_LIMIT {
            return self.fail("calls nest too deep");
        }
        let kind = match self.text[start..].chars().next() {
            None => return self.fail("the text ends where a value is expected"),
            Some('[') => {
                self.at += 1;
                let mut items = Vec::new();
                while !self.eat(']') {
                    items.push(self.arg(depth + 1)?);
                    if !self.eat(',') && !self.text[self.at..].starts_with(']') {
                        return self.fail("expected `,` or `]`");
                    }
                }
                ArgKind::List(items)
            }
            Some(mark @ ('"' | '\'')) => {
                let rest = &self.text[start + 1..];
                let Some(end) = rest.find(mark) else { return self.fail("this string has no end") };
                self.at = start + end + 2;
                ArgKind::Literal(Value::from(&rest[..end]))
            }
            Some(_) => self.word(depth)?,
        };
        Ok(Arg { kind, span: start..self.at })
    }

    /// A number, a word, or a call.
    fn word(&mut self, depth: usize) -> Result<ArgKind, Invalid> {
        let start = self.at;
        let rest = &self.text[start..];
        let end = rest.find(|c: char| c.is_whitespace() || "(),:[]\"';".contains(c)).unwrap_or(rest.len());
        let word = &rest[..end];
        if word.is_empty() {
            return self.fail("expected a name, a value or a call");
        }
        self.at += end;
        if !self.text[self.at..].starts_with('(') {
            return Ok(match word {
                "true" => ArgKind::Literal(Value::Bool(true)),
                "false" => ArgKind::Literal(Value::Bool(false)),
                "null" => ArgKind::Literal(Value::Null),
                word => Number::parse(word)
                    .map_or_else(|| ArgKind::Word(word.to_owned()), |number| ArgKind::Literal(Value::Number(number))),
            });
        }
        self.at += 1;
        let mut call = Call { name: word.to_owned(), args: Vec::new(), named: Vec::new(), span: start..start };
        while !self.eat(')') {
            let arg = self.arg(depth + 1)?;
            match arg.kind {
                ArgKind::Word(name) if self.eat(':') => {
                    let value = self.arg(depth + 1)?;
                    if call.named.iter().any(|(n, _)| *n == name) {
                        return Err(Invalid::new(format!("`{name}` occurs twice")).span(arg.span));
                    }
                    call.named.push((name, value));
                }
                kind => call.args.push(Arg { kind, span: arg.span }),
            }
            if !self.eat(',') && !self.text[self.at..].starts_with(')') {
                return self.fail("expected `,` or `)`");
            }
        }
        call.span = start..self.at;
        Ok(ArgKind::Call(call))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_nest_and_name_their_arguments() {
        let text = "create_table( country, column(_id, uuid4(), primary_key: true), column(\"a b\", [1, x,]), )\ndrop_table(x)";
        let calls = parse(text).expect("it parses");
        assert_eq!(
            calls.iter().map(|c| (c.name.as_str(), c.args.len())).collect::<Vec<_>>(),
            [("create_table", 3), ("drop_table", 1)]
        );
        let ArgKind::Call(column) = &calls[0].args[1].kind else { panic!("a call") };
        assert_eq!(column.named[0].0, "primary_key");
        assert_eq!(&text[column.span.clone()], "column(_id, uuid4(), primary_key: true)");
    }

    #[test]
    fn bad_calls_are_told_where() {
        let deep = "f(".repeat(100_000);
        for (text, at, message) in [
            ("create_table(country", 20..20, "expected `,` or `)`"),
            ("country", 0..7, "expected a call"),
            ("f(a b)", 4..5, "expected `,` or `)`"),
            ("f('x)", 2..3, "this string has no end"),
            ("f(a: 1, a: 2)", 8..9, "`a` occurs twice"),
            (&deep, 100..101, "calls nest too deep"),
            ("f(ü ö)", 5..7, "expected `,` or `)`"),
        ] {
            let error = parse(text).expect_err(message);
            assert_eq!((error.span, error.message.as_str()), (Some(at), message));
        }
    }
}
