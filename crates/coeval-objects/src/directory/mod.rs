//! Objects in a folder: each is a file, its key the path below the folder.
//!
//! An object is replaced at once: its bytes go to a temporary file in the same folder, reach the disk, and take the old file's place by a
//! rename, which reaches the disk too before the write is done. Conditions are checked under an advisory lock on one of 64 files
//! in `_coeval/locks/`, so all who write through coeval, in this process or another one, exclude each other. **Programs that
//! take no lock are not excluded**: what one of them writes in the instant between check and rename is lost, as with any editor. What
//! it wrote before is noticed, whatever it did to the file's times, since the token is a digest of the bytes.
//!
//! - There are no headers, metadata or tags; those given to `put` are dropped. A file keeps its permissions when it is replaced.
//! - A name is both a file or a folder, so there is never both `a` and `a/b`; a folder that becomes empty is removed.
//! - No symbolic link beneath the folder is followed, and none is an object; the folder itself may be one.
//! - Files whose names are no keys (not UTF-8, with control characters) are not listed.
//! - Temporary files of a process that died are not listed, and are removed by a listing that comes upon them a day later.
//! - A listing reads the names of one folder at a time and sorts them: about 35 MB for a million names of 20 letters in one folder.
//! - On a file system that does not tell upper from lower case, keys that differ in case only are one object.

mod error;
mod list;
mod lock;
mod place;
mod write;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use coeval_store::objects::{Attributes, Condition, Listed, Object, ObjectCapabilities, Objects, Token};
use coeval_store::{Error, Result};
use futures::stream::{self, BoxStream, StreamExt};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use self::error::{During, absent};
use self::list::Walk;
use self::place::Place;

/// How many requests use the disk at once; the others wait without holding a thread.
const AT_ONCE: usize = 16;

/// A store of objects in a folder. A clone is another handle on it.
#[derive(Debug, Clone)]
pub struct Directory {
    root: Arc<Path>,
    turns: Arc<Semaphore>,
}

impl Directory {
    /// Opens a folder, which need not be there yet: the first write makes it.
    ///
    /// # Errors
    /// [`Error::Failed`] if the path is there and no folder, or cannot be looked at.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let during = During::new("opening", &path);
        let root = match fs::canonicalize(&path) {
            Ok(root) => root,
            Err(error) if error.kind() == ErrorKind::NotFound => std::path::absolute(&path).map_err(during.error())?,
            Err(error) => return Err(during.error()(error)),
        };
        if root.exists() && !root.is_dir() {
            return Err(Error::failed(during.to_string(), "it is no folder"));
        }
        Ok(Self { root: root.into(), turns: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    /// Does something with the disk on a thread where waiting is no harm.
    async fn blocking<T: Send + 'static>(&self, act: impl FnOnce(&Path) -> Result<T> + Send + 'static) -> Result<T> {
        let turn = self.turns.clone().acquire_owned().await;
        let root = self.root.clone();
        let task = tokio::task::spawn_blocking(move || {
            let done = act(&root);
            drop(turn);
            done
        });
        task.await.map_err(|error| Error::failed("using the disk", error.to_string()))?
    }
}

/// Reads an object; `None` where there is none.
fn read(root: &Path, key: &str) -> Result<Option<Object>> {
    let place = Place::new(root, key)?;
    let during = During::new("reading", place.path());
    if !place.is_file(&during)? {
        return Ok(None);
    }
    match fs::read(place.path()) {
        Ok(bytes) => Ok(Some(Object { token: token(&bytes), bytes: bytes.into(), attributes: Attributes::default() })),
        Err(error) if absent(&error) => Ok(None),
        Err(error) => Err(during.error()(error)),
    }
}

/// Returns what tells these bytes from any other.
fn token(bytes: &[u8]) -> Token {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    Token(digest[..16].iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}")))
}

#[async_trait]
impl Objects for Directory {
    fn name(&self) -> String {
        format!("file:{}", self.root.display())
    }

    fn capabilities(&self) -> ObjectCapabilities {
        ObjectCapabilities { conditional_delete: true, metadata: false, tags: false }
    }

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        let key = key.to_owned();
        self.blocking(move |root| read(root, &key)).await
    }

    async fn put(&self, key: &str, bytes: Bytes, _: &Attributes, condition: &Condition) -> Result<Token> {
        let (key, condition) = (key.to_owned(), condition.clone());
        self.blocking(move |root| write::put(root, &key, &bytes, &condition)).await
    }

    async fn delete(&self, key: &str, condition: &Condition) -> Result<()> {
        let (key, condition) = (key.to_owned(), condition.clone());
        self.blocking(move |root| write::delete(root, &key, &condition)).await
    }

    fn list(&self, prefix: &str, after: Option<&str>) -> BoxStream<'_, Result<Listed>> {
        let start = Some(Walk::new(prefix, after));
        let pages = stream::unfold(start, async move |walk| {
            let mut walk = walk?;
            // The walk travels to the disk's thread and back for each page, so that a slow reader holds no thread.
            let page = self.blocking(move |root| walk.page(root).map(|page| (page, walk))).await;
            match page {
                Ok((page, _)) if page.is_empty() => None,
                Ok((page, walk)) => Some((page.into_iter().map(Ok).collect(), Some(walk))),
                Err(error) => Some((vec![Err(error)], None)),
            }
        });
        pages.flat_map(stream::iter).boxed()
    }
}
