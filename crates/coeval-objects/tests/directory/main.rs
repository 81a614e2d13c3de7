//! Directories as stores of objects: what every store must do, and what only files can get wrong.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod errors;
mod files;
mod processes;

use std::sync::Arc;

use coeval_objects::Directory;
use coeval_store::objects::{Attributes, Condition, Object, Objects, Token, conformance, probe};
use coeval_store::{Error, Result};
use futures::TryStreamExt;
use tempfile::TempDir;

/// A fresh folder and a store in it.
fn fresh() -> (TempDir, Directory) {
    let folder = tempfile::tempdir().unwrap();
    let store = Directory::open(folder.path()).unwrap();
    (folder, store)
}

async fn put(store: &Directory, key: &str, text: &str) -> Result<Token> {
    store.put(key, text.to_owned().into(), &Attributes::default(), &Condition::None).await
}

async fn found(store: &Directory, key: &str) -> Object {
    store.get(key).await.unwrap().unwrap()
}

async fn keys(store: &Directory) -> Vec<String> {
    store.list("", None).map_ok(|listed| listed.key).try_collect().await.unwrap()
}

/// Returns what a person reads of an error, with the folder's own path as `DIR`.
fn said(folder: &TempDir, error: &Error) -> String {
    let help = if let Error::Failed { help: Some(help), .. } = error { format!(" | {help}") } else { String::new() };
    let path = folder.path().canonicalize().unwrap();
    format!("{error}{help}").replace(path.to_str().unwrap(), "DIR")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_conforms() {
    let (_folder, store) = fresh();
    conformance::objects(Arc::new(store), "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_not_there_yet_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let store = Directory::open(folder.path().join("new/folder")).unwrap();
    assert_eq!(store.get("a").await.unwrap(), None);
    assert!(keys(&store).await.is_empty());
    conformance::objects(Arc::new(store), "some/prefix/").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_honest() {
    let (_folder, store) = fresh();
    probe(&store, "").await.unwrap();
    assert!(keys(&store).await.is_empty());
}
