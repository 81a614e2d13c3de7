//! A Rust file with its comments and literals blanked out, so that rules about code do not trip over prose.

use std::ops::Range;
use std::path::Path;

/// A Rust file as the rules see it.
pub(super) struct Source<'a> {
    /// Relative to the repository, with `/`.
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    /// The text with a space for every character of a comment or literal; its lines are the text's lines.
    pub(super) code: String,
    /// The offsets in `code` of items that exist in tests only.
    tests: Vec<Range<usize>>,
}

impl<'a> Source<'a> {
    pub(super) fn new(path: &'a str, text: &'a str) -> Self {
        let code = blank(text);
        let mut tests = Vec::new();
        let mut from = 0;
        while let Some(at) = code[from..].find("#[cfg(test)]") {
            let start = from + at;
            from = item_end(&code, start + "#[cfg(test)]".len());
            tests.push(start..from);
        }
        Self { path, text, code, tests }
    }

    /// Returns the places where `word` occurs in code, as offset and line; not inside a longer name.
    pub(super) fn words(&self, word: &str) -> Vec<(usize, usize)> {
        words(&self.code, word).map(|at| (at, self.line(at))).collect()
    }

    /// Returns the line of an offset in `code`, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        line(&self.code, at)
    }

    /// Returns whether the code at an offset exists in tests only.
    pub(super) fn in_test(&self, at: usize) -> bool {
        self.is_test_file() || self.tests.iter().any(|range| range.contains(&at))
    }

    /// Returns whether the whole file is a test, an example or a benchmark.
    pub(super) fn is_test_file(&self) -> bool {
        let mut parts: Vec<&str> = self.path.split('/').collect();
        let name = parts.pop().unwrap_or_default();
        name == "tests.rs" || parts.iter().any(|part| ["tests", "examples", "benches"].contains(part))
    }

    /// Returns the crate of a file under `crates/NAME/src/`.
    pub(super) fn shipped_by(&self) -> Option<&str> {
        let (name, rest) = self.path.strip_prefix("crates/")?.split_once('/')?;
        Path::new(rest).starts_with("src").then_some(name)
    }
}

/// Returns the line of an offset, from 1.
pub(super) fn line(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Returns the offsets where `word` occurs and is not part of a longer name.
pub(super) fn words<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = usize> + 't {
    let named = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let [open, close] = [named(word.chars().next()), named(word.chars().next_back())];
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let [before, after] = [text[..*at].chars().next_back(), text[at + word.len()..].chars().next()];
        !(open && named(before) || close && named(after))
    })
}

/// Returns where the item that starts at `from` ends: after its block, or after its semicolon.
pub(super) fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code[from..].char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return from + at + 1;
                }
            }
            ';' if depth == 0 => return from + at + 1,
            _ => {}
        }
    }
    code.len()
}

fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let after_name = code.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        if let Some(length) = prose(rest, after_name) {
            code.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        } else {
            code.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    code
}

/// Returns the length of the comment or literal that `rest` starts with.
fn prose(rest: &str, after_name: bool) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment(rest));
    }
    if let Some(string) = rest.strip_prefix('"') {
        return Some(1 + until_quote(string, '"'));
    }
    if rest.starts_with('\'') {
        return character(rest);
    }
    if after_name { None } else { raw_string(rest) }
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// Returns the length up to and with the closing quote, escapes skipped.
fn until_quote(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Returns the length of a character literal; a lifetime is none.
fn character(rest: &str) -> Option<usize> {
    let inner = &rest[1..];
    let first = inner.chars().next()?;
    let closes = inner[first.len_utf8()..].starts_with('\'');
    (first == '\\' || closes).then(|| 1 + until_quote(inner, '\''))
}

fn raw_string(rest: &str) -> Option<usize> {
    let opened = ["r", "br", "cr"].iter().find_map(|prefix| rest.strip_prefix(prefix))?;
    let hashes = opened.len() - opened.trim_start_matches('#').len();
    let body = opened[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = body.find(&close).map_or(body.len(), |at| at + close.len());
    Some(rest.len() - body.len() + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blank_and_lines_stay() {
        let cases = [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ \n d */ e", "a              \n      e"),
            (r#"f("a\"b", c)"#, "f(      , c)"),
            (r##"f(r#"a"b"#, c)"##, "f(        , c)"),
            (r"f('\'', '{', 'é')", "f(    ,    ,    )"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
            ("r#type + bar\"x\"", "r#type + bar   "),
        ];
        for (text, code) in cases {
            assert_eq!(blank(text), code, "{text}");
        }
    }

    #[test]
    fn a_word_is_not_part_of_a_name() {
        assert_eq!(words("std::fs std::fsx xstd::fs", "std::fs").collect::<Vec<_>>(), [0]);
        assert_eq!(words("eprintln!() println!()", "println!").collect::<Vec<_>>(), [12]);
    }

    #[test]
    fn items_of_tests_are_known() {
        let source = Source::new("src/a.rs", "fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }\nfn c() {}\n");
        let at = |name| source.in_test(source.code.find(name).unwrap());
        assert_eq!([at("fn a"), at("fn b"), at("fn c")], [false, true, false]);
        let source = Source::new("src/a.rs", "#[cfg(test)]\nmod tests;\nfn c() {}\n");
        assert!(!source.in_test(source.code.find("fn c").unwrap()));
    }

    #[test]
    fn an_item_ends_at_its_block_or_semicolon() {
        for (code, item) in [
            ("fn f(x: [u8; 2]) { { } } fn", "fn f(x: [u8; 2]) { { } }"),
            ("fn f() -> [u8; 2]; x", "fn f() -> [u8; 2];"),
            ("fn f(", "fn f("),
        ] {
            assert_eq!(&code[..item_end(code, 0)], item);
        }
    }

    #[test]
    fn a_path_tells_what_ships_and_what_tests() {
        let of = |path| {
            let source = Source::new(path, "");
            (source.shipped_by().map(str::to_owned), source.is_test_file())
        };
        assert_eq!(of("crates/coeval-core/src/op/mod.rs"), (Some("coeval-core".to_owned()), false));
        assert_eq!(of("crates/coeval-core/tests/laws.rs"), (None, true));
        assert_eq!(of("crates/coeval-core/src/op/tests.rs"), (Some("coeval-core".to_owned()), true));
        assert_eq!(of("xtask/src/main.rs"), (None, false));
    }
}
