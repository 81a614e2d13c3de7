//! Writing YAML as people would: mappings of a line in braces, longer ones in blocks.

use std::fmt::Write as _;

use coeval_core::value::Text;
use coeval_core::{Object, Value, json};

use super::resolve::needs_quotes;

/// The widest line that a list or mapping in brackets may fill.
const WIDTH: usize = 118;

/// Writes a mapping as the body of a document, each key on its own line; a value is put in brackets where `flow` names its
/// key or where it is small.
pub fn document(object: &Object, flow: &[&str]) -> String {
    let mut out = String::new();
    for (key, value) in object {
        if flow.contains(&key.as_str()) {
            let _ = writeln!(out, "{}: {}", word(key), inline(value));
        } else {
            entry(&mut out, key, value, 0, false);
        }
    }
    out
}

/// Writes the items of a list, one below the other, indented by `indent` spaces: lines to paste.
pub fn items(items: &[Value], indent: usize) -> String {
    let mut out = String::new();
    for value in items {
        item(&mut out, value, indent);
    }
    out
}

/// Writes a value on one line.
pub fn inline(value: &Value) -> String {
    let mut out = String::new();
    write_inline(&mut out, value);
    out
}

fn write_inline(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => out.push_str(&word(text)),
        Value::List(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                write_inline(out, item);
            }
            out.push(']');
        }
        Value::Object(object) => {
            out.push('{');
            for (i, (key, value)) in object.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                let _ = write!(out, "{}: ", word(key));
                write_inline(out, value);
            }
            out.push('}');
        }
        other => json::write(other, out),
    }
}

/// A string as a word, or in quotation marks where it would be read as something else.
fn word(text: &Text) -> String {
    // A colon is legal inside a word, and hard to read in braces; times begin with a digit and stay as they are.
    let colon = text.contains(':') && !text.starts_with(|c: char| c.is_ascii_digit());
    if !colon && !needs_quotes(text) {
        return text.to_string();
    }
    let plain = !text.chars().any(char::is_control);
    if plain && text.contains(['"', '\\']) && !text.contains('\'') {
        return format!("'{}'", text.as_str());
    }
    let mut out = String::new();
    json::escape(text, &mut out);
    // JSON leaves these as they are; YAML would take them for line breaks or a mark.
    for (character, escape) in
        [('\u{85}', "\\N"), ('\u{2028}', "\\L"), ('\u{2029}', "\\P"), ('\u{feff}', "\\uFEFF"), ('\u{7f}', "\\x7F")]
    {
        if out.contains(character) {
            out = out.replace(character, escape);
        }
    }
    out
}

fn entry(out: &mut String, key: &Text, value: &Value, indent: usize, in_item: bool) {
    let pad = if in_item { String::new() } else { " ".repeat(indent) };
    let _ = write!(out, "{pad}{}:", word(key));
    block(out, value, indent);
}

/// The value after `key:` or so, on the same line where it fits, else below, indented further than `indent`.
fn block(out: &mut String, value: &Value, indent: usize) {
    let line = inline(value);
    match value {
        Value::List(list) if !list.is_empty() && (list.iter().any(is_mapping) || indent + line.len() > WIDTH) => {
            out.push('\n');
            for value in list {
                item(out, value, indent + 2);
            }
        }
        Value::Object(object) if !object.is_empty() && indent + line.len() > WIDTH => {
            out.push('\n');
            for (key, value) in object {
                entry(out, key, value, indent + 2, false);
            }
        }
        Value::String(text) if is_block_text(text) => {
            let _ = writeln!(out, " |{}", if text.ends_with('\n') { "" } else { "-" });
            for line in text.lines() {
                let pad = if line.is_empty() { String::new() } else { " ".repeat(indent + 2) };
                let _ = writeln!(out, "{pad}{line}");
            }
        }
        _ => {
            let _ = writeln!(out, " {line}");
        }
    }
}

fn item(out: &mut String, value: &Value, indent: usize) {
    let pad = " ".repeat(indent);
    let line = inline(value);
    match value {
        // An operation reads best with its name outside the braces.
        Value::Object(object) if object.len() == 1 => {
            let _ = write!(out, "{pad}- ");
            for (key, value) in object {
                let line = inline(value);
                if indent + 2 + key.len() + line.len() <= WIDTH {
                    let _ = writeln!(out, "{}: {line}", word(key));
                } else {
                    entry(out, key, value, indent + 2, true);
                }
            }
        }
        Value::Object(object) if indent + line.len() > WIDTH => {
            let _ = write!(out, "{pad}- ");
            for (i, (key, value)) in object.iter().enumerate() {
                entry(out, key, value, indent + 2, i == 0);
            }
        }
        _ => {
            let _ = writeln!(out, "{pad}- {line}");
        }
    }
}

fn is_mapping(value: &Value) -> bool {
    matches!(value, Value::Object(_))
}

/// Whether a text of several lines reads back the same from a literal block.
fn is_block_text(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    body.contains('\n')
        && !body.ends_with('\n')
        && !body.starts_with([' ', '\n'])
        && !body.chars().any(|c| c.is_control() && c != '\n')
        && !body.contains(['\u{85}', '\u{2028}', '\u{2029}', '\u{feff}'])
        && body.lines().all(|line| line.trim_end() == line)
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let value = json::parse(br##"{
            "plain": "a b", "quoted": ["true", "1.0", "", " x", "a: b", "it's", "say \"hi\"", "both ' and \"", "- x", "#c", "a,b", "~", "null", "\u0085", "\u2028x", "tab\t", "007", ".5", "0x1F"],
            "text": "line one\n  line two\n", "kept": "a\nb", "odd": " a\nb", "n": [1.10, 12345678901234567890, -0.0, 1e400], "nothing": null, "empty": [{}, []],
            "deep": {"a": {"b": [{"c": "a long text that makes the line so long that it cannot be written on one line any more, not even here", "d": [1, 2]}]}},
            "true": false, "key: odd": 1, "2020-02-12 07:14": "2025-11-13-001"
        }"##).expect("JSON");
        let Value::Object(object) = &value else { return };
        let text = document(object, &[]);
        let read = parse(&text, 0..text.len()).map(|n| n.to_value());
        assert_eq!(read, Ok(value.clone()), "{text}");
        let numbers = |v: &Value| v.as_object().and_then(|o| o.get("n")).map(Value::to_string);
        assert_eq!(read.as_ref().map(numbers), Ok(numbers(&value)), "numbers keep their text");
        let line = inline(&value);
        assert_eq!(parse(&line, 0..line.len()).map(|n| n.to_value()), Ok(value.clone()), "{line}");
    }
}
