//! Objects in S3, Google Cloud Storage and Azure, through `object_store`.
//!
//! The library's own retries are off, since they are told to nobody: put [`coeval_store::objects::wrap::Retrying`] around it.
//! Errors say whether asking again can help, and whether a request may have taken effect.
//!
//! **S3** is tested against SeaweedFS. Beside what the library does:
//!
//! - Tags survive a rewrite. Writing drops them unless they are sent along, so they are read whenever the answer to a read says that
//!   there are any (`x-amz-tagging-count`, which Amazon sends to whoever has the right `s3:GetObjectTagging`), by a signed request of
//!   our own. Tags and bytes are two requests; a change of tags alone in between is lost.
//! - Deleting can depend on a state (`If-Match`), by a signed request too, if the server honours it. It is tried out before it is first
//!   used, and [`Objects::capabilities`] says so afterwards.
//! - The token is the `ETag`: bytes that come back bring theirs back, and a change of metadata or tags alone leaves it.
//! - `Expires`, ACLs, and what a bucket decides by itself (encryption, locks) are not carried over.
//!
//! **Google Cloud Storage and Azure go through the same code and are untested.** Their tokens are the generation and the `ETag`; they have
//! no conditional delete here, and no tags.
//!
//! SeaweedFS keeps objects as files, which shows: it lists `a/b` before `a-b`, so its folders are listed one by one and put in order
//! here; it takes `\` for `/`; and it refuses to create an object (`If-None-Match: *`) where a folder of that name is.
//!
//! What cannot be a key of ours, markers of folders (`photos/`) above all, is left out of listings.

mod attributes;
mod build;
mod error;
mod heard;
mod list;
mod s3;
mod skim;
mod walk;
mod xml;

use std::fmt;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use coeval_store::objects::{Attributes, Condition, Listed, Object, ObjectCapabilities, Objects, Token, check_key};
use coeval_store::{Error, Result};
use futures::stream::BoxStream;
use object_store::list::PaginatedListStore;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion};

pub(crate) use self::build::Address;
use self::error::{Act, Failed};
use self::heard::{Failure, Heard, listen};
use self::s3::Signed;

/// What the library's stores have in common.
trait Library: ObjectStore + PaginatedListStore {}

impl<T: ObjectStore + PaginatedListStore> Library for T {}

/// Which kind of store it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Amazon's S3 and whatever speaks its language.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage.
    Azure,
}

/// A store of objects in a bucket, below a prefix.
pub(crate) struct Cloud {
    kind: Kind,
    /// The address, without secrets.
    name: String,
    /// What all keys begin with: empty, or with a `/` at its end.
    prefix: String,
    store: Arc<dyn Library>,
    /// Requests of our own, on S3.
    signed: Option<Signed>,
    /// Whether the server lists folder by folder, once it was asked to list.
    lists_by_folder: OnceLock<bool>,
}

impl fmt::Debug for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cloud({})", self.name)
    }
}

impl Cloud {
    /// Returns where an object lies.
    fn path(&self, key: &str) -> Result<Path> {
        check_key(key)?;
        let full = format!("{}{key}", self.prefix);
        check_key(&full)?;
        Path::parse(&full).map_err(|error| Error::failed(format!("the object key {key:?}"), error.to_string()))
    }

    fn failed<'k>(&self, verb: &str, key: &'k str, act: Act) -> Failed<'k> {
        Failed { kind: self.kind, what: format!("{verb} {}/{key}", self.name), key, act }
    }

    /// Returns the token of a state that the library names.
    fn token(&self, verb: &str, key: &str, e_tag: Option<String>, version: Option<String>) -> Result<Token> {
        let token = match self.kind {
            Kind::S3 | Kind::Azure => e_tag,
            Kind::Gcs => version,
        };
        token.map(Token).ok_or_else(|| Error::Unsupported {
            what: format!("{verb} {}/{key}", self.name),
            reason: "the server does not say which state of the object it is (`ETag`)".to_owned(),
        })
    }

    fn mode(&self, key: &str, condition: &Condition) -> Result<PutMode> {
        Ok(match condition {
            Condition::None => PutMode::Overwrite,
            Condition::Absent => PutMode::Create,
            // What is no generation is none of any object.
            Condition::Unchanged(Token(token)) if self.kind == Kind::Gcs && token.parse::<u64>().is_err() => {
                return Err(Error::Conflict { what: key.to_owned() });
            }
            Condition::Unchanged(Token(token)) => match self.kind {
                Kind::S3 | Kind::Azure => PutMode::Update(UpdateVersion { e_tag: Some(token.clone()), version: None }),
                Kind::Gcs => PutMode::Update(UpdateVersion { e_tag: None, version: Some(token.clone()) }),
            },
        })
    }

    /// Reads an object without its tags, and returns what else was heard.
    async fn read(&self, key: &str, path: &Path) -> Result<Option<(Object, Heard)>> {
        let (found, heard) = listen(async {
            let found = self.store.get(path).await?;
            let (meta, attributes) = (found.meta.clone(), found.attributes.clone());
            Ok::<_, object_store::Error>((meta, attributes, found.bytes().await?))
        })
        .await;
        match found {
            Ok((meta, found, bytes)) => {
                let token = self.token("reading", key, meta.e_tag, meta.version)?;
                let mut attributes = attributes::read(&found);
                if let Some(class) = &heard.storage_class {
                    attributes.headers.insert("x-amz-storage-class".to_owned(), class.clone());
                }
                Ok(Some((Object { bytes, token, attributes }, heard)))
            }
            Err(error) => match &heard.failure {
                Some(Failure::Status(said)) if said.is_no_object() => Ok(None),
                _ => Err(self.failed("reading", key, Act::Read).error(&error, heard)),
            },
        }
    }
}

#[async_trait]
impl Objects for Cloud {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn capabilities(&self) -> ObjectCapabilities {
        let conditional_delete = self.signed.as_ref().is_some_and(Signed::may_delete_upon_state);
        ObjectCapabilities { conditional_delete, metadata: true, tags: self.kind == Kind::S3 }
    }

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        let path = self.path(key)?;
        let Some((mut object, heard)) = self.read(key, &path).await? else { return Ok(None) };
        if let Some(signed) = &self.signed
            && heard.tagged
        {
            let failed = self.failed("reading the tags of", key, Act::Read);
            object.attributes.tags = signed.tags(&path, failed).await?;
        }
        Ok(Some(object))
    }

    async fn put(&self, key: &str, bytes: Bytes, attributes: &Attributes, condition: &Condition) -> Result<Token> {
        let path = self.path(key)?;
        let mode = self.mode(key, condition)?;
        let (attributes, tags) = attributes::write(self.kind, key, attributes)?;
        let options = PutOptions { mode, tags, attributes, ..PutOptions::default() };
        let (written, heard) = listen(self.store.put_opts(&path, bytes.into(), options)).await;
        match written {
            Ok(written) => self.token("writing", key, written.e_tag, written.version),
            Err(error) => {
                let act = Act::Write { conditional: *condition != Condition::None };
                Err(self.failed("writing", key, act).error(&error, heard))
            }
        }
    }

    async fn delete(&self, key: &str, condition: &Condition) -> Result<()> {
        let path = self.path(key)?;
        let failed = self.failed("deleting", key, Act::Write { conditional: *condition != Condition::None });
        match (&self.signed, condition) {
            (_, Condition::Absent) => match self.read(key, &path).await? {
                Some(_) => Err(Error::Conflict { what: key.to_owned() }),
                None => Ok(()),
            },
            (Some(signed), Condition::None) => signed.delete(&path, None, failed).await,
            (Some(signed), Condition::Unchanged(token)) => {
                if !signed.deletes_upon_state(self).await? {
                    let reason = "the server deletes whatever the state (it takes no heed of `If-Match`)".to_owned();
                    return Err(Error::Unsupported { what: failed.what, reason });
                }
                signed.delete(&path, Some(token), failed).await
            }
            (None, Condition::None) => match listen(self.store.delete(&path)).await {
                (Ok(()), _) => Ok(()),
                (Err(_), Heard { failure: Some(Failure::Status(said)), .. }) if said.is_no_object() => Ok(()),
                (Err(error), heard) => Err(failed.error(&error, heard)),
            },
            (None, Condition::Unchanged(_)) => {
                let reason = "there is no conditional delete here".to_owned();
                Err(Error::Unsupported { what: failed.what, reason })
            }
        }
    }

    fn list(&self, prefix: &str, after: Option<&str>) -> BoxStream<'_, Result<Listed>> {
        self.pages(prefix, after)
    }
}
