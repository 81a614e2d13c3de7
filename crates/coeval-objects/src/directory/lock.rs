//! The locks under which conditions are checked: 64 files, each for a share of all keys.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use coeval_store::{Error, Result};

use super::error::During;
use super::place::locks;

const STRIPES: u64 = 64;

/// How long a write waits for another one before it says so.
const PATIENCE: Duration = Duration::from_secs(5);

/// A lock that is held until it is dropped, or its process dies.
#[derive(Debug)]
pub(super) struct Stripe {
    _file: File,
}

impl Stripe {
    /// Waits for the lock of a key, whoever holds it, in this process or another one.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the file system has no locks.
    pub(super) fn lock(root: &Path, key: &str) -> Result<Self> {
        let folder = locks(root);
        let path = folder.join(format!("{:02}", stripe(key)));
        let during = During::new("locking", &path);
        let open = || OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = if let Ok(file) = open() {
            file
        } else {
            fs::create_dir_all(&folder).map_err(during.error())?;
            open().map_err(during.error())?
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => wait(&file, &during)?,
            Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {
                return Err(Error::Unsupported { what: during.to_string(), reason: "the file system has no locks".to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(during.error()(error)),
        }
        Ok(Self { _file: file })
    }
}

/// Waits for somebody who writes: as a rule for less than a millisecond. One who was stopped in the middle holds the lock until he
/// goes on or is killed, which nobody else can help.
fn wait(file: &File, during: &During) -> Result<()> {
    let begin = Instant::now();
    let mut pause = Duration::from_micros(50);
    while begin.elapsed() < PATIENCE {
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(during.error()(error)),
        }
    }
    let reason = format!("another process has held the lock for {} s; is it stopped?", PATIENCE.as_secs());
    Err(Error::Transient { what: during.to_string(), reason, after: None, ambiguous: false })
}

/// Returns which stripe a key has: by FNV-1a, since every version of coeval must come to the same.
fn stripe(key: &str) -> u64 {
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    hash % STRIPES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_same_stripe_for_ever() {
        assert_eq!(["", "a", "countries/LT.json"].map(stripe), [37, 12, 2]);
    }
}
