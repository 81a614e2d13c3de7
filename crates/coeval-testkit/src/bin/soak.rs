//! Checks the laws on many random chains of operations: `soak --chains N [--seed S] [--jobs J] [--aim AIM]`.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use coeval_core::schema::Model;
use coeval_testkit::laws::generate::{Aim, Counts, play};
use coeval_testkit::laws::run::Failure;
use coeval_testkit::laws::scenario::Scenario;
use coeval_testkit::laws::shrink::{caught, shrink};

/// After so many failures there is enough to look at.
const ENOUGH: usize = 20;

struct Arguments {
    chains: u64,
    seed: u64,
    jobs: u64,
}

#[derive(Default)]
struct Found {
    counts: Counts,
    failures: Vec<(u64, Scenario, Failure)>,
}

fn main() -> ExitCode {
    let mut out = std::io::stdout();
    let Some(arguments) = arguments() else {
        let _ = writeln!(out, "usage: soak --chains N [--seed S] [--jobs J]");
        return ExitCode::from(2);
    };
    // Panics are caught and reported with the scenario; their own message would only be noise.
    std::panic::set_hook(Box::new(|_| {}));
    let start = Instant::now();
    let (next, found) = (AtomicU64::new(0), Mutex::new(Found::default()));
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs {
            scope.spawn(|| work(&arguments, &next, &found, start));
        }
    });
    let found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let _ = report(&mut out, &arguments, &found, start);
    if found.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn arguments() -> Option<Arguments> {
    let mut arguments = Arguments { chains: 100_000, seed: 1, jobs: 2 };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value: u64 = words.next()?.parse().ok()?;
        match word.as_str() {
            "--chains" => arguments.chains = value,
            "--seed" => arguments.seed = value,
            "--jobs" => arguments.jobs = value.max(1),
            _ => return None,
        }
    }
    Some(arguments)
}

fn work(arguments: &Arguments, next: &AtomicU64, found: &Mutex<Found>, start: Instant) {
    let mut counts = Counts::default();
    loop {
        let i = next.fetch_add(1, Ordering::Relaxed);
        if i >= arguments.chains {
            break;
        }
        let seed = arguments.seed.wrapping_mul(0x0100_0000_0000).wrapping_add(i);
        let aim = Aim::ALL[usize::try_from(i % 8).unwrap_or_default() % Aim::ALL.len()];
        let mut scenario = Scenario::new(Model::new("thing"));
        let result = caught(|| play(seed, aim, &mut scenario, &mut counts));
        let mut found = match result {
            Ok(()) if i % 20_000 != 19_999 => continue,
            _ => found.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
        };
        if let Err(failure) = result {
            let _ = writeln!(std::io::stderr(), "seed {seed}, {aim:?}: {}", failure.law);
            found.failures.push((seed, scenario, failure));
            if found.failures.len() >= ENOUGH {
                next.store(arguments.chains, Ordering::Relaxed);
            }
        } else {
            let _ = writeln!(std::io::stderr(), "{} chains, {} failures, {:?}", i + 1, found.failures.len(), start.elapsed());
        }
    }
    found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).counts.add(&counts);
}

fn report(out: &mut impl std::io::Write, arguments: &Arguments, found: &Found, start: Instant) -> std::io::Result<()> {
    let mut laws: Vec<&str> = Vec::new();
    for (seed, scenario, failure) in &found.failures {
        if laws.iter().filter(|law| **law == failure.law).count() >= 2 {
            continue;
        }
        laws.push(failure.law);
        let (scenario, failure) = shrink(scenario, failure.clone());
        writeln!(out, "== seed {seed}: {failure}\n{}", scenario.to_text())?;
    }
    let counts = &found.counts;
    writeln!(out, "operation            applied   refused")?;
    for (name, (applied, refused)) in &counts.operations {
        writeln!(out, "{name:18} {applied:9} {refused:9}")?;
    }
    writeln!(out, "event                  done   refused")?;
    for (name, (done, refused)) in &counts.events {
        writeln!(out, "{name:18} {done:9} {refused:9}")?;
    }
    writeln!(
        out,
        "{} chains, {} versions, {} operations beneath lists and maps, {} reads ({} quarantined), {} values kept at the end",
        counts.chains, counts.versions, counts.beneath, counts.reads.0, counts.reads.1, counts.kept
    )?;
    let failures: Vec<String> = found.failures.iter().map(|(seed, _, failure)| format!("{} ({seed})", failure.law)).collect();
    writeln!(
        out,
        "seed {}, {:.1} s, {} failures {}",
        arguments.seed,
        start.elapsed().as_secs_f64(),
        failures.len(),
        failures.join(" ")
    )
}
