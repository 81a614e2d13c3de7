//! From the path of a violation, `items[2].price`, to the bytes of the document that it means.

use std::ops::Range;

use coeval_core::json;

/// Returns the bytes of the value at a path; where the path ends early (a property is missing), those of the nearest value
/// around it. The text is a valid document.
pub(super) fn locate(text: &str, path: &str) -> Range<usize> {
    let mut scanner = Scanner { text: text.as_bytes() };
    let mut at = scanner.space(0);
    let mut rest = path;
    while !rest.is_empty() {
        let Some((child, after)) = scanner.child(at, rest) else {
            // Of an object that lacks something, its brace is enough to show.
            return at..if scanner.at(at) == b'{' { at + 1 } else { scanner.end(at) };
        };
        (at, rest) = (child, after);
    }
    at..scanner.end(at)
}

struct Scanner<'t> {
    text: &'t [u8],
}

impl Scanner<'_> {
    fn at(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or_default()
    }

    fn space(&self, mut at: usize) -> usize {
        while matches!(self.at(at), b' ' | b'\t' | b'\n' | b'\r') {
            at += 1;
        }
        at
    }

    fn string_end(&self, start: usize) -> usize {
        let mut at = start + 1;
        while at < self.text.len() && self.at(at) != b'"' {
            at += if self.at(at) == b'\\' { 2 } else { 1 };
        }
        (at + 1).min(self.text.len())
    }

    /// Returns where the value at `start` ends.
    fn end(&self, start: usize) -> usize {
        let mut depth = 0_usize;
        let mut at = start;
        while at < self.text.len() {
            match self.at(at) {
                b'"' => {
                    at = self.string_end(at);
                    if depth == 0 {
                        return at;
                    }
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth <= 1 => return at + depth,
                b'}' | b']' => depth -= 1,
                b',' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return at,
                _ => {}
            }
            at += 1;
        }
        at
    }

    /// Follows the first step of a path; returns the value and what is left of the path.
    fn child<'p>(&mut self, at: usize, path: &'p str) -> Option<(usize, &'p str)> {
        if let Some(index) = path.strip_prefix('[') {
            let (index, rest) = index.split_once(']')?;
            return Some((self.item(at, index.parse().ok()?)?, rest));
        }
        let (name, rest) = match path.strip_prefix('{') {
            // A key may hold anything, a brace too: the object knows which keys there are.
            Some(rest) => {
                let keys = self.entries(at).into_iter().map(|(key, _)| key);
                let fits = |key: &String| rest.strip_prefix(key.as_str()).is_some_and(|rest| rest.starts_with('}'));
                let key = keys.filter(fits).max_by_key(String::len)?;
                let after = &rest[key.len() + 1..];
                (key, after)
            }
            None => name(path.strip_prefix('.').unwrap_or(path)),
        };
        let (_, value) = self.entries(at).into_iter().find(|(key, _)| *key == name)?;
        Some((value, rest))
    }

    fn item(&self, list: usize, index: usize) -> Option<usize> {
        if self.at(list) != b'[' {
            return None;
        }
        let mut at = self.space(list + 1);
        for _ in 0..index {
            at = self.space(self.end(at));
            if self.at(at) != b',' {
                return None;
            }
            at = self.space(at + 1);
        }
        (self.at(at) != b']').then_some(at)
    }

    /// Returns keys and where their values start.
    fn entries(&self, object: usize) -> Vec<(String, usize)> {
        let mut out = Vec::new();
        if self.at(object) != b'{' {
            return out;
        }
        let mut at = self.space(object + 1);
        while self.at(at) == b'"' {
            let end = self.string_end(at);
            let key = json::parse(&self.text[at..end]).ok().and_then(|key| key.as_str().map(str::to_owned));
            // Beyond the colon.
            let value = self.space(self.space(end) + 1);
            out.push((key.unwrap_or_default(), value));
            at = self.space(self.end(value));
            if self.at(at) == b',' {
                at = self.space(at + 1);
            }
        }
        out
    }
}

/// The name that a path starts with, and the rest.
fn name(path: &str) -> (String, &str) {
    let Some(quoted) = path.strip_prefix('"') else {
        let end = path.find(['.', '[', '{']).unwrap_or(path.len());
        return (path[..end].to_owned(), &path[end..]);
    };
    let mut name = String::new();
    let mut rest = quoted;
    while let Some(end) = rest.find('"') {
        name.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => break,
        }
    }
    (name, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found() {
        let text = r#"{ "a": {"b": [1, {"c": "x,y]"}, [ ]]}, "m" : {"k}": true, "k": null}, "a.b": -1.5}"#;
        let cases = [
            ("a", r#"{"b": [1, {"c": "x,y]"}, [ ]]}"#),
            ("a.b[0]", "1"),
            ("a.b[1].c", r#""x,y]""#),
            ("a.b[2]", "[ ]"),
            ("a.b[3]", r#"[1, {"c": "x,y]"}, [ ]]"#),
            ("m{k}", "null"),
            ("m{k}}", "true"),
            ("\"a.b\"", "-1.5"),
            ("missing", "{"),
            ("a.missing", "{"),
            ("", text),
        ];
        for (path, expected) in cases {
            assert_eq!(&text[locate(text, path)], expected, "{path}");
        }
        assert_eq!(locate("null", "a"), 0..4);
    }
}
