//! Nothing unfinished is committed: no stub, no note to come back, no test that does not run.

use super::Finding;
use super::source::{Source, line, words};

/// In code: what compiles but is not there.
const CODE: [(&str, &str); 3] = [
    ("todo!", "finish it, or leave it out"),
    ("unimplemented!", "finish it, or return an error the caller can act on"),
    ("#[ignore", "a test that is skipped proves nothing; mend it or remove it"),
];

/// In any text; put together here so that this file passes its own rule.
const TEXT: [&str; 2] = [concat!("FIX", "ME"), concat!("XX", "X")];

/// Finds stubs in code; comments and literals may speak of them.
pub(super) fn check_code(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for (word, advice) in CODE {
        for (_, line) in source.words(word) {
            found.push(Finding::new(source.path, line, format!("`{word}`: {advice}")));
        }
    }
    found
}

/// Finds notes of unfinished work in the text of any file that people write.
pub(super) fn check_text(path: &str, text: &str) -> Vec<Finding> {
    if path.ends_with("Cargo.lock") {
        return Vec::new();
    }
    let found =
        |word| words(text, word).map(move |at| Finding::new(path, line(text, at), format!("`{word}`: do it now, or file it")));
    TEXT.into_iter().flat_map(found).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stubs_are_found_in_code_only() {
        let source = Source::new("a.rs", "// todo!()\nlet x = \"todo!()\";\nlet y = todo!();\n#[ignore = \"slow\"]\nfn f() {}\n");
        let lines: Vec<usize> = check_code(&source).into_iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [3, 4]);
    }

    #[test]
    fn notes_are_found_in_any_text() {
        for note in TEXT {
            assert_eq!(check_text("a.md", &format!("one\n# {note}: two\nA{note}B\n")).len(), 1, "{note}");
        }
        assert!(check_text("Cargo.lock", TEXT[1]).is_empty());
    }
}
