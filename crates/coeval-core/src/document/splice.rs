//! The members of an object as places in its text: where the notes are spliced in, and taken out again.

use std::ops::Range;

use crate::json;

/// A member of the object at the top: its key with the quotation marks, and its value.
#[derive(Debug, PartialEq, Eq)]
struct Member {
    key: Range<usize>,
    value: Range<usize>,
}

/// Returns the place behind the last member's value, or behind the brace of an object without members, and whether it is the
/// latter. The text is an object with nothing before it.
pub(super) fn end(text: &str) -> (usize, bool) {
    match members(text).last() {
        Some(last) => (last.value.end, false),
        None => (1, true),
    }
}

/// Returns the bytes that a member takes up, with what separates it from the others: of the last one, from the end of the
/// value before it, which is what was spliced in; of another, to the key after it.
pub(super) fn find(text: &str, name: &str) -> Option<Range<usize>> {
    let members = members(text);
    let named = |member: &Member| match json::parse(text[member.key.clone()].as_bytes()) {
        Ok(key) => key.as_str() == Some(name),
        Err(_) => false,
    };
    let at = members.iter().position(named)?;
    Some(match members.get(at + 1) {
        Some(next) => members[at].key.start..next.key.start,
        None => at.checked_sub(1).map_or(1, |before| members[before].value.end)..members[at].value.end,
    })
}

fn members(text: &str) -> Vec<Member> {
    let scanner = Scanner(text.as_bytes());
    let mut out = Vec::new();
    let mut at = scanner.space(1);
    while scanner.at(at) == b'"' {
        let key = at..scanner.string(at);
        // Beyond the colon.
        let start = scanner.space(scanner.space(key.end) + 1);
        let value = start..scanner.value(start);
        at = scanner.space(value.end);
        out.push(Member { key, value });
        if scanner.at(at) == b',' {
            at = scanner.space(at + 1);
        }
    }
    out
}

/// Walks over a text that is known to be JSON.
struct Scanner<'t>(&'t [u8]);

impl Scanner<'_> {
    fn at(&self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or_default()
    }

    fn space(&self, mut at: usize) -> usize {
        while matches!(self.at(at), b' ' | b'\t' | b'\n' | b'\r') {
            at += 1;
        }
        at
    }

    /// Returns the place behind a string.
    fn string(&self, start: usize) -> usize {
        let mut at = start + 1;
        while at < self.0.len() && self.at(at) != b'"' {
            at += if self.at(at) == b'\\' { 2 } else { 1 };
        }
        (at + 1).min(self.0.len())
    }

    /// Returns the place behind a value.
    fn value(&self, start: usize) -> usize {
        let mut depth = 0_usize;
        let mut at = start;
        while at < self.0.len() {
            match self.at(at) {
                b'"' => {
                    at = self.string(at);
                    if depth == 0 {
                        return at;
                    }
                    continue;
                }
                b'{' | b'[' => depth += 1,
                // Of what lies around it, if it is a number or a word; else its own.
                b'}' | b']' if depth <= 1 => return at + depth,
                b'}' | b']' => depth -= 1,
                b',' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return at,
                _ => {}
            }
            at += 1;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_in_their_text() {
        let text = r#"{ "a" : [1, {"b": "}\""}] ,"\u0062":-1.5e3, "c": {}}"#;
        let parts: Vec<_> = members(text).iter().map(|m| (&text[m.key.clone()], &text[m.value.clone()])).collect();
        assert_eq!(parts, [("\"a\"", r#"[1, {"b": "}\""}]"#), (r#""\u0062""#, "-1.5e3"), ("\"c\"", "{}")]);
        assert_eq!(find(text, "b").map(|range| &text[range]), Some(r#""\u0062":-1.5e3, "#));
        assert_eq!(find(text, "c").map(|range| &text[range]), Some(r#", "c": {}"#));
        assert_eq!(find(text, "d"), None);
        assert_eq!(end(text), (text.len() - 1, false));
        assert_eq!(end("{ \n}"), (1, true));
        assert_eq!(find("{ \"a\": 1 }", "a"), Some(1..8));
    }
}
