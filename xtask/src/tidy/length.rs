//! Files stay below 500 lines (tests: 800), functions below 70.

use super::Finding;
use super::source::{Source, item_end, line};

const FILE: usize = 500;
const TEST_FILE: usize = 800;
const FUNCTION: usize = 70;

/// Files that may be longer: path, limit, and why a split would read worse.
const LONGER: &[(&str, usize, &str)] = &[];

/// Finds a file that is too long.
pub(super) fn check(source: &Source) -> Option<Finding> {
    let granted = LONGER.iter().find(|(path, ..)| *path == source.path).map(|(_, limit, _)| *limit);
    let limit = granted.unwrap_or(if source.is_test_file() { TEST_FILE } else { FILE });
    let lines = source.text.lines().count();
    (lines >= limit).then(|| {
        let message = format!("{lines} lines; split it before {limit}, or list it in xtask/src/tidy/length.rs with the reason");
        Finding::new(source.path, limit, message)
    })
}

/// Finds entries of the list of longer files that are no longer needed.
pub(super) fn stale(files: &[(String, String)]) -> Vec<Finding> {
    let needed = |path: &str| files.iter().any(|(file, text)| file == path && text.lines().count() >= FILE);
    let stale = LONGER.iter().filter(|(path, ..)| !needed(path));
    stale.map(|(path, ..)| Finding::new("xtask/src/tidy/length.rs", 1, format!("{path} need not be listed as longer"))).collect()
}

/// Finds functions that should be looked at for a split.
pub(super) fn long_functions(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for (at, start) in source.words("fn") {
        let signature = source.code[at + 2..].trim_start();
        let name: String = signature.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        // `fn(u8)` is a type.
        if name.is_empty() {
            continue;
        }
        let lines = line(&source.code, item_end(&source.code, at)) - start + 1;
        if lines >= FUNCTION {
            found.push(Finding::new(source.path, start, format!("`{name}` has {lines} lines; aim below {FUNCTION}")));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_too_long_at_its_limit() {
        let lines = |count: usize| "x\n".repeat(count);
        for (path, count, good) in
            [("src/a.rs", 499, true), ("src/a.rs", 500, false), ("tests/a.rs", 799, true), ("tests/a.rs", 800, false)]
        {
            assert_eq!(check(&Source::new(path, &lines(count))).is_none(), good, "{path} {count}");
        }
    }

    #[test]
    fn long_functions_are_named() {
        let body = "    x();\n".repeat(68);
        let text = format!(
            "type F = fn(u8);\nfn long() {{\n{body}}}\nfn short() {{ // {{\n}}\ntrait T {{\n    fn none();\n{body}{body}}}\n"
        );
        let found = long_functions(&Source::new("a.rs", &text));
        assert_eq!(found, [Finding::new("a.rs", 2, "`long` has 70 lines; aim below 70")]);
    }
}
