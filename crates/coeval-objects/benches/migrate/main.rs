//! How fast a migration is, beside loops that make the same requests to the same store and do nothing else.
//!
//! `testing/s3 cargo bench -p coeval-objects --bench migrate` prints the tables of `docs/performance.md`; `-- --records N` takes so
//! many, `--rounds N` repeats so often, `--only s3`, `directory` or `memory` does a part. Every variant runs in a process of its own,
//! so that its memory and its time on the processor are its own; the variants take turns, since a shared machine's speed varies.
//! Compare the ratios: each is to the first row's rate in the same round.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::cast_precision_loss, reason = "a measurement prints figures")]

#[path = "../../tests/common/mod.rs"]
mod common;
mod variant;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use coeval_engine::{How, migrate};
use coeval_objects::documents::Documents;
use coeval_store::objects::{Attributes, Condition, MemoryObjects, Objects};
use futures::{StreamExt, TryStreamExt};
use tokio::runtime::Runtime;

use crate::common::books::{book, books, key};
use crate::variant::{Found, open};

/// How many records are under way at once, the program's default.
const CONCURRENCY: usize = 32;

/// A loop that does one after the other does no more than so many.
const SEQUENTIAL: u64 = 2000;

#[derive(Debug)]
struct Asked {
    records: u64,
    rounds: usize,
    only: Option<String>,
    /// How many bytes a record grows by.
    more: usize,
}

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let runtime = Runtime::new().unwrap_or_else(|e| panic!("{e}"));
    if arguments.first().is_some_and(|first| first == "--child") {
        let number = |at: usize| arguments[at].parse().unwrap_or_else(|e| panic!("{}: {e}", arguments[at]));
        let more = usize::try_from(number(4)).unwrap_or_else(|e| panic!("{e}"));
        println!("{}", runtime.block_on(variant::run(&arguments[1], &arguments[2], number(3), more)).line());
        return;
    }
    let mut asked = Asked { records: 10_000, rounds: 5, only: None, more: runtime.block_on(growth()) };
    while let Some(name) = (!arguments.is_empty()).then(|| arguments.remove(0)) {
        assert!(!arguments.is_empty(), "{name} needs a value");
        let value = arguments.remove(0);
        match name.as_str() {
            "--records" => asked.records = value.parse().unwrap_or_else(|e| panic!("{value}: {e}")),
            "--rounds" => asked.rounds = value.parse().unwrap_or_else(|e| panic!("{value}: {e}")),
            "--only" => asked.only = Some(value),
            _ => panic!("there is no option {name}"),
        }
    }
    let wanted = |part: &str| asked.only.as_deref().is_none_or(|only| only == part);
    println!("{} records of {} bytes, written with {} more", asked.records, book(0).len(), asked.more);
    if wanted("s3") {
        s3(&asked, &runtime);
    }
    if wanted("directory") {
        directory(&asked);
    }
    if wanted("memory") {
        memory(&asked);
    }
}

/// Returns by how many bytes a record grows.
async fn growth() -> usize {
    let objects = MemoryObjects::new();
    common::put(&objects, &key(0), &book(0)).await;
    let documents = Documents::open(std::sync::Arc::new(objects.clone()), books()).unwrap_or_else(|e| panic!("{e}"));
    migrate(&documents, None, false, &How::quietly()).await.unwrap_or_else(|e| panic!("{e}"));
    common::text(&objects, &key(0)).await.len() - book(0).len()
}

#[derive(Debug)]
struct Variant {
    name: &'static str,
    kind: &'static str,
}

/// One run of a variant.
#[derive(Debug)]
struct Measured {
    found: Found,
    processor: Duration,
}

/// The time that children spent on the processor, of those that ended.
fn processor() -> Duration {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    // Hundredths of a second, on every Linux.
    Duration::from_millis(10 * (ticks(13) + ticks(14)))
}

/// Runs a variant in a process of its own.
fn measure(variant: &Variant, store: &str, count: u64, more: usize) -> Measured {
    let before = processor();
    let program = std::env::current_exe().unwrap_or_else(|e| panic!("{e}"));
    let output = Command::new(program)
        .args(["--child", variant.kind, store, &count.to_string(), &more.to_string()])
        .stderr(std::process::Stdio::inherit())
        .output()
        .unwrap_or_else(|e| panic!("{e}"));
    let text = String::from_utf8_lossy(&output.stdout);
    let found = Found::read(&text).unwrap_or_else(|| panic!("{}: {text}", variant.name));
    eprintln!(
        "{}: {:.2} s ({:.2} s for {} records)",
        variant.name,
        found.whole.as_secs_f64(),
        found.records.as_secs_f64(),
        found.seen
    );
    Measured { found, processor: processor().saturating_sub(before) }
}

fn s3(asked: &Asked, runtime: &Runtime) {
    let variants = [
        Variant { name: "loop, conditional writes", kind: "raw" },
        Variant { name: "migration", kind: "migrate" },
        Variant { name: "loop, unconditional writes", kind: "raw-blind" },
        Variant { name: "one after the other", kind: "sequential" },
    ];
    let store = format!("s3:bench-{}", std::process::id());
    let objects = open(&store);
    let mut runs: Vec<Vec<Measured>> = variants.iter().map(|_| Vec::new()).collect();
    for _ in 0..asked.rounds {
        for (variant, runs) in variants.iter().zip(&mut runs) {
            runtime.block_on(fill(&*objects, asked.records));
            runs.push(measure(variant, &store, SEQUENTIAL.min(asked.records), asked.more));
        }
    }
    println!("\nS3\n");
    table(&runs, &variants.map(|variant| variant.name));
}

/// Puts all books back to version 1, and forgets every run.
async fn fill(objects: &dyn Objects, records: u64) {
    let (none, failed) = (Attributes::default(), |e| panic!("{e}"));
    let noted: Vec<String> =
        objects.list("_coeval/", None).map_ok(|listed| listed.key).try_collect().await.unwrap_or_else(failed);
    for key in noted {
        objects.delete(&key, &Condition::None).await.unwrap_or_else(|e| panic!("{e}"));
    }
    let each = futures::stream::iter(0..records).map(async |number| {
        objects.put(&key(number), book(number).into(), &none, &Condition::None).await.unwrap_or_else(|e| panic!("{e}"));
    });
    each.buffer_unordered(CONCURRENCY).collect::<()>().await;
}

fn directory(asked: &Asked) {
    let variants = [
        Variant { name: "`cp -r`", kind: "cp" },
        Variant { name: "migration", kind: "migrate" },
        Variant { name: "loop over the store", kind: "raw" },
        Variant { name: "threads: rename", kind: "rename" },
        Variant { name: "threads: fsync, rename", kind: "sync" },
        Variant { name: "threads: fsync, rename, fsync of the folder", kind: "sync-folder" },
    ];
    let mut runs: Vec<Vec<Measured>> = variants.iter().map(|_| Vec::new()).collect();
    for _ in 0..asked.rounds {
        for (variant, runs) in variants.iter().zip(&mut runs) {
            let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
            let root = folder.path().join("store");
            fs::create_dir_all(root.join("book")).unwrap_or_else(|e| panic!("{e}"));
            for number in 0..asked.records {
                fs::write(root.join(key(number)), book(number)).unwrap_or_else(|e| panic!("{e}"));
            }
            // What is not on the disk yet would have to go there with the first that is flushed.
            Command::new("sync").arg("-f").arg(&root).status().unwrap_or_else(|e| panic!("{e}"));
            runs.push(match variant.kind {
                "cp" => copy(&root, &folder.path().join("copy"), asked.records),
                _ => measure(variant, &format!("file:{}", root.display()), asked.records, asked.more),
            });
        }
    }
    println!("\nA directory\n");
    table(&runs, &variants.map(|variant| variant.name));
}

/// A million records, which no store needs to hold: what is measured is ours.
fn memory(asked: &Asked) {
    let variants = [
        Variant { name: "all are written", kind: "made-up" },
        Variant { name: "none is: they are at the newest version", kind: "arrived" },
    ];
    let runs: Vec<Vec<Measured>> = variants.iter().map(|variant| vec![measure(variant, "-", 1_000_000, asked.more)]).collect();
    println!("\n1,000,000 records, made up when they are read and forgotten when they are written\n");
    table(&runs, &variants.map(|variant| variant.name));
    assert!(runs.iter().flatten().all(|run| run.found.peak < 200 << 10), "more than 200 MiB");
}

fn copy(from: &Path, to: &Path, records: u64) -> Measured {
    let (before, begun) = (processor(), Instant::now());
    let status = Command::new("cp").arg("-r").args([from, to]).status().unwrap_or_else(|e| panic!("{e}"));
    assert!(status.success(), "cp: {status}");
    let whole = begun.elapsed();
    eprintln!("cp: {:.2} s", whole.as_secs_f64());
    Measured { found: Found { whole, records: whole, seen: records, peak: 0 }, processor: processor().saturating_sub(before) }
}

/// Prints a row for each variant: its rates, what they are to the first one's, and what it took.
fn table(runs: &[Vec<Measured>], names: &[&str]) {
    let rate = |run: &Measured, time: Duration| run.found.seen as f64 / time.as_secs_f64();
    println!(
        "| | records/s, whole run | records/s, records alone | × the first, whole (min, median, max) | × the first, records | ms of processor a record | peak MiB |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (name, of) in names.iter().zip(runs) {
        let whole = spread(of.iter().map(|run| rate(run, run.found.whole)));
        let alone = spread(of.iter().map(|run| rate(run, run.found.records)));
        let pairs = || of.iter().zip(&runs[0]);
        let ratio = spread(pairs().map(|(run, first)| rate(run, run.found.whole) / rate(first, first.found.whole)));
        let ratio_alone = spread(pairs().map(|(run, first)| rate(run, run.found.records) / rate(first, first.found.records)));
        let processor = spread(of.iter().map(|run| run.processor.as_secs_f64() * 1e3 / run.found.seen as f64))[1];
        let peak = of.iter().map(|run| run.found.peak).max().unwrap_or(0) as f64 / 1024.0;
        let ratios = |[low, median, high]: [f64; 3]| format!("{low:.2}, **{median:.2}**, {high:.2}");
        println!(
            "| {name} | {:.0} | {:.0} | {} | {} | {processor:.3} | {peak:.0} |",
            whole[1],
            alone[1],
            ratios(ratio),
            ratios(ratio_alone)
        );
    }
}

/// Returns the least, the median and the most.
fn spread(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    [values[0], values[values.len() / 2], values[values.len() - 1]]
}
