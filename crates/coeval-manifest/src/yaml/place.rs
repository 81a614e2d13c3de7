//! From a JSON pointer, and a range of bytes in a text, to the bytes of the file.

use std::ops::Range;

use super::{Kind, Node, Style};

/// Returns the bytes of the file that a pointer means: those of the value, or of `key` in the mapping there. Where the
/// pointer leads nowhere (what is missing has no place), those of the nearest value around it.
pub fn locate(root: &Node<'_>, pointer: &str, key: Option<&str>, span: Option<&Range<usize>>, text: &str) -> Range<usize> {
    let mut node = root;
    let mut last_key = None;
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        let next = match &node.kind {
            Kind::Map(entries) => entries.iter().find(|e| e.key == token).map(|e| {
                last_key = Some(e.key_span);
                &e.value
            }),
            Kind::List(items) => token.parse::<usize>().ok().and_then(|i| items.get(i)),
            Kind::Scalar(..) => None,
        };
        match next {
            Some(next) => node = next,
            // What was written in short stands for the place: `{name: string}` for `/name/type`.
            None => return node.span.range(),
        }
    }
    if let Some(entry) = key.and_then(|key| node.entry(key)) {
        return entry.key_span.range();
    }
    if let Some(span) = span {
        return text_span(node, span, text);
    }
    let range = node.span.range();
    // An empty value (`a:`) has no bytes of its own.
    if range.is_empty() { last_key.map_or(range, super::Span::range) } else { range }
}

/// Returns the bytes of the file for a range of bytes of a scalar's text; those of the whole scalar where the way back is
/// not exact.
pub fn text_span(node: &Node<'_>, span: &Range<usize>, text: &str) -> Range<usize> {
    let whole = node.span.range();
    let Kind::Scalar(value, style) = &node.kind else { return whole };
    let Some(source) = text.get(whole.clone()) else { return whole };
    let Some(map) = align(source, value, *style) else { return whole };
    let start = map.get(span.start).copied();
    // The end is exclusive: one beyond the last character that is meant, wherever the next one lies.
    let last = span.end.max(span.start + 1) - 1;
    let end = map.get(last).map(|at| at + source[*at..].chars().next().map_or(1, char::len_utf8));
    match (start, end) {
        (Some(start), Some(end)) if end > start => whole.start + start..whole.start + end,
        (None, _) if span.start >= value.len() => whole.end.saturating_sub(1).max(whole.start)..whole.end,
        _ => whole,
    }
}

/// For every byte of `value` the byte of `source` it was read from; `None` where reading `source` does not give `value`.
fn align(source: &str, value: &str, style: Style) -> Option<Vec<usize>> {
    let mut map = Vec::with_capacity(value.len());
    let mut at = match style {
        Style::Single | Style::Double => 1,
        _ => 0,
    };
    let mut read = value.char_indices().peekable();
    while let Some((_, wanted)) = read.next() {
        let here = at;
        let rest = source.get(at..)?;
        let next = rest.chars().next();
        if next == Some(wanted) && wanted != '\n' && !(style == Style::Double && wanted == '\\') && !(blank_run(rest, style)) {
            at += wanted.len_utf8();
            if style == Style::Single && wanted == '\'' {
                at += 1;
            }
        } else if style == Style::Double && next == Some('\\') {
            at += escape(rest, wanted)?;
        } else if matches!(wanted, '\n' | ' ') {
            // A fold: blanks, line breaks and indentation read as one space or as line breaks.
            let mut breaks = 1;
            if wanted == '\n' {
                while read.next_if(|(_, c)| *c == '\n').is_some() {
                    breaks += 1;
                }
            }
            let blank = rest.find(|c: char| !matches!(c, ' ' | '\t' | '\n' | '\r')).unwrap_or(rest.len());
            let lines = rest[..blank].matches('\n').count();
            let literal = style == Style::Literal || (wanted == '\n' && lines == breaks);
            if lines == 0 && at + blank != source.len() {
                return None;
            }
            if !literal && wanted == '\n' && lines != breaks + 1 && at + blank < source.len() {
                return None;
            }
            map.extend(std::iter::repeat_n(here, breaks));
            at += indented(&rest[..blank], value, map.len());
            continue;
        } else {
            return None;
        }
        map.extend(std::iter::repeat_n(here, wanted.len_utf8()));
    }
    Some(map)
}

/// Whether blanks at the start of `rest` run up to a line break and so belong to a fold.
fn blank_run(rest: &str, style: Style) -> bool {
    let after = rest.trim_start_matches([' ', '\t']);
    style != Style::Literal && after.len() < rest.len() && after.starts_with(['\n', '\r'])
}

/// How much of the white space before the next character is line breaks and indentation; blanks that the value keeps
/// (deeper lines of a block) are left to be matched.
fn indented(blank: &str, value: &str, read: usize) -> usize {
    let kept = value[read..].len() - value[read..].trim_start_matches(' ').len();
    blank.len().saturating_sub(kept)
}

/// How many bytes the escape at the start of `rest` has, where it stands for `wanted`.
fn escape(rest: &str, wanted: char) -> Option<usize> {
    let code = rest[1..].chars().next()?;
    let simple = match code {
        'n' => '\n',
        't' | '\t' => '\t',
        'r' => '\r',
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        'v' => '\u{b}',
        'f' => '\u{c}',
        'e' => '\u{1b}',
        'N' => '\u{85}',
        '_' => '\u{a0}',
        '"' | '/' | '\\' | ' ' => code,
        'x' | 'u' | 'U' => {
            let digits = match code {
                'x' => 2,
                'u' => 4,
                _ => 8,
            };
            let found = u32::from_str_radix(rest.get(2..2 + digits)?, 16).ok().and_then(char::from_u32)?;
            return (found == wanted).then_some(2 + digits);
        }
        _ => return None,
    };
    (simple == wanted).then_some(1 + code.len_utf8())
}
