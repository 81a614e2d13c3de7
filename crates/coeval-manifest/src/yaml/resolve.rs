//! What a scalar without quotation marks is, by the core schema of YAML 1.2, and trees as values.
//!
//! Dates, UUIDs and versions such as `2025-11-13-001` are strings; numbers keep their text.

use coeval_core::number::Number;
use coeval_core::{Object, Value};

use super::{Kind, Node, Style};

impl Node<'_> {
    /// Returns the node as a value.
    pub fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(text, Style::Plain) => plain(text),
            Kind::Scalar(text, _) => Value::from(&**text),
            Kind::List(items) => Value::List(items.iter().map(Node::to_value).collect()),
            Kind::Map(entries) => {
                Value::Object(entries.iter().map(|e| ((&*e.key).into(), e.value.to_value())).collect::<Object>())
            }
        }
    }
}

/// Returns what a plain scalar is.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::from(text), Value::Number),
    }
}

/// The number that a plain scalar spells; JSON's spellings keep their text, YAML's further ones are rewritten. Infinity and
/// NaN, which no JSON can hold, stay texts and are refused where a number is expected.
fn number(text: &str) -> Option<Number> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) {
        return None;
    }
    if let Some(number) = Number::parse(text) {
        return Some(number);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok().and_then(|n| Number::parse(&n.to_string()));
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return u64::from_str_radix(digits, 8).ok().and_then(|n| Number::parse(&n.to_string()));
    }
    // `+1`, `.5`, `1.`, `007`: rewritten as JSON writes them.
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = rest.find(['e', 'E']).map_or((rest, ""), |at| rest.split_at(at));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = if fraction.is_empty() { String::new() } else { format!(".{fraction}") };
    Number::parse(&format!("{sign}{whole}{fraction}{exponent}"))
}

/// Returns whether a string must be quoted, because without marks it would be read as something else or not at all.
pub fn needs_quotes(text: &str) -> bool {
    let first = text.chars().next();
    !matches!(plain(text), Value::String(_))
        || text.trim() != text
        || first.is_some_and(|c| "-?:,[]{}#&*!|>'\"%@`".contains(c))
        || text.starts_with("---")
        || text.starts_with("...")
        || text.ends_with(':')
        || text.contains(": ")
        || text.contains(" #")
        || text.contains([',', '[', ']', '{', '}', '\u{feff}', '\u{85}', '\u{2028}', '\u{2029}'])
        || text.chars().any(char::is_control)
        || matches!(text.to_ascii_lowercase().as_str(), "yes" | "no" | "on" | "off" | ".inf" | "-.inf" | ".nan")
}
