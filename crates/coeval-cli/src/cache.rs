//! What was folded once, kept outside the tree that version control sees, by digest.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use coeval_manifest::Manifest;
use coeval_manifest::load::CacheGet;

/// How many entries are kept; the oldest make room.
const ENTRIES: usize = 20_000;

/// Returns the folder of the cache; `None` where the environment names no place for one.
fn folder() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute()).or_else(|| {
        if cfg!(windows) {
            variable("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            variable("HOME").map(|home| home.join("Library/Caches"))
        } else {
            variable("HOME").map(|home| home.join(".cache"))
        }
    });
    base.map(|base| base.join("coeval"))
}

/// Returns what finds entries.
pub(crate) fn reader() -> Option<Box<CacheGet>> {
    let folder = folder()?;
    Some(Box::new(move |key: &str| fs::read(folder.join(key)).ok()))
}

/// Keeps what a manifest folded anew. A cache that cannot be written only costs time.
pub(crate) fn keep(manifest: &Manifest) {
    let mut fresh = manifest.fresh().peekable();
    let (Some(folder), true) = (folder(), fresh.peek().is_some()) else { return };
    if fs::create_dir_all(&folder).is_err() {
        return;
    }
    for (key, bytes) in fresh {
        // Written beside and renamed: another process never sees half an entry.
        let written = tempfile::NamedTempFile::new_in(&folder).and_then(|file| fs::write(file.path(), bytes).map(|()| file));
        if let Ok(file) = written {
            let _ = file.persist(folder.join(key));
        }
    }
    make_room(&folder);
}

fn make_room(folder: &PathBuf) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let age = |entry: &fs::DirEntry| entry.metadata().and_then(|m| m.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut entries: Vec<(SystemTime, PathBuf)> = entries.flatten().map(|entry| (age(&entry), entry.path())).collect();
    if entries.len() <= ENTRIES {
        return;
    }
    entries.sort();
    let surplus = entries.len() - ENTRIES;
    for (_, path) in &entries[..surplus] {
        let _ = fs::remove_file(path);
    }
}
