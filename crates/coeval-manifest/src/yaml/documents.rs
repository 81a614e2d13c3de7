//! Where the documents of a file begin and end.
//!
//! YAML forbids a line that starts with `---` or `...` inside any scalar, so cutting at such lines is exact. It lets a
//! file of a thousand versions be read one document at a time, and a new document be appended without touching the others.

use std::ops::Range;

/// One document: the bytes of the file that it is, its `---` included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The bytes, from its `---` (or its first byte, where it has none) to the next document.
    pub span: Range<usize>,
}

/// Returns the documents of a file. What holds only comments and no `---` is none.
pub fn split(text: &str) -> Vec<Document> {
    let mut documents = Vec::new();
    let mut start = 0;
    let mut at = 0;
    let mut close = |span: Range<usize>| {
        if text[span.clone()].starts_with("---") || has_content(&text[span.clone()]) {
            documents.push(Document { span });
        }
    };
    loop {
        let rest = &text[at..];
        let marker = rest.get(3..).map_or("", |after| after.get(..1).unwrap_or("x"));
        let ends = rest.len() == 3 || matches!(marker, " " | "\t" | "\n" | "\r");
        if ends && rest.starts_with("---") {
            close(start..at);
            start = at;
        } else if ends && rest.starts_with("...") {
            close(start..at);
            start = rest.find('\n').map_or(text.len(), |length| at + length + 1);
        }
        match find_line(text, at) {
            Some(next) => at = next,
            None => break,
        }
    }
    close(start..text.len());
    documents
}

/// The start of the next line that could be a marker.
fn find_line(text: &str, from: usize) -> Option<usize> {
    let mut from = from;
    loop {
        let at = from + text[from..].find('\n')? + 1;
        if matches!(text.as_bytes().get(at), Some(b'-' | b'.')) {
            return Some(at);
        }
        from = at;
    }
}

fn has_content(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim_start();
        !(line.is_empty() || line.starts_with('#') || line.starts_with("%YAML"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<&str> {
        split(text).into_iter().map(|d| &text[d.span]).collect()
    }

    #[test]
    fn documents_are_cut_at_their_markers() {
        assert_eq!(parts("a: 1\n---\nb: 2\n"), ["a: 1\n", "---\nb: 2\n"]);
        assert_eq!(parts("# head\n---\na: 1\n---\n"), ["---\na: 1\n", "---\n"]);
        assert_eq!(parts("---\na: |\n  ---\n----\n--- # c\nb: 1\n...\n# end\n"), ["---\na: |\n  ---\n----\n", "--- # c\nb: 1\n"]);
        assert_eq!(parts("%YAML 1.2\n---\na: 1"), ["---\na: 1"]);
        assert_eq!(parts(""), [""; 0]);
        assert_eq!(parts("---"), ["---"]);
        assert_eq!(parts("a: é\n---\r\nb: ü\r\n"), ["a: é\n", "---\r\nb: ü\r\n"]);
    }
}
