//! Names that must not occur: a database in an operation, a folder of one person's machine anywhere.

use super::Finding;
use super::source::line;

/// Operations state a meaning; what a database makes of it is decided elsewhere.
const OPERATIONS: &str = "crates/coeval-core/src/op/";
const DATABASES: [&str; 5] = ["postgres", "sqlite", "mysql", "mariadb", "mongo"];

/// The first folder of an absolute path that exists on somebody's machine only.
const FOLDERS: [&str; 4] = ["home", "root", "Users", "work"];

/// Finds forbidden names in the text of a file, comments included.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    if path.starts_with(OPERATIONS) {
        let lower = text.to_ascii_lowercase();
        for name in DATABASES {
            for (at, _) in lower.match_indices(name) {
                found.push(Finding::new(path, line(text, at), format!("an operation names no database, but here is `{name}`")));
            }
        }
    }
    for folder in FOLDERS {
        for (at, folder) in text.match_indices(&format!("/{folder}/")) {
            // `https://example.org/home/` and `models/work/` are fine.
            let inside = text[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || "._-}>)]*~$".contains(c));
            if !inside {
                found.push(Finding::new(path, line(text, at), format!("a path of one machine: `{folder}`")));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(path, text).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn operations_name_no_database() {
        let text = "//! Renames.\n\n// PostgreSQL cannot do it.\n";
        assert_eq!(lines("crates/coeval-core/src/op/rename_property.rs", text), [3]);
        assert_eq!(lines("crates/coeval-core/src/expr/mod.rs", text), [0; 0]);
    }

    #[test]
    fn paths_of_a_machine_are_found_and_addresses_are_not() {
        for (before, after, expected) in [
            ("a\nsee /", "/me/x", 1),
            ("\"file:///", "/me/x\"", 1),
            ("https://example.org/", "/x", 0),
            ("models/", "/x", 0),
            ("$HOME/", "/x", 0),
            ("/", "", 0),
        ] {
            for folder in FOLDERS {
                assert_eq!(lines("a.md", &format!("{before}{folder}{after}")).len(), expected, "{before}{folder}{after}");
            }
        }
    }
}
