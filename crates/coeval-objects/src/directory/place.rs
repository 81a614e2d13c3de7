//! Where an object lies: from keys to paths, none of which leaves the folder.

use std::fs;
use std::path::{Path, PathBuf};

use coeval_store::objects::check_key;
use coeval_store::{Error, Result};
use uuid::Uuid;

use super::error::{During, absent};

/// What begins and ends the name of a temporary file.
const TEMPORARY: (&str, &str) = (".coeval-", ".tmp");
/// Where the files lie that are locked, below the root.
const LOCKS: &str = "_coeval/locks";

/// Returns whether a file of this name is a temporary one.
pub(super) fn is_temporary(name: &str) -> bool {
    name.starts_with(TEMPORARY.0) && name.ends_with(TEMPORARY.1)
}

/// Returns whether a key, or one of a folder that ends with `/`, is kept for the locks.
pub(super) fn is_reserved(key: &str) -> bool {
    key.strip_prefix(LOCKS).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Returns the folder of the files that are locked.
pub(super) fn locks(root: &Path) -> PathBuf {
    root.join(LOCKS)
}

/// Where an object lies, or would.
#[derive(Debug)]
pub(super) struct Place<'a> {
    root: &'a Path,
    path: PathBuf,
}

impl<'a> Place<'a> {
    /// Finds the place of a key.
    ///
    /// # Errors
    /// [`Error::Failed`] if the key is none, or a name that is kept for coeval itself.
    pub(super) fn new(root: &'a Path, key: &str) -> Result<Self> {
        check_key(key)?;
        let last = key.rsplit('/').next().unwrap_or_default();
        if is_reserved(key) || is_temporary(last) {
            return Err(Error::failed(format!("the object key {key:?}"), "it is kept for coeval's locks and temporary files"));
        }
        // Keys are checked to hold no part that a path would take for more than a name, `\` on Windows aside.
        if cfg!(windows) && key.contains(['\\', ':']) {
            return Err(Error::failed(format!("the object key {key:?}"), "it cannot be a file's name on Windows"));
        }
        Ok(Self { root, path: root.join(key) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the folder of the object.
    pub(super) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(self.root)
    }

    /// Returns the folders from the object's own up to the root, which is not among them.
    pub(super) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.path.ancestors().skip(1).take_while(|folder| *folder != self.root)
    }

    /// Returns a fresh name in the same folder.
    pub(super) fn temporary(&self) -> PathBuf {
        self.folder().join(format!("{}{}{}", TEMPORARY.0, Uuid::now_v7().simple(), TEMPORARY.1))
    }

    /// Returns whether there is a file.
    ///
    /// # Errors
    /// [`Error::Failed`] if a symbolic link lies on the way, or if something there cannot be looked at.
    pub(super) fn is_file(&self, during: &During) -> Result<bool> {
        let on_the_way: Vec<&Path> = self.folders().collect();
        for path in on_the_way.into_iter().rev().chain([self.path()]) {
            match fs::symlink_metadata(path) {
                Ok(found) if found.is_symlink() => {
                    let reason = format!("{} is a symbolic link, and none is followed", path.display());
                    return Err(Error::failed(during.to_string(), reason));
                }
                Ok(found) if path == self.path() => return Ok(found.is_file()),
                Ok(_) => {}
                Err(error) if absent(&error) => return Ok(false),
                Err(error) => return Err(during.error()(error)),
            }
        }
        Ok(false)
    }
}
