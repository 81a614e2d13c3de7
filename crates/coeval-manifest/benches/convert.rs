//! How fast documents convert, beside what parsing and copying the same bytes costs in the same run.
//!
//! `cargo bench -p coeval-manifest` prints the table of `docs/performance.md`. Times of a shared machine vary; the last column,
//! a ratio within this run, is the one to compare.

#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a measurement prints figures"
)]

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use coeval_core::history::{History, Release};
use coeval_core::lens::Stored;
use coeval_core::op::{Context, Operation, Rewrites};
use coeval_core::schema::no_shared_types;
use coeval_core::table::{Table, Tables};
use coeval_core::{Model, Value, json};
use coeval_manifest::{Manifest, Source};

/// The median seconds of one call, over rounds of at least a few milliseconds each.
fn measure(mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    call();
    let once = start.elapsed().as_secs_f64().max(1e-9);
    let calls = ((0.02 / once) as u32).clamp(1, 1_000_000);
    let mut rounds: Vec<f64> = (0..15)
        .map(|_| {
            let start = Instant::now();
            (0..calls).for_each(|_| call());
            start.elapsed().as_secs_f64() / f64::from(calls)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

struct Report {
    rows: String,
}

impl Report {
    /// Adds a row: what it is, how many bytes and documents a call takes, and the yardstick's seconds.
    fn row(&mut self, what: &str, bytes: usize, documents: usize, seconds: f64, yardstick: f64) {
        let rate = bytes as f64 / seconds / 1e6;
        let each = seconds / documents as f64 * 1e6;
        let _ = writeln!(self.rows, "| {what} | {each:.2} | {rate:.1} | {:.2} |", seconds / yardstick);
    }

    fn heading(&mut self, title: &str) {
        let _ = write!(self.rows, "\n{title}\n\n| | µs a document | MB/s | × serde_json |\n|---|---|---|---|\n");
    }
}

fn parse(text: &str) -> Value {
    json::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/world-countries")
}

fn text(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn release(name: &str) -> Vec<String> {
    let packed = fs::read(folder().join(format!("data/{name}.jsonl.zst"))).unwrap_or_else(|e| panic!("{name}: {e}"));
    let plain = zstd::decode_all(packed.as_slice()).unwrap_or_else(|e| panic!("{name}: {e}"));
    String::from_utf8_lossy(&plain).lines().map(str::to_owned).collect()
}

/// Text in, text out: what `convert` does with a document.
fn convert(history: &History, line: &str, from: u32, to: u32) -> String {
    let stored = Stored::from_value(parse(line), from).unwrap_or_else(|e| panic!("{e}"));
    history.migrate(&stored, to).unwrap_or_else(|e| panic!("{e}")).to_value(false).to_string()
}

/// What reading and writing the same documents costs with a general parser, and copying them with none.
fn yardsticks(report: &mut Report, lines: &[String]) -> f64 {
    let bytes = lines.iter().map(String::len).sum();
    let serde = measure(|| {
        for line in lines {
            let value: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
            black_box(value.to_string());
        }
    });
    let copy = measure(|| {
        for line in lines {
            black_box(black_box(line.as_bytes()).to_vec());
        }
    });
    let own = measure(|| {
        for line in lines {
            black_box(parse(line).to_string());
        }
    });
    report.row("copy (`memcpy`)", bytes, lines.len(), copy, serde);
    report.row("parse and write, `serde_json::Value`", bytes, lines.len(), serde, serde);
    report.row("parse and write, coeval's JSON", bytes, lines.len(), own, serde);
    serde
}

fn world(report: &mut Report) {
    let tables: Tables = ["countries", "currencies", "language_names", "languages"]
        .iter()
        .filter_map(|name| Table::from_value(name, &parse(&text(&format!("tables/{name}.json")))).ok())
        .collect();
    let context = Context { tables: &tables, rewrites: &Rewrites::new() };
    let yaml = text("models/country.yaml");
    let load = || {
        let files = vec![("models/country.yaml".to_owned(), yaml.clone().into_bytes())];
        Manifest::load(&Source::new("coeval.yaml", text("coeval.yaml")), files, None).unwrap_or_else(|e| panic!("{e:?}"))
    };
    let manifest = load();
    let life = manifest.model("country").unwrap_or_else(|e| panic!("{e:?}")).lives().remove(0);
    let fold = || History::new(life.first, life.model.clone(), &life.releases, &context).unwrap_or_else(|e| panic!("{e}"));
    let history = fold();
    let (old, new) = (release("1.4.0"), release("5.1.0"));
    for (lines, title, ways) in
        [(&old, "Documents of 1.4.0 (251, up)", [(1, 2), (1, 9)]), (&new, "Documents of 5.1.0 (250, down)", [(9, 8), (9, 1)])]
    {
        report.heading(title);
        let serde = yardsticks(report, lines);
        let bytes = lines.iter().map(String::len).sum();
        for (from, to) in ways {
            let seconds = measure(|| {
                for line in lines {
                    black_box(convert(&history, line, from, to));
                }
            });
            report.row(&format!("convert {from} → {to}"), bytes, lines.len(), seconds, serde);
            let read = measure(|| {
                for line in lines {
                    let stored = Stored::from_value(parse(line), from).unwrap_or_else(|e| panic!("{e}"));
                    black_box(history.read(&stored, to).unwrap_or_else(|e| panic!("{e}")).to_string());
                }
            });
            report.row(&format!("read at {to} what is stored at {from}"), bytes, lines.len(), read, serde);
        }
    }
    let loaded = measure(|| drop(black_box(load().model("country").map(drop))));
    let folded = measure(|| drop(black_box(fold())));
    let _ = write!(
        report.rows,
        "\nLoading the manifest (YAML, digests, changes against operations): {:.2} ms. Folding its 29 operations: {:.2} ms.\n",
        loaded * 1e3,
        folded * 1e3
    );
}

/// A record of 902 bytes with one addition and then many renames of the same property.
fn renames(report: &mut Report) {
    let properties = ["id", "title", "author", "publisher", "language", "subject", "abstract", "notes", "state"];
    let width = |name: &str| if name == "abstract" { 536 } else { 32 };
    let fields: Vec<String> = properties.iter().map(|name| format!("\"{name}\":\"{}\"", "x".repeat(width(name)))).collect();
    let record = format!("{{{}}}", fields.join(","));
    assert_eq!(record.len(), 902, "the record is the one that other systems were measured with");
    let declared: Vec<String> =
        properties.iter().map(|name| format!("\"{name}\":{{\"type\":\"string\",\"required\":true}}")).collect();
    let model = parse(&format!("{{\"type\":\"model\",\"name\":\"book\",\"properties\":{{{}}}}}", declared.join(",")));
    let model = Model::from_value(&model, &no_shared_types).unwrap_or_else(|e| panic!("{e}"));
    let lines = vec![record];
    report.heading("A record of 902 bytes: one addition, then so many versions with a rename each");
    let serde = yardsticks(report, &lines);
    let bytes = lines[0].len();
    let (tables, rewrites) = (Tables::new(), Rewrites::new());
    let context = Context { tables: &tables, rewrites: &rewrites };
    for count in [1_u32, 10, 100, 1000] {
        let history = history_of_renames(count, &model, &context);
        let newest = history.newest();
        black_box(convert(&history, &lines[0], 1, newest));
        let seconds = measure(|| drop(black_box(convert(&history, &lines[0], 1, newest))));
        report.row(&format!("convert across {count} renames"), bytes, 1, seconds, serde);
        let fold = measure(|| drop(black_box(history_of_renames(count, &model, &context))));
        let _ = writeln!(report.rows, "| (folding that history: {:.2} ms) | | | |", fold * 1e3);
    }
}

fn history_of_renames(count: u32, model: &Model, context: &Context<'_>) -> History {
    let operation = |text: String| Operation::from_value(&parse(&text)).unwrap_or_else(|e| panic!("{e}"));
    let add = r#"{"add_property": {"path": "edition", "schema": {"type": "integer", "required": true}, "value": "1"}}"#;
    let mut releases = vec![Release { version: 2, operations: vec![operation(add.to_owned())], order: None }];
    let mut name = "title".to_owned();
    for i in 0..count {
        let to = format!("title{i}");
        let rename = format!("{{\"rename_property\": {{\"from\": \"{name}\", \"to\": \"{to}\"}}}}");
        releases.push(Release { version: 3 + i, operations: vec![operation(rename)], order: None });
        name = to;
    }
    History::new(1, model.clone(), &releases, context).unwrap_or_else(|e| panic!("{e}"))
}

fn main() {
    let mut report = Report { rows: String::new() };
    world(&mut report);
    renames(&mut report);
    println!("{}", report.rows);
}
