//! Regular expressions that are compiled once, and the replacements that refer to their groups.

use std::borrow::Cow;

use regex::{Captures, Regex, RegexBuilder};

/// How much memory a compiled pattern may take.
const SIZE_LIMIT: usize = 1 << 20;

/// A compiled regular expression.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: Regex,
    source: String,
    global: bool,
    ignore_case: bool,
}

/// A part of a replacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplacementPart<'t> {
    /// A text as it is.
    Text(&'t str),
    /// What a group of the pattern matched; 0 is the whole match.
    Group(usize),
}

impl Pattern {
    /// Compiles a pattern; the flags are `g` (each match) and `i` (in any case).
    ///
    /// # Errors
    /// Says what is wrong with the pattern.
    pub fn new(source: &str, flags: &str) -> Result<Self, String> {
        let ignore_case = flags.contains('i');
        let built = RegexBuilder::new(source)
            .case_insensitive(ignore_case)
            .size_limit(SIZE_LIMIT)
            .dfa_size_limit(SIZE_LIMIT)
            .nest_limit(50)
            .build();
        match built {
            Ok(regex) => Ok(Self { regex, source: source.to_owned(), global: flags.contains('g'), ignore_case }),
            Err(regex::Error::CompiledTooBig(_)) => Err("the pattern is too large".to_owned()),
            Err(error) => {
                let text = error.to_string();
                let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
                Err(format!("the pattern is not a regular expression: {reason}"))
            }
        }
    }

    /// Returns the pattern as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns whether each match is replaced, not only the first.
    pub const fn is_global(&self) -> bool {
        self.global
    }

    /// Returns whether upper and lower case match each other.
    pub const fn ignores_case(&self) -> bool {
        self.ignore_case
    }

    /// Returns how many groups it has, with the whole match.
    pub fn groups(&self) -> usize {
        self.regex.captures_len()
    }

    /// Returns a group that the replacement names and the pattern does not have.
    pub(super) fn missing_group(&self, replacement: &str) -> Option<usize> {
        let groups = self.groups();
        replacement_parts(replacement).into_iter().find_map(|part| match part {
            ReplacementPart::Group(group) if group >= groups => Some(group),
            _ => None,
        })
    }

    /// Replaces the first match, or each; `None` where the result is longer than `limit`.
    pub(super) fn replace<'t>(&self, text: &'t str, replacement: &str, limit: usize) -> Option<Cow<'t, str>> {
        let parts = replacement_parts(replacement);
        let mut out = String::new();
        let mut copied = 0;
        for captures in self.regex.captures_iter(text) {
            let whole = captures.get(0)?;
            out.push_str(&text[copied..whole.start()]);
            copied = whole.end();
            for part in &parts {
                out.push_str(match part {
                    ReplacementPart::Text(text) => text,
                    ReplacementPart::Group(group) => group_text(&captures, *group),
                });
                if out.len() > limit {
                    return None;
                }
            }
            if !self.global {
                break;
            }
        }
        if copied == 0 && out.is_empty() {
            return Some(Cow::Borrowed(text));
        }
        out.push_str(&text[copied..]);
        Some(Cow::Owned(out))
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        (&self.source, self.global, self.ignore_case) == (&other.source, other.global, other.ignore_case)
    }
}

fn group_text<'t>(captures: &Captures<'t>, group: usize) -> &'t str {
    captures.get(group).map_or("", |found| found.as_str())
}

/// Cuts the replacement of `regexp_replace`: `\1` to `\9` are groups, `\&` is the match, `\\` a backslash; any other backslash is itself.
pub fn replacement_parts(replacement: &str) -> Vec<ReplacementPart<'_>> {
    use ReplacementPart as Part;
    let mut parts = Vec::new();
    let mut rest = replacement;
    while let Some(at) = rest.find('\\') {
        parts.push(Part::Text(&rest[..at]));
        let (part, length) = match rest.as_bytes().get(at + 1) {
            Some(digit @ b'1'..=b'9') => (Part::Group(usize::from(digit - b'0')), 2),
            Some(b'&') => (Part::Group(0), 2),
            Some(b'\\') => (Part::Text("\\"), 2),
            _ => (Part::Text("\\"), 1),
        };
        parts.push(part);
        rest = &rest[at + length..];
    }
    parts.push(Part::Text(rest));
    parts
}
