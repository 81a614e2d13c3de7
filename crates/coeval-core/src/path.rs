//! Where a property lies: `a.b`, `items[].price`, `names{}.common`.

use std::fmt;

use crate::invalid::Invalid;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// A property of an object, by name.
    Name(String),
    /// The items of a list: `[]`.
    Items,
    /// The values of a map: `{}`.
    Values,
}

/// The place of a property in a model.
///
/// Compared segment by segment, so that `a` is no part of `ab`. The empty path stands for the whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Path(Vec<Segment>);

impl Path {
    /// Returns the path of the whole.
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// Returns the path of a property at the top.
    pub fn name(name: &str) -> Self {
        Self(vec![Segment::Name(name.to_owned())])
    }

    /// Reads a path. A name with a `.`, a bracket or a quotation mark in it is written in quotation marks, a mark in it doubled.
    ///
    /// # Errors
    /// What is not a path, with the range that is wrong.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let mut segments = Vec::new();
        let mut at = 0;
        let fail = |at: usize, message: &str| Err(Invalid::new(message).span(at..(at + 1).min(text.len().max(at))));
        while at < text.len() {
            let rest = &text[at..];
            if rest.starts_with("[]") {
                segments.push(Segment::Items);
                at += 2;
            } else if rest.starts_with("{}") {
                segments.push(Segment::Values);
                at += 2;
            } else {
                let dot = !segments.is_empty();
                if dot && !rest.starts_with('.') {
                    return fail(at, "expected `.`, `[]` or `{}` in a path");
                }
                at += usize::from(dot);
                let (name, length) = name_at(&text[at..]);
                if length == 0 {
                    return fail(at, "expected a property's name in a path");
                }
                segments.push(Segment::Name(name));
                at += length;
            }
        }
        if segments.is_empty() { fail(0, "a path names at least one property") } else { Ok(Self(segments)) }
    }

    /// Returns the segments.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Returns whether this is the path of the whole.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the path one segment further.
    #[must_use]
    pub fn child(&self, segment: Segment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }

    /// Returns the path of the property `name` of this object.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        self.child(Segment::Name(name.to_owned()))
    }

    /// Returns the path without its last segment; `None` for the whole.
    pub fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_last()?;
        Some(Self(rest.to_vec()))
    }

    /// Returns the name at the end, where the path ends in one.
    pub fn last_name(&self) -> Option<&str> {
        match self.0.last() {
            Some(Segment::Name(name)) => Some(name),
            _ => None,
        }
    }

    /// Returns whether the other path is this one or lies beneath it.
    pub fn contains(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    /// Splits at the last `[]` or `{}`: the element's path with it, and what lies in the element.
    pub fn split_element(&self) -> (Self, Self) {
        let at = self.0.iter().rposition(|s| !matches!(s, Segment::Name(_))).map_or(0, |at| at + 1);
        (Self(self.0[..at].to_vec()), Self(self.0[at..].to_vec()))
    }

    /// Returns this path with `prefix` before it.
    #[must_use]
    pub fn within(&self, prefix: &Self) -> Self {
        Self(prefix.0.iter().chain(&self.0).cloned().collect())
    }

    /// Returns what remains beneath `prefix`; `None` where the path does not lie there.
    pub fn strip(&self, prefix: &Self) -> Option<Self> {
        self.0.strip_prefix(prefix.0.as_slice()).map(|rest| Self(rest.to_vec()))
    }
}

impl From<Vec<Segment>> for Path {
    fn from(segments: Vec<Segment>) -> Self {
        Self(segments)
    }
}

/// The name at the start of `text`, and how many bytes spell it.
fn name_at(text: &str) -> (String, usize) {
    if let Some(quoted) = text.strip_prefix('"') {
        let mut name = String::new();
        let mut rest = quoted;
        while let Some(end) = rest.find('"') {
            name.push_str(&rest[..end]);
            rest = &rest[end + 1..];
            if let Some(more) = rest.strip_prefix('"') {
                name.push('"');
                rest = more;
            } else {
                return (name, text.len() - rest.len());
            }
        }
        return (String::new(), 0);
    }
    let end = text.find(['.', '[', ']', '{', '}', '"']).unwrap_or(text.len());
    (text[..end].to_owned(), end)
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Items => f.write_str("[]")?,
                Segment::Values => f.write_str("{}")?,
                Segment::Name(name) => {
                    if i > 0 {
                        f.write_str(".")?;
                    }
                    if name.is_empty() || name.contains(['.', '[', ']', '{', '}', '"']) {
                        write!(f, "\"{}\"", name.replace('"', "\"\""))?;
                    } else {
                        f.write_str(name)?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_back_as_written() {
        for text in ["a", "a.b", "items[].price", "names{}.common", "a[][]{}", "\"a.b\".c", "\"say \"\"hi\"\"\"", "\"\"", "[]"] {
            assert_eq!(Path::parse(text).map(|p| p.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "a..b", ".a", "a.", "a[b]", "a]", "\"a"] {
            assert!(Path::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_prefix_of_a_name_is_another_property() {
        let path = |text| Path::parse(text).unwrap_or_default();
        assert!(path("a").contains(&path("a.b")));
        assert!(!path("a").contains(&path("ab")));
    }
}
