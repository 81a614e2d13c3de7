//! Records that could not be dealt with: each told once, all of them in a file.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use coeval_core::Object;
use coeval_store::event::Failure;

use crate::error::{CommandError, Result};

/// Collects failures.
#[derive(Debug, Default)]
pub(super) struct Report {
    known: HashSet<(String, String, &'static str)>,
    file: Option<BufWriter<File>>,
    broken: Option<std::io::Error>,
}

impl Report {
    /// Begins, with a file where one is named.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn new(path: Option<&Path>) -> Result<Self> {
        let file = path.map(|path| File::create(path).map_err(|e| CommandError::io(&path.display().to_string(), &e)));
        Ok(Self { file: file.transpose()?.map(BufWriter::new), ..Self::default() })
    }

    /// Takes a failure; whether it is a new one. Several workers may tell the same.
    pub(super) fn add(&mut self, store: &str, failure: &Failure) -> bool {
        if !self.known.insert((failure.model.clone(), failure.key.clone(), failure.kind)) {
            return false;
        }
        if let Some(file) = &mut self.file
            && let Err(error) = writeln!(file, "{}", coeval_core::Value::from(value(store, failure)))
        {
            self.broken.get_or_insert(error);
        }
        true
    }

    /// Returns how many there are.
    pub(super) fn count(&self) -> usize {
        self.known.len()
    }

    /// Ends.
    ///
    /// # Errors
    /// The file could not be written.
    pub(super) fn end(&mut self) -> Result<()> {
        let flushed = self.file.take().map_or(Ok(()), |mut file| file.flush());
        match self.broken.take().map_or(flushed, Err) {
            Ok(()) => Ok(()),
            Err(error) => Err(CommandError::io("the report", &error)),
        }
    }
}

/// A failure for a program.
pub(super) fn value(store: &str, failure: &Failure) -> Object {
    let mut out = Object::new();
    for (name, text) in [
        ("backend", store),
        ("model", &failure.model),
        ("key", &failure.key),
        ("kind", failure.kind),
        ("reason", &failure.reason),
    ] {
        out.insert(name, text.into());
    }
    out
}
