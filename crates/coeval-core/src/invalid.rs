//! What is wrong with something that a person wrote, and where.

use std::ops::Range;

/// One thing that is wrong in a manifest, an operation or an expression.
///
/// The core does not know files. It names the place by a JSON pointer into the value that it was given, and where the value
/// is a text with an inner syntax (an expression, a path), by a range of bytes in it; the manifest maps both to line and column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    /// JSON pointer to the offending value, or to the object whose key offends.
    pub at: String,
    /// The offending key of the object at `at`, where the key and not its value is wrong.
    pub key: Option<String>,
    /// The bytes of the text at `at` that are wrong; the whole value where `None`.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub message: String,
    /// What to do next.
    pub help: Option<String>,
}

impl Invalid {
    /// Names what is wrong with the value at the empty pointer.
    pub fn new(message: impl Into<String>) -> Self {
        Self { at: String::new(), key: None, span: None, message: message.into(), help: None }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Narrows the place to a range of the text.
    #[must_use]
    pub fn span(mut self, span: Range<usize>) -> Self {
        self.span = Some(span);
        self
    }

    /// Says that the key, not its value, is wrong.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Moves the place beneath `token` of an enclosing value.
    #[must_use]
    pub fn beneath(mut self, token: &str) -> Self {
        self.at = format!("/{}{}", escape_token(token), self.at);
        self
    }
}

/// Escapes one reference token of a JSON pointer (RFC 6901).
pub fn escape_token(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

/// Returns the known word nearest to `word` by edit distance, where it is near enough to be what was meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let best = known.into_iter().map(|k| (distance(&word.to_lowercase(), &k.to_lowercase()), k)).min()?;
    (best.0 <= 1 + word.chars().count() / 4).then_some(best.1)
}

/// Returns the edit distance of two words (Damerau-Levenshtein with adjacent transpositions, by dynamic programming).
pub fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(rows[i - 2][j - 2] + 1);
            }
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}
