//! Compares the kernel with the executable model of the rules: `differential --chains N --seed S --jobs J`.
//!
//! Prints what was compared and ends with 0; on a difference prints the shortest case, as JSON last, and ends with 1.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::process::ExitCode;
use std::time::Instant;

use coeval_core::json;
use coeval_testkit::differential::{replay, run, tell};

fn main() -> ExitCode {
    match compare() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(message) => {
            eprintln!("differential: {message}");
            ExitCode::from(2)
        }
    }
}

fn compare() -> Result<bool, String> {
    let (mut chains, mut seed, mut jobs) = (10_000, 1, 2);
    let mut arguments = std::env::args().skip(1);
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("`{option}` needs a value"))?;
        let number = || value.parse::<u64>().map_err(|e| format!("{option} {value}: {e}"));
        match option.as_str() {
            "--chains" => chains = number()?,
            "--seed" => seed = number()?,
            "--jobs" => jobs = number()?,
            "--case" => return replay_file(&value),
            _ => return Err(format!("unknown option `{option}`: --chains N --seed S --jobs J, or --case FILE")),
        }
    }
    let start = Instant::now();
    let summary = run(chains, seed, jobs)?;
    println!("{}", summary.counts);
    println!("{} failed, {:.0} s, seeds {seed} to {}", summary.failed, start.elapsed().as_secs_f64(), seed + jobs - 1);
    if let Some(failure) = &summary.shortest {
        println!("\n{}\n\n{}", failure.report, failure.line);
    }
    Ok(summary.failed == 0)
}

fn replay_file(path: &str) -> Result<bool, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    let mut failed = 0;
    for line in text.lines().filter(|line| !line.is_empty()) {
        let case = json::parse(line.as_bytes()).map_err(|e| e.to_string())?;
        if let Err(message) = replay(&case) {
            println!("{}\n{message}\n", tell(&case));
            failed += 1;
        }
    }
    Ok(failed == 0)
}
