//! Chores of this repository, run as `cargo xtask CHORE`; the standard library only, so that they build in a second.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool for the people who work on coeval")]

mod tidy;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask tidy [--bless]

  tidy            check what the compiler does not: layers, purity, length, words, generated files
  tidy --bless    write the generated files anew first";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tidy"] => report(tidy::run(root(), tidy::Mode::Check)),
        ["tidy", "--bless"] => report(tidy::run(root(), tidy::Mode::Bless)),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Returns the folder of the workspace, which is where this crate lies.
fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

fn report(outcome: std::io::Result<tidy::Report>) -> ExitCode {
    let report = match outcome {
        Ok(report) => report,
        Err(error) => {
            eprintln!("tidy could not run: {error}");
            return ExitCode::from(2);
        }
    };
    print!("{report}");
    if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
