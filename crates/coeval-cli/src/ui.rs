//! What a person or a program is told: text with colours, or one JSON document.

use std::collections::HashSet;
use std::io::{self, IsTerminal, Write};

use coeval_core::json::Style;
use coeval_core::{Object, Value};
use coeval_manifest::{Diagnostic, Place, Severity};

use crate::args::{Colour, Format};
use crate::error::{CommandError, Kind, Outcome, Result};

/// The two streams, and what has to be said at the end.
#[derive(Debug)]
pub(crate) struct Ui {
    format: Format,
    colours: [bool; 2],
    diagnostics: Vec<Value>,
    fields: Object,
    /// Whether records go to standard output, so that the report of a program must go elsewhere.
    stdout_holds_records: bool,
    /// Whether a program reads one object a line.
    lines: bool,
    manifest: ManifestPaths,
}

/// How the files of the manifest are reached from the current folder.
#[derive(Debug, Default)]
struct ManifestPaths {
    prefix: String,
    known: HashSet<String>,
}

impl Ui {
    /// Looks at the streams and the environment.
    pub(crate) fn new(format: Format, colour: Colour) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
        let on = |terminal: bool| match colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => terminal && !plain && !dumb,
        };
        Self {
            format,
            colours: [on(io::stdout().is_terminal()), on(io::stderr().is_terminal())],
            diagnostics: Vec::new(),
            fields: Object::new(),
            stdout_holds_records: false,
            lines: false,
            manifest: ManifestPaths::default(),
        }
    }

    /// Returns whether a program reads.
    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Says that records go to standard output.
    pub(crate) fn stdout_holds_records(&mut self) {
        self.stdout_holds_records = true;
    }

    /// Says that events come before the report, each in a line: the report is one too.
    pub(crate) fn events(&mut self) {
        self.lines = true;
    }

    /// Says how the manifest's files are reached from the current folder.
    pub(crate) fn manifest_at(&mut self, prefix: String, known: impl IntoIterator<Item = String>) {
        self.manifest = ManifestPaths { prefix, known: known.into_iter().collect() };
    }

    /// Returns the path of a file of the manifest as it is reached from the current folder.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.manifest.prefix)
    }

    /// Returns the text between the codes of a colour, where standard output has colours.
    pub(crate) fn paint(&self, code: &str, text: &str) -> String {
        if self.colours[0] { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Writes a line for a person.
    pub(crate) fn say(&self, line: &str) -> Result<()> {
        if self.is_json() { Ok(()) } else { self.text(&format!("{line}\n")) }
    }

    /// Writes text to standard output in any format: what is text by nature.
    #[allow(clippy::unused_self, reason = "only what has a Ui may write")]
    pub(crate) fn text(&self, text: &str) -> Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| CommandError::io("standard output", &e))
    }

    /// Writes a line for a person who waits, beside the records.
    pub(crate) fn note(&self, line: &str) {
        if !self.is_json() {
            // Nothing can be told where standard error is closed.
            let _ = writeln!(io::stderr().lock(), "{line}");
        }
    }

    /// Adds a field to the document that a program reads.
    pub(crate) fn field(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name, value.into());
    }

    /// Tells a problem.
    pub(crate) fn problem(&mut self, diagnostic: &Diagnostic) {
        let diagnostic = self.reached(diagnostic);
        if self.is_json() {
            self.diagnostics.push(to_value(&diagnostic));
        } else {
            let _ = io::stderr().lock().write_all(diagnostic.render(self.colours[1]).as_bytes());
        }
    }

    /// Tells what a command was asked to look for: it is the command's output.
    pub(crate) fn finding(&mut self, diagnostic: &Diagnostic) -> Result<()> {
        let diagnostic = self.reached(diagnostic);
        if self.is_json() {
            self.diagnostics.push(to_value(&diagnostic));
            return Ok(());
        }
        match self.format {
            Format::Github => self.text(&annotation(&diagnostic)),
            Format::Text | Format::Json => self.text(&diagnostic.render(self.colours[0])),
        }
    }

    fn reached(&self, diagnostic: &Diagnostic) -> Diagnostic {
        let mut out = diagnostic.clone();
        let reach = |place: &mut Place| {
            if self.manifest.known.contains(&place.path) {
                place.path.insert_str(0, &self.manifest.prefix);
            }
        };
        out.place.iter_mut().for_each(reach);
        out.labels.iter_mut().map(|label| &mut label.place).for_each(reach);
        out
    }

    /// Tells how it ended, and returns the exit code.
    pub(crate) fn end(mut self, command: &str, result: &Result<Outcome>) -> u8 {
        let (code, status) = match result {
            Ok(Outcome::Done) => (0, "done"),
            Ok(Outcome::Findings) => (Kind::Findings.code(), Kind::Findings.name()),
            Err(error) => (error.kind.code(), error.kind.name()),
        };
        if let Err(error) = result {
            for diagnostic in &error.diagnostics {
                self.problem(diagnostic);
            }
            if error.kind == Kind::Unheard {
                return code;
            }
        }
        if self.is_json() {
            let mut out = Object::new();
            if self.lines {
                out.insert("event", "end".into());
            }
            out.insert("command", command.into());
            out.insert("status", status.into());
            out.insert("exit", i64::from(code).into());
            for (name, value) in &self.fields {
                out.insert(name.as_str(), value.clone());
            }
            out.insert("diagnostics", Value::List(std::mem::take(&mut self.diagnostics)));
            let style = if self.lines { Style::Compact } else { Style::Indented(2) };
            let mut text = style.write(&out.into());
            text.push('\n');
            let _ = if self.stdout_holds_records {
                io::stderr().lock().write_all(text.as_bytes())
            } else {
                io::stdout().lock().write_all(text.as_bytes())
            };
        }
        code
    }
}

/// Returns a diagnostic as a workflow on GitHub shows it beside the line.
fn annotation(diagnostic: &Diagnostic) -> String {
    let plain = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| plain(text).replace(':', "%3A").replace(',', "%2C");
    let level = match diagnostic.severity {
        Severity::Note => "notice",
        Severity::Warning => "warning",
        Severity::Question | Severity::Error => "error",
    };
    let mut properties = Vec::new();
    if let Some(place) = &diagnostic.place {
        properties.push(format!("file={}", property(&place.path)));
        properties.push(format!("line={},col={}", place.line, place.column));
    }
    properties.push(format!("title={}", property(diagnostic.code)));
    let help = diagnostic.help.as_ref().map_or_else(String::new, |help| format!("\nhelp: {help}"));
    format!("::{level} {}::{}\n", properties.join(","), plain(&format!("{}{help}", diagnostic.message)))
}

/// Returns a diagnostic for a program: flat, as linters write them.
pub(crate) fn to_value(diagnostic: &Diagnostic) -> Value {
    let mut out = Object::new();
    out.insert("severity", diagnostic.severity.name().into());
    out.insert("code", diagnostic.code.into());
    if let Some(place) = &diagnostic.place {
        put_place(&mut out, place);
    }
    out.insert("message", diagnostic.message.as_str().into());
    if let Some(help) = &diagnostic.help {
        out.insert("help", help.as_str().into());
    }
    if !diagnostic.labels.is_empty() {
        let labels = diagnostic.labels.iter().map(|label| {
            let mut out = Object::new();
            put_place(&mut out, &label.place);
            out.insert("message", label.message.as_str().into());
            out.into()
        });
        out.insert("labels", Value::List(labels.collect()));
    }
    out.into()
}

fn put_place(out: &mut Object, place: &Place) {
    out.insert("file", place.path.as_str().into());
    out.insert("line", number(place.line));
    out.insert("column", number(place.column));
}

/// Returns a count as a value.
pub(crate) fn number(count: usize) -> Value {
    i64::try_from(count).unwrap_or(i64::MAX).into()
}

/// Returns a count with its noun: `1 record`, `2 records`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// Returns a text that fits into a line: control characters shown, the middle of what is long left out.
pub(crate) fn short(text: &str) -> String {
    let shown: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    let count = shown.chars().count();
    if count <= 60 {
        return shown;
    }
    let start: String = shown.chars().take(40).collect();
    let end: String = shown.chars().skip(count - 15).collect();
    format!("{start}…{end}")
}
