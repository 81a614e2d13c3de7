//! Nine real releases of a data set as nine versions: `examples/world-countries`, read and written at all of them.
//!
//! `cargo test -p coeval-manifest --test world_countries -- --nocapture` prints the tables of the example's README.

#![allow(clippy::print_stdout, reason = "prints the tables of the example's README")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::OnceLock;

use coeval_core::Value;
use coeval_core::json;
use coeval_core::lens::Stored;
use coeval_testkit::world_countries::{RELEASES, World, folder, load};

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(load)
}

fn parse(text: &str) -> Value {
    json::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn version(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX) + 1
}

fn stored(line: &str, index: usize) -> Stored {
    Stored::from_value(parse(line), version(index)).unwrap_or_else(|e| panic!("{e}: {line}"))
}

/// The README holds what the tests print, so that nobody has to believe it.
fn assert_in_readme(table: &str) {
    println!("{table}");
    let readme = fs::read_to_string(folder().join("README.md")).unwrap_or_default();
    assert!(readme.contains(table.trim()), "the README of the example does not hold this table:\n{table}");
}

#[test]
fn documents_are_valid_at_their_own_version_only() {
    let world = world();
    let mut table = String::from("| release | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 |\n|---|---|---|---|---|---|---|---|---|---|\n");
    for (i, lines) in world.releases.iter().enumerate() {
        let _ = write!(table, "| {} |", RELEASES[i]);
        for j in 0..9 {
            let model = world.history.model(version(j)).unwrap_or_else(|| panic!("no version {j}"));
            let valid = lines.iter().filter(|line| model.violations(&parse(line)).is_empty()).count();
            let _ = write!(table, " {valid} |");
            assert_eq!(valid, if i == j { lines.len() } else { 0 }, "{} at version {}", RELEASES[i], j + 1);
        }
        table.push('\n');
    }
    assert_in_readme(&table);
}

#[test]
fn every_document_comes_back_from_every_version_byte_for_byte() {
    let world = world();
    let mut trips = 0;
    for (i, lines) in world.releases.iter().enumerate() {
        for j in 0..9 {
            for line in lines {
                let there = world.history.migrate(&stored(line, i), version(j)).unwrap_or_else(|e| panic!("{line}: {e}"));
                let text = there.to_value(false).to_string();
                let back = world.history.migrate(&stored(&text, j), version(i)).unwrap_or_else(|e| panic!("{text}: {e}"));
                assert_eq!(back.to_value(false).to_string(), *line, "{} by way of version {}", RELEASES[i], j + 1);
                let model = world.history.model(version(j)).unwrap_or_else(|| panic!("no version {j}"));
                assert_eq!(model.violations(&there.document), [], "{} at version {}", RELEASES[i], j + 1);
                trips += 1;
            }
        }
    }
    println!("{trips} round trips over 81 pairs of versions");
    assert_eq!(trips, 9 * world.releases.iter().map(Vec::len).sum::<usize>());
}

/// What is compared: parts of a document by path, where `{}` stands for every entry that both sides have.
const PARTS: [&str; 44] = [
    "cca2",
    "cca3",
    "ccn3",
    "cioc",
    "name.common",
    "name.official",
    "name.native.common",
    "name.native.official",
    "name.native{}.common",
    "name.native{}.official",
    "tld",
    "independent",
    "status",
    "unMember",
    "unRegionalGroup",
    "currency",
    "currencies",
    "currencies{}",
    "callingCode",
    "idd",
    "idd.root",
    "idd.suffixes",
    "capital",
    "altSpellings",
    "relevance",
    "region",
    "subregion",
    "language",
    "languageCodes",
    "nativeLanguage",
    "languages",
    "languages{}",
    "translations",
    "translations{}.common",
    "translations{}.official",
    "latlng",
    "demonym",
    "demonyms",
    "demonyms.eng",
    "landlocked",
    "borders",
    "area",
    "flag",
    "nativeName",
];

/// The values at a path, each with the keys of maps on its way; nothing where the path does not lead.
fn parts(value: &Value, path: &[&str], keys: &str, out: &mut BTreeMap<String, Value>) {
    let Some((first, rest)) = path.split_first() else {
        out.insert(keys.to_owned(), value.clone());
        return;
    };
    let Some(object) = value.as_object() else { return };
    if *first == "{}" {
        for (key, value) in object {
            parts(value, rest, &format!("{keys}/{}", key.as_str()), out);
        }
    } else if let Some(value) = object.get(first) {
        parts(value, rest, keys, out);
    }
}

/// The documents of a release as a version reads them, by country.
fn read_all(release: usize, at: usize) -> BTreeMap<String, Value> {
    let world = world();
    let read = |line: &String| world.history.read(&stored(line, release), version(at)).unwrap_or_else(|e| panic!("{line}: {e}"));
    let key = |value: &Value| value.as_object().and_then(|o| o.get("cca3")?.as_str().map(str::to_owned)).unwrap_or_default();
    world.releases[release].iter().map(read).map(|value| (key(&value), value)).collect()
}

/// For each part, how many values agree between an older release read at a version and what was published there, of how many.
fn agreement(from: usize, to: usize) -> Vec<(usize, usize)> {
    let (read, published) = (read_all(from, to), read_all(to, to));
    let mut counts = vec![(0, 0); PARTS.len()];
    for (country, ours) in &read {
        let Some(theirs) = published.get(country) else { continue };
        for (part, (equal, all)) in PARTS.iter().zip(&mut counts) {
            let path: Vec<&str> = part.split('.').flat_map(|p| p.strip_suffix("{}").map_or(vec![p], |p| vec![p, "{}"])).collect();
            let (mut a, mut b) = (BTreeMap::new(), BTreeMap::new());
            parts(ours, &path, "", &mut a);
            parts(theirs, &path, "", &mut b);
            *all += a.keys().filter(|key| b.contains_key(*key)).count();
            *equal += a.iter().filter(|(key, value)| b.get(*key) == Some(value)).count();
        }
    }
    counts
}

#[test]
fn what_is_converted_agrees_with_what_was_published() {
    let mut steps: Vec<Vec<(usize, usize)>> = (0..8).map(|i| agreement(i, i + 1)).collect();
    steps.push(agreement(0, 8));
    let mut table = String::from(
        "| part | → 1.6 | → 1.7 | → 1.8 | → 2.0 | → 3.0 | → 4.0 | → 5.0 | → 5.1 | 1.4 → 5.1 |\n|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (i, part) in PARTS.iter().enumerate().filter(|(i, _)| steps.iter().any(|step| step[*i].1 > 0)) {
        let _ = write!(table, "| {part} |");
        for step in &steps {
            match step[i] {
                (_, 0) => table.push_str("  |"),
                (equal, all) => {
                    // Rounded down: 100.0 means all of them.
                    let permille = equal * 1000 / all;
                    let _ = write!(table, " {}.{} |", permille / 10, permille % 10);
                }
            }
        }
        table.push('\n');
    }
    assert_in_readme(&table);
    let share = |part: &str| PARTS.iter().position(|p| *p == part).map_or(0, |i| steps[8][i].0 * 100 / steps[8][i].1);
    for (part, least) in [
        ("cca2", 100),
        ("ccn3", 100),
        ("name.common", 97),
        ("capital", 98),
        ("idd", 95),
        ("currencies{}", 97),
        ("languages{}", 99),
        ("translations{}.common", 95),
        ("demonyms.eng", 93),
        ("borders", 93),
        ("flag", 99),
    ] {
        assert!(share(part) >= least, "{part}: {} % of 1.4 agree with 5.1", share(part));
    }
}

#[test]
fn edits_between_conversions_survive() {
    let history = &world().history;
    let line =
        world().releases[0].iter().find(|line| line.contains("\"cca3\":\"AUS\"")).unwrap_or_else(|| panic!("no Australia"));
    let change = |stored: &Stored, version: u32, name: &str, value: Value| {
        let mut document = history.read(stored, version).unwrap_or_else(|e| panic!("{e}"));
        if let Value::Object(object) = &mut document {
            object.insert(name, value);
        }
        history.put(stored, version, &document).unwrap_or_else(|e| panic!("{e}")).unwrap_or_else(|| panic!("a change is written"))
    };
    let record = stored(line, 0);
    let record = history.migrate(&record, 5).unwrap_or_else(|e| panic!("{e}"));
    let record = change(&record, 2, "capital", "Sydney".into());
    let record = history.migrate(&record, 7).unwrap_or_else(|e| panic!("{e}"));
    let record = change(&record, 9, "currencies", parse(r#"{"AUX":{"name":"Austral","symbol":"₳"}}"#));
    let mut table = String::from("| version | capital | currency |\n|---|---|---|\n");
    for v in 1..=9 {
        let read = history.read(&record, v).unwrap_or_else(|e| panic!("version {v}: {e}"));
        let read = read.as_object().cloned().unwrap_or_default();
        let currency = read.get("currencies").or(read.get("currency")).cloned().unwrap_or(Value::Null);
        let capital = read.get("capital").cloned().unwrap_or(Value::Null);
        let _ = writeln!(table, "| {v} | `{capital}` | `{currency}` |");
        assert_eq!(capital, parse(if v < 5 { "\"Sydney\"" } else { "[\"Sydney\"]" }), "version {v}");
        let expected = if v < 6 { r#"["AUX"]"# } else { r#"{"AUX":{"name":"Austral","symbol":"₳"}}"# };
        assert_eq!(currency, parse(expected), "version {v}");
    }
    assert_in_readme(&table);
}
