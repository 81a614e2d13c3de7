//! `cargo xtask tidy`: the rules of this repository that the compiler does not check. Each rule is one file.

mod dependencies;
mod generated;
mod header;
mod length;
mod names;
mod purity;
mod source;
mod stubs;
mod tree;

use std::fmt;
use std::io;
use std::path::Path;

use source::Source;

/// A place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    /// Counted from 1.
    line: usize,
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// Whether generated files are compared or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Check,
    Bless,
}

/// What a run found; it prints as one line a finding and a closing line.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// What must be mended.
    pub(crate) findings: Vec<Finding>,
    /// What should be looked at; never fails a run.
    warnings: Vec<Finding>,
    files: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for warning in &self.warnings {
            writeln!(f, "{}:{}: warning: {}", warning.path, warning.line, warning.message)?;
        }
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        let [findings, warnings] = [self.findings.len(), self.warnings.len()];
        writeln!(f, "tidy: {} files, {findings} findings, {warnings} warnings", self.files)
    }
}

/// Applies every rule to the files of the repository at `root`.
pub(crate) fn run(root: &Path, mode: Mode) -> io::Result<Report> {
    let mut report = Report::default();
    report.findings.extend(generated::check(root, generated::FILES, mode)?);
    let files = tree::texts(root)?;
    for (path, text) in &files {
        check_file(path, text, &mut report);
    }
    report.findings.extend(dependencies::check(&files));
    report.findings.extend(length::stale(&files));
    report.files = files.len();
    report.findings.sort();
    report.warnings.sort();
    Ok(report)
}

fn check_file(path: &str, text: &str, report: &mut Report) {
    report.findings.extend(names::check(path, text));
    report.findings.extend(stubs::check_text(path, text));
    if Path::new(path).extension().is_some_and(|extension| extension == "rs") {
        let source = Source::new(path, text);
        report.findings.extend(header::check(&source));
        report.findings.extend(length::check(&source));
        report.findings.extend(purity::check(&source));
        report.findings.extend(stubs::check_code(&source));
        report.warnings.extend(length::long_functions(&source));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let report = run(crate::root(), Mode::Check).unwrap();
        assert!(report.files > 10, "only {} files seen", report.files);
        assert!(report.findings.is_empty(), "\n{report}");
    }

    #[test]
    fn a_finding_prints_as_path_line_and_message() {
        assert_eq!(Finding::new("a/b.rs", 3, "is wrong").to_string(), "a/b.rs:3: is wrong");
    }

    #[test]
    fn every_rule_is_applied_to_a_file() {
        let text = ["fn main() { println!(); ", "todo", "!(); }\n// /", "home/me\n"].concat();
        let mut report = Report::default();
        check_file("crates/coeval-core/src/x.rs", &text, &mut report);
        let lines: Vec<usize> = report.findings.iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [2, 1, 1, 1], "names, header, purity, stubs: {report}");
    }
}
