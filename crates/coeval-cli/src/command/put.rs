//! `coeval put`: writes one record at a version.

use std::io::Read;
use std::path::{Path, PathBuf};

use coeval_core::Value;
use coeval_store::records::{Change, Expect, Key, State};

use super::bytes::parse_size;
use crate::error::{CommandError, Outcome, Result};
use crate::store::{self, block_on, open_model};
use crate::ui::Ui;
use crate::version::Wanted;
use crate::workspace::Workspace;

/// Writes a record as clients of a version do: what the version does not show stays as it is
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model
    model: String,

    /// The record's key, each of its parts [default: what the document says]
    key: Vec<String>,

    /// The version: a number, or `latest`
    #[arg(long, value_name = "VERSION")]
    at: Wanted,

    /// The document or patch; `-` is standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    file: PathBuf,

    /// Only if there is no such record
    #[arg(long, conflicts_with = "if_match")]
    if_absent: bool,

    /// Only if the record is in the state that `get --state` told
    #[arg(long, value_name = "STATE")]
    if_match: Option<String>,

    /// It is a merge patch (RFC 7396)
    #[arg(long, conflicts_with_all = ["json_patch", "if_absent"])]
    merge_patch: bool,

    /// It is a JSON patch (RFC 6902)
    #[arg(long, conflicts_with = "if_absent")]
    json_patch: bool,

    /// The largest document that is read, in bytes; `k`, `M` and `G` are understood
    #[arg(long, value_name = "N", default_value = "64M", value_parser = parse_size)]
    max_bytes: usize,
}

/// Writes it.
pub(super) fn run(args: &Args, folder: Option<&Path>, ui: &mut Ui) -> Result<Outcome> {
    let workspace = Workspace::open(folder, ui)?;
    let at = workspace.version(args.at)?;
    let text = read(&args.file, args.max_bytes)?;
    let change = match (args.merge_patch, args.json_patch) {
        (true, _) => Change::MergePatch(text),
        (_, true) => Change::JsonPatch(text),
        (false, false) => Change::Put(text),
    };
    let key = (!args.key.is_empty()).then(|| Key(args.key.clone()));
    let expect = match (&args.if_match, args.if_absent) {
        (Some(state), _) => Expect::Unchanged(State(state.clone())),
        (None, true) => Expect::Absent,
        (None, false) => Expect::Anything,
    };
    let done = block_on(async {
        let store = open_model(&workspace, &args.model)?;
        let done = store.backend.records().write(&args.model, key.as_ref(), at, &change, &expect).await;
        done.map_err(|e| store::refused(&e, &store.name))
    })?;
    let what = match (done.created, done.changed) {
        (true, _) => "created",
        (false, true) => "changed",
        (false, false) => "nothing to change in",
    };
    ui.say(&format!("{what} {}", done.key))?;
    ui.field("key", Value::List(done.key.0.iter().map(|part| part.as_str().into()).collect()));
    ui.field("state", done.state.0.as_str());
    ui.field("created", Value::Bool(done.created));
    ui.field("changed", Value::Bool(done.changed));
    Ok(Outcome::Done)
}

fn read(path: &Path, limit: usize) -> Result<String> {
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let fail = |e: std::io::Error| CommandError::io(&name, &e);
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(path).map_err(fail)?)
    };
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    source.take(most).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() > limit {
        let help = "raise `--max-bytes` if a record may be that long";
        return Err(CommandError::usage("too-long", format!("{name} is longer than {limit} bytes"), help));
    }
    String::from_utf8(bytes).map_err(|_| CommandError::usage("not-utf-8", format!("{name} is not UTF-8"), "a record is JSON"))
}
