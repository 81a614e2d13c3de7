//! Running the model, and replaying what it writes.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use coeval_core::json;
use coeval_core::value::Value;

use super::{Counts, replay, tell};

/// A case on which the kernel and the model differ.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The case as the model wrote it: what to keep as a fixed test.
    pub line: String,
    /// What happens in it and what differs, for people.
    pub report: String,
    /// How many steps and events it has.
    size: usize,
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct Summary {
    /// What was compared.
    pub counts: Counts,
    /// How many chains failed.
    pub failed: u64,
    /// The shortest of them.
    pub shortest: Option<Failure>,
}

impl Summary {
    fn fail(&mut self, failure: Failure) {
        self.failed += 1;
        if self.shortest.as_ref().is_none_or(|shortest| failure.size < shortest.size) {
            self.shortest = Some(failure);
        }
    }

    fn merge(&mut self, other: Self) {
        self.counts.add(other.counts);
        let failed = self.failed + other.failed;
        if let Some(shortest) = other.shortest {
            self.fail(shortest);
        }
        self.failed = failed;
    }
}

/// The folder of the model.
pub fn oracle() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "oracle"].iter().collect()
}

/// Replays chains of consecutive seeds, as many processes at a time as there are jobs.
///
/// # Errors
/// A model that does not run: python3 is needed.
pub fn run(chains: u64, seed: u64, jobs: u64) -> Result<Summary, String> {
    let jobs = jobs.max(1);
    let share = |job: u64| chains / jobs + u64::from(job < chains % jobs);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|job| scope.spawn(move || run_one(share(job), seed + job))).collect();
        let mut summary = Summary::default();
        for worker in workers {
            summary.merge(worker.join().map_err(|_| "a worker panicked")??);
        }
        Ok(summary)
    })
}

fn run_one(chains: u64, seed: u64) -> Result<Summary, String> {
    let mut summary = Summary::default();
    cases(chains, seed, |line, case| {
        match replay(&case) {
            Ok(counts) => summary.counts.add(counts),
            Err(message) => {
                let report = format!("{}\n{message}", tell(&case));
                summary.fail(Failure { size: steps(&case), line, report });
            }
        }
        true
    })?;
    Ok(summary)
}

/// Lets the model write cases, and takes each as text and value until `take` wants no more.
///
/// # Errors
/// A model that does not run: python3 is needed.
pub fn cases(chains: u64, seed: u64, mut take: impl FnMut(String, Value) -> bool) -> Result<(), String> {
    let mut command = Command::new("python3");
    command.current_dir(oracle()).args(["-B", "emit.py", &seed.to_string(), &chains.to_string()]).stdout(Stdio::piped());
    let mut model = command.spawn().map_err(|e| format!("the model of the rules needs python3: {e}"))?;
    let output = model.stdout.take().ok_or("the model has no output")?;
    let mut taken = 0;
    for line in BufReader::new(output).lines() {
        let line = line.map_err(|e| e.to_string())?;
        let case = json::parse(line.as_bytes()).map_err(|e| format!("the model wrote {line}: {e}"))?;
        taken += 1;
        if !take(line, case) {
            model.kill().map_err(|e| e.to_string())?;
            return model.wait().map(drop).map_err(|e| e.to_string());
        }
    }
    let status = model.wait().map_err(|e| e.to_string())?;
    if status.success() && taken == chains { Ok(()) } else { Err(format!("the model ended with {status} after {taken} cases")) }
}

fn steps(case: &Value) -> usize {
    let length = |key: &str| case.as_object().and_then(|case| case.get(key)?.as_list()).map_or(0, <[Value]>::len);
    length("steps") + length("events")
}
