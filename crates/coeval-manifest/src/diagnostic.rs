//! What is wrong with a manifest, where, and what to do: a plain value and its two renderings.

use std::fmt::Write as _;

use coeval_core::{Object, Value};

use crate::source::Place;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; no reason to complain.
    Note,
    /// Worth knowing; nothing is refused.
    Warning,
    /// A person must decide before it can go on.
    Question,
    /// It cannot go on.
    Error,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name of the kind of finding, such as `unknown-key`.
    pub code: &'static str,
    /// Where it is; `None` for what concerns no single file.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What to do next; may have several lines.
    pub help: Option<String>,
    /// Other places that matter, each with a word about it.
    pub labels: Vec<Label>,
}

/// A second place of a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub place: Place,
    /// What is there.
    pub message: String,
}

/// How a line longer than this is shown: clipped around the place.
const WIDTH: usize = 120;

impl Severity {
    /// Returns the word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Question => "question",
            Self::Error => "error",
        }
    }

    const fn colour(self) -> &'static str {
        match self {
            Self::Note => "\x1b[1;34m",
            Self::Warning => "\x1b[1;33m",
            Self::Question => "\x1b[1;36m",
            Self::Error => "\x1b[1;31m",
        }
    }
}

impl Diagnostic {
    /// Makes an error.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// Makes a warning.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    /// Makes a question.
    pub fn question(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Question, code, message)
    }

    fn new(severity: Severity, code: &'static str, message: impl Into<String>) -> Self {
        Self { severity, code, place: None, message: message.into(), help: None, labels: Vec::new() }
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn label(mut self, place: Place, message: impl Into<String>) -> Self {
        self.labels.push(Label { place, message: message.into() });
        self
    }

    /// Renders for a person: the message, the place, the line with the place underlined, what to do.
    pub fn render(&self, colours: bool) -> String {
        let paint = |code: &'static str| if colours { code } else { "" };
        let (bold, blue, end) = (paint("\x1b[1m"), paint("\x1b[1;34m"), paint("\x1b[0m"));
        let tint = paint(self.severity.colour());
        let lines = self.place.iter().chain(self.labels.iter().map(|l| &l.place)).map(|p| p.line);
        let gutter = lines.max().map_or(1, |line| line.to_string().len());
        let margin = " ".repeat(gutter);
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{tint}{}[{}]{end}{bold}: {}{end}", self.severity.name(), self.code, self.message);
        let mut excerpt = |place: &Place, note: &str, mark: char, tint: &str| {
            let (text, before) = clip(place);
            // Not beyond the end of what is shown.
            let room = text.chars().count().saturating_sub(before).max(1);
            let marks: String = std::iter::repeat_n(mark, place.width.min(room)).collect();
            let _ = writeln!(out, "{margin}{blue}-->{end} {}:{}:{}", place.path, place.line, place.column);
            let _ = writeln!(out, "{margin} {blue}|{end}");
            let _ = writeln!(out, "{blue}{:>gutter$} |{end} {text}", place.line);
            let note = if note.is_empty() { String::new() } else { format!(" {note}") };
            let _ = writeln!(out, "{margin} {blue}|{end} {}{tint}{marks}{note}{end}", " ".repeat(before));
        };
        if let Some(place) = &self.place {
            excerpt(place, "", '^', tint);
        }
        for label in &self.labels {
            excerpt(&label.place, &label.message, '-', blue);
        }
        if let Some(help) = &self.help {
            let mut lines = help.lines();
            let _ = writeln!(out, "{margin} {blue}={end} {bold}help{end}: {}", lines.next().unwrap_or_default());
            for line in lines {
                let _ = writeln!(out, "{margin}   {line}");
            }
        }
        out
    }

    /// Returns the finding for machines.
    pub fn to_value(&self) -> Value {
        let mut out = Object::new();
        out.insert("severity", self.severity.name().into());
        out.insert("code", self.code.into());
        out.insert("message", self.message.as_str().into());
        if let Some(place) = &self.place {
            out.insert("place", place.to_value());
        }
        if let Some(help) = &self.help {
            out.insert("help", help.as_str().into());
        }
        if !self.labels.is_empty() {
            let label = |label: &Label| {
                Object::from_iter([("message".into(), label.message.as_str().into()), ("place".into(), label.place.to_value())])
            };
            out.insert("labels", Value::List(self.labels.iter().map(|l| label(l).into()).collect()));
        }
        out.into()
    }
}

impl Place {
    /// Returns the place for machines: path, line, column, and the bytes from `start` to `end`.
    pub fn to_value(&self) -> Value {
        let number = |n: usize| Value::from(i64::try_from(n).unwrap_or(i64::MAX));
        Object::from_iter([
            ("path".into(), self.path.as_str().into()),
            ("line".into(), number(self.line)),
            ("column".into(), number(self.column)),
            ("start".into(), number(self.span.start)),
            ("end".into(), number(self.span.end)),
        ])
        .into()
    }
}

/// The line as it is shown, and how many characters of it stand before the place.
fn clip(place: &Place) -> (String, usize) {
    let before = place.column - 1;
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    if place.excerpt.chars().count() <= WIDTH {
        return (place.excerpt.chars().map(shown).collect(), before);
    }
    let skip = before.saturating_sub(WIDTH / 2);
    let mut text: String = place.excerpt.chars().skip(skip).take(WIDTH).map(shown).collect();
    if skip > 0 {
        text.insert(0, '…');
    }
    if place.excerpt.chars().count() > skip + WIDTH {
        text.push('…');
    }
    (text, before - skip + usize::from(skip > 0))
}
