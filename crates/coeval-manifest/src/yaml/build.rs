//! A document's tree out of the parser's events.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};

use super::{DEPTH_LIMIT, Entry, Kind, Node, Span, Style, YamlError};

/// Mappings larger than this are searched for repeated keys by hash.
const SMALL: usize = 16;

/// A list or mapping that has not ended yet.
enum Frame<'a> {
    List { start: u32, flow: bool, items: Vec<Node<'a>> },
    Map { start: u32, flow: bool, entries: Vec<Entry<'a>>, key: Option<(Cow<'a, str>, Span)>, seen: HashSet<Cow<'a, str>> },
}

/// Reads the document that lies at `span` of `text`. An empty document is a null.
///
/// # Errors
/// Bad syntax, a repeated key, a key that is no word, an anchor or alias, a tag, nesting beyond [`DEPTH_LIMIT`].
pub fn parse(text: &str, span: Range<usize>) -> Result<Node<'_>, YamlError> {
    let chunk = &text[span.clone()];
    let offsets = Offsets::new(chunk, span.start);
    let mut parser = Parser::new_from_str(chunk);
    let mut stack: Vec<Frame<'_>> = Vec::new();
    let mut root = None;
    while let Some(event) = parser.next_event() {
        let (event, at) = event.map_err(|error| syntax(&error, &offsets, chunk))?;
        let here = Span { start: offsets.byte(at.start.index()), end: offsets.byte(at.end.index()) };
        refuse_exotic(&event, here)?;
        let node = match event {
            Event::Scalar(value, style, ..) => {
                let (value, style, here) = scalar(value, style, here, text);
                Node { kind: Kind::Scalar(value, style), span: here }
            }
            Event::SequenceStart(..) => {
                let flow = here.end > here.start;
                let start = if flow { here.start } else { dash(text, here.start) };
                let frame = Frame::List { start, flow, items: Vec::new() };
                push(&mut stack, frame, here)?;
                continue;
            }
            Event::MappingStart(..) => {
                let (entries, seen) = (Vec::new(), HashSet::new());
                let frame = Frame::Map { start: here.start, flow: here.end > here.start, entries, key: None, seen };
                push(&mut stack, frame, here)?;
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match stack.pop() {
                Some(frame) => frame.end(here),
                None => continue,
            },
            _ => continue,
        };
        match stack.last_mut() {
            None => root = Some(node),
            Some(frame) => frame.add(node)?,
        }
    }
    let empty = Span { start: offsets.byte(0), end: offsets.byte(0) };
    Ok(root.unwrap_or(Node { kind: Kind::Scalar(Cow::Borrowed(""), Style::Plain), span: empty }))
}

/// The dash that a block list begins with: the parser's span of one that is not indented begins after it.
fn dash(text: &str, start: u32) -> u32 {
    let before = text[..start as usize].trim_end_matches(' ');
    match before.strip_suffix('-') {
        Some(rest) if text.as_bytes().get(start as usize) != Some(&b'-') => u32::try_from(rest.len()).unwrap_or(start),
        _ => start,
    }
}

fn push<'a>(stack: &mut Vec<Frame<'a>>, frame: Frame<'a>, here: Span) -> Result<(), YamlError> {
    if stack.len() == DEPTH_LIMIT {
        return Err(too_deep(here.range()));
    }
    // A list or mapping where a key belongs is told by `add` when it ends; its depth is bounded here all the same.
    stack.push(frame);
    Ok(())
}

impl<'a> Frame<'a> {
    fn add(&mut self, node: Node<'a>) -> Result<(), YamlError> {
        match self {
            Self::List { items, .. } => items.push(node),
            Self::Map { entries, key, seen, .. } => {
                if let Some((key, key_span)) = key.take() {
                    entries.push(Entry { key, key_span, value: node });
                    return Ok(());
                }
                let Kind::Scalar(text, _) = node.kind else {
                    return Err(YamlError::new("bad-key", node.span.range(), "a key must be a word, not a list or mapping"));
                };
                if let Some(first) = repeated(&text, entries, seen) {
                    let mut error = YamlError::new("duplicate-key", node.span.range(), format!("the key `{text}` occurs twice"))
                        .help("keep one of the two");
                    error.other = Some((first.range(), "first here"));
                    return Err(error);
                }
                *key = Some((text, node.span));
            }
        }
        Ok(())
    }

    /// The finished node. The parser ends a block where the next token begins; people end it where its last value does.
    fn end(self, here: Span) -> Node<'a> {
        let close =
            |flow: bool, start: u32, last: Option<u32>| Span { start, end: if flow { here.end } else { last.unwrap_or(start) } };
        match self {
            Self::List { start, flow, items } => {
                Node { span: close(flow, start, items.last().map(|n| n.span.end)), kind: Kind::List(items) }
            }
            Self::Map { start, flow, entries, .. } => {
                let last = entries.last().map(|e| e.value.span.end.max(e.key_span.end));
                Node { span: close(flow, start, last), kind: Kind::Map(entries) }
            }
        }
    }
}

fn repeated<'a>(key: &str, entries: &[Entry<'a>], seen: &mut HashSet<Cow<'a, str>>) -> Option<Span> {
    if entries.len() >= SMALL {
        // All but the last entry may be in the set already.
        if seen.is_empty() {
            seen.extend(entries.iter().map(|e| e.key.clone()));
        } else if let Some(last) = entries.last() {
            seen.insert(last.key.clone());
        }
        if !seen.contains(key) {
            return None;
        }
    }
    entries.iter().find(|e| e.key == key).map(|e| e.key_span)
}

/// Refuses what a manifest has no use for: each is a way to write one thing and get another.
fn refuse_exotic(event: &Event<'_>, here: Span) -> Result<(), YamlError> {
    let (anchor, tag) = match event {
        Event::Alias(_) => return Err(anchors(here.range())),
        Event::Scalar(_, _, anchor, tag) | Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => (*anchor, tag),
        _ => return Ok(()),
    };
    if anchor > 0 {
        return Err(anchors(here.range()));
    }
    if tag.is_some() {
        let error = YamlError::new("tag", here.range(), "YAML tags are not read");
        return Err(error.help("leave the tag out; put a text that looks like a number in quotation marks"));
    }
    Ok(())
}

fn anchors(span: Range<usize>) -> YamlError {
    YamlError::new("anchor", span, "YAML anchors and aliases are not read")
        .help("write the value out, or declare a shared type (a file with `type: type`) and use its name")
}

fn too_deep(span: Range<usize>) -> YamlError {
    YamlError::new("too-deep", span, format!("the document nests deeper than {DEPTH_LIMIT} levels"))
        .help("split it into shared types (files with `type: type`)")
}

/// The scalar with its marks. The parser's spans of block scalars run to the next token.
fn scalar<'a>(value: Cow<'a, str>, style: ScalarStyle, here: Span, text: &str) -> (Cow<'a, str>, Style, Span) {
    let style = match style {
        ScalarStyle::SingleQuoted => Style::Single,
        ScalarStyle::DoubleQuoted => Style::Double,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
        ScalarStyle::Plain => Style::Plain,
    };
    let source = text.get(here.range()).unwrap_or_default();
    let trimmed = source.trim_end();
    let length = u32::try_from(trimmed.len()).unwrap_or(0);
    (value, style, Span { start: here.start, end: here.start + length })
}

/// The parser's errors in words for people who write models.
fn syntax(error: &ScanError, offsets: &Offsets, chunk: &str) -> YamlError {
    let at = offsets.byte(error.marker().index()) as usize;
    let info = error.info();
    if info.contains("anchor") {
        return anchors(at..at + 1);
    }
    if info.contains("recursion limit") {
        return too_deep(at..at + 1);
    }
    // An error at the very end shows nothing; the last text before it says more.
    let from = offsets.base();
    let seen = chunk.get(..at - from).unwrap_or(chunk);
    let at = if chunk[at - from..].trim().is_empty() { from + seen.trim_end().len().saturating_sub(1) } else { at };
    let mut start = at;
    while !chunk.is_char_boundary(start - from) {
        start -= 1;
    }
    let help = if info.contains("mapping values are not allowed") {
        "a text with `: ` in it needs quotation marks; a mapping on the same line needs `{…}`"
    } else if info.contains("tab") {
        "indent with spaces"
    } else if info.contains("flow sequence") {
        "close the list with `]`, and put a `,` between its items"
    } else if info.contains("flow mapping") {
        "close the mapping with `}`, and put a `,` between its entries"
    } else if info.contains("quoted scalar") {
        "close the text with the mark it begins with, and indent its further lines"
    } else if info.contains("expected key") || info.contains("expected <document start>") || info.contains("block end") {
        "check the indentation: all keys of a mapping stand in one column"
    } else if info.contains("simple key") || info.contains("expected ':'") || info.contains("could not find") {
        "a key needs `: ` after it"
    } else if info.contains("unexpected character") {
        "a text that begins with a special character needs quotation marks"
    } else if info.contains('%') || info.contains("directive") {
        "leave the directive out"
    } else {
        "put texts with special characters in quotation marks, and check the indentation"
    };
    YamlError::new("yaml", start..start + 1, format!("this is not YAML: {info}")).help(help)
}

/// Turns the parser's offsets, which count characters from the start of the document, into bytes of the file.
struct Offsets {
    base: u32,
    /// The byte of every character; `None` where all are one byte wide.
    bytes: Option<Vec<u32>>,
    length: u32,
}

impl Offsets {
    fn new(chunk: &str, base: usize) -> Self {
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let bytes = (!chunk.is_ascii()).then(|| chunk.char_indices().map(|(at, _)| narrow(at)).collect());
        Self { base: narrow(base), bytes, length: narrow(chunk.len()) }
    }

    fn base(&self) -> usize {
        self.base as usize
    }

    fn byte(&self, index: usize) -> u32 {
        let narrow = u32::try_from(index).unwrap_or(u32::MAX).min(self.length);
        let offset = self.bytes.as_ref().map_or(narrow, |bytes| bytes.get(index).copied().unwrap_or(self.length));
        self.base + offset
    }
}
