//! Layers: a crate depends on crates of lower layers only, never on one beside or above it.

use super::Finding;

/// Every crate and its layer. Two crates of one layer never import each other.
const LAYERS: [(&str, u8); 12] = [
    ("coeval-core", 0),
    ("coeval-manifest", 1),
    ("coeval-plan", 1),
    ("coeval-store", 2),
    ("coeval-sql", 2),
    ("coeval-objects", 3),
    ("coeval-sqlite", 3),
    ("coeval-postgres", 3),
    ("coeval-engine", 4),
    ("coeval-http", 5),
    ("coeval", 6),
    ("coeval-cli", 6),
];

/// Depends on any crate, and is only ever a dev-dependency.
const TESTKIT: &str = "coeval-testkit";

fn layer(name: &str) -> Option<u8> {
    LAYERS.iter().find(|(crate_name, _)| *crate_name == name).map(|(_, layer)| *layer)
}

/// Returns whether a crate has no input or output, no clock and no async.
pub(super) fn is_pure(name: &str) -> bool {
    name == "coeval-sql" || layer(name).is_some_and(|layer| layer <= 1)
}

/// Finds dependencies that point beside or upward, and crates without a layer or without the common lints.
pub(super) fn check(files: &[(String, String)]) -> Vec<Finding> {
    let manifests = files.iter().filter(|(path, _)| path.starts_with("crates/") && path.ends_with("/Cargo.toml"));
    manifests.flat_map(|(path, text)| check_manifest(path, text)).collect()
}

fn check_manifest(path: &str, text: &str) -> Vec<Finding> {
    let entries = entries(text);
    let name = entries.iter().find(|entry| entry.section == "package" && entry.key == "name").map_or("", |entry| entry.value);
    let mut found = Vec::new();
    let own = layer(name);
    if own.is_none() && name != TESTKIT {
        found.push(Finding::new(path, 1, format!("`{name}` has no layer; give it one in xtask/src/tidy/dependencies.rs")));
    }
    if !entries.iter().any(|entry| entry.section == "lints" && entry.key == "workspace") {
        found.push(Finding::new(path, 1, "inherit the lints: `[lints]`, `workspace = true`"));
    }
    for (line, dependency) in entries.iter().filter_map(Entry::dependency) {
        let message = match (own, layer(dependency)) {
            _ if dependency == TESTKIT => format!("`{TESTKIT}` is for dev-dependencies only"),
            (Some(own), Some(other)) if other >= own => {
                format!("`{name}` (layer {own}) must not depend on `{dependency}` (layer {other}): dependencies point downward")
            }
            _ => continue,
        };
        found.push(Finding::new(path, line, message));
    }
    found
}

/// One `key = value` line of a Cargo.toml, as far as the layers need it.
struct Entry<'t> {
    line: usize,
    /// Without the brackets; a `[dependencies.NAME]` header is an entry of its own with `NAME` as its key.
    section: &'t str,
    key: &'t str,
    value: &'t str,
}

impl<'t> Entry<'t> {
    /// Returns the package that this entry depends on, in builds other than tests.
    fn dependency(&self) -> Option<(usize, &'t str)> {
        let section = self.section.rsplit('.').next().unwrap_or_default();
        if !["dependencies", "build-dependencies"].contains(&section) || self.section.starts_with("workspace") {
            return None;
        }
        let renamed = self.value.split_once("package").and_then(|(_, rest)| rest.split('"').nth(1));
        Some((self.line, renamed.unwrap_or(self.key)))
    }
}

fn entries(text: &str) -> Vec<Entry<'_>> {
    let mut entries = Vec::new();
    let mut section = "";
    for (index, line) in text.lines().enumerate() {
        let line = line.split(" #").next().unwrap_or_default().trim();
        if let Some(header) = line.strip_prefix('[').and_then(|header| header.strip_suffix(']')) {
            section = header.trim_matches(['[', ']']);
            if let Some((table, key)) = section.rsplit_once('.').filter(|(table, _)| table.ends_with("dependencies")) {
                entries.push(Entry { line: index + 1, section: table, key: key.trim_matches('"'), value: "" });
            }
        } else if let Some((key, value)) = line.split_once('=') {
            let key = key.trim().split('.').next().unwrap_or_default().trim_matches('"');
            entries.push(Entry { line: index + 1, section, key, value: value.trim().trim_matches('"') });
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(name: &str, rest: &str) -> Vec<usize> {
        let text = format!("[package]\nname = \"{name}\"\n[lints]\nworkspace = true\n{rest}");
        check_manifest("crates/x/Cargo.toml", &text).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn dependencies_point_downward() {
        assert_eq!(
            lines("coeval-engine", "[dependencies]\ncoeval-core.workspace = true\ncoeval-sqlite = { path = \"x\" }\n"),
            [0; 0]
        );
        assert_eq!(lines("coeval-core", "[dependencies]\nthiserror = \"2\"\ncoeval-manifest.workspace = true\n"), [7]);
        assert_eq!(lines("coeval-core", "[dependencies.coeval-plan]\nworkspace = true\n"), [5]);
        assert_eq!(lines("coeval-sqlite", "[target.'cfg(unix)'.dependencies]\ncoeval-postgres = \"1\"\n"), [6]);
        assert_eq!(lines("coeval-core", "[build-dependencies]\nlow = { package = \"coeval-sql\" }\n"), [6]);
    }

    #[test]
    fn tests_may_depend_on_anything_and_only_they_on_the_testkit() {
        assert_eq!(lines("coeval-core", "[dev-dependencies]\ncoeval-testkit.workspace = true\n"), [0; 0]);
        assert_eq!(lines("coeval-cli", "[dependencies]\ncoeval-testkit.workspace = true\n"), [6]);
        assert_eq!(lines("coeval-testkit", "[dependencies]\ncoeval-cli.workspace = true\n"), [0; 0]);
    }

    #[test]
    fn a_crate_has_a_layer_and_the_common_lints() {
        assert_eq!(lines("coeval-other", ""), [1]);
        assert_eq!(check_manifest("crates/x/Cargo.toml", "[package]\nname = \"coeval-core\"\n").len(), 1);
    }

    #[test]
    fn pure_crates_are_the_two_lowest_layers_and_the_sql_texts() {
        let pure: Vec<&str> = LAYERS.iter().map(|(name, _)| *name).filter(|name| is_pure(name)).collect();
        assert_eq!(pure, ["coeval-core", "coeval-manifest", "coeval-plan", "coeval-sql"]);
    }
}
