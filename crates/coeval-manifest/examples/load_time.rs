//! Measures how long manifests take to load: `cargo run --release -p coeval-manifest --example load_time`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use coeval_core::{Object, Value, json};
use coeval_manifest::yaml::emit;
use coeval_manifest::{Manifest, Source, frozen};

/// A version's document: what `freeze` would write for these changes and operations.
fn version(number: usize, changes: &str, operations: &str) -> String {
    let id = |n: usize| format!("0194e5c8-7d1c-7a80-b2c1-{n:012}");
    let parents = if number > 1 { vec![Value::from(id(number - 1))] } else { Vec::new() };
    let parse = |text: &str| json::parse(text.as_bytes()).unwrap_or(Value::Null);
    let header = Object::from_iter([
        ("id".into(), id(number).into()),
        ("number".into(), i64::try_from(number).unwrap_or_default().into()),
        ("date".into(), "2026-11-21T10:00:00Z".into()),
        ("parents".into(), Value::List(parents)),
        ("message".into(), format!("change {number}").into()),
    ]);
    let mut document = Object::new();
    document.insert("version", header.into());
    document.insert("changes", parse(changes));
    document.insert("operations", parse(operations));
    let digest = frozen::digest(&document.clone().into());
    if let Some(Value::Object(header)) = document.get_mut("version") {
        header.insert("digest", digest.into());
    }
    emit::document(&document, &["version", "order"])
}

/// A model's file: a draft, and versions that each add, rename, remove or retype a property in turn.
fn model(name: &str, versions: usize) -> String {
    let mut out = format!("type: model\nname: {name}\nkey: [id]\nproperties:\n  id: {{type: string, required: true}}\n");
    let first = format!(
        r#"[{{"op":"add","path":"/type","value":"model"}},{{"op":"add","path":"/name","value":"{name}"}},{{"op":"add","path":"/key","value":["id"]}},{{"op":"add","path":"/properties","value":{{"id":{{"type":"string","required":true}}}}}}]"#
    );
    let _ = write!(out, "---\n{}", version(1, &first, r#"[{"add_model":{}}]"#));
    for n in 2..=versions {
        let schema = r#"{"type":"string","required":true,"default":"medium"}"#;
        let (changes, operations) = match n % 5 {
            0 => (
                format!(r#"[{{"op":"move","from":"/properties/p{}","path":"/properties/q{}"}}]"#, n - 1, n - 1),
                format!(r#"[{{"rename_property":{{"from":"p{}","to":"q{}"}}}}]"#, n - 1, n - 1),
            ),
            1 if n > 5 => (
                format!(r#"[{{"op":"replace","path":"/properties/q{}","value":{{"type":"integer"}}}}]"#, n - 2),
                format!(
                    r#"[{{"retype_property":{{"path":"q{0}","schema":{{"type":"integer"}},"up":"cast(q{0} as integer)","down":"cast(q{0} as string)","on_fail":"quarantine"}}}}]"#,
                    n - 2
                ),
            ),
            _ => (
                format!(r#"[{{"op":"add","path":"/properties/p{n}","value":{schema}}}]"#),
                format!(r#"[{{"add_property":{{"path":"p{n}","schema":{schema},"value":"'medium'"}}}}]"#),
            ),
        };
        let _ = write!(out, "---\n{}", version(n, &changes, &operations));
    }
    out
}

fn files(models: usize, versions: usize) -> Vec<(String, Vec<u8>)> {
    (0..models).map(|i| (format!("models/m{i}.yaml"), model(&format!("m{i}"), versions).into_bytes())).collect()
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = |name: &str| status.lines().find_map(|l| l.strip_prefix(name)).unwrap_or(" ?").trim().to_owned();
    format!("now {}, peak {}", line("VmRSS:"), line("VmHWM:"))
}

#[allow(clippy::print_stdout, clippy::unwrap_used, clippy::cast_precision_loss, reason = "a measurement for people")]
fn main() {
    let config = Source::new("coeval.yaml", "name: bench\n");
    for (models, versions) in [(1, 1000), (1000, 100)] {
        let files = files(models, versions);
        let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
        println!("{models} models x {versions} versions, {:.1} MB", bytes as f64 / 1e6);
        let start = Instant::now();
        let mut events = 0;
        for (_, bytes) in &files {
            let text = std::str::from_utf8(bytes).unwrap();
            for part in coeval_manifest::yaml::split(text) {
                events += usize::from(coeval_manifest::yaml::parse(text, part.span).is_ok());
            }
        }
        println!("  YAML alone        {:>8.1?}  {events} documents", start.elapsed());
        let input = files.clone();
        let start = Instant::now();
        let manifest = Manifest::load(&config, input, None).map_err(|e| e[0].render(false)).unwrap();
        let opened = start.elapsed();
        let head = manifest.model("m0").map(|h| h.versions.len()).unwrap();
        println!("  one model         {:>8.1?}  of it opening {opened:.1?}; {head} versions", start.elapsed());
        drop(manifest);
        let input = files.clone();
        println!("  memory before     {}", memory());
        let start = Instant::now();
        let manifest = Manifest::load(&config, input, Some(Box::new(|_| None))).map_err(|e| e[0].render(false)).unwrap();
        let found = manifest.check();
        println!("  all, first time   {:>8.1?}  {} findings", start.elapsed(), found.len());
        if let Some(found) = found.first() {
            println!("{}", found.render(false));
        }
        let kept: HashMap<String, Vec<u8>> = manifest.fresh().map(|(k, v)| (k.to_owned(), v.to_vec())).collect();
        let size: usize = kept.values().map(Vec::len).sum();
        println!("  memory            {}; cache {:.1} MB", memory(), size as f64 / 1e6);
        drop(manifest);
        let kept = Arc::new(kept);
        let cache = Arc::clone(&kept);
        let start = Instant::now();
        let manifest = Manifest::load(&config, files, Some(Box::new(move |key| cache.get(key).cloned())))
            .map_err(|e| e[0].render(false))
            .unwrap();
        let found = manifest.check();
        println!("  all, next time    {:>8.1?}  {} findings", start.elapsed(), found.len());
        assert_eq!(manifest.fresh().count(), 0);
    }
}
