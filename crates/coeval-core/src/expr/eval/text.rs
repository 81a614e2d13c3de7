//! Functions of texts. Positions and lengths count characters.

use super::Outcome;
use crate::decode::found;
use crate::value::Value;

/// The longest text that `lpad` makes, in characters.
const PAD_LIMIT: i64 = 10_000_000;

pub(super) fn str(value: &Value) -> Outcome<&str> {
    value.as_str().ok_or_else(|| format!("expected a string, found {}", found(value)))
}

/// How long a text is, as SQL counts.
pub(super) fn length(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

/// The byte at which the character with the index (from 0) begins; the length where there are fewer.
fn byte_of(text: &str, index: i64) -> usize {
    let Ok(index) = usize::try_from(index) else { return 0 };
    text.char_indices().nth(index).map_or(text.len(), |(at, _)| at)
}

/// The characters from a position that counts from 1. Positions before the text count too: `substring('abc', 0, 2)` is `a`.
pub(super) fn substring(text: &str, from: i64, count: Option<i64>) -> Outcome<&str> {
    let Some(count) = count else { return Ok(&text[byte_of(text, from.saturating_sub(1))..]) };
    if count < 0 {
        return Err("the length of a substring must not be negative".to_owned());
    }
    let end = from.saturating_add(count).saturating_sub(1);
    let rest = &text[byte_of(text, from.saturating_sub(1).max(0))..];
    let taken = end.saturating_sub(from.saturating_sub(1).max(0)).max(0);
    Ok(&rest[..byte_of(rest, taken)])
}

/// The place of the first occurrence, counted from 1; 0 where there is none.
pub(super) fn position(part: &str, text: &str) -> i64 {
    text.find(part).map_or(0, |at| length(&text[..at]) + 1)
}

/// Which ends are trimmed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Both,
    Left,
    Right,
}

pub(super) fn trim<'t>(text: &'t str, characters: &str, side: Side) -> &'t str {
    let drop = |c: char| characters.contains(c);
    let text = if side == Side::Right { text } else { text.trim_start_matches(drop) };
    if side == Side::Left { text } else { text.trim_end_matches(drop) }
}

/// The text with each occurrence replaced; the text itself where nothing is to be found.
pub(super) fn replace(text: &str, from: &str, to: &str, limit: usize) -> Outcome<String> {
    if from.is_empty() {
        return Ok(text.to_owned());
    }
    let count = text.matches(from).count();
    let size = text.len().saturating_add(count.saturating_mul(to.len()));
    if size.saturating_sub(count * from.len()) > limit {
        return Err("the result is too long".to_owned());
    }
    Ok(text.replace(from, to))
}

/// The part with a number from 1, or from the end where it is negative.
pub(super) fn split_part<'t>(text: &'t str, delimiter: &str, number: i64) -> Outcome<&'t str> {
    if number == 0 {
        return Err("the number of a part must not be zero".to_owned());
    }
    if delimiter.is_empty() {
        return Ok(if number == 1 || number == -1 { text } else { "" });
    }
    let index = usize::try_from(number.unsigned_abs() - 1).unwrap_or(usize::MAX);
    // Cut from the left always: where delimiters overlap, PostgreSQL's parts are those.
    let part = if number > 0 {
        text.split(delimiter).nth(index)
    } else {
        let parts: Vec<&str> = text.split(delimiter).collect();
        parts.len().checked_sub(index.saturating_add(1)).map(|at| parts[at])
    };
    Ok(part.unwrap_or_default())
}

pub(super) fn lpad(text: &str, size: i64, fill: &str) -> Outcome<String> {
    if size > PAD_LIMIT {
        return Err(format!("a text is not padded beyond {PAD_LIMIT} characters"));
    }
    let missing = size.max(0) - length(text);
    if missing <= 0 || fill.is_empty() {
        return Ok(text[..byte_of(text, size.max(0))].to_owned());
    }
    let mut padded: String = fill.chars().cycle().take(usize::try_from(missing).unwrap_or(0)).collect();
    padded.push_str(text);
    Ok(padded)
}
