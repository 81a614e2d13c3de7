//! What each crate may touch: the lower layers touch nothing outside, and only the command line prints, exits or asks.

use super::Finding;
use super::dependencies::is_pure;
use super::source::{Source, item_end, words};

/// Not in a pure crate.
const OUTSIDE: [&str; 6] = ["std::fs", "std::net", "std::time", "std::env", "tokio", "async"];
/// Members of `std` that are outside, as they stand in `use std::{…}`.
const OUTSIDE_MODULES: [&str; 4] = ["fs", "net", "time", "env"];

/// Not in a library.
const COMMAND_LINE: [&str; 6] = ["println!", "eprintln!", "print!", "eprint!", "process::exit", "std::env"];
/// Members of `std` that belong to the command line, as they stand in `use std::{…}`.
const COMMAND_LINE_MODULES: [&str; 1] = ["env"];
/// Crates that are programs.
const PROGRAMS: [&str; 2] = ["coeval-cli", "coeval-testkit"];

/// Finds what the crate of a file may not touch; tests may.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    let Some(name) = source.shipped_by() else { return Vec::new() };
    let mut found = Vec::new();
    if is_pure(name) {
        let message = |what: &str| format!("`{what}`: {name} has no input or output, no clock, no environment and no async");
        found.extend(places(source, &OUTSIDE, &OUTSIDE_MODULES).into_iter().map(|(line, what)| (line, message(what))));
    }
    if !PROGRAMS.contains(&name) {
        let message = |what: &str| format!("`{what}`: only the command line prints, exits or reads the environment");
        found.extend(places(source, &COMMAND_LINE, &COMMAND_LINE_MODULES).into_iter().map(|(line, what)| (line, message(what))));
    }
    found.into_iter().map(|(line, message)| Finding::new(source.path, line, message)).collect()
}

fn places<'w>(source: &Source, paths: &[&'w str], modules: &[&'w str]) -> Vec<(usize, &'w str)> {
    let mut places = Vec::new();
    for path in paths {
        places.extend(source.words(path).into_iter().map(|(at, _)| (at, *path)));
    }
    for (start, _) in source.words("std::{") {
        let group = &source.code[start..item_end(&source.code, start)];
        for module in modules {
            places.extend(words(group, module).map(|at| (start + at, *module)));
        }
    }
    places.retain(|(at, _)| !source.in_test(*at));
    places.into_iter().map(|(at, what)| (source.line(at), what)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Source::new(path, text)).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_pure_crate_touches_nothing_outside() {
        let core = "crates/coeval-core/src/a.rs";
        assert_eq!(lines(core, "// std::fs\nuse std::fs;\n"), [2]);
        assert_eq!(lines(core, "use std::{\n    collections::HashMap,\n    time::Instant,\n};\n"), [3]);
        assert_eq!(lines(core, "async fn f() {}\n"), [1]);
        assert_eq!(lines(core, "#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n"), [0; 0]);
        assert_eq!(lines("crates/coeval-core/tests/a.rs", "use std::fs;\n"), [0; 0]);
        assert_eq!(lines("crates/coeval-store/src/a.rs", "use std::fs;\nasync fn f() {}\n"), [0; 0]);
    }

    #[test]
    fn only_programs_print_and_ask() {
        let text = "fn f() { println!(); std::process::exit(1) }\n";
        assert_eq!(lines("crates/coeval-engine/src/a.rs", text), [1, 1]);
        assert_eq!(lines("crates/coeval-engine/src/a.rs", "use std::{env, fs};\n"), [1]);
        assert_eq!(lines("crates/coeval-cli/src/a.rs", text), [0; 0]);
        assert_eq!(lines("crates/coeval-engine/examples/a.rs", text), [0; 0]);
        assert_eq!(lines("crates/coeval-engine/build.rs", "use std::env;\n"), [0; 0]);
    }
}
