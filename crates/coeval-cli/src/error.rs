//! Why a command did not do what it was asked. The kind decides the exit code.

use std::io;

use coeval_manifest::Diagnostic;
use coeval_manifest::question::Refusal;

/// What a command that ends well has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It did what it was asked.
    Done,
    /// It did, and found something.
    Findings,
}

/// What kind of end it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Records or files do not do.
    Findings,
    /// It was asked for something that does not exist.
    Usage,
    /// It would not be right; nothing was changed.
    Refused,
    /// The system failed; nothing was changed, or everything was undone.
    Failed,
    /// A run did not come to its end, and waits to be resumed or undone.
    Unfinished,
    /// Nobody reads the output any more, as in `coeval … | head`.
    Unheard,
}

impl Kind {
    /// Returns the exit code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Unheard => 0,
            Self::Findings => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Failed => 4,
            Self::Unfinished => 5,
        }
    }

    /// Returns the word for machines.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Unheard => "done",
            Self::Findings => "findings",
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unfinished => "unfinished",
        }
    }
}

/// How a command ends where it does not end well.
#[derive(Debug)]
pub(crate) struct CommandError {
    /// What kind of end it is.
    pub(crate) kind: Kind,
    /// What to tell.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// What commands return.
pub(crate) type Result<T> = std::result::Result<T, CommandError>;

impl CommandError {
    /// Makes an error of one diagnostic.
    pub(crate) fn new(kind: Kind, diagnostic: Diagnostic) -> Self {
        Self { kind, diagnostics: vec![diagnostic] }
    }

    /// Makes an error about what was asked for.
    pub(crate) fn usage(code: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Kind::Usage, Diagnostic::error(code, message).help(help))
    }

    /// Makes an error of a failed access to a file.
    pub(crate) fn io(what: &str, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { kind: Kind::Unheard, diagnostics: Vec::new() };
        }
        let kind = if error.kind() == io::ErrorKind::NotFound { Kind::Usage } else { Kind::Failed };
        let (code, help) = match error.kind() {
            io::ErrorKind::NotFound => ("not-found", "check the path; a folder that is written to must be there"),
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::Other => {
                ("unreadable", "the file was cut off, or is not packed as its name says")
            }
            _ => ("system", "nothing was changed; try again when the system allows it"),
        };
        Self::new(kind, Diagnostic::error(code, format!("{what}: {}", reason(error))).help(help))
    }
}

/// Says what the system said, without its number.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or_default().to_owned()
        }
    }
}

impl From<Vec<Diagnostic>> for CommandError {
    fn from(diagnostics: Vec<Diagnostic>) -> Self {
        Self { kind: Kind::Refused, diagnostics }
    }
}

impl From<Box<Diagnostic>> for CommandError {
    fn from(diagnostic: Box<Diagnostic>) -> Self {
        Self::new(Kind::Refused, *diagnostic)
    }
}

impl From<Refusal> for CommandError {
    fn from(refusal: Refusal) -> Self {
        let diagnostics: Vec<Diagnostic> = refusal.diagnostics().cloned().collect();
        // A model that was named on the command line and does not exist has no place in a file.
        let unknown = diagnostics.iter().any(|d| d.code == "unknown-model" && d.place.is_none());
        Self { kind: if unknown { Kind::Usage } else { Kind::Refused }, diagnostics }
    }
}
