//! Writing and deleting files, at once and for good.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use coeval_store::objects::{Condition, Token};
use coeval_store::{Error, Result};

use super::error::{During, absent};
use super::lock::Stripe;
use super::place::Place;
use super::{read, token};

/// How often a folder is made anew that somebody else removes as empty at the same time.
const PATIENCE: usize = 100;

/// Writes a file at once.
pub(super) fn put(root: &Path, key: &str, bytes: &[u8], condition: &Condition) -> Result<Token> {
    let place = Place::new(root, key)?;
    let during = During::new("writing", place.path());
    let there = place.is_file(&during)?;
    // Seen before anything is made, so that what is refused for this reason leaves no trace.
    if there && *condition == Condition::Absent || !there && matches!(condition, Condition::Unchanged(_)) {
        return Err(Error::Conflict { what: key.to_owned() });
    }
    let temporary = Temporary::write(&place, bytes).map_err(during.error())?;
    // Since the slow part is over, the lock is held for a moment only.
    let lock = Stripe::lock(root, key)?;
    check(root, key, condition)?;
    temporary.replace(place.path()).map_err(during.error())?;
    sync_folder(place.folder()).map_err(during.error())?;
    drop(lock);
    Ok(token(bytes))
}

/// Deletes a file and the folders that become empty.
pub(super) fn delete(root: &Path, key: &str, condition: &Condition) -> Result<()> {
    let place = Place::new(root, key)?;
    let during = During::new("deleting", place.path());
    if !place.is_file(&during)? {
        return check_state(key, None, condition);
    }
    let lock = Stripe::lock(root, key)?;
    check(root, key, condition)?;
    match fs::remove_file(place.path()) {
        Ok(()) => {}
        Err(error) if absent(&error) => {}
        Err(error) => return Err(during.error()(error)),
    }
    let mut kept = place.folders().find(|folder| fs::remove_dir(folder).is_err()).unwrap_or(root);
    // Somebody else may remove it in the meantime; then its own folder is synced by them.
    while !kept.exists() && kept != root {
        kept = kept.parent().unwrap_or(root);
    }
    sync_folder(kept).or_else(|error| if absent(&error) { Ok(()) } else { Err(error) }).map_err(during.error())?;
    drop(lock);
    Ok(())
}

/// Sees that a condition holds; nobody else changes the object while its lock is held.
fn check(root: &Path, key: &str, condition: &Condition) -> Result<()> {
    match condition {
        Condition::None => Ok(()),
        Condition::Absent | Condition::Unchanged(_) => {
            check_state(key, read(root, key)?.map(|found| found.token).as_ref(), condition)
        }
    }
}

fn check_state(key: &str, found: Option<&Token>, condition: &Condition) -> Result<()> {
    let holds = match condition {
        Condition::None => true,
        Condition::Absent => found.is_none(),
        Condition::Unchanged(token) => found == Some(token),
    };
    if holds { Ok(()) } else { Err(Error::Conflict { what: key.to_owned() }) }
}

/// A file whose bytes are on the disk, under a name that nobody reads. Dropped, it is removed, and what was made for it.
#[derive(Debug)]
struct Temporary<'a> {
    place: &'a Place<'a>,
    path: PathBuf,
    kept: bool,
}

impl<'a> Temporary<'a> {
    fn write(place: &'a Place<'a>, bytes: &[u8]) -> io::Result<Self> {
        let (temporary, mut file) = Self::create(place)?;
        file.write_all(bytes)?;
        if let Ok(old) = fs::metadata(place.path()) {
            file.set_permissions(old.permissions())?;
        }
        file.sync_all()?;
        Ok(temporary)
    }

    fn create(place: &'a Place<'a>) -> io::Result<(Self, File)> {
        let path = place.temporary();
        for _ in 0..PATIENCE {
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok((Self { place, path, kept: false }, file)),
                Err(error) if error.kind() == ErrorKind::NotFound => make_folder(place.folder())?,
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("its folder is removed again and again"))
    }

    /// Takes the place of what was there.
    fn replace(mut self, path: &Path) -> io::Result<()> {
        let renamed = match fs::rename(&self.path, path) {
            // An empty folder is no object, and in nobody's way.
            Err(error) if error.kind() == ErrorKind::IsADirectory && fs::remove_dir(path).is_ok() => fs::rename(&self.path, path),
            renamed => renamed,
        };
        self.kept = renamed.is_ok();
        renamed
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.kept {
            // If it cannot be removed now, a listing will do it some day.
            let _ = fs::remove_file(&self.path);
            let _ = self.place.folders().find(|folder| fs::remove_dir(folder).is_err());
        }
    }
}

/// Makes a folder and those above it, and sees that they reach the disk.
fn make_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    match fs::create_dir_all(folder) {
        // Somebody removed one of them as empty in the meantime; the caller comes back.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        // What lies there is a file.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(ErrorKind::NotADirectory.into()),
        made => made?,
    }
    for parent in missing.iter().filter_map(|folder| folder.parent()) {
        match sync_folder(parent) {
            Err(error) if !absent(&error) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Sees that the names in a folder reach the disk.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Elsewhere a folder cannot be opened, and renames reach the disk by themselves.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
