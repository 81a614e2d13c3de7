//! Surgery on the text of a model's file: everything that is not meant keeps its bytes, comments and layout included.

use std::ops::Range;

use coeval_core::Value;

use crate::decode;
use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::yaml::{self, Entry, Kind, Node};

/// What to do to a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DraftEdit<'a> {
    /// Whether to take the consumed `operations:` out.
    pub cut_operations: bool,
    /// The id to note at `version:`, where the draft has one.
    pub version: Option<&'a str>,
}

/// Returns the text of a file with its draft edited.
///
/// # Errors
/// A layout in which the edit would touch something else; a person must then make it.
pub fn edit_draft(source: &Source, span: Range<usize>, edit: DraftEdit<'_>) -> Result<String, Box<Diagnostic>> {
    let mut text = source.text.to_string();
    let node = yaml::parse(&source.text, span.clone()).map_err(|e| Box::new(e.diagnostic(source)))?;
    let mut expected = node.to_value();
    let mut cuts: Vec<(Range<usize>, String)> = Vec::new();
    if let (true, Some(entry)) = (edit.cut_operations, node.entry("operations")) {
        cuts.push((entry_bytes(&source.text, &node, entry), String::new()));
        if let Value::Object(object) = &mut expected {
            object.remove("operations");
        }
    }
    if let (Some(id), Some(version)) = (edit.version, node.get("version")) {
        cuts.push((version.span.range(), id.to_owned()));
        if let Value::Object(object) = &mut expected {
            object.insert("version", id.into());
        }
    }
    cuts.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    let mut removed = 0;
    let mut added = 0;
    for (range, new) in cuts {
        removed += range.len();
        added += new.len();
        text.replace_range(range, &new);
    }
    let span = span.start..span.end + added - removed;
    match decode::document(&Source::new(source.path.clone(), text.clone()), span) {
        Ok(value) if value == expected => Ok(text),
        _ => {
            let at = node.entry("operations").map_or(node.span, |entry| entry.key_span);
            let diagnostic = Diagnostic::error("layout", "the draft cannot be edited without touching the rest of it");
            Err(Box::new(diagnostic.at(source.place(at.range())).help("write each key of the draft on lines of its own")))
        }
    }
}

/// The bytes that an entry of the draft fills: whole lines in a block, from comma to comma in braces.
fn entry_bytes(text: &str, root: &Node<'_>, entry: &Entry<'_>) -> Range<usize> {
    let (start, end) = (entry.key_span.start as usize, (entry.value.span.end.max(entry.key_span.end)) as usize);
    if !root.is_flow(text) {
        let from = text[..start].rfind('\n').map_or(0, |at| at + 1);
        // `operations:` without a value ends at its colon, on the same line.
        let to = text[end..].find('\n').map_or(text.len(), |at| end + at + 1);
        return from..to;
    }
    let Kind::Map(entries) = &root.kind else { return start..end };
    let after = text[end..].find(',').map(|at| end + at + 1);
    let last = entries.last().is_some_and(|e| e.key_span == entry.key_span);
    match (last, after) {
        (false, Some(comma)) => {
            let blank = text[comma..].len() - text[comma..].trim_start().len();
            start..comma + blank
        }
        _ => text[..start].rfind(',').map_or(start, |comma| comma)..end,
    }
}

/// Returns the text of a file with a document appended, on lines of its own.
pub fn append(text: &str, document: &str) -> String {
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{gap}---\n{document}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Result<String, String> {
        let source = Source::new("m.yaml", text);
        let span = yaml::split(text)[0].span.clone();
        edit_draft(&source, span, DraftEdit { cut_operations: true, version: Some("b-2") }).map_err(|e| e.message.clone())
    }

    #[test]
    fn comments_and_layout_survive() {
        let text = "# head\ntype: model   # a\nversion: a-1 # id\n\noperations:   # consumed\n  - rename_property: {from: a, to: b}  # why\n  # between\n  - sql:\n      up: |\n        x\n# kept\nproperties:\n  b: string # é\n---\nx: 1\n";
        let expected = "# head\ntype: model   # a\nversion: b-2 # id\n\n# kept\nproperties:\n  b: string # é\n---\nx: 1\n";
        assert_eq!(cut(text), Ok(expected.to_owned()));
        assert_eq!(cut("a: 1\noperations:\n- b: 1\n- c: 2\n"), Ok("a: 1\n".to_owned()));
        assert_eq!(cut("a: 1\noperations:\n---\nb: 1\n"), Ok("a: 1\n---\nb: 1\n".to_owned()));
        assert_eq!(cut("a: 1\noperations: [{b: 1}]"), Ok("a: 1\n".to_owned()));
        assert_eq!(cut("{a: 1, operations: [{b: 1}], c: 2}\n"), Ok("{a: 1, c: 2}\n".to_owned()));
        assert_eq!(cut("{a: 1, operations: [{b: 1}]}\n"), Ok("{a: 1}\n".to_owned()));
        assert_eq!(cut("a: 1\n"), Ok("a: 1\n".to_owned()));
    }
}
