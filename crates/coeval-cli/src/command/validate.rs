//! `coeval validate`: whether records fit a version.

use std::path::{Path, PathBuf};

use coeval_core::json;
use coeval_core::lens::Stored;

use super::bytes::parse_size;
use super::convert::{a_list, too_long};
use crate::error::{Outcome, Result};
use crate::record::problem::{At, key_of};
use crate::record::reader::Input;
use crate::record::{Item, Problem, Reader};
use crate::ui::{Ui, count, number};
use crate::version::Wanted;
use crate::workspace::Workspace;

/// Says which records do not fit a version, where and why
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The records; `-` or nothing is standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The model [default: the only one]
    #[arg(long)]
    model: Option<String>,

    /// The version: a number, or `latest`
    #[arg(long, value_name = "VERSION", default_value = "latest")]
    at: Wanted,

    /// How records stand in the input [default: seen by name and content]
    #[arg(long, value_name = "FORM")]
    input: Option<Input>,

    /// The longest record that is read, in bytes; `k`, `M` and `G` are understood
    #[arg(long, value_name = "N", default_value = "64M", value_parser = parse_size)]
    max_bytes: usize,
}

/// A program gets at most so many findings in its document.
const TOLD: usize = 1000;

/// Reads and checks.
pub(super) fn run(args: &Args, folder: Option<&Path>, ui: &mut Ui) -> Result<Outcome> {
    let workspace = Workspace::open(folder, ui)?;
    let file = workspace.model(args.model.as_deref())?;
    let at = workspace.version(args.at)?;
    let era = workspace.era(file, &[at])?;
    let model = era.history.model(at);
    let check = |bytes: &[u8]| -> (String, Vec<Problem>) {
        let value = match json::parse(bytes) {
            Ok(value) => value,
            Err(error) => return (String::new(), vec![error.into()]),
        };
        let key = key_of(model.map(AsRef::as_ref), &value);
        let stored = match Stored::from_value(value, at) {
            Ok(stored) => stored,
            Err(refused) => return (key, Problem::refused(&refused)),
        };
        if stored.version != at {
            let message = format!("the record says that it is at version {}, not {at}", stored.version);
            let help = "say `--at` with its version, or convert it first";
            let at = At::Path("_coeval.version".to_owned());
            return (key, vec![Problem { code: "version-differs", message, help, at }]);
        }
        let violations = model.map(|model| model.violations(&stored.document)).unwrap_or_default();
        (key, violations.iter().map(|violation| Problem::violation(violation, at)).collect())
    };
    let (mut records, mut invalid) = (0_usize, 0_usize);
    let stdin = [PathBuf::from("-")];
    for path in if args.files.is_empty() { &stdin[..] } else { &args.files[..] } {
        let mut reader = Reader::open(Some(path), args.input, args.max_bytes)?;
        while let Some(item) = reader.next()? {
            let (record, (key, problems)) = match item {
                Item::Blank(_) => continue,
                Item::Record(record) => {
                    let checked = check(record.text());
                    (record, checked)
                }
                Item::TooLong(record) => (record, (String::new(), vec![too_long(args.max_bytes)])),
                Item::List(record) => (record, (String::new(), vec![a_list()])),
            };
            records += 1;
            invalid += usize::from(!problems.is_empty());
            if ui.is_json() && invalid > TOLD {
                continue;
            }
            for problem in problems {
                ui.finding(&problem.diagnostic(&reader.name, &record, &key))?;
            }
        }
    }
    ui.field("version", i64::from(at));
    ui.field("records", number(records));
    ui.field("invalid", number(invalid));
    if invalid == 0 {
        let fit = if records == 1 { "fits" } else { "fit" };
        ui.say(&format!("{} {fit} version {at}", count(records, "record")))?;
        return Ok(Outcome::Done);
    }
    let fit = if invalid == 1 { "does" } else { "do" };
    ui.say(&format!("{invalid} of {} {fit} not fit version {at}", count(records, "record")))?;
    Ok(Outcome::Findings)
}
