//! Generated files are what their generator writes; `--bless` lets it write them.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use super::{Finding, Mode};

/// A file that a command prints.
pub(super) struct Generated {
    /// Relative to the repository.
    file: &'static str,
    /// A program and its arguments, run in the root of the repository; its standard output is the file.
    command: &'static [&'static str],
}

/// All generated files.
pub(super) const FILES: &[Generated] = &[
    Generated {
        file: "docs/cli.md",
        command: &["cargo", "run", "--quiet", "--locked", "--package", "coeval-cli", "--", "man", "--markdown"],
    },
    Generated {
        file: "docs/lint.md",
        command: &["cargo", "run", "--quiet", "--locked", "--package", "coeval-cli", "--", "lint", "--rules"],
    },
];

/// Finds generated files that differ from what their command prints, or writes them.
pub(super) fn check(root: &Path, files: &[Generated], mode: Mode) -> io::Result<Vec<Finding>> {
    let mut found = Vec::new();
    for Generated { file, command } in files {
        let fresh = match printed(root, command) {
            Ok(fresh) => fresh,
            Err(message) => {
                found.push(Finding::new(file, 1, message));
                continue;
            }
        };
        let path = root.join(file);
        let present = fs::read(&path).unwrap_or_default();
        if present == fresh {
            continue;
        }
        match mode {
            Mode::Bless => fs::write(&path, fresh)?,
            Mode::Check => {
                let line = first_difference(&present, &fresh);
                found.push(Finding::new(file, line, "is not what its generator writes; run `cargo xtask tidy --bless`"));
            }
        }
    }
    Ok(found)
}

fn printed(root: &Path, command: &[&str]) -> Result<Vec<u8>, String> {
    let [program, arguments @ ..] = command else { return Err("has no command to generate it".to_owned()) };
    let output = Command::new(program).args(arguments).current_dir(root).output();
    let output = output.map_err(|error| format!("`{}` did not start: {error}", command.join(" ")))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{}` failed: {}", command.join(" "), said.lines().last().unwrap_or("it said nothing")))
}

fn first_difference(present: &[u8], fresh: &[u8]) -> usize {
    let same = present.iter().zip(fresh).take_while(|(a, b)| a == b);
    same.filter(|(byte, _)| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const MADE: &[Generated] = &[Generated { file: "made.txt", command: &["rustc", "--version"] }];

    #[test]
    fn a_stale_file_is_found_and_blessed() {
        let root = std::env::temp_dir().join(format!("coeval-xtask-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        fs::write(root.join("made.txt"), "rustc").unwrap();
        assert_eq!(check(&root, MADE, Mode::Check).unwrap().len(), 1);
        assert!(check(&root, MADE, Mode::Bless).unwrap().is_empty());
        assert!(check(&root, MADE, Mode::Check).unwrap().is_empty());
        assert!(fs::read_to_string(root.join("made.txt")).unwrap().starts_with("rustc 1."));
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn a_generator_that_fails_is_a_finding() {
        for command in [&[][..], &["no-such-program-anywhere"], &["rustc", "--no-such-option"]] {
            let files = [Generated { file: "made.txt", command }];
            assert_eq!(check(Path::new("."), &files, Mode::Bless).unwrap().len(), 1, "{command:?}");
        }
    }

    #[test]
    fn the_first_line_that_differs_is_named() {
        assert_eq!(first_difference(b"a\nb\nc", b"a\nb\nd"), 3);
        assert_eq!(first_difference(b"", b"a"), 1);
    }
}
