//! YAML with places: documents, trees, values, and a writer.
//!
//! The events come from `saphyr-parser`; the tree is our own, because every node needs its span, numbers must keep their
//! text, and what a manifest does not need (anchors, tags, keys that are not words) is refused rather than interpreted.

mod build;
mod documents;
pub mod emit;
mod place;
mod resolve;

use std::borrow::Cow;
use std::ops::Range;

pub use build::parse;
pub use documents::{Document, split};
pub use place::{locate, text_span};
pub use resolve::needs_quotes;

use crate::diagnostic::Diagnostic;
use crate::source::Source;

/// How deep nodes may nest.
pub const DEPTH_LIMIT: usize = 100;

/// A node of a document, and the bytes of the file that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node<'a> {
    /// What it is.
    pub kind: Kind<'a>,
    /// The bytes of the file.
    pub span: Span,
}

/// A range of bytes in a file. Narrower than `Range<usize>`: a tree has many of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A word, number or text, as it reads after unquoting and folding.
    Scalar(Cow<'a, str>, Style),
    /// A list.
    List(Vec<Node<'a>>),
    /// A mapping; each key occurs once.
    Map(Vec<Entry<'a>>),
}

/// A key of a mapping and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The key.
    pub key: Cow<'a, str>,
    /// The bytes of the key.
    pub key_span: Span,
    /// The value.
    pub value: Node<'a>,
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without marks; the only style in which a scalar can be anything but a string.
    Plain,
    /// `'…'`
    Single,
    /// `"…"`
    Double,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

/// Why a document cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct YamlError {
    /// A stable name of the kind of error.
    pub code: &'static str,
    /// The bytes of the file that are wrong.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// Another place that matters, such as the first of two keys.
    pub other: Option<(Range<usize>, &'static str)>,
}

impl Span {
    /// Returns it as a range.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl<'a> Node<'a> {
    /// Returns the entry of a mapping at `key`.
    pub fn entry(&self, key: &str) -> Option<&Entry<'a>> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|e| e.key == key),
            _ => None,
        }
    }

    /// Returns the value of a mapping at `key`.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|e| &e.value)
    }

    /// Returns the text of a scalar, whatever it would be read as: `003` and `2025-11-13-001` as written.
    pub fn scalar(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    /// Returns whether it is a list or mapping in brackets.
    pub fn is_flow(&self, text: &str) -> bool {
        matches!(text.as_bytes().get(self.span.start as usize), Some(b'{' | b'['))
    }
}

impl YamlError {
    pub(crate) fn new(code: &'static str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self { code, span, message: message.into(), help: None, other: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Places the error in its file.
    pub fn diagnostic(self, source: &Source) -> Diagnostic {
        let mut out = Diagnostic::error(self.code, self.message).at(source.place(self.span));
        out.help = self.help;
        match self.other {
            Some((span, message)) => out.label(source.place(span), message),
            None => out,
        }
    }
}

#[cfg(test)]
mod tests;
