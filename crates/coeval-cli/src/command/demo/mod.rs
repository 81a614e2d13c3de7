//! `coeval demo`: what coeval does, shown on real data in half a minute.

mod example;
mod store;

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use coeval_core::history::History;
use coeval_core::json::{self, Style};
use coeval_core::lens::Stored;
use coeval_core::{Object, Value};
use coeval_manifest::Diagnostic;

use example::{EXAMPLE, Edit, Example, File};

use crate::error::{CommandError, Kind, Outcome, Result};
use crate::record::convert::Converter;
use crate::ui::{Ui, number};
use crate::workspace::Workspace;

/// Shows on real data what coeval does, and leaves the files to play with
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder to write to, which must not be there [default: a new one among the temporary files]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Convert at most so many records of each release
    #[arg(long, value_name = "N", default_value_t = usize::MAX, hide_default_value = true)]
    records: usize,
}

/// How wide a line of the demonstration may be.
const WIDTH: usize = 110;

/// Writes the example, converts it, and tells what happened.
pub(super) fn run(args: &Args, ui: &mut Ui) -> Result<Outcome> {
    let dir = folder(args.dir.as_deref())?;
    write(&dir, EXAMPLE.manifest.iter().chain(EXAMPLE.releases))?;
    store_to_play(&dir)?;
    let workspace = Workspace::open(Some(&dir), ui)?;
    let head = workspace.head();
    let file = workspace.model(Some(EXAMPLE.model))?;
    let era = workspace.era(file, &[1, head])?;
    let releases = EXAMPLE.releases.iter().map(unpacked).collect::<Result<Vec<_>>>()?;
    ui.say(&ui.paint("1", &format!("{}: {}", EXAMPLE.model, EXAMPLE.about)))?;
    there_and_back(&era.history, &releases, args.records, ui)?;
    let lines: Vec<Vec<&str>> = releases.iter().map(|text| text.lines().take(args.records).collect()).collect();
    store::run(&dir.join("releases"), &workspace, file, &lines, ui)?;
    let record = find(&EXAMPLE, &releases)?;
    let stored = Stored::plain(head, record);
    shown(&era.history, &stored, ui)?;
    for edit in EXAMPLE.edits {
        edited(&era.history, &stored, edit, head, ui)?;
    }
    next(&dir, ui)?;
    ui.field("dir", dir.display().to_string().as_str());
    Ok(Outcome::Done)
}

fn folder(wanted: Option<&Path>) -> Result<PathBuf> {
    let Some(dir) = wanted else {
        let folder = tempfile::Builder::new().prefix("coeval-demo-").tempdir();
        return folder.map(tempfile::TempDir::keep).map_err(|e| CommandError::io("the folder of temporary files", &e));
    };
    if dir.exists() {
        let diagnostic = Diagnostic::error("exists", format!("{} is there already", dir.display()));
        return Err(CommandError::new(Kind::Refused, diagnostic.help("name a folder that is not; nothing was written")));
    }
    Ok(dir.to_owned())
}

fn write<'a>(dir: &Path, files: impl Iterator<Item = &'a File>) -> Result<()> {
    for (path, bytes) in files {
        let path = dir.join(path);
        let fail = |e: std::io::Error| CommandError::io(&path.display().to_string(), &e);
        fs::create_dir_all(path.parent().unwrap_or(dir)).map_err(fail)?;
        fs::write(&path, bytes).map_err(fail)?;
    }
    Ok(())
}

/// Leaves a store: a folder that the manifest names, with the oldest release in it, an object a record.
fn store_to_play(dir: &Path) -> Result<()> {
    let fail = |path: &Path, e: &std::io::Error| CommandError::io(&path.display().to_string(), e);
    let config = dir.join("coeval.yaml");
    let text = fs::read_to_string(&config).map_err(|e| fail(&config, &e))?;
    fs::write(&config, format!("{text}backends: {{default: \"file:store\"}}\n")).map_err(|e| fail(&config, &e))?;
    let folder = dir.join("store").join(EXAMPLE.model);
    fs::create_dir_all(&folder).map_err(|e| fail(&folder, &e))?;
    let Some(oldest) = EXAMPLE.releases.first() else { return Ok(()) };
    for line in unpacked(oldest)?.lines() {
        let record = json::parse(line.as_bytes()).ok();
        let name = record.as_ref().and_then(|record| record.as_object()?.get(EXAMPLE.record.0)?.as_str());
        let path = folder.join(format!("{}.json", name.unwrap_or_default()));
        fs::write(&path, line).map_err(|e| fail(&path, &e))?;
    }
    Ok(())
}

fn unpacked((path, bytes): &File) -> Result<String> {
    let text = zstd::decode_all(*bytes).map_err(|e| CommandError::io(path, &e))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Converts every release to every version and back, and compares bytes.
fn there_and_back(history: &History, releases: &[String], records: usize, ui: &mut Ui) -> Result<()> {
    let start = Instant::now();
    let versions = u32::try_from(releases.len()).unwrap_or(u32::MAX);
    let pairs: Vec<(u32, u32)> = (1..=versions).flat_map(|from| (1..=versions).map(move |to| (from, to))).collect();
    let (next, same, different) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        while let Some((from, to)) = pairs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let there = Converter { history, from: Some(*from), to: *to, head: versions, keep: true };
            let back = Converter { from: Some(*to), to: *from, ..there };
            for line in releases[*from as usize - 1].lines().take(records) {
                let returned = there.convert(line.as_bytes()).and_then(|moved| back.convert(moved.as_bytes()));
                let counter = if returned.is_ok_and(|returned| returned == line) { &same } else { &different };
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
    });
    let (same, different) = (same.into_inner(), different.into_inner());
    let seconds = start.elapsed().as_secs_f64();
    ui.field("pairs", number(pairs.len()));
    ui.field("records", number(same + different));
    ui.field("same", number(same));
    ui.say(&format!(
        "Every release was converted to every version and back: {} pairs, {} records in {seconds:.1} s.",
        pairs.len(),
        same + different
    ))?;
    if different == 0 {
        return ui.say("Each came back byte for byte.");
    }
    let diagnostic = Diagnostic::error("not-the-same", format!("{different} records did not come back byte for byte"));
    Err(CommandError::new(Kind::Failed, diagnostic.help("this is a fault of coeval; please report it")))
}

/// The record of the newest release that the demonstration looks at.
fn find(example: &Example, releases: &[String]) -> Result<Value> {
    let (property, wanted) = example.record;
    let newest = releases.last().map(String::as_str).unwrap_or_default();
    let records = newest.lines().filter_map(|line| json::parse(line.as_bytes()).ok());
    let mut found = records.filter(|r| r.as_object().and_then(|o| o.get(property)?.as_str()) == Some(wanted));
    let none = || CommandError::new(Kind::Failed, Diagnostic::error("internal", format!("the example has no record {wanted}")));
    found.next().ok_or_else(none)
}

fn refused(refused: &coeval_core::lens::Refused) -> CommandError {
    CommandError::new(Kind::Failed, Diagnostic::error("internal", refused.to_string()))
}

fn shown(history: &History, stored: &Stored, ui: &mut Ui) -> Result<()> {
    ui.say(&format!("\n{} as clients of three versions read it, in part:", EXAMPLE.record.1))?;
    for version in EXAMPLE.shown_at {
        let read = history.read(stored, *version).map_err(|e| refused(&e))?;
        let part = part(&read, EXAMPLE.shown);
        ui.say(&format!("  {version}  {}", clipped(&part)))?;
    }
    Ok(())
}

/// Writes as a client of one version, and reads as clients of all.
fn edited(history: &History, stored: &Stored, edit: &Edit, head: u32, ui: &mut Ui) -> Result<()> {
    let mut document = history.read(stored, edit.version).map_err(|e| refused(&e))?;
    let value = json::parse(edit.value.as_bytes()).unwrap_or(Value::Null);
    if let Value::Object(object) = &mut document {
        object.insert(edit.property, value.clone());
    }
    let written = history.put(stored, edit.version, &document).map_err(|e| refused(&e))?;
    let written = written.as_ref().unwrap_or(stored);
    ui.say(&format!(
        "\nA client of version {} sets {} to {}. The others then read:",
        edit.version,
        edit.property,
        Style::Spaced.write(&value)
    ))?;
    let reads: Vec<String> = (1..=head)
        .map(|version| Ok(clipped(&part(&history.read(written, version).map_err(|e| refused(&e))?, edit.called))))
        .collect::<Result<_>>()?;
    let mut from = 0;
    while from < reads.len() {
        let same = reads[from..].iter().take_while(|read| **read == reads[from]).count();
        let versions = if same == 1 { (from + 1).to_string() } else { format!("{}-{}", from + 1, from + same) };
        ui.say(&format!("  {versions:3}  {}", reads[from]))?;
        from += same;
    }
    Ok(())
}

/// Some properties of a document.
fn part(document: &Value, names: &[&str]) -> Value {
    let object = document.as_object();
    let some = names.iter().filter_map(|name| Some(((*name).into(), object?.get(name)?.clone())));
    some.collect::<Object>().into()
}

fn clipped(value: &Value) -> String {
    let text = Style::Spaced.write(value);
    if text.chars().count() <= WIDTH { text } else { format!("{}…", text.chars().take(WIDTH).collect::<String>()) }
}

fn next(dir: &Path, ui: &Ui) -> Result<()> {
    let newest = EXAMPLE.releases.last().map(|(path, _)| *path).unwrap_or_default();
    let try_out = [
        ("coeval diff --from 1 --to 2".to_owned(), "what changed, and what it means for clients"),
        (format!("coeval convert --from 9 --to 1 {newest}"), "what an old client reads"),
        ("coeval migrate".to_owned(), "takes the 250 objects in store/ to version 9"),
        ("coeval get country ISL --at 1".to_owned(), "one of them, as an old client reads it"),
        ("coeval rollback --to 1".to_owned(), "and back"),
        (format!("coeval validate --at 9 {newest}"), "which records do not fit"),
        ("$EDITOR models/country.yaml; coeval freeze".to_owned(), "version 10"),
    ];
    ui.say("\nThe manifest and the data are yours to play with:")?;
    ui.say(&format!("  cd {}", dir.display()))?;
    try_out.iter().try_for_each(|(command, what)| ui.say(&format!("  {command:52}  {what}")))
}
