//! The source text: from the parser's lines and columns to bytes, and from an expression to the brackets around it.

use std::ops::Range;

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer};

use super::dialect::Sql;
use crate::invalid::Invalid;

/// The longest source in bytes.
const LENGTH_LIMIT: usize = 64 * 1024;

/// How many tokens may lie on the way from the outermost expression to an innermost one. It bounds the depth of the parser's tree,
/// which is freed by recursion.
const CHAIN_LIMIT: usize = 2_000;

/// A text, cut into tokens.
pub(super) struct Source<'a> {
    pub(super) text: &'a str,
    /// The offset of each character, then the length.
    offsets: Vec<usize>,
    /// The index in `offsets` of each line's first character.
    lines: Vec<usize>,
    /// The tokens that are not white space.
    tokens: Vec<(Token, Range<usize>)>,
}

impl<'a> Source<'a> {
    /// Cuts a text into tokens, which are for the parser too.
    pub(super) fn scan(text: &'a str) -> Result<(Self, Vec<TokenWithSpan>), Invalid> {
        if text.len() > LENGTH_LIMIT {
            return Err(Invalid::new(format!("the expression is longer than {} KiB", LENGTH_LIMIT / 1024)));
        }
        let offsets: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let breaks = text.chars().enumerate().filter(|(_, c)| *c == '\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(breaks).collect();
        let mut source = Self { text, offsets, lines, tokens: Vec::new() };
        let tokens = Tokenizer::new(&Sql, text)
            .with_unescape(true)
            .tokenize_with_location()
            .map_err(|e| Invalid::new(lower_first(&e.message)).span(source.rest(source.offset(e.location))))?;
        for token in &tokens {
            match &token.token {
                Token::Whitespace(_) | Token::EOF => {}
                kind => source.tokens.push((kind.clone(), source.range(token.span))),
            }
        }
        source.check_tokens()?;
        Ok((source, tokens))
    }

    /// Refuses what the parser must not see: statements, subqueries, and expressions deeper than the stack.
    fn check_tokens(&self) -> Result<(), Invalid> {
        // For each open bracket: the tokens of the current part, and the longest chain in it.
        let mut open = vec![(0_usize, 0_usize)];
        let mut before = &Token::EOF;
        for (token, span) in &self.tokens {
            let keyword = if let Token::Word(word) = token { word.keyword } else { Keyword::NoKeyword };
            if *token == Token::SemiColon {
                return Err(Invalid::new("an expression ends without `;`").span(span.clone()));
            }
            if *before == Token::LParen && matches!(keyword, Keyword::SELECT | Keyword::WITH) {
                return Err(super::parse::no_subqueries(span.clone()));
            }
            let Some(top) = open.last_mut() else { break };
            match token {
                Token::LParen | Token::LBracket | Token::LBrace => open.push((0, 0)),
                Token::RParen | Token::RBracket | Token::RBrace => close(&mut open),
                Token::Comma => top.0 = 0,
                _ if keyword == Keyword::CASE => open.push((0, 0)),
                _ if keyword == Keyword::END => close(&mut open),
                _ if matches!(keyword, Keyword::WHEN | Keyword::THEN | Keyword::ELSE) => top.0 = 0,
                _ => top.0 += 1,
            }
            if let Some(top) = open.last_mut() {
                top.1 = top.1.max(top.0);
                if open.iter().map(|(_, longest)| longest + 1).sum::<usize>() > CHAIN_LIMIT {
                    let help = "cut it into several properties, or use a lookup table";
                    return Err(Invalid::new("the expression is too complex").span(span.clone()).help(help));
                }
            }
            before = token;
        }
        Ok(())
    }

    /// The byte at a line and a column, both from 1.
    pub(super) fn offset(&self, location: Location) -> usize {
        let line = usize::try_from(location.line).unwrap_or(1).saturating_sub(1);
        let column = usize::try_from(location.column).unwrap_or(1).saturating_sub(1);
        let start = self.lines.get(line).copied().unwrap_or(self.offsets.len() - 1);
        self.offsets.get(start + column).copied().unwrap_or(self.text.len())
    }

    /// The bytes of a span of the parser's.
    pub(super) fn range(&self, span: Span) -> Range<usize> {
        let start = self.offset(span.start);
        start..self.offset(span.end).max(start)
    }

    /// The token that starts at `at`; the end of the text where there is none.
    pub(super) fn rest(&self, at: usize) -> Range<usize> {
        match self.tokens.iter().find(|(_, span)| span.end > at) {
            Some((_, span)) if span.start <= at => span.clone(),
            _ => at..self.text[at.min(self.text.len())..].chars().next().map_or(at, |c| at + c.len_utf8()),
        }
    }

    /// The index of the first token that does not end before `at`.
    fn index(&self, at: usize) -> usize {
        self.tokens.partition_point(|(_, span)| span.end <= at)
    }

    /// Whether the token before `at` is the word.
    fn word_before(&self, at: usize) -> Option<(&Token, &Range<usize>)> {
        let index = self.tokens.partition_point(|(_, span)| span.end <= at);
        index.checked_sub(1).map(|i| (&self.tokens[i].0, &self.tokens[i].1))
    }

    /// Widens to the token before.
    pub(super) fn with_token_before(&self, span: &Range<usize>) -> Range<usize> {
        self.word_before(span.start).map_or(span.clone(), |(_, before)| before.start..span.end)
    }

    /// Widens by the words after it that belong to `is null` and the like.
    pub(super) fn with_words_after(&self, span: &Range<usize>, words: &[Keyword]) -> Range<usize> {
        let mut end = span.end;
        for (token, range) in &self.tokens[self.index(span.end).min(self.tokens.len())..] {
            match token {
                Token::Word(word) if words.contains(&word.keyword) => end = range.end,
                _ => break,
            }
        }
        span.start..end
    }

    /// Widens to the brackets around it, and to a word directly before them that makes them a call.
    pub(super) fn with_brackets(&self, span: &Range<usize>, word_before: bool) -> Range<usize> {
        let opens = |token: &Token| matches!(token, Token::LParen | Token::LBracket | Token::LBrace);
        let closes = |token: &Token| matches!(token, Token::RParen | Token::RBracket | Token::RBrace);
        let mut start = None;
        let mut depth = 0_usize;
        for (i, (token, range)) in
            self.tokens.iter().enumerate().take(self.tokens.partition_point(|(_, r)| r.start < span.start)).rev()
        {
            if closes(token) {
                depth += 1;
            } else if opens(token) && depth == 0 {
                let word = i.checked_sub(1).filter(|_| word_before).map(|i| &self.tokens[i]);
                start = Some(word.map_or(range.start, |(_, word)| word.start));
                break;
            } else if opens(token) {
                depth -= 1;
            }
        }
        let mut end = None;
        depth = 0;
        for (token, range) in &self.tokens[self.index(span.end).min(self.tokens.len())..] {
            if opens(token) {
                depth += 1;
            } else if closes(token) && depth == 0 {
                end = Some(range.end);
                break;
            } else if closes(token) {
                depth -= 1;
            }
        }
        start.unwrap_or(span.start)..end.unwrap_or(span.end)
    }

    /// Widens to the closing bracket of the first one that is opened after `span`.
    pub(super) fn with_call(&self, span: &Range<usize>) -> Range<usize> {
        let mut depth = 0_usize;
        for (token, range) in &self.tokens[self.index(span.end).min(self.tokens.len())..] {
            match token {
                Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
                Token::RParen | Token::RBracket | Token::RBrace => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return span.start..range.end;
                    }
                }
                _ => {}
            }
        }
        span.clone()
    }

    /// What lies between the word after `from` and the end of the brackets: the type in a cast.
    pub(super) fn after_word(&self, from: usize, end: usize) -> Range<usize> {
        let index = self.index(from);
        let next = self.tokens.get(index + 1).map_or(from, |(_, range)| range.start);
        next..end.max(next)
    }
}

impl Source<'_> {
    /// The token after the `::` that follows `from`.
    pub(super) fn type_after(&self, from: usize) -> Range<usize> {
        self.tokens.get(self.index(from) + 1).map_or(from..from, |(_, range)| range.clone())
    }

    /// The key before the colon that stands before `value`.
    pub(super) fn key_before(&self, value: usize) -> Range<usize> {
        let index = self.tokens.partition_point(|(_, span)| span.end <= value).checked_sub(2);
        index.and_then(|i| self.tokens.get(i)).map_or(value..value, |(_, range)| range.clone())
    }

    /// Widens to the brackets that close what is opened within.
    pub(super) fn balanced(&self, span: Range<usize>) -> Range<usize> {
        let mut depth = 0_usize;
        let mut end = span.end;
        for (token, range) in &self.tokens[self.index(span.start).min(self.tokens.len())..] {
            if range.start >= span.end && depth == 0 {
                break;
            }
            match token {
                Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
                Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
                _ => {}
            }
            end = end.max(range.end);
        }
        span.start..end
    }

    /// The third token of a call: its first argument, where that is a word.
    pub(super) fn first_word_of_call(&self, call: &Range<usize>) -> Range<usize> {
        self.tokens.get(self.index(call.start) + 2).map_or(call.clone(), |(_, range)| range.clone())
    }
}

/// Ends the innermost bracket; its longest chain counts in the part around it.
fn close(open: &mut Vec<(usize, usize)>) {
    if open.len() > 1
        && let Some((_, longest)) = open.pop()
        && let Some(top) = open.last_mut()
    {
        top.0 += longest + 1;
    }
}

/// Starts a message in lower case, as all of ours do.
pub(super) fn lower_first(message: &str) -> String {
    let mut chars = message.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
