//! `coeval convert`: converts records from a version to another, without a store.

use std::path::{Path, PathBuf};

use super::bytes::parse_size;
use crate::error::{Outcome, Result};
use crate::progress::Progress;
use crate::record::convert::{Converter, Failed};
use crate::record::output::Output;
use crate::record::problem::At;
use crate::record::reader::Input;
use crate::record::{Item, Problem, Reader, Record};
use crate::ui::{Ui, count, number};
use crate::version::Wanted;
use crate::workspace::Workspace;

/// Converts records from a version to another: JSON or JSON lines, from a file or standard input
///
/// What the target version cannot show is kept in `_coeval` beside the record, so that converting back gives the same bytes.
/// Files called .gz or .zst are unpacked and packed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The records; `-` or nothing is standard input
    file: Option<PathBuf>,

    /// The model [default: the only one]
    #[arg(long)]
    model: Option<String>,

    /// The version of the records: a number, or `latest` [default: what each record says in `_coeval`]
    #[arg(long, value_name = "VERSION")]
    from: Option<Wanted>,

    /// The version to convert to: a number, or `latest`
    #[arg(long, value_name = "VERSION", default_value = "latest")]
    to: Wanted,

    /// Where to write; a file is replaced only when all went well [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// How records stand in the input [default: seen by name and content]
    #[arg(long, value_name = "FORM")]
    input: Option<Input>,

    /// Leave out what the target version cannot show, instead of keeping it in `_coeval`
    #[arg(long)]
    no_keep: bool,

    /// Go on after a record that fails: convert the rest, and exit with 1
    #[arg(long)]
    keep_going: bool,

    /// Also write the failures to a file, one a line
    #[arg(long, value_name = "FILE")]
    errors: Option<PathBuf>,

    /// The longest record that is read, in bytes; `k`, `M` and `G` are understood
    #[arg(long, value_name = "N", default_value = "64M", value_parser = parse_size)]
    max_bytes: usize,
}

/// Reads, converts and writes, in order.
pub(super) fn run(args: &Args, folder: Option<&Path>, ui: &mut Ui) -> Result<Outcome> {
    if args.output.is_none() {
        ui.stdout_holds_records();
    }
    let workspace = Workspace::open(folder, ui)?;
    let file = workspace.model(args.model.as_deref())?;
    let to = workspace.version(args.to)?;
    let from = args.from.map(|wanted| workspace.version(wanted)).transpose()?;
    let era = workspace.era(file, &from.into_iter().chain([to]).collect::<Vec<_>>())?;
    let converter = Converter { history: &era.history, from, to, head: workspace.head(), keep: !args.no_keep };
    let mut reader = Reader::open(args.file.as_deref(), args.input, args.max_bytes)?;
    let mut output = Output::open(args.output.as_deref())?;
    let errors = args.errors.as_deref().map(|path| Output::open(Some(path))).transpose()?;
    let mut failures = Failures { errors, count: 0, keep_going: args.keep_going, file: reader.name.clone() };
    let progress = Progress::start(output.is_stdout());
    let mut converted = 0_usize;
    while let Some(item) = reader.next()? {
        let (record, failed) = match item {
            Item::Blank(bytes) => {
                output.write(&bytes)?;
                continue;
            }
            Item::Record(record) => match converter.convert(record.text()) {
                Ok(text) => {
                    output.write(&record.bytes[..record.body.start])?;
                    output.write(text.as_bytes())?;
                    output.write(&record.bytes[record.body.end..])?;
                    converted += 1;
                    progress.record();
                    continue;
                }
                Err(failed) => (record, failed),
            },
            Item::TooLong(record) => (record, Failed { key: String::new(), problems: vec![too_long(args.max_bytes)] }),
            Item::List(record) => (record, Failed { key: String::new(), problems: vec![a_list()] }),
        };
        progress.hide(|| failures.tell(&record, &failed, ui))?;
        if !args.keep_going {
            break;
        }
    }
    progress.end();
    let failed = failures.end()?;
    ui.field("converted", number(converted));
    ui.field("failed", number(failed));
    if failed > 0 && !args.keep_going {
        output.abandon()?;
        if let Some(path) = &args.output {
            ui.note(&format!("{} was not written; `--keep-going` converts what can be converted", path.display()));
        }
        return Ok(Outcome::Findings);
    }
    if let Some(path) = &args.output {
        ui.say(&format!("converted {} to version {to}: {}", count(converted, "record"), path.display()))?;
    }
    output.finish()?;
    if failed > 0 {
        ui.note(&format!("{} failed", count(failed, "record")));
        return Ok(Outcome::Findings);
    }
    Ok(Outcome::Done)
}

/// Where failures are told.
struct Failures {
    errors: Option<Output>,
    count: usize,
    keep_going: bool,
    file: String,
}

/// A program gets at most so many failures in its document; the file of errors has all.
const TOLD: usize = 1000;

impl Failures {
    fn tell(&mut self, record: &Record, failed: &Failed, ui: &mut Ui) -> Result<()> {
        self.count += 1;
        for problem in &failed.problems {
            if let Some(errors) = &mut self.errors {
                let line = if ui.is_json() {
                    problem.value(&self.file, record, &failed.key).to_string()
                } else {
                    problem.line(&self.file, record, &failed.key)
                };
                errors.write(line.as_bytes())?;
                errors.write(b"\n")?;
            }
            if ui.is_json() || !self.keep_going {
                if self.count <= TOLD {
                    ui.problem(&problem.diagnostic(&self.file, record, &failed.key));
                }
            } else {
                ui.note(&problem.line(&self.file, record, &failed.key));
            }
        }
        Ok(())
    }

    fn end(self) -> Result<usize> {
        if let Some(errors) = self.errors {
            errors.finish()?;
        }
        Ok(self.count)
    }
}

/// Says that a record is longer than is read.
pub(super) fn too_long(limit: usize) -> Problem {
    Problem {
        code: "too-long",
        message: format!("the record is longer than {limit} bytes"),
        help: "write one record a line, or raise `--max-bytes` if a record may be that long",
        at: At::Bytes(0, 1),
    }
}

/// Says that records are not expected in a list.
pub(super) fn a_list() -> Problem {
    Problem {
        code: "a-list",
        message: "the input is a list, where one record, or one a line, is expected".to_owned(),
        help: "write one record a line, as `jq -c '.[]'` does",
        at: At::Bytes(0, 1),
    }
}
