//! What the disk says, told by what a person can do.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use coeval_store::Error;

/// What was being done, and to which file.
#[derive(Debug, Clone)]
pub(super) struct During {
    verb: &'static str,
    path: PathBuf,
}

impl During {
    pub(super) fn new(verb: &'static str, path: &Path) -> Self {
        Self { verb, path: path.to_owned() }
    }

    /// Returns what makes an error of the store from one of the disk.
    pub(super) fn error(&self) -> impl Fn(io::Error) -> Error + '_ {
        |error| Error::Failed { what: self.to_string(), reason: reason(&error), help: help(&error).map(str::to_owned) }
    }
}

impl fmt::Display for During {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.path.display())
    }
}

/// Returns whether an error says that there is no such file, be it that a file lies where a folder should.
pub(super) fn absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn reason(error: &io::Error) -> String {
    let reason = match error.kind() {
        ErrorKind::StorageFull => "the disk is full",
        ErrorKind::QuotaExceeded => "the disk quota is used up",
        ErrorKind::FileTooLarge => "the file would be larger than the system allows",
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only",
        ErrorKind::PermissionDenied => "permission denied",
        ErrorKind::InvalidFilename => "the name is too long or otherwise impossible on this file system",
        ErrorKind::NotADirectory => "a file lies where a folder should be",
        ErrorKind::IsADirectory | ErrorKind::DirectoryNotEmpty => "a folder of that name is there",
        _ => return error.to_string(),
    };
    reason.to_owned()
}

fn help(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some("Make room and run it again: the object is as it was."),
        ErrorKind::FileTooLarge => Some("Raise the limit (`ulimit -f`) and run it again: the object is as it was."),
        ErrorKind::ReadOnlyFilesystem => Some("Mount it for writing and run it again: the object is as it was."),
        ErrorKind::PermissionDenied => {
            Some("Writing needs the permission to make files in the folder, not only to write the file.")
        }
        ErrorKind::NotADirectory | ErrorKind::IsADirectory | ErrorKind::DirectoryNotEmpty => {
            Some("In a directory no object's name can continue another one's after a `/`; choose other names.")
        }
        _ => None,
    }
}
