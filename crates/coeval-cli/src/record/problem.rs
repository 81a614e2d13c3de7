//! What is wrong with a record, told with its place and its key.

use coeval_core::json::JsonError;
use coeval_core::lens::Refused;
use coeval_core::schema::Violation;
use coeval_core::{Model, Object, Value};
use coeval_manifest::{Diagnostic, Place};

use super::locate::locate;
use super::reader::Record;
use crate::ui::{self, number};

/// Something that is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// A stable name of the kind.
    pub(crate) code: &'static str,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do next.
    pub(crate) help: &'static str,
    /// Where.
    pub(crate) at: At,
}

/// Where in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum At {
    /// Bytes of the document.
    Bytes(usize, usize),
    /// A path such as `items[2].price`; empty for the whole record.
    Path(String),
}

impl From<JsonError> for Problem {
    fn from(error: JsonError) -> Self {
        let help = match error.message.as_str() {
            message if message.contains("UTF-8") => "save the file as UTF-8",
            message if message.contains("byte-order mark") => "save the file as UTF-8 without one",
            message if message.contains("occurs twice") => "keep one of the two: which of them counts is nowhere defined",
            message if message.contains("nest deeper") => "records as deep as this cannot be converted",
            _ => "correct the record where it was written",
        };
        Self { code: "invalid-json", message: error.message, help, at: At::Bytes(error.at, error.length) }
    }
}

impl Problem {
    /// Makes the problem of a value that does not fit a version.
    pub(crate) fn violation(violation: &Violation, version: u32) -> Self {
        let path = if violation.path.is_empty() { String::new() } else { format!("{}: ", violation.path) };
        Self {
            code: "violation",
            message: format!("it does not fit version {version}: {path}{}", violation.message),
            help: "correct the value, or name the version that the record was written at",
            at: At::Path(violation.path.clone()),
        }
    }

    /// Makes the problems of a record that was refused.
    pub(crate) fn refused(refused: &Refused) -> Vec<Self> {
        let each = |code, help, what: String, violations: &[Violation]| {
            let one = |v: &Violation| Self {
                code,
                message: format!("{what}: {}: {}", v.path, v.message),
                help,
                at: At::Path(v.path.clone()),
            };
            violations.iter().map(one).collect()
        };
        match refused {
            Refused::Invalid { version, violations } => violations.iter().map(|v| Self::violation(v, *version)).collect(),
            Refused::Rejected { version, violations } | Refused::Quarantined { version, violations } => each(
                "cannot-convert",
                "correct the value, or give the operation an `on_fail` that says what it becomes",
                format!("version {version} cannot show it"),
                violations,
            ),
            Refused::NoVersion(_) | Refused::Retired(_) | Refused::Meta(_) | Refused::Patch(_) => vec![Self {
                code: "meta",
                message: refused.to_string(),
                help: "`_coeval` is written by coeval; take the record from where it was converted",
                at: At::Path("_coeval".to_owned()),
            }],
        }
    }

    /// Places the problem in its file.
    pub(crate) fn diagnostic(&self, file: &str, record: &Record, key: &str) -> Diagnostic {
        let message = if key.is_empty() { self.message.clone() } else { format!("record {key}: {}", self.message) };
        Diagnostic::error(self.code, message).at(self.place(file, record)).help(self.help)
    }

    /// Tells the problem in a line: `FILE:LINE:COLUMN: key=KEY: …`.
    pub(crate) fn line(&self, file: &str, record: &Record, key: &str) -> String {
        let place = self.place(file, record);
        let key = if key.is_empty() { String::new() } else { format!("key={key}: ") };
        format!("{file}:{}:{}: {key}{}", place.line, place.column, self.message)
    }

    /// Returns the problem for a program.
    pub(crate) fn value(&self, file: &str, record: &Record, key: &str) -> Value {
        let place = self.place(file, record);
        let mut out = Object::new();
        out.insert("code", self.code.into());
        out.insert("file", file.into());
        out.insert("line", number(place.line));
        out.insert("column", number(place.column));
        out.insert("key", if key.is_empty() { Value::Null } else { key.into() });
        if let At::Path(path) = &self.at {
            out.insert("path", path.as_str().into());
        }
        out.insert("message", self.message.as_str().into());
        out.insert("help", self.help.into());
        out.into()
    }

    fn place(&self, file: &str, record: &Record) -> Place {
        let text = record.text();
        let (start, end) = match &self.at {
            At::Bytes(at, length) => (*at, at + length),
            At::Path(path) => std::str::from_utf8(text).map_or((0, 0), |text| {
                let range = locate(text, path);
                (range.start, range.end)
            }),
        };
        // What stands before it in bytes that are not text counts as one character each.
        let before = String::from_utf8_lossy(&record.bytes[..record.body.start + start.min(text.len())]);
        let rest = String::from_utf8_lossy(&record.bytes[record.body.start + start.min(text.len())..]);
        let marked = String::from_utf8_lossy(&text[start.min(text.len())..end.min(text.len())]).len();
        let whole = format!("{before}{rest}");
        let mut place = Place::in_text(file, &whole, before.len()..before.len() + marked);
        place.line += record.line - 1;
        place
    }
}

/// Returns what a record is called: the values of its key, its `_id`, or nothing.
pub(crate) fn key_of(model: Option<&Model>, document: &Value) -> String {
    let Some(document) = document.as_object() else { return String::new() };
    let one = |name: &str| match document.get(name) {
        Some(Value::String(text)) => Some(text.as_str().to_owned()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let names: Vec<&str> = match model {
        Some(model) if !model.key.is_empty() => model.key.iter().map(String::as_str).collect(),
        _ => vec!["_id"],
    };
    let values: Option<Vec<String>> = names.into_iter().map(one).collect();
    ui::short(&values.unwrap_or_default().join(","))
}
