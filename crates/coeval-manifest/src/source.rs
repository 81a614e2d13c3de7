//! The text of a file, and places in it.

use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::Diagnostic;

/// The largest file that is read: spans are 32 bits wide.
const SIZE_LIMIT: usize = 1 << 30;

/// A file of the manifest: its path as people know it, and its text. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The path, relative to the folder of `coeval.yaml`.
    pub path: Arc<str>,
    /// The text.
    pub text: Arc<str>,
}

/// A place in a file, with the line that a person is shown. Self-contained: rendering needs no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The path of the file.
    pub path: String,
    /// The bytes of the file that are meant.
    pub span: Range<usize>,
    /// The line of the first byte, from 1.
    pub line: usize,
    /// The column of the first byte, from 1, in characters.
    pub column: usize,
    /// The text of that line.
    pub excerpt: String,
    /// How many characters of that line are meant, at least one.
    pub width: usize,
}

impl Source {
    /// Makes a source of a text.
    pub fn new(path: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// A byte-order mark, invalid UTF-8, a file beyond a gibibyte.
    pub fn from_bytes(path: &str, bytes: Vec<u8>) -> Result<Self, Box<Diagnostic>> {
        if bytes.starts_with(b"\xef\xbb\xbf") {
            let place = Place::in_text(path, &String::from_utf8_lossy(&bytes[3..]), 0..0);
            let message = "the file starts with a byte-order mark";
            return Err(Box::new(Diagnostic::error("byte-order-mark", message).at(place).help("save it as UTF-8 without one")));
        }
        if bytes.len() > SIZE_LIMIT {
            let place = Place::in_text(path, "", 0..0);
            return Err(Box::new(Diagnostic::error("too-large", "the file is larger than a gibibyte").at(place)));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(path, text)),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let byte = error.as_bytes()[at];
                let text = String::from_utf8_lossy(error.as_bytes());
                // Up to `at` both texts agree; the replacement character stands where the bad bytes are.
                let place = Place::in_text(path, &text, at..at + '\u{fffd}'.len_utf8());
                let message = format!("the file is not valid UTF-8: byte 0x{byte:02x} at offset {at}");
                Err(Box::new(Diagnostic::error("not-utf-8", message).at(place).help("save the file as UTF-8")))
            }
        }
    }

    /// Returns a place for a range of bytes.
    pub fn place(&self, span: Range<usize>) -> Place {
        Place::in_text(&self.path, &self.text, span)
    }
}

impl Place {
    /// Returns a place in a text.
    pub fn in_text(path: &str, text: &str, span: Range<usize>) -> Self {
        let floor = |mut at: usize| {
            at = at.min(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let (start, end) = (floor(span.start), floor(span.end));
        let from = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let to = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let line = text[..start].bytes().filter(|b| *b == b'\n').count() + 1;
        let excerpt = text[from..to].trim_end_matches('\r').to_owned();
        let column = text[from..start].chars().count() + 1;
        let marked = text[start..end.clamp(start, to)].trim_end();
        Self { path: path.to_owned(), span: start..end.max(start), line, column, excerpt, width: marked.chars().count().max(1) }
    }
}
