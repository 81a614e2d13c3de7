//! Every Rust file says what it is for, in a `//!` before its first item.

use super::Finding;
use super::source::Source;

/// Finds a file that does not start with `//!`; inner attributes may stand before it.
pub(super) fn check(source: &Source) -> Option<Finding> {
    let mut rest = source.text.trim_start();
    while rest.starts_with("#!") {
        rest = rest[end_of_attribute(rest)..].trim_start();
    }
    let first = rest.split('\n').next().unwrap_or_default();
    let described = first.strip_prefix("//!").is_some_and(|prose| !prose.trim().is_empty());
    (!described).then(|| Finding::new(source.path, 1, "start the file with a `//!` line that says what it is for"))
}

fn end_of_attribute(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' if depth == 1 => return at + 1,
            ']' => depth = depth.saturating_sub(1),
            // A `#!/usr/bin/env …` line.
            '\n' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_first_or_after_attributes() {
        let cases = [
            ("//! What it is.\n", true),
            ("\n//! What it is.\n", true),
            ("#![no_main]\n//! What it is.\n", true),
            ("#![allow(\n    clippy::x,\n    reason = \"y\"\n)]\n#![no_main]\n\n//! What it is.\n", true),
            ("#!/usr/bin/env run\n//! What it is.\n", true),
            ("//!\nfn main() {}\n", false),
            ("// What it is.\n", false),
            ("use std::fmt;\n//! Late.\n", false),
            ("", false),
        ];
        for (text, good) in cases {
            assert_eq!(check(&Source::new("a.rs", text)).is_none(), good, "{text:?}");
        }
    }
}
