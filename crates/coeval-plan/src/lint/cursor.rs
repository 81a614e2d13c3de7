//! A place among the tokens of a statement, and the small steps forward that reading it takes.

use std::ops::Range;

use crate::sql::{Kind, Token};

/// The tokens of a statement, or of a part of it, and how far they are read.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'t, 'a> {
    tokens: &'t [Token<'a>],
    at: usize,
}

/// A name as it is written, with its place, and as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// As it is written, the schema before it included.
    pub(super) shown: String,
    /// As it is compared: without quotes, in lower case, without the usual schema.
    pub(super) key: String,
    /// Its bytes.
    pub(super) span: Range<usize>,
}

impl<'t, 'a> Cursor<'t, 'a> {
    pub(super) fn new(tokens: &'t [Token<'a>]) -> Self {
        Self { tokens, at: 0 }
    }

    /// Returns the next token.
    pub(super) fn peek(&self) -> Option<&'t Token<'a>> {
        self.tokens.get(self.at)
    }

    /// Takes the next token.
    pub(super) fn next(&mut self) -> Option<&'t Token<'a>> {
        let token = self.peek();
        self.at += usize::from(token.is_some());
        token
    }

    /// Returns what is not read yet.
    pub(super) fn rest(&self) -> &'t [Token<'a>] {
        &self.tokens[self.at..]
    }

    pub(super) fn is_done(&self) -> bool {
        self.at == self.tokens.len()
    }

    /// Returns whether these words, with blanks between them, come next.
    pub(super) fn sees(&self, words: &str) -> bool {
        let mut rest = self.rest().iter();
        words.split(' ').all(|word| rest.next().is_some_and(|token| token.is(word)))
    }

    /// Takes these words if they come next.
    pub(super) fn eat(&mut self, words: &str) -> bool {
        let sees = self.sees(words);
        if sees {
            self.at += words.split(' ').count();
        }
        sees
    }

    /// Takes one of several words, and returns which.
    pub(super) fn eat_any<'w>(&mut self, words: &[&'w str]) -> Option<&'w str> {
        words.iter().copied().find(|word| self.eat(word))
    }

    /// Takes a sign if it comes next.
    pub(super) fn eat_sign(&mut self, sign: char) -> bool {
        let sees = self.peek().is_some_and(|token| token.is_sign(sign));
        self.at += usize::from(sees);
        sees
    }

    /// Takes a name without a schema.
    pub(super) fn ident(&mut self) -> Option<Name> {
        let token = self.peek().filter(|token| matches!(token.kind, Kind::Word | Kind::Quoted))?;
        self.at += 1;
        Some(Name { shown: token.text.to_owned(), key: plain(token), span: token.start..token.end() })
    }

    /// Takes a name, with or without a schema.
    pub(super) fn name(&mut self) -> Option<Name> {
        let first = self.ident()?;
        let (mut shown, mut parts, mut span) = (first.shown, vec![first.key], first.span);
        while self.peek().is_some_and(|token| token.is_sign('.')) {
            let before = self.at;
            self.at += 1;
            let Some(next) = self.ident() else {
                self.at = before;
                break;
            };
            shown = format!("{shown}.{}", next.shown);
            parts.push(next.key);
            span.end = next.span.end;
        }
        if parts.len() > 1 && ["public", "main", "temp"].contains(&parts[0].as_str()) {
            parts.remove(0);
        }
        Some(Name { shown, key: parts.join("."), span })
    }

    /// Takes names with commas between them.
    pub(super) fn names(&mut self) -> Vec<Name> {
        let mut out = Vec::new();
        loop {
            out.extend(self.name());
            self.eat_sign('*');
            if !self.eat_sign(',') {
                return out;
            }
        }
    }

    /// Takes what is in parentheses, and returns what is between them.
    pub(super) fn parens(&mut self) -> Option<&'t [Token<'a>]> {
        let mut depth = 0_usize;
        let from = self.at;
        for (index, token) in self.tokens.iter().enumerate().skip(from) {
            if token.is_sign('(') {
                depth += 1;
            } else if token.is_sign(')') {
                depth = depth.saturating_sub(1);
            }
            if depth == 0 {
                if index == from {
                    return None;
                }
                self.at = index + 1;
                return Some(&self.tokens[from + 1..index]);
            }
        }
        None
    }

    /// Takes a token, or everything in parentheses.
    pub(super) fn skip(&mut self) {
        if self.parens().is_none() {
            self.next();
        }
    }

    /// Takes everything up to a token outside of parentheses that `stop` accepts.
    pub(super) fn until(&mut self, stop: impl Fn(&Token<'a>) -> bool) -> &'t [Token<'a>] {
        let from = self.at;
        while self.peek().is_some_and(|token| !stop(token)) {
            self.skip();
        }
        &self.tokens[from..self.at]
    }

    /// Cuts the rest at the commas outside of parentheses.
    pub(super) fn list(&mut self) -> Vec<&'t [Token<'a>]> {
        let mut out = Vec::new();
        while !self.is_done() {
            out.push(self.until(|token| token.is_sign(',')));
            self.eat_sign(',');
        }
        out
    }
}

/// A name without its quotes; without quotes, case does not matter.
fn plain(token: &Token<'_>) -> String {
    match token.kind {
        Kind::Quoted if token.text.starts_with('"') => token.text[1..token.text.len() - 1].replace("\"\"", "\""),
        Kind::Quoted if token.text.starts_with(['`', '[']) => token.text[1..token.text.len() - 1].to_lowercase(),
        _ => token.text.to_lowercase(),
    }
}

/// The bytes of some tokens.
pub(super) fn span_of(tokens: &[Token<'_>]) -> Range<usize> {
    let start = tokens.first().map_or(0, |token| token.start);
    start..tokens.last().map_or(start, Token::end)
}

/// Some tokens as a line of text, for people.
pub(super) fn shown(tokens: &[Token<'_>]) -> String {
    let mut out = String::new();
    for (index, token) in tokens.iter().enumerate() {
        let apart = index > 0 && tokens[index - 1].end() < token.start;
        if apart {
            out.push(' ');
        }
        out.push_str(token.text);
    }
    out
}
