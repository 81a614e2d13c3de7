//! Writing JSON: compactly, or in the style in which it was laid out.

use crate::value::{Text, Value};

/// Appends `text` as a JSON string with the fewest escapes.
pub fn escape(text: &str, out: &mut String) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let short = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        if short.is_empty() {
            out.push_str("\\u00");
            out.push(char::from(b'0' + (byte >> 4)));
            out.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
        } else {
            out.push_str(short);
        }
        from = at + 1;
    }
    out.push_str(&text[from..]);
    out.push('"');
}

fn write_text(text: &Text, out: &mut String) {
    match text.raw() {
        Some(raw) => {
            out.push('"');
            out.push_str(raw);
            out.push('"');
        }
        None => escape(text, out),
    }
}

/// Appends the value as compact JSON, each string, number and key as it was written.
pub fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => out.push_str(number.as_str()),
        Value::String(text) => write_text(text, out),
        Value::List(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(object) => {
            out.push('{');
            for (i, (key, value)) in object.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_text(key, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}

/// How a document's text is laid out: what stands between its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// No spaces.
    #[default]
    Compact,
    /// A space after each comma and colon.
    Spaced,
    /// A line for each value, indented by so many spaces a level.
    Indented(usize),
    /// A line for each value, indented by a tab a level.
    Tabbed,
}

impl Style {
    /// Returns the style in which writing `value` gives `text`; `None` where no style does.
    pub fn detect(text: &str, value: &Value) -> Option<Self> {
        let style = Self::nearest(text);
        // A text without any sign of a style can still hold the sign within a string.
        let other = if style == Self::Spaced { Self::Compact } else { style };
        [style, other].into_iter().find(|style| style.write(value) == text)
    }

    /// Returns the style that looks most like a text which no style may give: what is written anew beside it is written so.
    pub fn nearest(text: &str) -> Self {
        let Some(at) = text.find('\n') else {
            return if text.contains(": ") || text.contains(", ") { Self::Spaced } else { Self::Compact };
        };
        let rest = &text[at + 1..];
        let spaces = rest.len() - rest.trim_start_matches(' ').len();
        if rest.starts_with('\t') { Self::Tabbed } else { Self::Indented(spaces) }
    }

    /// Returns the value's text in this style, strings, numbers and keys as they were written.
    pub fn write(self, value: &Value) -> String {
        let mut out = String::new();
        match self {
            Self::Compact => write(value, &mut out),
            style => style.write_at(value, 0, &mut out),
        }
        out
    }

    /// Returns the text of one more member of an object at the top, to stand directly behind the last one's value, or behind
    /// the brace where it is the `first`.
    pub(crate) fn member(self, first: bool, key: &str, value: &Value) -> String {
        let mut out = String::new();
        self.separate(usize::from(!first), 1, &mut out);
        escape(key, &mut out);
        if self == Self::Compact {
            out.push(':');
            write(value, &mut out);
        } else {
            out.push_str(": ");
            self.write_at(value, 1, &mut out);
        }
        out
    }

    fn write_at(self, value: &Value, depth: usize, out: &mut String) {
        match value {
            Value::List(items) if !items.is_empty() => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    self.separate(i, depth + 1, out);
                    self.write_at(item, depth + 1, out);
                }
                self.close(depth, ']', out);
            }
            Value::Object(object) if !object.is_empty() => {
                out.push('{');
                for (i, (key, value)) in object.iter().enumerate() {
                    self.separate(i, depth + 1, out);
                    write_text(key, out);
                    out.push_str(": ");
                    self.write_at(value, depth + 1, out);
                }
                self.close(depth, '}', out);
            }
            value => write(value, out),
        }
    }

    fn separate(self, index: usize, depth: usize, out: &mut String) {
        if index > 0 {
            out.push(',');
        }
        match self {
            Self::Spaced if index > 0 => out.push(' '),
            Self::Indented(_) | Self::Tabbed => self.line(depth, out),
            _ => {}
        }
    }

    fn close(self, depth: usize, bracket: char, out: &mut String) {
        if matches!(self, Self::Indented(_) | Self::Tabbed) {
            self.line(depth, out);
        }
        out.push(bracket);
    }

    fn line(self, depth: usize, out: &mut String) {
        out.push('\n');
        match self {
            Self::Indented(width) => out.extend(std::iter::repeat_n(' ', width * depth)),
            _ => out.extend(std::iter::repeat_n('\t', depth)),
        }
    }
}
