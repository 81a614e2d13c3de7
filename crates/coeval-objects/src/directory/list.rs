//! Listing: folder after folder, in the order of the keys' bytes.

use std::fs::{self, DirEntry};
use std::path::Path;
use std::time::{Duration, SystemTime};

use coeval_store::Result;
use coeval_store::objects::{Listed, check_key};

use super::error::{During, absent};
use super::place::{is_reserved, is_temporary};

/// How many objects are listed at once.
const PAGE: usize = 1000;
/// How old a temporary file must be to be taken for a dead process's.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// How far a listing has come.
#[derive(Debug)]
pub(super) struct Walk {
    prefix: String,
    after: Option<String>,
    /// The folders that are open, outermost first.
    levels: Vec<Level>,
    started: bool,
}

/// What is left of one folder.
#[derive(Debug)]
struct Level {
    /// Its key: empty for the root, else with a `/` at its end.
    folder: String,
    names: Names,
    next: usize,
}

/// The names in a folder, in order. Those of folders end with `/`, which puts them where the keys below them belong.
#[derive(Debug, Default)]
struct Names {
    text: String,
    spans: Vec<(usize, u16)>,
}

impl Names {
    fn push(&mut self, name: &str) {
        // No file system has names of 64 kB.
        if let Ok(length) = u16::try_from(name.len()) {
            self.spans.push((self.text.len(), length));
            self.text.push_str(name);
        }
    }

    fn sort(&mut self) {
        let text = &self.text;
        self.spans.sort_unstable_by_key(|(start, length)| &text[*start..*start + usize::from(*length)]);
        self.spans.shrink_to_fit();
        self.text.shrink_to_fit();
    }

    fn get(&self, index: usize) -> Option<&str> {
        self.spans.get(index).map(|(start, length)| &self.text[*start..*start + usize::from(*length)])
    }
}

impl Walk {
    pub(super) fn new(prefix: &str, after: Option<&str>) -> Self {
        Self { prefix: prefix.to_owned(), after: after.map(str::to_owned), levels: Vec::new(), started: false }
    }

    /// Returns the next objects; none at the end.
    pub(super) fn page(&mut self, root: &Path) -> Result<Vec<Listed>> {
        if !self.started {
            self.started = true;
            let folder = self.prefix.rfind('/').map_or("", |at| &self.prefix[..=at]).to_owned();
            // A prefix that is no beginning of a key, such as `../`, begins none.
            if folder.is_empty() || check_key(folder.trim_end_matches('/')).is_ok() && !folder.ends_with("//") {
                self.enter(root, folder)?;
            }
        }
        let mut page = Vec::new();
        while page.len() < PAGE {
            let Some(level) = self.levels.last_mut() else { break };
            let Some(name) = level.names.get(level.next) else {
                self.levels.pop();
                continue;
            };
            let key = format!("{}{name}", level.folder);
            level.next += 1;
            if key.ends_with('/') {
                self.enter(root, key)?;
            } else {
                page.extend(listed(root, key)?);
            }
        }
        Ok(page)
    }

    /// Reads the names of a folder that may hold something that is wanted.
    fn enter(&mut self, root: &Path, folder: String) -> Result<()> {
        let path = root.join(&folder);
        let during = During::new("listing", &path);
        let mut names = Names::default();
        // `read_dir` follows links, and a walk that begins in the middle may come upon one.
        if links(root, &folder) {
            return Ok(());
        }
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if absent(&error) => return Ok(()),
            Err(error) => return Err(during.error()(error)),
        };
        for entry in entries {
            let entry = entry.map_err(during.error())?;
            let Some(name) = name(&entry) else { continue };
            if self.wanted(&folder, &name) {
                names.push(&name);
            }
        }
        names.sort();
        self.levels.push(Level { folder, names, next: 0 });
        Ok(())
    }

    /// Returns whether a file should be listed, or a folder can hold one that should be.
    fn wanted(&self, folder: &str, name: &str) -> bool {
        let key = format!("{folder}{name}");
        let after = self.after.as_deref().unwrap_or_default();
        if let Some(inner) = key.strip_suffix('/') {
            let begins = key.starts_with(&self.prefix) || self.prefix.starts_with(&key);
            begins && (key.as_str() > after || after.starts_with(&key)) && !is_reserved(inner)
        } else {
            key.starts_with(&self.prefix) && key.as_str() > after && !is_reserved(&key)
        }
    }
}

/// Returns whether a folder lies at or behind a symbolic link.
fn links(root: &Path, folder: &str) -> bool {
    // A path that ends with `/` is always followed.
    let mut parts = Path::new(folder.trim_end_matches('/')).ancestors().filter(|part| !part.as_os_str().is_empty());
    parts.any(|part| fs::symlink_metadata(root.join(part)).is_ok_and(|found| found.is_symlink()))
}

/// Returns the name of a file or, with a `/`, of a folder; `None` for what is no object. Removes temporary files of the dead.
fn name(entry: &DirEntry) -> Option<String> {
    let name = entry.file_name().into_string().ok().filter(|name| check_key(name).is_ok())?;
    let kind = entry.file_type().ok()?;
    if kind.is_dir() {
        return Some(name + "/");
    }
    if kind.is_file() && is_temporary(&name) {
        let written = entry.metadata().and_then(|found| found.modified());
        let age = written.ok().and_then(|written| SystemTime::now().duration_since(written).ok());
        if age.is_some_and(|age| age > STALE) {
            // Whoever may only read cannot, and another listing will.
            let _ = fs::remove_file(entry.path());
        }
        return None;
    }
    kind.is_file().then_some(name)
}

/// Returns what a listing says of a file; nothing if it is gone by now.
fn listed(root: &Path, key: String) -> Result<Option<Listed>> {
    let path = root.join(&key);
    match fs::symlink_metadata(&path) {
        Ok(found) => Ok(Some(Listed { size: found.len(), key })),
        Err(error) if absent(&error) => Ok(None),
        Err(error) => Err(During::new("listing", &path).error()(error)),
    }
}
