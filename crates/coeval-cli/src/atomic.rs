//! Writing files so that they are all new, or all as they were.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use crate::error::{CommandError, Result};

/// Replaces or creates files: every text is written and synced beside its place before the first takes it.
///
/// # Errors
/// What the system refuses; then every file is as before.
pub(crate) fn write_all(files: &[(PathBuf, String)]) -> Result<()> {
    let fail = |path: &Path, error: &io::Error| CommandError::io(&path.display().to_string(), error);
    let mut waiting: Vec<(TempPath, &Path, Option<Vec<u8>>)> = Vec::new();
    for (path, text) in files {
        let before = match fs::read(path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(fail(path, &error)),
        };
        waiting.push((beside(path, text.as_bytes()).map_err(|e| fail(path, &e))?, path, before));
    }
    let mut placed: Vec<(&Path, Option<Vec<u8>>)> = Vec::new();
    for (temporary, path, before) in waiting {
        if let Err(error) = temporary.persist(path) {
            for (path, before) in &placed {
                put_back(path, before.as_deref());
            }
            return Err(fail(path, &error.error));
        }
        placed.push((path, before));
    }
    for (path, _) in &placed {
        sync_folder(path);
    }
    Ok(())
}

/// Writes a synced temporary file in the folder of `path`, with the permissions of the file there.
fn beside(path: &Path, bytes: &[u8]) -> io::Result<TempPath> {
    let mut file = temporary(path)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file.into_temp_path())
}

/// Opens a temporary file in the folder of `path`, with the permissions of the file there, or those of a new one.
pub(crate) fn temporary(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".coeval-");
    #[cfg(unix)]
    let builder = {
        use std::os::unix::fs::PermissionsExt;
        // The umask takes from these what the user does not give to others.
        builder.permissions(fs::Permissions::from_mode(0o666))
    };
    let file = builder.tempfile_in(folder)?;
    if let Ok(metadata) = fs::metadata(path) {
        file.as_file().set_permissions(metadata.permissions())?;
    }
    Ok(file)
}

/// Makes a rename last. Not every system lets folders be opened, and the files themselves are synced.
pub(crate) fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

/// Best effort: the system has just refused to write.
fn put_back(path: &Path, before: Option<&[u8]>) {
    let _ = match before {
        Some(bytes) => beside(path, bytes).and_then(|file| file.persist(path).map_err(|e| e.error)),
        None => fs::remove_file(path),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&a, "old").unwrap();
        // A folder cannot be replaced by a file.
        fs::create_dir(&b).unwrap();
        let files = [(a.clone(), "new".to_owned()), (b.clone(), "new".to_owned())];
        assert!(write_all(&files).is_err());
        assert_eq!(fs::read_to_string(&a).unwrap(), "old");
        fs::remove_dir(&b).unwrap();
        write_all(&files).unwrap();
        assert_eq!([a, b].map(|path| fs::read_to_string(path).unwrap()), ["new", "new"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file is left");
    }
}
