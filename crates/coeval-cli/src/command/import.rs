//! `coeval import`: infers a draft from samples, or takes over a store that another tool migrated.

mod database;
mod history;
mod s3verless;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use coeval_core::{Object, Value, json};
use coeval_manifest::Diagnostic;

use super::bytes::parse_size;
use super::convert::{a_list, too_long};
use crate::atomic;
use crate::error::{CommandError, Kind, Outcome, Result};
use crate::infer::{Draft, Objects};
use crate::record::reader::Input;
use crate::record::{Item, Problem, Reader};
use crate::ui::{Ui, count, number};
use crate::workspace::Workspace;

/// Infers a draft from records: types, what is required, null, enums, maps against objects; and says what was rare
///
/// With the address of a database it makes a draft of each table: after `freeze` and `migrate` the versions are views over the tables,
/// none of which is rewritten.
///
/// With `--s3verless` it takes over a store that s3verless migrated instead: `_system/migration_history.json` says what was applied to
/// each model, so at which version of the manifest its records are. Every record is read and must fit that version; none is written.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The records, `-` is standard input; or the address of a database, `postgres://…` or `sqlite:…`
    #[arg(value_name = "FILE|URL", required_unless_present = "s3verless")]
    file: Option<PathBuf>,

    /// The schema of a database whose tables are taken over
    #[arg(long, value_name = "NAME", default_value = "public")]
    schema: String,

    /// The model's name [default: the file's]
    #[arg(long)]
    model: Option<String>,

    /// The properties that identify a record [default: `id` or the like, where it is unique]
    #[arg(long, value_name = "PROPERTY", value_delimiter = ',')]
    key: Vec<String>,

    /// Where to write; `-` is standard output [default: MODEL.yaml among the manifest's models]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// How records stand in the input [default: seen by name and content]
    #[arg(long, value_name = "FORM")]
    input: Option<Input>,

    /// The longest record that is read, in bytes; `k`, `M` and `G` are understood
    #[arg(long, value_name = "N", default_value = "64M", value_parser = parse_size)]
    max_bytes: usize,

    #[command(flatten)]
    adopt: s3verless::Adopt,
}

/// Names that a key usually has, the likeliest first.
const KEYS: [&str; 8] = ["id", "_id", "uuid", "key", "code", "slug", "name", "email"];

/// Infers, or takes over.
pub(super) fn run(args: &Args, folder: Option<&Path>, ui: &mut Ui) -> Result<Outcome> {
    match &args.file {
        Some(url) if database::is_database(url) => database::run(url, &args.schema, args.model.as_deref(), folder, ui),
        Some(file) => infer(file, args, folder, ui),
        None => s3verless::run(&args.adopt, folder, ui),
    }
}

/// Reads, infers and writes.
fn infer(file: &Path, args: &Args, folder: Option<&Path>, ui: &mut Ui) -> Result<Outcome> {
    let name = match &args.model {
        Some(name) => name.clone(),
        None => name_of(file)?,
    };
    let target = target(args, &name, folder, ui)?;
    let mut samples = Samples::new(&args.key);
    let mut reader = Reader::open(Some(file), args.input, args.max_bytes)?;
    while let Some(item) = reader.next()? {
        let (record, problem) = match item {
            Item::Blank(_) => continue,
            Item::TooLong(record) => (record, too_long(args.max_bytes)),
            Item::List(record) => (record, a_list()),
            Item::Record(record) => match samples.take(record.text(), record.line) {
                Ok(()) => continue,
                Err(problem) => (record, problem),
            },
        };
        return Err(CommandError::new(Kind::Findings, problem.diagnostic(&reader.name, &record, "")));
    }
    if samples.objects.count == 0 {
        let help = "one JSON document a line is what is read";
        return Err(CommandError::usage("no-records", format!("{} holds no record", reader.name), help));
    }
    let key = samples.key(&args.key)?;
    let draft = Draft::of(&name, &key, &samples.objects);
    ui.field("records", number(samples.objects.count));
    ui.field("model", name.as_str());
    let remark = |path: &str, text: &str| Object::from_iter([("path".into(), path.into()), ("remark".into(), text.into())]);
    ui.field("remarks", Value::List(draft.remarks.iter().map(|r| remark(&r.path, &r.text).into()).collect()));
    let Some(target) = target else {
        ui.stdout_holds_records();
        ui.text(draft.text())?;
        return Ok(Outcome::Done);
    };
    atomic::write_all(&[(target.clone(), draft.text().to_owned())])?;
    ui.say(&format!("read {}; wrote {}", count(samples.objects.count, "record"), shown(&target)))?;
    for remark in &draft.remarks {
        ui.say(&format!("  {}: {}", remark.path, remark.text))?;
    }
    if key.is_empty() {
        ui.say("  no property is unique and called like a key: say one with `key:` in the draft, or `--key`")?;
    }
    ui.say("Look it through; `coeval freeze` then makes a version of it.")?;
    ui.field("file", shown(&target).as_str());
    Ok(Outcome::Done)
}

fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

/// Where to write; `None` for standard output. Nothing is overwritten.
fn target(args: &Args, name: &str, folder: Option<&Path>, ui: &mut Ui) -> Result<Option<PathBuf>> {
    let path = match &args.output {
        Some(path) if path == Path::new("-") => return Ok(None),
        Some(path) => path.clone(),
        None => {
            let workspace = Workspace::open(folder, ui)?;
            workspace.root.join(&workspace.manifest.config.models).join(format!("{name}.yaml"))
        }
    };
    if path.exists() {
        let diagnostic = Diagnostic::error("exists", format!("{} is there already", shown(&path)));
        let help = "say another file with `-o`, or `-o -` to see the draft; nothing was written";
        return Err(CommandError::new(Kind::Refused, diagnostic.help(help)));
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|e| CommandError::io(&folder.display().to_string(), &e))?;
    }
    Ok(Some(path))
}

fn name_of(file: &Path) -> Result<String> {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = name.split('.').next().unwrap_or_default();
    let name: String = stem.chars().map(|c| if c.is_alphanumeric() || c == '_' { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_alphabetic()) {
        return Ok(name);
    }
    Err(CommandError::usage("no-name", format!("`{stem}` does not do as a model's name"), "say the model's name with `--model`"))
}

/// What was seen so far.
struct Samples {
    objects: Objects,
    /// The values of each property that may be the key; dropped when one repeats.
    unique: Vec<(String, HashSet<String>)>,
}

impl Samples {
    fn new(key: &[String]) -> Self {
        let names = if key.is_empty() { KEYS.iter().map(|name| (*name).to_owned()).collect() } else { Vec::new() };
        Self { objects: Objects::default(), unique: names.into_iter().map(|name| (name, HashSet::new())).collect() }
    }

    fn take(&mut self, bytes: &[u8], line: usize) -> std::result::Result<(), Problem> {
        let value = json::parse(bytes)?;
        let Value::Object(mut object) = value else {
            return Err(Problem {
                code: "not-an-object",
                message: format!("a record is a JSON object, this is the {}", value.kind()),
                help: "write one JSON object a line",
                at: crate::record::problem::At::Path(String::new()),
            });
        };
        object.remove(coeval_core::lens::META);
        self.unique.retain_mut(|(name, seen)| match object.get(name) {
            Some(value @ (Value::String(_) | Value::Number(_))) => seen.insert(value.to_string()),
            _ => false,
        });
        self.objects.note(&object, line);
        Ok(())
    }

    fn key(&self, given: &[String]) -> Result<Vec<String>> {
        if let Some(missing) = given.iter().find(|name| !self.objects.shapes.iter().any(|(key, _)| key == *name)) {
            let names: Vec<&str> = self.objects.shapes.iter().map(|(key, _)| key.as_str()).collect();
            let help = format!("properties: {}", names.join(", "));
            return Err(CommandError::usage("no-key", format!("no record has a property `{missing}`"), help));
        }
        if given.is_empty() {
            Ok(self.unique.first().map(|(name, _)| name.clone()).into_iter().collect())
        } else {
            Ok(given.to_vec())
        }
    }
}
