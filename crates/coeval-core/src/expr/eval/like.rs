//! `like`: `%` stands for any characters, `_` for one, `\` takes the next as it is.

use super::Outcome;

/// Whether the whole text fits the pattern.
pub(super) fn like(text: &str, pattern: &str) -> Outcome<bool> {
    let (mut text, mut pattern) = (text, pattern);
    // Where to go on when a fit fails: after the last `%`, with one character more taken by it.
    let mut retry: Option<(&str, &str)> = None;
    loop {
        if let Some(rest) = pattern.strip_prefix('%') {
            if rest.is_empty() {
                return Ok(true);
            }
            retry = Some((text, rest));
            pattern = rest;
            continue;
        }
        let step = match head(pattern)? {
            None => text.is_empty().then_some(None),
            Some((wanted, rest)) => match text.chars().next() {
                Some(c) if wanted.is_none_or(|wanted| wanted == c) => Some(Some((&text[c.len_utf8()..], rest))),
                _ => None,
            },
        };
        match step {
            Some(None) => return Ok(true),
            Some(Some((more_text, more_pattern))) => (text, pattern) = (more_text, more_pattern),
            None => {
                let Some((from, rest)) = retry else { return Ok(false) };
                let mut chars = from.chars();
                if chars.next().is_none() {
                    return Ok(false);
                }
                (text, pattern) = (chars.as_str(), rest);
                retry = Some((text, rest));
            }
        }
    }
}

/// The first character that the pattern wants (`None` within for any), and the rest; `None` at the end.
fn head(pattern: &str) -> Outcome<Option<(Option<char>, &str)>> {
    let mut chars = pattern.chars();
    Ok(match chars.next() {
        None => None,
        Some('_') => Some((None, chars.as_str())),
        Some('\\') => match chars.next() {
            Some(c) => Some((Some(c), chars.as_str())),
            None => return Err("a pattern of `like` must not end with `\\`".to_owned()),
        },
        Some(c) => Some((Some(c), chars.as_str())),
    })
}
